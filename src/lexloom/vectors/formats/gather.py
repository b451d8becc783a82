"""Gather the rows of a source block by block: the first of each token, only those that are wanted, in one matrix."""

from collections.abc import Sequence

import numpy as np

from lexloom.vectors.formats.source import Request

_FIRST_BYTES = 1 << 26  # without a promise: room for so many bytes at first, touched only as rows come
_GROWTH = 1.125  # a larger step would keep more memory idle than loading may need


class Gatherer:
    """A matrix that grows while rows come.

    Attributes:
        rows: how many rows of the source were seen, wanted or not.
        duplicates: how many were dropped because their token had come before.
        tokens: the tokens kept, in order.
    """

    def __init__(self, dim: int, request: Request, promised: int | None = None) -> None:
        self.rows = self.duplicates = 0
        self.tokens: list[str] = []
        self._seen: set[str] = set()
        self._request = request
        bounds = [bound for bound in (promised, request.limit, None if request.only is None else len(request.only)) if bound is not None]
        guess = max(1, _FIRST_BYTES // (4 * dim))
        try:
            self._matrix = np.empty((min(bounds, default=guess), dim), np.float32)
        except (MemoryError, ValueError):  # a header may promise anything
            self._matrix = np.empty((guess, dim), np.float32)

    @property
    def room(self) -> int | None:
        """How many more rows of the source are wanted; None where that is open."""
        if self._request.only is not None and len(self.tokens) == len(self._request.only):
            return 0
        return None if self._request.limit is None else self._request.limit - self.rows

    @property
    def done(self) -> bool:
        """Whether nothing more is wanted, so that the rest of the source need not be read."""
        return self.room == 0

    @property
    def only(self) -> frozenset[str] | None:
        """The tokens that are wanted; None for all."""
        return self._request.only

    def add(self, tokens: Sequence[str], rows: np.ndarray) -> None:
        """Keep the rows that are wanted and new.

        Args:
            tokens: n tokens.
            rows: (n, E), converted to float32.
        """
        before, only = len(self.tokens), self._request.only
        if only is None and len(fresh := set(tokens)) == len(tokens) and self._seen.isdisjoint(fresh):
            self._seen |= fresh
            self.tokens.extend(tokens)
        else:
            kept = []
            for position, token in enumerate(tokens):
                if only is not None and token not in only:
                    continue
                if token in self._seen:
                    self.duplicates += 1
                    continue
                self._seen.add(token)
                kept.append(position)
            self.tokens.extend(tokens[position] for position in kept)
            rows = rows[kept]
        self._make_room(len(self.tokens))
        self._matrix[before : len(self.tokens)] = rows

    def finish(self) -> tuple[list[str], np.ndarray]:
        """Hand over the tokens and their rows, float32 (V, E); the gatherer is used up."""
        tokens, matrix = self.tokens, self._matrix
        self._seen = set()
        if len(matrix) > len(tokens):
            matrix.resize((len(tokens), matrix.shape[1]), refcheck=False)
        return tokens, matrix

    def _make_room(self, count: int) -> None:
        # ndarray.resize is realloc: large arrays are remapped, not copied, so that there is never a second matrix
        if count > len(self._matrix):
            capacity = max(count, int(len(self._matrix) * _GROWTH) + 1)
            self._matrix.resize((capacity, self._matrix.shape[1]), refcheck=False)
