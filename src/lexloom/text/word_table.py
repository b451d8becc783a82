"""A table of tokens that is filled from the bytes of text by compiled loops."""

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl

from lexloom.text.scanning import CHARACTERS, PADDING, RUNS, WHOLE, Table, move, scan
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import TypeCounts

_CODE_POINTS, _SURROGATES = 0x110000, range(0xD800, 0xE000)
_PADDING = pl.Series([" " * PADDING])
_ALL_ALIKE = np.ones(_CODE_POINTS, np.uint8)


class Pieces(NamedTuple):
    """Pieces of text, ready to look up.

    Attributes:
        text: uint8 (N + PADDING,), the bytes of all.
        ends: int64 (m,), where each ends.
        how: RUNS, CHARACTERS or WHOLE.
        lengths: int64 (n,), how many tokens each text has; zeros, to be counted, unless the pieces are tokens.
    """

    text: np.ndarray
    ends: np.ndarray
    how: int
    lengths: np.ndarray


class WordTable:
    """From text to ids; a token that was not met before gets the next one."""

    def __init__(self, tokenizer: TextTokenizer, types: TypeCounts, unknown: int | None = None) -> None:
        """Start with tokens that were counted already.

        Args:
            tokenizer: how text is split into tokens.
            types: the tokens with the first ids, and how often they were met.
            unknown: the id of all other tokens; each gets an id of its own if None.
        """
        self._tokenizer, self._unknown, self._known = tokenizer, -1, 0
        self._table = Table(
            np.zeros(1 << 16, np.uint64), np.zeros(1 << 16, np.uint8), np.zeros(1 << 14, np.int64), np.zeros(1 << 14, np.int64)
        )
        self.look_up(_pieces(pl.Series(types.tokens, dtype=pl.String), WHOLE, np.zeros(0, np.int64)))
        self._table.counts[: self._known] = types.counts
        if unknown is not None:
            self._unknown = unknown

    def prepare(self, texts: pl.Series) -> Pieces:
        """Normalize n texts, String (n,), and lay out their bytes, or those of n token lists, List(String) (n,).

        Texts that the loops cannot split are split before.
        """
        split = self._tokenizer.by_character
        if texts.dtype == pl.String and split is not None:
            return _pieces(split.normalize(texts), RUNS if split.kinds else CHARACTERS, np.zeros(len(texts), np.int64))
        lists = self._tokenizer.split(texts) if texts.dtype == pl.String else texts
        return _pieces(lists.explode(empty_as_null=False), WHOLE, lists.list.len().to_numpy().astype(np.int64))

    def look_up(self, pieces: Pieces) -> tuple[np.ndarray, np.ndarray]:
        """Look up the ids of the tokens of n texts, uint32 (N,), and how many each has, int64 (n,)."""
        (text, ends, how, lengths), split = pieces, self._tokenizer.by_character
        room, most = (len(ends), 1) if how == WHOLE else (len(text), int(np.diff(ends, prepend=0).max(initial=1)))
        kinds = _ALL_ALIKE if split is None or not split.kinds else kinds_of(split.kinds)
        found = np.zeros(len(ends), np.int64) if how == WHOLE else lengths
        ids, bounds, at = np.empty(room, np.uint32), np.empty(most + 1, np.int64), np.array([0, 0, 0, self._known])
        while not scan(text, ends, kinds, how, self._unknown, self._table, at, bounds, ids, found):
            self._grow(int(at[3]), len(text))
        self._known = int(at[3])
        return ids[: at[2]].copy(), lengths

    def tokens_from(self, first: int) -> list[str]:
        """Return the tokens with the ids `first` and above."""
        stops = self._table.stops[first : self._known + 1].tolist()
        spelled = self._table.spelled[: self._table.stops[self._known]].tobytes()
        return [spelled[begin:end].decode() for begin, end in pairwise(stops)]

    def finish(self) -> TypeCounts:
        """Hand over the counts."""
        return TypeCounts(self.tokens_from(0), self._table.counts[: self._known])

    def _grow(self, known: int, size: int) -> None:
        """Make room for more tokens, with at most `size` bytes in all."""
        entries, spelled, stops, counts = self._table
        if known == len(entries) >> 2:
            wider = np.zeros(2 * len(entries), np.uint64)
            move(entries, wider)
            entries = wider
        if known + 1 == len(stops):
            stops, counts = (np.concatenate([array, np.zeros_like(array)]) for array in (stops, counts))
        if stops[known] + size > len(spelled):
            spelled = np.concatenate([spelled, np.zeros(max(size, len(spelled)), np.uint8)])
        self._table = Table(entries, spelled, stops, counts)


def _pieces(texts: pl.Series, how: int, lengths: np.ndarray) -> Pieces:
    text = np.frombuffer(pl.concat([texts, _PADDING]).str.join("").cast(pl.Binary)[0], np.uint8)
    return Pieces(text, np.cumsum(texts.str.len_bytes().to_numpy(), dtype=np.int64), how, lengths)


@cache
def kinds_of(patterns: tuple[str, ...]) -> np.ndarray:
    """Classify every code point: uint8 (0x110000,), the number of the first pattern that it matches, counted from 1, or 0.

    The patterns are matched by polars' own regex engine, so that both ways to split agree. A page of 256 code points that all match, or
    none of which does, takes a single test.
    """
    points = np.delete(np.arange(_CODE_POINTS, dtype="<u4"), _SURROGATES).reshape(-1, 256)
    pages = pl.Series([page.tobytes().decode("utf-32-le") for page in points])
    kinds = np.zeros(_CODE_POINTS, np.uint8)
    for kind in range(len(patterns), 0, -1):
        pattern = patterns[kind - 1]
        some, whole = pages.str.contains(pattern), pages.str.contains(rf"\A(?:{pattern})+\z")
        kinds[points[whole.to_numpy()]] = kind
        for page in (some & ~whole).arg_true().to_list():
            matched = pl.Series(list(pages[page])).str.contains(pattern)
            kinds[points[page, matched.to_numpy()]] = kind
    return kinds
