"""Read and write Parquet with the columns token (string), count (integer) and vector (array of float32)."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lexloom.errors import FormatError
from lexloom.files import ByteStream, write_atomically
from lexloom.vectors.formats.recognize import Header
from lexloom.vectors.formats.rows import Gatherer, Loaded, Request, is_unicode
from lexloom.vectors.table import Vectors

if TYPE_CHECKING:
    import polars as pl

_GROUP_BYTES = 1 << 24  # of the matrix in a row group; rows are read in blocks of this size too


def read_parquet(stream: ByteStream, header: Header, request: Request) -> Loaded:
    """Read a Parquet file block by block.

    Raises:
        FormatError: it is damaged, lacks a column `token` or `vector`, or its vectors differ in length.
    """
    del header  # Parquet has its own
    import polars as pl

    data: Any = stream.path or io.BytesIO(stream.read())
    try:
        table = pl.scan_parquet(data, glob=False)
        columns = table.collect_schema()
        if columns.get("token") != pl.String or not isinstance(columns.get("vector"), pl.List | pl.Array):
            found = ", ".join(f"{name} ({kind})" for name, kind in columns.items())
            raise FormatError(f"{stream.name}: columns {found}; expected token (String), vector (numbers), and optionally count")
        if "count" in columns and not columns["count"].is_integer():
            raise FormatError(f"{stream.name}: column count is {columns['count']}, expected whole numbers")
        return _read_blocks(stream.name, table, request)
    except pl.exceptions.PolarsError as error:
        raise FormatError(f"{stream.name}: a damaged Parquet file: {str(error).splitlines()[0]}") from None


def _read_blocks(name: str, table: "pl.LazyFrame", request: Request) -> Loaded:
    import polars as pl

    length = table.select(pl.len()).collect().item()
    dim = 0 if length == 0 else int(_lengths(table.slice(0, 1).collect()["vector"])[0])
    if length and dim == 0:
        raise FormatError(f"{name}: the vector of row 1 is empty")
    has_counts = "count" in table.collect_schema()
    gatherer, counts = Gatherer(max(1, dim), request, length), dict[str, int]()
    while gatherer.rows < length and not gatherer.done:
        size = max(1, _GROUP_BYTES // (4 * dim))
        block = table.slice(gatherer.rows, size if gatherer.room is None else min(size, gatherer.room)).collect()
        tokens = block["token"].to_list()
        if None in tokens:
            raise FormatError(f"{name}: the token of row {gatherer.rows + tokens.index(None) + 1:,} is null")
        wrong = _lengths(block["vector"]) != dim
        if wrong.any():
            raise FormatError(
                f"{name}: the vector of row {gatherer.rows + int(wrong.argmax()) + 1:,} does not have {dim} numbers as row 1 does"
            )
        numbers = block["vector"].explode(empty_as_null=False).cast(pl.Float32)
        if numbers.null_count():
            raise FormatError(f"{name}: a vector contains null, which is not a number")
        if has_counts:
            for token, count in zip(tokens, block["count"].fill_null(0).to_list(), strict=True):
                counts.setdefault(token, int(count))
        gatherer.rows += len(tokens)
        gatherer.add(tokens, numbers.to_numpy().reshape(len(tokens), dim))
    return gatherer.finish(np.array([counts[token] for token in gatherer.tokens], np.int64) if has_counts else None)


def _lengths(column: "pl.Series") -> np.ndarray:
    import polars as pl

    lengths = column.arr.len() if isinstance(column.dtype, pl.Array) else column.list.len()
    return lengths.fill_null(0).to_numpy()


def write_parquet(vectors: Vectors, target: Path) -> None:
    """Write tokens, counts and vectors.

    Raises:
        FormatError: a token is not valid UTF-8.
    """
    import polars as pl

    for row, token in enumerate(vectors.tokens):
        if not is_unicode(token):
            raise FormatError(
                f"token {token!r} (row {row + 1:,}) is not valid UTF-8, which Parquet cannot hold; save as word2vec or folder"
            )
    frame = pl.DataFrame(
        {
            "token": pl.Series(vectors.tokens, dtype=pl.String),
            "count": pl.Series(vectors.counts, dtype=pl.Int64),
            "vector": pl.Series(np.ascontiguousarray(vectors.matrix), dtype=pl.Array(pl.Float32, vectors.dim)),
        }
    )
    with write_atomically(target) as temporary:
        frame.write_parquet(temporary, row_group_size=max(1, _GROUP_BYTES // (4 * vectors.dim)))
