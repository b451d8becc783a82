"""Encoding: from blocks of text to ids, by the fastest way that each kind of tokenizer allows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import polars as pl

from lexloom.text.blocks import Block
from lexloom.text.counting import TypeTable
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import TypeCounts, Vocabulary

if TYPE_CHECKING:
    from lexloom.text.word_table import WordTable

_Made = TypeVar("_Made")
_LARGE = 3 << 20
"""Bytes of a block from which on many more are foreseen."""
_ROWS_BYTES = 1 << 20
"""About how many bytes of text are split at once: what comes out takes many times that, for characters most of all."""


class Encoder(Protocol):
    """Turns blocks into ids."""

    def encode(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Encode a block of n pieces.

        Returns:
            ids, uint32 (N,), of all pieces one after the other; lengths, int64 (n,), how many of them belong to each piece.
        """
        ...


def _word_table(tokenizer: TextTokenizer, block: Block, types: Callable[[], TypeCounts], unknown: int | None = None) -> "WordTable | None":
    """Make the table that takes over where a text turns out to be large: loading its loops takes as long as some megabytes of text."""
    if block.size < _LARGE or tokenizer.cut is None:
        return None
    from lexloom.text.word_table import WordTable

    return WordTable(tokenizer.cut, types(), unknown)


class OpenEncoder:
    """Counts whatever tokens come."""

    def __init__(self, tokenizer: TextTokenizer, max_types: int | None = None, known: Sequence[str] = ()) -> None:
        """Begin.

        Args:
            tokenizer: how to split.
            max_types: see `TypeTable`.
            known: tokens that have the first provisional ids, whether they come or not.
        """
        self._tokenizer, self._types = tokenizer, TypeTable(max_types, known)
        self._prunes = max_types is not None
        self._table: WordTable | None = None

    def encode(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Encode a block to provisional ids."""
        if self._table is None and not self._prunes:
            self._table = _word_table(self._tokenizer, block, self._types.finish)
        if self._table is not None:
            return _encode_parts(block, self._table.prepare, self._table.look_up)
        return _encode_split(block, self._tokenizer, self._ids)

    def _ids(self, tokens: pl.Series) -> np.ndarray:
        distinct, codes = factorize(tokens)
        ids = self._types.add(distinct, np.bincount(codes, minlength=len(distinct)))
        return np.take(ids, codes)

    def tokens_from(self, first: int) -> list[str]:
        """Give the tokens whose provisional ids are `first` and above."""
        return (self._table or self._types).tokens_from(first)

    def finish(self) -> TypeCounts:
        """Hand over the counts."""
        return (self._table or self._types).finish()


class FixedEncoder:
    """Encodes with the vocabulary of an existing store; other tokens become unk."""

    def __init__(self, tokenizer: TextTokenizer, vocabulary: Vocabulary) -> None:
        self._tokenizer, self._vocabulary = tokenizer, vocabulary
        self._table: WordTable | None = None

    def encode(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Encode a block to ids of the vocabulary."""
        if self._table is None:
            self._table = _word_table(self._tokenizer, block, self._types, self._vocabulary.unk_id)
        if self._table is not None:
            return _encode_parts(block, self._table.prepare, self._table.look_up)
        return _encode_split(block, self._tokenizer, self._ids)

    def _types(self) -> TypeCounts:
        tokens = self._vocabulary.tokens
        return TypeCounts(tokens, np.arange(len(tokens)), np.zeros(len(tokens), np.int64))

    def _ids(self, tokens: pl.Series) -> np.ndarray:
        distinct, codes = factorize(tokens)
        return np.take(self._vocabulary.encode(distinct.to_list()), codes)


class ModelEncoder:
    """Encodes with the model inside the tokenizer.json, counting its tokens."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        vocabulary: Mapping[str, int] = tokenizer.library.get_vocab(with_added_tokens=True)
        self.tokens = sorted(vocabulary, key=vocabulary.__getitem__)
        model_ids = np.array(sorted(vocabulary.values()), np.int64)
        self._tokenizer = tokenizer
        self._places = np.zeros(int(model_ids.max(initial=-1)) + 1, np.uint32)  # ids may have gaps
        self._places[model_ids] = np.arange(len(model_ids))
        self._counts = np.zeros(len(model_ids), np.int64)

    def encode(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Encode a block to provisional ids: the places in `tokens`."""
        parts = [self._places[np.array(ids, np.int64)] for ids in self._tokenizer.encode(block.texts)]
        ids = np.concatenate(parts) if parts else np.empty(0, np.uint32)
        self._counts += np.bincount(ids, minlength=len(self._counts))
        return ids, np.array([len(part) for part in parts], np.int64)

    def finish(self) -> TypeCounts:
        """Hand over the counts of all tokens, seen or not."""
        return TypeCounts(self.tokens, np.arange(len(self.tokens)), self._counts)


def fixed_encoder(tokenizer: TextTokenizer, vocabulary: Vocabulary, *, split: bool = False) -> Encoder:
    """Make the encoder for a tokenizer and a vocabulary that there are.

    Args:
        tokenizer: how to split.
        vocabulary: the ids.
        split: whether the documents come as tokens, so that a tokenizer with a model of its own has nothing to do.
    """
    return ModelEncoder(tokenizer) if tokenizer.closed and not split else FixedEncoder(tokenizer, vocabulary)


def _encode_parts(
    block: Block, prepare: Callable[[pl.Series], _Made], encode: Callable[[_Made], tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Encode a block in parts; in a thread beside this one the next part is prepared."""
    rows = max(1, len(block.texts) * _ROWS_BYTES // max(1, block.size))
    parts = _ahead(lambda start: prepare(block.texts[start : start + rows]), range(0, len(block.texts), rows))
    encoded = [(np.empty(0, np.uint32), np.empty(0, np.int64)), *map(encode, parts)]
    ids, lengths = zip(*encoded, strict=True)
    return np.concatenate(ids), np.concatenate(lengths)


def _encode_split(block: Block, tokenizer: TextTokenizer, ids_of: Callable[[pl.Series], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    def split(texts: pl.Series) -> tuple[pl.Series, np.ndarray]:
        lists = texts if block.split else tokenizer.split(texts)
        return lists.explode(empty_as_null=False), lists.list.len().to_numpy().astype(np.int64)

    return _encode_parts(block, split, lambda made: (ids_of(made[0]) if len(made[0]) else np.empty(0, np.uint32), made[1]))


def _ahead(make: Callable[[int], _Made], arguments: range) -> Iterator[_Made]:
    """Call a function with each argument, one call ahead of what is asked for, in a thread beside it."""
    if len(arguments) < 2:
        yield from map(make, arguments)
        return
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(make, arguments[0])
        for argument in arguments[1:]:
            made, coming = coming.result(), thread.submit(make, argument)
            yield made
        yield coming.result()


def factorize(tokens: pl.Series) -> tuple[pl.Series, np.ndarray]:
    """Find the different tokens and where each stands.

    Of the ways that polars offers (group_by, rank, replace_strict, Categorical) this was the fastest that is stable API:
    18 M tokens a second.

    Args:
        tokens: String (n,).

    Returns:
        The different ones, String (d,), in the order of first appearance, and codes (n,), positions among them.
    """
    distinct = tokens.unique(maintain_order=True)
    return distinct, tokens.cast(pl.Enum(distinct)).to_physical().to_numpy()
