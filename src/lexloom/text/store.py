"""`TokenStore`: a corpus encoded once, memory-mapped ever after."""

import contextlib
import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lexloom import artefact
from lexloom.artefact import read_header
from lexloom.errors import FormatError, InputError
from lexloom.files import write_atomically, write_text
from lexloom.tensors import StreamedArray, checksum, map_tensors, write_tensors
from lexloom.text.tokenizers import NAMES, Segmenter, TextTokenizer, TokenizerConfig, make_tokenizer, tokenizer_for
from lexloom.text.vocabulary import Vocabulary, VocabularyConfig, choose_ids, special_tokens

if TYPE_CHECKING:
    from lexloom.text.blocks import Block, ReadProgress
    from lexloom.text.corpus import Corpus
    from lexloom.text.encode import Encoder

FORMAT_VERSION = 2
_TENSORS, _ARRAYS = "tokens.safetensors", ("ids", "starts")
_REMEDY = "delete the store, and it is built again"
_ITEMS = 1 << 22  # ids that are looked at together
_FIELDS = ("documents", "tokens", "checksums", "segmenter", "corpus", "fingerprint", "options", "report")
_TOKENIZER_DEFAULTS, _VOCABULARY_DEFAULTS = TokenizerConfig(), VocabularyConfig()


class TokenStore:
    """The ids of a corpus on disk, with the vocabulary and the tokenizer that made them.

    Attributes:
        path: the folder.
        ids: uint32 (N,), all tokens of all documents, memory-mapped; out-of-vocabulary ones are the id of unk.
        starts: int64 (documents + 1,), memory-mapped: document d is `ids[starts[d] : starts[d + 1]]`.
        vocabulary: what the ids mean.
        tokenizer: how text was split.
        header: what store.json says: documents, tokens, checksums, options, the corpus's name, fingerprint and report.
    """

    def __init__(
        self,
        path: Path,
        arrays: Mapping[str, np.ndarray],
        vocabulary: Vocabulary,
        tokenizer: TextTokenizer,
        header: Mapping[str, Any],
    ) -> None:
        self.path, self.vocabulary, self.tokenizer, self.header = path, vocabulary, tokenizer, dict(header)
        self.ids, self.starts = arrays["ids"], arrays["starts"]

    def __len__(self) -> int:
        """The number of documents."""
        return len(self.starts) - 1

    def __repr__(self) -> str:
        return f"TokenStore({len(self)} documents, {len(self.ids)} tokens, {len(self.vocabulary)} in the vocabulary)"

    def document(self, number: int) -> np.ndarray:
        """The ids of one document, uint32 (length,)."""
        return np.asarray(self.ids[self.starts[number] : self.starts[number + 1]])

    @classmethod
    def open(cls, path: str | os.PathLike[str], verify: bool = True) -> "TokenStore":
        """Open a store.

        Args:
            path: the folder.
            verify: compare the checksums of the arrays and check their values (reads them, about a gigabyte per second).

        Raises:
            FormatError: it is missing, of another version, or damaged; the message says where.
        """
        path = Path(path)
        header = read_header(path / artefact.STORE_HEADER, "store", FORMAT_VERSION, _FIELDS)
        vocabulary, tokenizer = read_coding(path, header)
        store = cls(path, _map_arrays(path, header, verify), vocabulary, tokenizer, header)
        if verify:
            store._check_arrays()
        return store

    def _check_arrays(self) -> None:
        """Check what compiled loops rely on, which do not check their bounds.

        Raises:
            FormatError: an id has no token, or the documents do not cover the ids.
        """
        largest = max((int(self.ids[first : first + _ITEMS].max()) for first in range(0, len(self.ids), _ITEMS)), default=-1)
        if largest >= len(self.vocabulary):
            raise FormatError(f"{self.path / _TENSORS}: id {largest} in a vocabulary of {len(self.vocabulary)} tokens; {_REMEDY}")
        starts = self.starts
        if starts[0] != 0 or starts[-1] != len(self.ids) or (starts[1:] < starts[:-1]).any():
            raise FormatError(f"{self.path / _TENSORS}: starts do not ascend from 0 to {len(self.ids)}, the number of ids; {_REMEDY}")


