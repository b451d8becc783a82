"""A source whose beginning can be looked at before it is read, and what a caller wants of it."""

from collections.abc import Collection
from dataclasses import dataclass

from lexloom.errors import ConfigError
from lexloom.files import ByteStream

TOKEN_ERRORS = "surrogateescape"
"""How bytes of a token that are not UTF-8 are kept in a str, and written back as the same bytes."""


class Source:
    """A decompressed stream with a look-ahead.

    Attributes:
        name: the path or URL, for messages.
        compression: gz, bz2, xz, zst, zip or None.
    """

    def __init__(self, stream: ByteStream) -> None:
        self.name, self.compression = stream.name, stream.kind
        self._stream, self._ahead = stream, b""

    def peek(self, size: int) -> bytes:
        """Look at the next `size` bytes (fewer only at the end) without taking them."""
        if len(self._ahead) < size:
            self._ahead += self._stream.read(size - len(self._ahead))
        return self._ahead[:size]

    def read(self, size: int = -1) -> bytes:
        """Take `size` bytes, or all that is left; fewer than asked only at the end."""
        if not self._ahead:
            return self._stream.read(size)
        if size < 0:
            taken, self._ahead = self._ahead, b""
            return taken + self._stream.read()
        taken, self._ahead = self._ahead[:size], self._ahead[size:]
        return taken if len(taken) == size else taken + self._stream.read(size - len(taken))


@dataclass(frozen=True)
class Request:
    """Which rows of a source are wanted.

    Attributes:
        limit: only the first so many rows of the source; None for all.
        only: of these, only those of the tokens named here; None for all.
    """

    limit: int | None = None
    only: frozenset[str] | None = None

    @classmethod
    def of(cls, limit: int | None, only: Collection[str] | None) -> "Request":
        """Check what a user asked for.

        Raises:
            ConfigError: `limit` is below 1, or `only` is one string.
        """
        if limit is not None and limit < 1:
            raise ConfigError(f"limit={limit}: expected 1 or more rows, or None for all of them")
        if isinstance(only, str):
            raise ConfigError(f"only={only!r}: expected a collection of tokens, found one string; write only=[{only!r}]")
        return cls(limit, None if only is None else frozenset(only))


@dataclass
class Provenance:
    """Where vectors came from, and what was found there.

    Attributes:
        source: the path or URL.
        format: one of `FORMATS`.
        compression: gz, bz2, xz, zst, zip or None.
        header_tokens: how many rows the source's header promises; None without a header.
        header_dim: how many numbers a row its header promises; None without a header.
        rows: how many rows were read.
        duplicates: how many of them were dropped because their token had come before.
    """

    source: str
    format: str
    compression: str | None = None
    header_tokens: int | None = None
    header_dim: int | None = None
    rows: int = 0
    duplicates: int = 0
