"""Encoding: from blocks of text to ids, by the fastest way that each kind of tokenizer allows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import numpy as np
import polars as pl

from lexloom.text.blocks import Block
from lexloom.text.counting import TypeTable
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import TypeCounts, Vocabulary

_Made = TypeVar("_Made")
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

    def encode(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Encode a block to provisional ids."""
        return _encode_parts(block, self._tokenizer, self._ids)

    def _ids(self, tokens: pl.Series) -> np.ndarray:
        distinct, codes = factorize(tokens)
        ids = self._types.add(distinct, np.bincount(codes, minlength=len(distinct)))
        return np.take(ids, codes)

    def tokens_from(self, first: int) -> list[str]:
        """Give the tokens whose provisional ids are `first` and above."""
        return self._types.tokens_from(first)

    def finish(self) -> TypeCounts:
        """Hand over the counts."""
        return self._types.finish()


class FixedEncoder:
    """Encodes with the vocabulary of an existing store; other tokens become unk."""

    def __init__(self, tokenizer: TextTokenizer, vocabulary: Vocabulary) -> None:
        self._tokenizer, self._vocabulary = tokenizer, vocabulary

    def encode(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Encode a block to ids of the vocabulary."""
        return _encode_parts(block, self._tokenizer, self._ids)

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


def _encode_parts(block: Block, tokenizer: TextTokenizer, ids_of: Callable[[pl.Series], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    ids, lengths = [np.empty(0, np.uint32)], [np.empty(0, np.int64)]
    rows = max(1, len(block.texts) * _ROWS_BYTES // max(1, block.size))

    def split(start: int) -> tuple[np.ndarray, pl.Series]:
        texts = block.texts[start : start + rows]
        lists = texts if block.split else tokenizer.split(texts)
        return lists.list.len().to_numpy().astype(np.int64), lists.explode(empty_as_null=False)

    for numbers, tokens in _ahead(split, range(0, len(block.texts), rows)):
        lengths.append(numbers)
        if len(tokens):
            ids.append(ids_of(tokens))
    return np.concatenate(ids), np.concatenate(lengths)


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
