"""`Vectors`: tokens and their rows, the object that training makes and everything else reads."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lexloom.errors import FormatError, UnknownWordError


class Vectors:
    """A table of word vectors: V tokens by descending count, with a row of E floats each.

    Queries search `matrix`; everything else uses `lookup`, so that a later kind of vectors can compute rows (subwords) without a change
    to its callers.

    Attributes:
        tokens: the V tokens, in the order of the rows, unique.
        counts: int64 (V,), the count of each token; zeros if the source has none.
        matrix: float32 (V, E); read-only if it is memory-mapped.
        output: float32 (V, E), the output (context) matrix of the training, or None if it was not kept.
        tokenizer: the text of the `tokenizer.json` that made the tokens, or None if it is unknown.
        metadata: options, corpus checksum, loss, versions and the like; plain JSON values.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        matrix: np.ndarray,
        counts: np.ndarray | None = None,
        *,
        output: np.ndarray | None = None,
        tokenizer: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.tokens = list(tokens)
        self.matrix = matrix if matrix.dtype == np.float32 else matrix.astype(np.float32)
        self.counts = np.zeros(len(self.tokens), np.int64) if counts is None else np.asarray(counts, np.int64)
        self.output = output
        self.tokenizer = tokenizer
        self.metadata = dict(metadata or {})
        self._index: dict[str, int] | None = None
        self._norms: np.ndarray | None = None
        if self.matrix.ndim != 2 or len(self.matrix) != len(self.tokens) or len(self.counts) != len(self.tokens):
            raise FormatError(
                f"{len(self.tokens)} tokens, {len(self.counts)} counts and a matrix of shape {self.matrix.shape}: "
                "expected one row and one count per token"
            )

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self.index

    def __getitem__(self, token: str) -> np.ndarray:
        """Get the row of one token, float32 (E,).

        Raises:
            UnknownWordError: the token is not in the table.
        """
        try:
            row = self.index[token]
        except KeyError:
            raise UnknownWordError(f"unknown word {token!r}: not among the {len(self)} tokens of these vectors") from None
        return np.asarray(self.matrix[row])

    def __repr__(self) -> str:
        return f"Vectors({len(self)} tokens, dim {self.dim})"

    @property
    def dim(self) -> int:
        """The length of a row, E."""
        return int(self.matrix.shape[1])

    @property
    def index(self) -> dict[str, int]:
        """Row number by token."""
        if self._index is None:
            self._index = {token: row for row, token in enumerate(self.tokens)}
        return self._index

    @property
    def norms(self) -> np.ndarray:
        """The Euclidean norm of every row, float32 (V,), computed once; 1 for a zero row, so that rows can be divided by it."""
        if self._norms is None:
            norms = np.sqrt(np.einsum("ve,ve->v", self.matrix, self.matrix))
            norms[norms == 0] = 1
            self._norms = norms
        return self._norms

    def lookup(self, tokens: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """Get the rows of some tokens.

        Args:
            tokens: n tokens, in the table or not.

        Returns:
            rows, float32 (n, E), zero for unknown tokens; known, bool (n,).
        """
        index = self.index
        rows = np.array([index.get(token, -1) for token in tokens], np.int64)
        known = rows >= 0
        found = np.zeros((len(rows), self.dim), np.float32)
        found[known] = self.matrix[rows[known]]
        return found, known
