"""`TokenStore`: a corpus encoded once, memory-mapped ever after."""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lexloom.errors import FormatError, InputError
from lexloom.files import read_json, write_atomically, write_json, write_text
from lexloom.tensors import checksum, map_tensors
from lexloom.text.segmenters import Segmenter
from lexloom.text.tokenizers import LEARN_BYTES, LEARNT, NAMES, TextTokenizer, TokenizerConfig, learn, make_tokenizer, with_vocabulary
from lexloom.text.vocabulary import Vocabulary, VocabularyConfig, choose_vocabulary, special_tokens

if TYPE_CHECKING:
    from lexloom.text.blocks import Block
    from lexloom.text.encode import Encoder
    from lexloom.text.readers import Corpus
    from lexloom.text.spool import Spool

FORMAT_VERSION = 1
_HEADER, _TENSORS, _TOKENIZER, _VOCABULARY = "store.json", "tokens.safetensors", "tokenizer.json", "vocabulary.json"
_ARRAYS = ("ids", "starts")
_TOKENIZER_DEFAULTS, _VOCABULARY_DEFAULTS = TokenizerConfig(), VocabularyConfig()

Progress = Callable[[int], None]
"""Called now and then with the bytes of text that have been encoded so far."""


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
            verify: compare the checksums of the arrays (reads them once, about a gigabyte a second).

        Raises:
            FormatError: it is missing, of another version, or damaged; the message says where.
        """
        path = Path(path)
        header = _read_header(path)
        try:
            tokenizer = TextTokenizer((path / _TOKENIZER).read_text(encoding="utf-8"), _segmenter(header))
        except (OSError, ValueError) as error:
            raise FormatError(f"{path / _TOKENIZER}: missing or damaged: {error}") from None
        vocabulary = Vocabulary.load(path / _VOCABULARY)
        for name, file, found in (
            ("tokenizer", _TOKENIZER, tokenizer.identity),
            ("vocabulary", _VOCABULARY, vocabulary.identity),
        ):
            if header[name] != found:
                raise FormatError(
                    f"{path / file}: damaged or changed: its checksum is {found}, the header says {header[name]}; "
                    "delete the store, and it is made anew"
                )
        return cls(path, _map_arrays(path, header, verify), vocabulary, tokenizer, header)


def _read_header(path: Path) -> dict[str, Any]:
    header = read_json(path / _HEADER)
    if not isinstance(header, dict) or header.get("format") != "lexloom token store":
        raise FormatError(f"{path / _HEADER}: not the header of a token store")
    if header.get("version") != FORMAT_VERSION:
        found = header.get("version")
        raise FormatError(f"{path}: store format version {found}, this lexloom reads {FORMAT_VERSION}; delete it, and it is made anew")
    try:
        _segmenter(header)
        numbers = {name: int(header[name]) for name in ("documents", "tokens")}
        checksums = {name: str(header["checksums"][name]) for name in _ARRAYS}
        rest = {name: header[name] for name in ("tokenizer", "segmenter", "vocabulary", "corpus", "fingerprint", "options", "report")}
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{path / _HEADER}: damaged: {error!r}") from None
    return {**numbers, "checksums": checksums, **rest}


def _segmenter(header: Mapping[str, Any]) -> Segmenter | None:
    return Segmenter(**header["segmenter"]) if header["segmenter"] else None


def _map_arrays(path: Path, header: Mapping[str, Any], verify: bool) -> dict[str, np.ndarray]:
    arrays = map_tensors(path / _TENSORS)
    shapes = {name: array.shape for name, array in arrays.items()}
    said = {"ids": (header["tokens"],), "starts": (header["documents"] + 1,)}
    if shapes != said:
        raise FormatError(f"{path / _TENSORS}: holds {shapes}, the header says {said}; delete the store, and it is made anew")
    for name in _ARRAYS if verify else ():
        found, expected = checksum(arrays[name]), header["checksums"][name]
        if found != expected:
            raise FormatError(
                f"{path / _TENSORS}: {name} is damaged: its checksum is {found}, the header says {expected}; "
                "delete the store, and it is made anew"
            )
    return arrays


# ---- building ----------------------------------------------------------------------------------------------------------------------


def build_store(
    corpus: "Corpus",
    path: str | os.PathLike[str],
    tokenizer: TokenizerConfig = _TOKENIZER_DEFAULTS,
    vocabulary: VocabularyConfig = _VOCABULARY_DEFAULTS,
    *,
    specials: Sequence[str] = ("unk",),
    progress: Progress | None = None,
) -> TokenStore:
    """Split, count and encode a corpus in one pass over its text.

    Args:
        corpus: what to read. Documents that come as token lists are not split.
        path: the folder to write; a store that is there is replaced, when all is done.
        tokenizer: how to split.
        vocabulary: which tokens get an id.
        specials: roles of special tokens that come first in the vocabulary, `unk` among them in any case.
        progress: told how far it is.

    Raises:
        InputError: the corpus is empty or cannot be read, or something other than a store is at `path`.
        ConfigError: an option is wrong.
    """
    from lexloom.text.encode import ModelEncoder, OpenEncoder
    from lexloom.text.spool import Spool

    path = _free_place(path)
    options = store_options(tokenizer, vocabulary, specials)
    special_tokens(specials)
    with write_atomically(path) as folder, contextlib.closing(corpus.blocks()) as blocks:
        text_tokenizer, rest = tokenizer_for(tokenizer, blocks)
        closed = text_tokenizer.closed
        encoder = ModelEncoder(text_tokenizer) if closed else OpenEncoder(text_tokenizer, vocabulary.max_types)
        with Spool(folder) as spool:
            _encode_all(rest, encoder, spool, corpus, progress)
            types = encoder.finish()
            names = special_tokens(specials, set(types.tokens) if closed else ())
            if closed:
                chosen, final = choose_vocabulary(types, names, min_count=0)
                text_tokenizer = TextTokenizer(with_vocabulary(text_tokenizer.json, chosen.tokens, names["unk"]))
            else:
                chosen, final = choose_vocabulary(types, names, min_count=vocabulary.min_count, max_size=vocabulary.max_size)
            _finish(folder, spool, final, chosen, text_tokenizer, corpus, options)
    return TokenStore.open(path, verify=False)


def encode_corpus(corpus: "Corpus", like: TokenStore, path: str | os.PathLike[str], *, progress: Progress | None = None) -> TokenStore:
    """Encode another text with the tokenizer and the vocabulary of a store: held-out text.

    Args:
        corpus: what to read.
        like: whose tokenizer and vocabulary to use; the counts stay those of its own corpus.
        path: the folder to write.
        progress: told how far it is.

    Raises:
        InputError: the corpus is empty or cannot be read, or something other than a store is at `path`.
    """
    from lexloom.text.encode import fixed_encoder
    from lexloom.text.spool import Spool

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
    progress: Progress | None = None,
) -> tuple[TokenStore, bool]:
    """Use the store that is there when it was made of the same text with the same options, and build it otherwise.

    Arguments and errors are those of `build_store`.

    Returns:
        The store, and whether it was there already.

    Raises:
        FormatError: the store that is there is damaged.
    """
    if (Path(path) / _HEADER).exists():
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
    """Say in JSON values all that decides what a store holds; of a user's tokenizer.json its checksum, not its path."""
    options = asdict(tokenizer)
    if tokenizer.tokenizer not in NAMES:
        options["tokenizer"] = make_tokenizer(tokenizer).identity
    return {"tokenizer": options, "vocabulary": asdict(vocabulary), "specials": list(specials)}


