"""Write vectors as text: word2vec, GloVe and fastText .vec, with the shortest decimals that give back every bit of a float32."""

import io
from pathlib import Path

import numpy as np

from lexloom.vectors.formats.writing import encode_tokens, open_target, row_blocks
from lexloom.vectors.table import Vectors


def write_word2vec(vectors: Vectors, target: Path) -> None:
    """Write `V E`, then `TOKEN NUMBERS` a line.

    Raises:
        FormatError: a token contains a space or a newline.
    """
    _write(vectors, target, "word2vec", forbidden=b" \n", header=True)


def write_glove(vectors: Vectors, target: Path) -> None:
    """Write `TOKEN NUMBERS` a line, without a header; tokens may contain spaces.

    Raises:
        FormatError: a token contains a newline.
    """
    _write(vectors, target, "glove", forbidden=b"\n")


def write_fasttext(vectors: Vectors, target: Path) -> None:
    """Write what fastText calls .vec: as word2vec, with a space at the end of each row.

    Raises:
        FormatError: a token contains a space or a newline.
    """
    _write(vectors, target, "fasttext-vec", forbidden=b" \n", header=True, end=b" \n")


def _write(vectors: Vectors, target: Path, format: str, *, forbidden: bytes, header: bool = False, end: bytes = b"\n") -> None:
    tokens = encode_tokens(vectors.tokens, forbidden, format)
    with open_target(target) as stream:
        if header:
            stream.write(b"%d %d\n" % vectors.matrix.shape)
        for first, rows in row_blocks(vectors.matrix):
            pieces: list[bytes] = []
            for token, numbers in zip(tokens[first : first + len(rows)], decimals(rows), strict=True):
                pieces += (token, b" ", numbers, end)
            stream.write(b"".join(pieces))


def decimals(rows: np.ndarray, separator: str = " ") -> list[bytes]:
    """Format rows of float32 (n, E) as n lines of the shortest decimals that read back as the same bits (NaN keeps no payload)."""
    import polars as pl

    lines = io.BytesIO()
    frame = pl.DataFrame(rows, schema=[str(column) for column in range(rows.shape[1])], orient="row")
    frame.write_csv(lines, include_header=False, separator=separator, quote_style="never")
    return lines.getvalue().split(b"\n")[: len(rows)]
