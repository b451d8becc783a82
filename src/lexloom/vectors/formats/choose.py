"""Choose rows of a table that is already at hand: the first of each token, the first so many, or those of certain tokens."""

from collections.abc import Sequence

import numpy as np

from lexloom.vectors.formats.source import Provenance, Request


def choose_rows(tokens: Sequence[str], request: Request, provenance: Provenance) -> slice | np.ndarray:
    """Tell which rows a request wants, as an index of tokens, counts and matrix alike.

    Args:
        tokens: the tokens of all rows.
        request: what is wanted.
        provenance: its `rows` and `duplicates` are filled in.

    Returns:
        A slice where it can be one (rows that are memory-mapped then stay so), otherwise int64 (n,).
    """
    limit = len(tokens) if request.limit is None else min(request.limit, len(tokens))
    provenance.rows = limit
    first: dict[str, int] = {}
    for row, token in enumerate(tokens[:limit]):
        first.setdefault(token, row)
    if request.only is None:
        provenance.duplicates = limit - len(first)
        if len(first) == limit:
            return slice(0, limit)
        return np.array(list(first.values()), np.int64)
    return np.array([row for token, row in first.items() if token in request.only], np.int64)
