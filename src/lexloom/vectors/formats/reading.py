"""Load vectors from any format that lexloom reads, and describe what a source holds."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from lexloom.artefact import RESULT
from lexloom.errors import FormatError, InputError
from lexloom.files import STDIN, ByteStream, open_bytes, open_raw, read_exactly
from lexloom.vectors.formats.catalog import FORMATS
from lexloom.vectors.formats.folder import matrix_file
from lexloom.vectors.formats.recognize import recognize, torch_archive
from lexloom.vectors.formats.rows import Request, row_blocks
from lexloom.vectors.table import Vectors


def load_vectors(source: str | os.PathLike[str], *, limit: int | None = None, only: Collection[str] | None = None) -> Vectors:
    """Load vectors from a file, URL or folder; format and compression are recognised by content.

    Reads word2vec text and binary, GloVe, fastText .vec, .npy with NAME.vocab.txt, Parquet, and the folders of lexloom, model2vec and
    sentence-transformers. If a token occurs twice, its first row is kept. Except for lexloom's own folders, `metadata["read_from"]`
    records what was found: source, format, compression, what the header promised, rows and duplicates.

    Args:
        source: a path, an fsspec URL, or `-` for standard input.
        limit: read only the first `limit` rows.
        only: keep only the rows of these tokens; the others never take memory.

    Raises:
        InputError: the source cannot be opened or decompressed.
        FormatError: the source is damaged or in none of these formats; the message says what it is.
        ConfigError: `limit` or `only` is invalid.
    """
    vectors, found = _read(source, Request.of(limit, only))
    if not found.pop("ours"):
        # a folder that is passed on should not tell where its source was on this machine
        name = found["source"]
        vectors.metadata["read_from"] = {**found, "source": name if "://" in name else Path(name).name}
    return vectors


def describe_vectors(source: str | os.PathLike[str]) -> dict[str, Any]:
    """Read and check every row of a source, and for lexloom's own folders the checksums.

    Args:
        source: as for `load_vectors`.

    Returns:
        JSON values: `source, format, compression`; `tokens, dim` as loaded; `rows` found in the source, `header_tokens` and `header_dim`
        as its header promised (None without one), `duplicates` dropped; `nan` and `infinite` (how many numbers), `zero_rows`,
        `norm_mean` over the rows that are finite; whether there are `counts`, a `tokenizer`, an `output` matrix; `metadata`.

    Raises:
        InputError, FormatError: as `load_vectors`.
    """
    vectors, found = _read(source, Request())
    nan = infinite = zero_rows = finite_rows = 0
    norms = 0.0
    for _, rows in row_blocks(vectors.matrix):
        nan += int(np.isnan(rows).sum())
        infinite += int(np.isinf(rows).sum())
        zero_rows += int((~rows.any(axis=1)).sum())
        finite = rows[np.isfinite(rows).all(axis=1)].astype(np.float64)
        norms += float(np.linalg.norm(finite, axis=1).sum())
        finite_rows += len(finite)
    return {
        **{name: found[name] for name in ("source", "format", "compression")},
        "tokens": len(vectors),
        "dim": vectors.dim,
        **{name: found[name] for name in ("rows", "header_tokens", "header_dim", "duplicates")},
        "nan": nan,
        "infinite": infinite,
        "zero_rows": zero_rows,
        "norm_mean": norms / finite_rows if finite_rows else None,
        "counts": bool(vectors.counts.any()),
        "tokenizer": vectors.tokenizer is not None,
        "output": vectors.output is not None,
        "metadata": vectors.metadata,
    }


def _read(source: str | os.PathLike[str], request: Request) -> tuple[Vectors, dict[str, Any]]:
    """Load vectors; returns what was found beside them, and under `ours` whether it is a folder that lexloom wrote."""
    name = os.fspath(source)
    if name not in ("", STDIN) and Path(name).is_dir():
        name = os.fspath(matrix_file(Path(name)))
    with _open(name) as stream:
        header = recognize(stream)
        reader = FORMATS[header.format].read
        assert reader is not None
        vectors, rows, duplicates = reader(stream, header, request)
        return vectors, {
            "source": os.fspath(source),
            "format": header.format,
            "compression": stream.compression,
            "header_tokens": header.rows,
            "header_dim": None if header.rows is None else header.dim,
            "rows": rows,
            "duplicates": duplicates,
            "ours": header.format == "folder" and Path(name).with_name(RESULT).exists(),
        }


def _open(name: str) -> ByteStream:
    try:
        return open_bytes(name)
    except InputError:
        # a zip with several members is refused; if it is a PyTorch checkpoint, say so instead
        what = None
        if name != STDIN:
            with open_raw(name) as raw:
                what = torch_archive(read_exactly(raw, 512))
        if what is None:
            raise
        raise FormatError(f"{name}: {what}") from None
