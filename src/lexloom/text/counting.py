"""Counting different tokens: a provisional id for each, in the order of first appearance, in bounded memory where that is asked for."""

from collections.abc import Sequence
from itertools import islice
from operator import itemgetter

import numpy as np
import polars as pl

from lexloom.text.vocabulary import TypeCounts


class TypeTable:
    """From token to provisional id and count.

    With `max_types`, when more tokens than that are known by name, the rarest are pruned, with a threshold that rises each time (as
    gensim prunes). Unlike gensim's, a pruned token's id and count are not forgotten: they stay under a 64-bit hash of the token, so
    that when the token comes again it goes on counting where it was. Counts and ids are therefore exact for every token that survives,
    but for collisions of the hash (one in 4 million for three million types).
    """

    def __init__(self, max_types: int | None = None, known: Sequence[str] = ()) -> None:
        self.max_types = max_types
        self._index: dict[str, int] = {token: number for number, token in enumerate(known)}
        self._size = 0  # provisional ids given out
        self._counts = np.zeros(1 << 16, np.int64)
        self._hashes = np.zeros(1 << 16, np.uint64)  # by id; kept only where there may be pruning
        self._pruned_hashes = np.empty(0, np.uint64)  # ascending
        self._pruned_ids = np.empty(0, np.int64)
        self._threshold = 0
        self._grow(len(self._index))

    def add(self, distinct: pl.Series, counts: np.ndarray) -> np.ndarray:
        """Count the tokens of a block.

        Args:
            distinct: String (d,), its different tokens in the order of first appearance.
            counts: int64 (d,), the occurrences of each.

        Returns:
            uint32 (d,), their provisional ids.
        """
        if self.max_types is None:
            ids = self._look_up(distinct.to_list())
        else:
            ids = self._look_up_or_revive(distinct)
        self._counts[ids] += counts
        if self.max_types is not None and len(self._index) > self.max_types:
            self._prune(self.max_types)
        return ids.astype(np.uint32)

    def tokens_from(self, first: int) -> list[str]:
        """Give the tokens whose provisional ids are `first` and above; for a table that is never pruned."""
        return list(islice(self._index, first, None))

    def _look_up(self, tokens: list[str]) -> np.ndarray:
        index = self._index
        ids = np.array([index.setdefault(token, len(index)) for token in tokens], np.int64)
        self._grow(len(index))
        return ids

    def _look_up_or_revive(self, distinct: pl.Series) -> np.ndarray:
        tokens = distinct.to_list()
        ids = np.array([self._index.get(token, -1) for token in tokens], np.int64)
        missing = np.flatnonzero(ids < 0)
        hashes = distinct.hash().to_numpy()[missing]
        found = np.full(len(missing), -1, np.int64)
        if len(self._pruned_hashes):
            places = np.minimum(np.searchsorted(self._pruned_hashes, hashes), len(self._pruned_hashes) - 1)
            known = self._pruned_hashes[places] == hashes
            found[known] = self._pruned_ids[places[known]]
        new = found < 0
        found[new] = np.arange(self._size, self._size + np.count_nonzero(new))
        self._grow(self._size + int(np.count_nonzero(new)))
        self._hashes[found] = hashes
        ids[missing] = found
        self._index.update((tokens[place], number) for place, number in zip(missing.tolist(), found.tolist(), strict=True))
        return ids

    def _grow(self, size: int) -> None:
        self._size = size
        if size > len(self._counts):
            room = max(size, len(self._counts) * 3 // 2)
            self._counts = np.concatenate([self._counts, np.zeros(room - len(self._counts), np.int64)])
            if self.max_types is not None:
                self._hashes = np.concatenate([self._hashes, np.zeros(room - len(self._hashes), np.uint64)])

    def _prune(self, limit: int) -> None:
        """Forget the names of the rarest, at every call those with one occurrence more at least."""
        alive = np.fromiter(self._index.values(), np.int64, len(self._index))
        self._threshold += 1
        while np.count_nonzero(self._counts[alive] > self._threshold) > limit:
            self._threshold += 1
        counts, threshold = self._counts, self._threshold
        self._index = {token: number for token, number in self._index.items() if counts[number] > threshold}
        pruned = np.ones(self._size, bool)
        pruned[np.fromiter(self._index.values(), np.int64, len(self._index))] = False
        ids = np.flatnonzero(pruned)
        order = np.argsort(self._hashes[ids])
        self._pruned_ids, self._pruned_hashes = ids[order], self._hashes[ids[order]]

    def finish(self) -> TypeCounts:
        """Hand over what was counted; the table is empty afterwards."""
        items = sorted(self._index.items(), key=itemgetter(1)) if self._threshold else list(self._index.items())
        self._index = {}
        return TypeCounts([token for token, _ in items], np.array([number for _, number in items], np.int64), self._counts[: self._size])
