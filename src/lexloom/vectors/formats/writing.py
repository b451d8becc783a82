"""What the writers share: a target that is compressed by its suffix and replaced at once, tokens as bytes, rows in blocks."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from lexloom.errors import FormatError
from lexloom.files import write_atomically
from lexloom.vectors.formats.source import TOKEN_ERRORS

_BLOCK_BYTES = 1 << 23


def _gzip(file: IO[bytes]) -> Any:
    import gzip

    return gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0)  # the same bytes whenever it is written


def _bz2(file: IO[bytes]) -> Any:
    import bz2

    return bz2.BZ2File(file, "wb")


def _xz(file: IO[bytes]) -> Any:
    import lzma

    return lzma.LZMAFile(file, "wb")


def _zstd(file: IO[bytes]) -> Any:
    import zstandard

    return zstandard.ZstdCompressor().stream_writer(file, closefd=False)


COMPRESSORS: dict[str, Callable[[IO[bytes]], Any]] = {".gz": _gzip, ".bz2": _bz2, ".xz": _xz, ".zst": _zstd}


def plain_name(path: Path) -> Path:
    """Take the suffix of a compression off a path."""
    return path.with_suffix("") if path.suffix in COMPRESSORS else path


@contextlib.contextmanager
def open_target(target: Path) -> Iterator[IO[bytes]]:
    """Open a file to be written, compressed by its suffix; it takes the target's place when all is written, and only then."""
    with write_atomically(target) as temporary, temporary.open("wb") as file:
        if target.suffix in COMPRESSORS:
            with COMPRESSORS[target.suffix](file) as stream:
                yield cast(IO[bytes], stream)
        else:
            yield file


def encode_tokens(tokens: Sequence[str], forbidden: bytes, format: str) -> list[bytes]:
    """Turn tokens into bytes; bytes that were no UTF-8 when they were read come out as they were.

    Raises:
        FormatError: a token contains one of the `forbidden` bytes, or a surrogate that stands for no byte.
    """
    try:
        encoded = [token.encode("utf-8", TOKEN_ERRORS) for token in tokens]
    except UnicodeEncodeError as error:
        raise FormatError(f"token {error.object!r} is not Unicode text and stands for no bytes; rename it to save as {format}") from None
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
    """Whether a token is text that UTF-8 has bytes for, no bytes that were kept aside by surrogates."""
    return token.isascii() or not any("\ud800" <= character <= "\udfff" for character in token)


def row_blocks(matrix: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first row, contiguous rows) some megabytes at a time; the matrix may be any view and is never copied whole."""
    step = max(1, _BLOCK_BYTES // max(1, 4 * matrix.shape[1]))
    for first in range(0, len(matrix), step):
        yield first, np.ascontiguousarray(matrix[first : first + step])