def _free_place(path: str | os.PathLike[str]) -> Path:
    """Refuse to replace what is not a store."""
    path = Path(path)
    if path.exists() and not (path / _HEADER).is_file() and not (path.is_dir() and not any(path.iterdir())):
        raise InputError(f"{path}: exists and is not a token store; name another folder")
    return path


def tokenizer_for(config: TokenizerConfig, blocks: "Iterator[Block]") -> "tuple[TextTokenizer, Iterator[Block]]":
    """Make the tokenizer, which may take a look at the first blocks; they are handed back with the rest."""
    buffered: list[Block] = []
    if (first := next(blocks, None)) is not None:
        buffered.append(first)
    if first is not None and first.split:
        tokenizer = TextTokenizer(with_vocabulary(None, ["<unk>"], "<unk>"))
    elif config.tokenizer in LEARNT and first is not None:
        size = first.size
        while size < LEARN_BYTES and (block := next(blocks, None)) is not None:
            buffered.append(block)
            size += block.size
        tokenizer = learn(config, (block.texts.to_list() for block in buffered))
    else:
        tokenizer = make_tokenizer(config)
    return tokenizer, _handing_over(buffered, blocks)


def _handing_over(buffered: "list[Block]", rest: "Iterator[Block]") -> "Iterator[Block]":
    """Go through the buffered blocks without holding those that are done with."""
    while buffered:
        yield buffered.pop(0)
    yield from rest


def _encode_all(blocks: "Iterator[Block]", encoder: "Encoder", spool: "Spool", corpus: "Corpus", progress: Progress | None) -> None:
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
    write_text(folder / _TOKENIZER, tokenizer.json)
    vocabulary.save(folder / _VOCABULARY)
    write_json(
        folder / _HEADER,
        {
            "format": "lexloom token store",
            "version": FORMAT_VERSION,
            "documents": spool.documents,
            "tokens": spool.tokens,
            "checksums": checksums,
            "tokenizer": tokenizer.identity,
            "segmenter": tokenizer.segmenter and asdict(tokenizer.segmenter),
            "vocabulary": vocabulary.identity,
            "corpus": corpus.name,
            "fingerprint": corpus.fingerprint(),
            "options": options,
            "report": asdict(corpus.report),
        },
    )