def write_coding(folder: Path, vocabulary: Vocabulary, tokenizer: TextTokenizer) -> dict[str, Any]:
    """Write how text becomes ids: vocabulary.json and tokenizer.json.

    Returns:
        What a header says of them: the segmenter, and checksums.
    """
    write_text(folder / artefact.TOKENIZER, tokenizer.json)
    vocabulary.save(folder / artefact.VOCABULARY)
    checksums = {"vocabulary": vocabulary.identity, "tokenizer": tokenizer.identity}
    return {"segmenter": tokenizer.segmenter and asdict(tokenizer.segmenter), "checksums": checksums}


def read_coding(folder: Path, header: Mapping[str, Any]) -> tuple[Vocabulary, TextTokenizer]:
    """Read what `write_coding` wrote.

    Raises:
        FormatError: a file is missing, damaged, or another one than the header was written with.
    """
    try:
        segmenter, checksums = header["segmenter"] and Segmenter(**header["segmenter"]), dict(header["checksums"])
        expected = {name: str(checksums[name]) for name in ("vocabulary", "tokenizer")}
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{folder}: what the header says of vocabulary and tokenizer is damaged: {error!r}") from None
    try:
        tokenizer = TextTokenizer((folder / artefact.TOKENIZER).read_text(encoding="utf-8"), segmenter)
    except (OSError, ValueError) as error:
        raise FormatError(f"{folder / artefact.TOKENIZER}: missing or damaged: {error}") from None
    vocabulary = Vocabulary.load(folder / artefact.VOCABULARY)
    artefact.check_identity(folder / artefact.TOKENIZER, tokenizer.identity, expected["tokenizer"])
    artefact.check_identity(folder / artefact.VOCABULARY, vocabulary.identity, expected["vocabulary"])
    return vocabulary, tokenizer


def _map_arrays(path: Path, header: Mapping[str, Any], verify: bool) -> dict[str, np.ndarray]:
    arrays = map_tensors(path / _TENSORS)
    shapes = {name: array.shape for name, array in arrays.items()}
    expected = {"starts": (header["documents"] + 1,), "ids": (header["tokens"],)}
    if shapes != expected:
        raise FormatError(f"{path / _TENSORS}: holds {shapes}, the header says {expected}; {_REMEDY}")
    for name in _ARRAYS if verify else ():
        artefact.check_identity(path / f"{_TENSORS}: {name}", checksum(arrays[name]), header["checksums"].get(name))
    return arrays


# ---- building ----------------------------------------------------------------------------------------------------------------------


def build_store(
    corpus: "Corpus",
    path: str | os.PathLike[str],
    tokenizer: TokenizerConfig = _TOKENIZER_DEFAULTS,
    vocabulary: VocabularyConfig = _VOCABULARY_DEFAULTS,
    *,
    specials: Sequence[str] = ("unk",),
    progress: "ReadProgress | None" = None,
) -> TokenStore:
    """Split, count and encode a corpus in one pass over its text.

    Args:
        corpus: what to read. Documents that come as token lists are not split.
        path: the folder to write; an existing store is replaced at the end.
        tokenizer: how to split.
        vocabulary: which tokens get an id.
        specials: roles of the special tokens that come first in the vocabulary; `unk` is always among them.
        progress: called with the bytes read so far.

    Raises:
        InputError: the corpus is empty or cannot be read, or something else than a store is at `path`.
        ConfigError: an option is wrong.
    """
    from lexloom.text.encode import ModelEncoder, WordEncoder

    path = _free_place(path)
    options = store_options(tokenizer, vocabulary, specials)
    special_tokens(specials)  # an unknown role is refused before anything is read
    with write_atomically(path) as folder, contextlib.closing(corpus.blocks()) as blocks:
        text_tokenizer, rest = tokenizer_for(tokenizer, blocks)
        encoder = ModelEncoder(text_tokenizer) if text_tokenizer.closed else WordEncoder(text_tokenizer)
        with Spool(folder) as spool:
            _encode_all(rest, encoder, spool, corpus, progress)
            chosen, final, text_tokenizer = choose_ids(encoder.finish(), text_tokenizer, specials, vocabulary)
            _finish(folder, spool, final, chosen, text_tokenizer, corpus, options)
    return TokenStore.open(path, verify=False)


