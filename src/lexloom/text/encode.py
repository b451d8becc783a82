"""Encoding: from blocks of text to ids.

Tokens are counted and numbered in one table, whose loops are compiled. Importing Numba and loading the loops takes about a second, so that
the first megabytes go through a dictionary instead: a text that is smaller than that is done sooner.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from lexloom.text.blocks import Block, ahead
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import TypeCounts, Vocabulary

if TYPE_CHECKING:
    from lexloom.text.word_table import WordTable

_LARGE = 3 << 20
"""Bytes of text from which on loading the compiled loops pays."""
_ROWS_BYTES = 1 << 20
"""About how many bytes of text are split at once; the tokens take many times that, above all single characters."""


class Encoder(Protocol):
    """Turns blocks into ids."""

    def encode(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Encode a block of n pieces.

        Returns:
            ids, uint32 (N,), of all pieces one after the other; lengths, int64 (n,), how many of them belong to each piece.
        """
        ...


class WordEncoder:
    """Numbers and counts the tokens of a text: those that are known first, then others in the order of their first appearance."""

    def __init__(self, tokenizer: TextTokenizer, known: Sequence[str] = (), unknown: int | None = None) -> None:
        """Start with the known tokens.

        Args:
            tokenizer: how to split.
            known: tokens with the ids 0, 1, ..., whether they occur or not.
            unknown: the id of all other tokens; each gets an id of its own if None.
        """
        self._tokenizer, self._unknown, self._bytes, self._compiled = tokenizer, unknown, 0, False
        self._table: DictTable | WordTable = DictTable(tokenizer, known, unknown)

    def encode(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Encode a block; a thread prepares the next part of it."""
        self._bytes += block.size
        if self._bytes >= _LARGE and not self._compiled:
            from lexloom.text.word_table import WordTable

            self._table, self._compiled = WordTable(self._tokenizer, self._table.finish(), self._unknown), True
        rows = max(1, len(block.texts) * _ROWS_BYTES // max(1, block.size))
        parts = (self._table.prepare(block.texts[start : start + rows]) for start in range(0, len(block.texts), rows))
        encoded = map(self._table.look_up, ahead(parts, 1) if rows < len(block.texts) else parts)  # type: ignore[arg-type]
        ids, lengths = zip((np.empty(0, np.uint32), np.empty(0, np.int64)), *encoded, strict=True)
        return np.concatenate(ids), np.concatenate(lengths)

    def tokens_from(self, first: int) -> list[str]:
        """Return the tokens with the ids `first` and above."""
        return self._table.tokens_from(first)

    def finish(self) -> TypeCounts:
        """Hand over the counts."""
        return self._table.finish()


class DictTable:
    """The same as `WordTable` for the beginning of a text, without compiled loops."""

    def __init__(self, tokenizer: TextTokenizer, known: Sequence[str], unknown: int | None) -> None:
        self._tokenizer, self._unknown = tokenizer, unknown
        self._index = {token: number for number, token in enumerate(known)}
        self._counts = np.zeros(len(self._index), np.int64)

    def prepare(self, texts: pl.Series) -> pl.Series:
        """Split n texts, String (n,); n token lists, List(String) (n,), stay as they are."""
        return self._tokenizer.split(texts) if texts.dtype == pl.String else texts

    def look_up(self, lists: pl.Series) -> tuple[np.ndarray, np.ndarray]:
        """Look up the ids of the tokens of n texts, uint32 (N,), and how many each has, int64 (n,)."""
        index, unknown, tokens = self._index, self._unknown, lists.explode(empty_as_null=False).to_list()
        if unknown is None:
            ids = np.array([index.setdefault(token, len(index)) for token in tokens], np.uint32)
        else:
            ids = np.array([index.get(token, unknown) for token in tokens], np.uint32)
        counts = np.bincount(ids, minlength=len(index))
        counts[: len(self._counts)] += self._counts
        self._counts = counts
        return ids, lists.list.len().to_numpy().astype(np.int64)

    def tokens_from(self, first: int) -> list[str]:
        """Return the tokens with the ids `first` and above."""
        return list(islice(self._index, first, None))

    def finish(self) -> TypeCounts:
        """Hand over the counts."""
        return TypeCounts(list(self._index), self._counts)


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
        """Encode a block to positions in `tokens`."""
        parts = [self._places[np.array(ids, np.int64)] for ids in self._tokenizer.encode(block.texts)]
        ids = np.concatenate(parts) if parts else np.empty(0, np.uint32)
        self._counts += np.bincount(ids, minlength=len(self._counts))
        return ids, np.array([len(part) for part in parts], np.int64)

    def finish(self) -> TypeCounts:
        """Hand over the counts of all tokens, seen or not."""
        return TypeCounts(self.tokens, self._counts)


def fixed_encoder(tokenizer: TextTokenizer, vocabulary: Vocabulary, *, split: bool = False) -> Encoder:
    """Make the encoder for an existing tokenizer and vocabulary; other tokens become unk.

    Args:
        tokenizer: how to split.
        vocabulary: the ids.
        split: whether the documents come as token lists, so that a tokenizer with a model of its own has nothing to do.
    """
    if tokenizer.closed and not split:
        return ModelEncoder(tokenizer)
    return WordEncoder(tokenizer, vocabulary.tokens, vocabulary.unk_id)
