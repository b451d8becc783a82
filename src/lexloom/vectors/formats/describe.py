"""Read the whole of a vector file and say what is in it."""

import os
from typing import Any

import numpy as np

from lexloom.vectors.formats.reading import read
from lexloom.vectors.formats.source import Request
from lexloom.vectors.formats.writing import row_blocks


def describe_vectors(source: str | os.PathLike[str]) -> dict[str, Any]:
    """Read and check every row of a source.

    Args:
        source: as for `load_vectors`.

    Returns:
        JSON values: `source, format, compression`; `tokens, dim` as loaded; `rows` found in the source, `header_tokens` and `header_dim`
        that its header promised (None without one), `duplicates` dropped; `nan` and `infinite` (numbers), `zero_rows`, `norm_mean` over
        the rows that are finite; whether it has `counts`, `tokenizer`, `output`; `metadata`.

    Raises:
        InputError, FormatError: as `load_vectors`.
    """
    vectors, provenance = read(source, Request())
    nan = infinite = zero_rows = finite_rows = 0
    norms = 0.0
    for _, rows in row_blocks(vectors.matrix):
        nan += int(np.isnan(rows).sum())
        infinite += int(np.isinf(rows).sum())
        zero_rows += int((~rows.any(axis=1)).sum())
        whole = rows[np.isfinite(rows).all(axis=1)].astype(np.float64)
        norms += float(np.sqrt((whole * whole).sum(axis=1)).sum())
        finite_rows += len(whole)
    return {
        "source": provenance.source,
        "format": provenance.format,
        "compression": provenance.compression,
        "tokens": len(vectors),
        "dim": vectors.dim,
        "rows": provenance.rows,
        "header_tokens": provenance.header_tokens,
        "header_dim": provenance.header_dim,
        "duplicates": provenance.duplicates,
        "nan": nan,
        "infinite": infinite,
        "zero_rows": zero_rows,
        "norm_mean": norms / finite_rows if finite_rows else None,
        "counts": bool(vectors.counts.any()),
        "tokenizer": vectors.tokenizer is not None,
        "output": vectors.output is not None,
        "metadata": vectors.metadata,
    }
