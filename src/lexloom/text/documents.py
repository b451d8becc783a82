"""Documents as ids in memory: one by one, or as one stream in which `<eos>` ends each of them."""

import contextlib
import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from lexloom.errors import InputError
from lexloom.text.blocks import Block, ReadProgress, block_of
from lexloom.text.corpus import Corpus
from lexloom.text.encode import Encoder, ModelEncoder, WordEncoder, fixed_encoder
from lexloom.text.store import TokenStore
from lexloom.text.tokenizers import TextTokenizer, TokenizerConfig, tokenizer_for
from lexloom.text.vocabulary import TypeCounts, Vocabulary, VocabularyConfig, choose_ids

_LONG = 20  # values of a row from which on a copy of each is faster than an index of all values


@dataclass(frozen=True)
class Documents:
    """Some documents as ids.

    Attributes:
        ids: uint32 (N,), the tokens of all documents, one after the other.
        starts: int64 (n + 1,): document d is `ids[starts[d] : starts[d + 1]]`, which may be empty.
    """

    ids: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        """The number of documents, n."""
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each document, int64 (n,)."""
        return np.diff(self.starts)

    def take(self, numbers: np.ndarray) -> "Documents":
        """Copy some documents, in the order of their numbers, int64 (m,)."""
        return Documents(*take_rows(self.ids, self.starts, numbers))

    def truncated(self, longest: int | None) -> "Documents":
        """Keep at most `longest` tokens of each document; all if None."""
        if longest is None or self.lengths.max(initial=0) <= longest:
            return self
        return Documents(*take_rows(self.ids, self.starts, np.arange(len(self)), longest))

    def rows(self, numbers: np.ndarray, longest: int | None = None, multiple: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Copy documents into rows of one length.

        Args:
            numbers: int64 (B,), which ones.
            longest: the maximum number of tokens per document; all if None.
            multiple: the number of columns is a multiple of it.

        Returns:
            ids, int64 (B, T) with zeros after a document's end, T at least 1; and how many are the document's, int64 (B,).
        """
        ids, starts = take_rows(self.ids, self.starts, numbers, longest)
        lengths = np.diff(starts)
        columns = -(-int(lengths.max(initial=1)) // multiple) * multiple
        rows = np.zeros((len(numbers), columns), np.int64)
        rows[np.arange(columns) < lengths[:, None]] = ids
        return rows, lengths


@dataclass(frozen=True)
class Counted:
    """Documents read into memory, before the vocabulary is chosen.

    Attributes:
        documents: with provisional ids.
        types: the tokens of these ids.
        tokenizer: how they were split.
    """

    documents: Documents
    types: TypeCounts
    tokenizer: TextTokenizer


def read_documents(blocks: Generator[Block], config: TokenizerConfig, *, progress: ReadProgress | None = None) -> Counted:
    """Split and count documents, which takes 4 bytes of memory per token.

    Args:
        blocks: what to read; closed at the end.
        config: how to split.
        progress: called with the bytes read so far.

    Raises:
        InputError: the documents cannot be read.
        ConfigError: an option of the tokenizer is wrong.
    """
    with contextlib.closing(blocks):
        tokenizer, rest = tokenizer_for(config, blocks)
        encoder = ModelEncoder(tokenizer) if tokenizer.closed else WordEncoder(tokenizer)
        documents = _joined(_whole(_reporting(rest, progress), encoder))
    return Counted(documents, encoder.finish(), tokenizer)


def number_documents(
    counted: Counted, trained: np.ndarray, config: VocabularyConfig, specials: Sequence[str], *, tell_apart: bool = False
) -> tuple[Documents, Vocabulary, TextTokenizer, list[str]]:
    """Choose the vocabulary from a part of the documents; the held-out ones may have out-of-vocabulary tokens.

    Args:
        counted: what `read_documents` gave.
        trained: int64 (m,), the numbers of the documents whose tokens are counted.
        config: which tokens get an id. A tokenizer with a model of its own keeps all of its tokens.
        specials: roles of special tokens that come first.
        tell_apart: give out-of-vocabulary tokens ids of their own, from `len(vocabulary)` on, instead of the unk id (hashed features
            need to tell them apart).

    Returns:
        All documents with their final ids; the vocabulary; the tokenizer, with the new ids if it has a model of its own; and the
        out-of-vocabulary tokens that have ids, in their order.
    """
    documents, types = counted.documents, counted.types
    if len(trained) < len(documents):
        types = TypeCounts(types.tokens, np.bincount(documents.take(trained).ids, minlength=len(types.counts)))
    vocabulary, final, tokenizer = choose_ids(types, counted.tokenizer, specials, config)
    others: list[str] = []
    if tell_apart and not tokenizer.closed:
        outside = [place for place, token in enumerate(types.tokens) if token not in vocabulary]
        others = [types.tokens[place] for place in outside]
        final[outside] = len(vocabulary) + np.arange(len(others), dtype=np.uint32)
    return Documents(final[documents.ids], documents.starts), vocabulary, tokenizer, others


def encode_documents(blocks: Generator[Block], tokenizer: TextTokenizer, vocabulary: Vocabulary) -> Documents:
    """Encode documents, perhaps none, with an existing tokenizer and vocabulary; the blocks are closed at the end.

    Raises:
        InputError: the documents cannot be read.
    """
    return _joined(encode_blocks(blocks, tokenizer, vocabulary))


def encode_blocks(blocks: Generator[Block], tokenizer: TextTokenizer, vocabulary: Vocabulary) -> Iterator[Documents]:
    """Do the same as `encode_documents`, a few megabytes at a time."""
    with contextlib.closing(blocks):
        first = next(blocks, None)
        if first is not None:
            yield from _whole(itertools.chain([first], blocks), fixed_encoder(tokenizer, vocabulary, split=first.split))


def encode_types(blocks: Generator[Block], tokenizer: TextTokenizer, vocabulary: Vocabulary) -> Iterator[tuple[Documents, list[str]]]:
    """Encode documents a few megabytes at a time, and give each out-of-vocabulary token an id of its own.

    Yields:
        Documents whose ids are the vocabulary's or, from `len(vocabulary)` on, those of other tokens in the order of their first
        appearance; and the other tokens that are new.
    """
    if tokenizer.closed:
        yield from ((documents, []) for documents in encode_blocks(blocks, tokenizer, vocabulary))
        return
    with contextlib.closing(blocks):
        encoder, done = WordEncoder(tokenizer, vocabulary.tokens), len(vocabulary)
        for documents in _whole(blocks, encoder):
            new = encoder.tokens_from(done)
            done += len(new)
            yield documents, new


def encode_text(text: str, tokenizer: TextTokenizer, vocabulary: Vocabulary) -> tuple[list[str], np.ndarray]:
    """Encode one document: its n tokens, also those without an id, and their ids, uint32 (n,)."""
    block = block_of(pl.Series([text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")], dtype=pl.String))
    ids, _ = fixed_encoder(tokenizer, vocabulary).encode(block)
    tokens = vocabulary.decode(ids) if tokenizer.closed else tokenizer.split(block.texts).explode(empty_as_null=False).to_list()
    return tokens, ids


def encode_apart(blocks: Generator[Block], tokenizer: TextTokenizer, vocabulary: Vocabulary) -> tuple[Documents, list[str]]:
    """Do the same as `encode_types`, for all documents at once."""
    parts, others = [], list[str]()
    for documents, new in encode_types(blocks, tokenizer, vocabulary):
        parts.append(documents)
        others += new
    return _joined(parts), others


def _reporting(blocks: Iterator[Block], progress: ReadProgress | None) -> Iterator[Block]:
    done = 0
    for block in blocks:
        yield block
        if progress is not None:
            done += block.size
            progress(done)


def _whole(blocks: Iterable[Block], encoder: Encoder) -> Iterator[Documents]:
    """Encode blocks; a document that continues in the next block is held until it ends."""
    held_ids, held = [np.empty(0, np.uint32)], 0  # of the document that has not ended
    for block in blocks:
        ids, lengths = encoder.encode(block)
        ends = np.cumsum(lengths)[block.ends]  # in ids
        if len(ends):
            yield Documents(np.concatenate([*held_ids, ids[: ends[-1]]]), np.concatenate([[0], ends + held]))
            held_ids, held, ids = [np.empty(0, np.uint32)], 0, ids[ends[-1] :]
        held_ids.append(ids)
        held += len(ids)


def _joined(parts: Iterable[Documents]) -> Documents:
    found = list(parts)
    ids = np.concatenate([np.empty(0, np.uint32), *(part.ids for part in found)])
    return Documents(ids, starts_of(np.concatenate([np.empty(0, np.int64), *(part.lengths for part in found)])))


# ---- streams --------------------------------------------------------------------------------------------------------------------------


def stream_of(store: TokenStore) -> np.ndarray:
    """The ids of all documents one after the other, each followed by the id of eos: uint32 (N + documents,)."""
    return np.insert(np.asarray(store.ids), np.asarray(store.starts[1:]), np.uint32(store.vocabulary.eos_id))


def encode_stream(corpus: Corpus, tokenizer: TextTokenizer, vocabulary: Vocabulary) -> np.ndarray:
    """Encode a text with an existing tokenizer and vocabulary as a stream, see `stream_of`: uint32 (N + documents,).

    Raises:
        InputError: the corpus is empty or cannot be read.
    """
    encoder, eos = None, np.uint32(vocabulary.eos_id)
    parts = [np.empty(0, np.uint32)]
    tokens = 0
    for block in corpus.blocks():
        encoder = encoder or fixed_encoder(tokenizer, vocabulary, split=block.split)
        ids, lengths = encoder.encode(block)
        tokens += len(ids)
        parts.append(np.insert(ids, np.cumsum(lengths)[block.ends], eos))
    if not tokens:
        raise InputError(f"{corpus.name} is empty: no token in {corpus.report.documents} lines")
    return np.concatenate(parts)


def encode_lines(text: str, tokenizer: TextTokenizer, vocabulary: Vocabulary) -> np.ndarray:
    r"""Encode a text with eos at each `\n`, uint32 (n,); there is none at the end unless the text ends in `\n`."""
    block = block_of(pl.Series(text.split("\n"), dtype=pl.String))
    ids, lengths = fixed_encoder(tokenizer, vocabulary).encode(block)
    return np.insert(ids, np.cumsum(lengths)[block.ends][:-1], np.uint32(vocabulary.eos_id))


# ---- rows of different lengths --------------------------------------------------------------------------------------------------------


def starts_of(lengths: np.ndarray) -> np.ndarray:
    """Where rows of these lengths, int64 (n,), start, and where the last one ends: int64 (n + 1,)."""
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def take_rows(values: np.ndarray, starts: np.ndarray, numbers: np.ndarray, longest: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Copy some rows.

    Args:
        values: (N,), of all rows.
        starts: int64 (n + 1,).
        numbers: int64 (m,), which rows, in their new order.
        longest: the maximum number of values per row; all if None.

    Returns:
        values (M,) and starts, int64 (m + 1,), of the copy.
    """
    lengths = np.diff(starts)[numbers]
    if longest is not None:
        lengths = np.minimum(lengths, longest)
    chosen, begins = starts_of(lengths), starts[:-1][numbers]
    if chosen[-1] > _LONG * len(numbers):
        ends = (begins + lengths).tolist()
        return np.concatenate([values[begin:end] for begin, end in zip(begins.tolist(), ends, strict=True)]), chosen
    return values[np.arange(chosen[-1]) + np.repeat(begins - chosen[:-1], lengths)], chosen