def encode_corpus(
    corpus: "Corpus", like: TokenStore, path: str | os.PathLike[str], *, progress: "ReadProgress | None" = None
) -> TokenStore:
    """Encode another text, such as held-out text, with the tokenizer and the vocabulary of a store.

    Args:
        corpus: what to read.
        like: whose tokenizer and vocabulary to use; the counts stay those of its own corpus.
        path: the folder to write.
        progress: called with the bytes read so far.

    Raises:
        InputError: the corpus is empty or cannot be read, or something else than a store is at `path`.
    """
    from lexloom.text.encode import fixed_encoder

    path = _free_place(path)
    with write_atomically(path) as folder, contextlib.closing(corpus.blocks()) as blocks:
        first = next(blocks, None)
        encoder = fixed_encoder(like.tokenizer, like.vocabulary, split=bool(first and first.split))
        with Spool(folder) as spool:
            _encode_all(itertools.chain([first] if first else [], blocks), encoder, spool, corpus, progress)
            same = np.arange(len(like.vocabulary), dtype=np.uint32)
            options = {**like.header["options"], "vocabulary_of": like.vocabulary.identity}
            _finish(folder, spool, same, like.vocabulary, like.tokenizer, corpus, options)
    return TokenStore.open(path, verify=False)


def open_or_build_store(
    corpus: "Corpus",
    path: str | os.PathLike[str],
    tokenizer: TokenizerConfig = _TOKENIZER_DEFAULTS,
    vocabulary: VocabularyConfig = _VOCABULARY_DEFAULTS,
    *,
    specials: Sequence[str] = ("unk",),
    progress: "ReadProgress | None" = None,
) -> tuple[TokenStore, bool]:
    """Open the store at `path` if it was made from the same text with the same options; build it otherwise.

    Arguments and errors are those of `build_store`.

    Returns:
        The store, and whether it existed already.

    Raises:
        FormatError: the existing store is damaged.
    """
    if (Path(path) / artefact.STORE_HEADER).exists():
        store = TokenStore.open(path)
        fingerprint = corpus.fingerprint()
        if (
            fingerprint
            and store.header["fingerprint"] == fingerprint
            and store.header["options"] == store_options(tokenizer, vocabulary, specials)
        ):
            return store, True
    return build_store(corpus, path, tokenizer, vocabulary, specials=specials, progress=progress), False


def store_options(tokenizer: TokenizerConfig, vocabulary: VocabularyConfig, specials: Sequence[str]) -> dict[str, Any]:
    """All options that decide what a store holds, as JSON values; for a user's tokenizer.json its checksum, not its path."""
    options = asdict(tokenizer)
    if tokenizer.tokenizer not in NAMES:
        options["tokenizer"] = make_tokenizer(tokenizer).identity
    return {"tokenizer": options, "vocabulary": asdict(vocabulary), "specials": list(specials)}


def _free_place(path: str | os.PathLike[str]) -> Path:
    """Refuse to replace what is not a store."""
    path = Path(path)
    if path.exists() and not (path / artefact.STORE_HEADER).is_file() and not (path.is_dir() and not any(path.iterdir())):
        raise InputError(f"{path}: exists and is not a token store; name another folder")
    return path


def _encode_all(blocks: "Iterator[Block]", encoder: "Encoder", spool: "Spool", corpus: "Corpus", progress: "ReadProgress | None") -> None:
    done = 0
    for block in blocks:
        spool.add(*encoder.encode(block), block.ends)
        if progress is not None:
            done += block.size
            progress(done)
    if not spool.tokens:
        raise InputError(f"{corpus.name} is empty: no token in {corpus.report.documents} documents")


