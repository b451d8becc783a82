"""What the readers and writers of all formats share: which rows are wanted, a matrix that grows, tokens as bytes, blocks of rows."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lexloom.errors import ConfigError, FormatError
from lexloom.vectors.table import Vectors

TOKEN_ERRORS = "surrogateescape"
"""Bytes of a token that are not valid UTF-8 become lone surrogates in a str, and the same bytes when they are written."""

_BLOCK_BYTES = 1 << 23
_FIRST_BYTES = 1 << 26  # allocated when the number of rows is unknown; pages are only touched as rows arrive
_GROWTH = 1.125  # a larger factor would leave more memory unused than loading needs


@dataclass(frozen=True)
class Request:
    """Which rows of a source are wanted.

    Attributes:
        limit: only the first `limit` rows of the source; None for all.
        only: of these, only the rows of the tokens in this set; None for all.
    """

    limit: int | None = None
    only: frozenset[str] | None = None

    @classmethod
    def of(cls, limit: int | None, only: Collection[str] | None) -> "Request":
        """Check the arguments of a user.

        Raises:
            ConfigError: `limit` is below 1, or `only` is one string.
        """
        if limit is not None and limit < 1:
            raise ConfigError(f"limit={limit}: expected 1 or more rows, or None for all rows")
        if isinstance(only, str):
            raise ConfigError(f"only={only!r}: expected a collection of tokens, found one string; write only=[{only!r}]")
        return cls(limit, None if only is None else frozenset(only))


class Loaded(NamedTuple):
    """What a reader returns: the vectors, the number of rows read, and how many of those repeated an earlier token."""

    vectors: Vectors
    rows: int
    duplicates: int


class Chosen(NamedTuple):
    """The wanted rows of a table: their tokens, their places in its arrays, rows looked at, and how many repeated an earlier token."""

    tokens: list[str]
    places: slice | np.ndarray
    rows: int
    duplicates: int


def choose_rows(tokens: Sequence[str], request: Request) -> Chosen:
    """Choose rows of a table that is already in memory or memory-mapped; the first row of each token counts.

    Returns:
        The rows; `places` is a slice if possible, so that memory-mapped rows stay mapped, and int64 (n,) otherwise.
    """
    limit = len(tokens) if request.limit is None else min(request.limit, len(tokens))
    first: dict[str, int] = {}
    for row, token in enumerate(tokens[:limit]):
        first.setdefault(token, row)
    if request.only is not None:
        kept = {token: row for token, row in first.items() if token in request.only}
        return Chosen(list(kept), np.array(list(kept.values()), np.int64), limit, 0)
    places = slice(0, limit) if len(first) == limit else np.array(list(first.values()), np.int64)
    return Chosen(list(first), places, limit, limit - len(first))


class Gatherer:
    """A matrix that grows while a source is read block by block; it keeps the first row of each wanted token.

    Attributes:
        rows: how many rows of the source were seen, wanted or not.
        duplicates: how many were dropped because their token had occurred before.
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
        except (MemoryError, ValueError):  # a header may promise any number of rows
            self._matrix = np.empty((guess, dim), np.float32)

    @property
    def room(self) -> int | None:
        """How many more rows of the source are wanted; None for no limit."""
        if self._request.only is not None and len(self.tokens) == len(self._request.only):
            return 0
        return None if self._request.limit is None else self._request.limit - self.rows

    @property
    def done(self) -> bool:
        """Whether no more rows are wanted, so that the rest of the source need not be read."""
        return self.room == 0

    @property
    def only(self) -> frozenset[str] | None:
        """The tokens that are wanted; None for all."""
        return self._request.only

    def add(self, tokens: Sequence[str], rows: np.ndarray) -> None:
        """Keep those rows that are wanted and whose token is new.

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

    def finish(self, counts: np.ndarray | None = None) -> Loaded:
        """Return what was gathered, with the counts of the tokens kept, int64 (V,); the gatherer cannot be used afterwards."""
        if len(self._matrix) > len(self.tokens):
            self._matrix.resize((len(self.tokens), self._matrix.shape[1]), refcheck=False)
        self._seen = set()
        return Loaded(Vectors(self.tokens, self._matrix, counts), self.rows, self.duplicates)

    def _make_room(self, count: int) -> None:
        # ndarray.resize calls realloc, which remaps large arrays instead of copying them: there is never a second matrix
        if count > len(self._matrix):
            capacity = max(count, int(len(self._matrix) * _GROWTH) + 1)
            self._matrix.resize((capacity, self._matrix.shape[1]), refcheck=False)


def encode_tokens(tokens: Sequence[str], forbidden: bytes, format: str) -> list[bytes]:
    """Encode tokens as UTF-8; bytes that were invalid UTF-8 when they were read are written unchanged.

    Raises:
        FormatError: a token contains one of the `forbidden` bytes, or a surrogate that stands for no byte.
    """
    try:
        encoded = [token.encode("utf-8", TOKEN_ERRORS) for token in tokens]
    except UnicodeEncodeError as error:
        raise FormatError(f"token {error.object!r} contains a surrogate and cannot be encoded; rename it to save as {format}") from None
    joined = b"".join(encoded)
    for byte in forbidden:
        if byte in joined:
            row = next(row for row, token in enumerate(encoded) if byte in token)
            what = {32: "a space", 10: "a newline", 13: "a carriage return", 9: "a tab"}[byte]
            raise FormatError(
                f"token {tokens[row]!r} (row {row + 1:,}) contains {what}, which the format {format} cannot hold; "
                "rename it, or save as folder or parquet"
            )
    return encoded


def is_unicode(token: str) -> bool:
    """Whether a token can be encoded as UTF-8, that is, contains no surrogates."""
    return token.isascii() or not any("\ud800" <= character <= "\udfff" for character in token)


def row_blocks(matrix: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first row, contiguous rows) in blocks of some megabytes; the matrix may be any view and is never copied as a whole."""
    step = max(1, _BLOCK_BYTES // max(1, 4 * matrix.shape[1]))
    for first in range(0, len(matrix), step):
        yield first, np.ascontiguousarray(matrix[first : first + step])