def _finish(
    folder: Path,
    spool: "Spool",
    final: np.ndarray,
    vocabulary: Vocabulary,
    tokenizer: TextTokenizer,
    corpus: "Corpus",
    options: Mapping[str, Any],
) -> None:
    """Write all files of a store into a folder that is then renamed."""
    checksums = spool.write(folder / _TENSORS, final)
    coding = write_coding(folder, vocabulary, tokenizer)
    content = {
        "documents": spool.documents,
        "tokens": spool.tokens,
        **coding,
        "checksums": {**checksums, **coding["checksums"]},
        "corpus": corpus.name,
        "fingerprint": corpus.fingerprint(),
        "options": options,
        "report": asdict(corpus.report),
    }
    artefact.write_header(folder / artefact.STORE_HEADER, "store", FORMAT_VERSION, content)


# ---- the spool ------------------------------------------------------------------------------------------------------------------------


_SPOOLED = 1 << 20


class Spool:
    """Keeps ids and document lengths on disk until the vocabulary is chosen; a context manager that closes its files.

    Attributes:
        documents: documents finished so far.
        tokens: ids taken so far.
    """

    def __init__(self, folder: Path) -> None:
        """Open the two files in a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        self.documents = self.tokens = 0
        self._ids_path, self._lengths_path = folder / "ids.spool", folder / "lengths.spool"
        self._ids, self._lengths = self._ids_path.open("wb"), self._lengths_path.open("wb")
        self._last_end = 0  # where the last finished document ended, counted in tokens

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._ids.close()
        self._lengths.close()

    def add(self, ids: np.ndarray, lengths: np.ndarray, ends: np.ndarray) -> None:
        """Take the ids of some pieces.

        Args:
            ids: uint32 (N,), provisional ids.
            lengths: int64 (n,), the tokens of each piece, N in all.
            ends: bool (n,), where a piece is the last of its document.
        """
        document_ends = self.tokens + np.cumsum(lengths)[ends]
        self._ids.write(ids.astype("<u4", copy=False).data)
        self._lengths.write(np.diff(document_ends, prepend=self._last_end).astype("<i8", copy=False).data)
        self.tokens += len(ids)
        self.documents += len(document_ends)
        if len(document_ends):
            self._last_end = int(document_ends[-1])

    def write(self, path: Path, final: np.ndarray) -> dict[str, str]:
        """Write the arrays of a store, `ids` and `starts`, and remove the spool.

        Args:
            path: the safetensors file.
            final: uint32, the final id of each provisional one.

        Returns:
            The checksum of each array, as `tensors.checksum` makes it.
        """
        if self._last_end < self.tokens:
            raise AssertionError("the last piece of a corpus must end its document")
        self._ids.flush()
        self._lengths.flush()
        digests = {name: hashlib.blake2b(digest_size=16) for name in ("ids", "starts")}
        write_tensors(
            path,
            {
                "ids": StreamedArray((self.tokens,), np.uint32, _hashed(self._final_ids(final), digests["ids"])),
                "starts": StreamedArray((self.documents + 1,), np.int64, _hashed(self._starts(), digests["starts"])),
            },
        )
        self._ids_path.unlink()
        self._lengths_path.unlink()
        return {name: digest.hexdigest() for name, digest in digests.items()}

    def _final_ids(self, final: np.ndarray) -> Iterator[np.ndarray]:
        for ids in _read(self._ids_path, "<u4"):
            yield final[ids]

    def _starts(self) -> Iterator[np.ndarray]:
        start = 0
        yield np.zeros(1, np.int64)
        for lengths in _read(self._lengths_path, "<i8"):
            starts = start + np.cumsum(lengths)
            start = int(starts[-1])
            yield starts


def _read(path: Path, dtype: str) -> Iterator[np.ndarray]:
    with path.open("rb") as file:
        while len(items := np.fromfile(file, dtype, _SPOOLED)):
            yield items


def _hashed(blocks: Iterator[np.ndarray], digest: "hashlib.blake2b") -> Iterator[np.ndarray]:
    for block in blocks:
        digest.update(block.data)
        yield block
