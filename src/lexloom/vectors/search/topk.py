"""The k best rows by cosine, in blocks: never a (queries x V) matrix, never a full sort.

A block of rows is multiplied with a batch of queries in float32. Scores that come within rounding of the k-th best so far are computed
again in float64 and merged. So neither the block nor the batch changes an answer: equal rows get equal scores, the lower row first.
"""

from collections.abc import Callable, Sequence

import numpy as np

from lexloom.vectors.table import Vectors

Combine = Callable[[Sequence[np.ndarray]], np.ndarray]
"""From m arrays of cosines, one per direction, to an array of scores of the same shape; higher is better."""

_SCORES = 1 << 21  # scores of one block and batch, 8 MB of float32: large enough that threads seldom wait for each other
_BATCH = 512  # queries per product, so that each row is seldom read from memory
_SMALLEST_BLOCK = 1024  # rows: smaller products do not keep several cores busy
_LOWEST = np.finfo(np.float32).min


def unit(rows: np.ndarray) -> np.ndarray:
    """Scale rows (n, E) to length 1 in float64; a zero row stays zero, and a row with NaN becomes NaN."""
    rows = np.asarray(rows, np.float64)
    norms = np.sqrt(np.einsum("ne,ne->n", rows, rows))
    norms[norms == 0] = 1
    with np.errstate(invalid="ignore"):
        rows = rows / norms[:, None]
    return rows


def top_rows(vectors: Vectors, directions: np.ndarray, k: int, exclude: np.ndarray, combine: Combine) -> tuple[np.ndarray, np.ndarray]:
    """Find the k best rows for each of n queries.

    Args:
        vectors: the table; V rows of E floats.
        directions: float64 (m, n, E), m unit vectors per query.
        k: how many; at most V are returned.
        exclude: int64 (n, x), for each query the rows that may not be answers, padded with -1.
        combine: computes the score of a row from its m cosines.

    Returns:
        indices, int64 (n, min(k, V)), best first, ties by row number; scores, float64 of the same shape. If fewer rows qualify (rows
        with NaN or infinity never do) the rest is -1 and -inf.
    """
    n, k = directions.shape[1], min(k, len(vectors))
    indices, scores = np.full((n, k), -1, np.int64), np.full((n, k), -np.inf)
    if n == 0 or k == 0:
        return indices, scores
    batch_size = max(1, min(_BATCH, n, _SCORES // k))
    block_size = max(_SMALLEST_BLOCK, _SCORES // batch_size)
    small = directions.astype(np.float32)
    # a bound on the rounding of a float32 dot product over E terms and of a float32 norm, on both sides of a comparison
    tolerance = (2 * vectors.dim + 16) * 2.0**-23
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        for first in range(0, len(vectors), block_size):
            block = np.asarray(vectors.matrix[first : first + block_size])
            scale = 1 / vectors.norms[first : first + block_size]
            for start in range(0, n, batch_size):
                batch = slice(start, start + batch_size)
                rough = combine([np.multiply(product := side[batch] @ block.T, scale, out=product) for side in small])  # (q, b)
                rough[:, ~(scale > 0)] = -np.inf  # rows with NaN or infinity
                query, which = np.nonzero((exclude[batch] >= first) & (exclude[batch] < first + len(block)))
                rough[query, exclude[batch][query, which] - first] = -np.inf
                bar = scores[batch, -1]
                if len(block) > k and np.isneginf(bar).any():  # lists that are not full: the k-th best of this block is a bar
                    bar = np.maximum(bar, np.partition(rough, -k, axis=1)[:, -k])
                bar = np.maximum(bar - tolerance * np.maximum(1, np.abs(bar)), _LOWEST)
                query, column = np.divmod(np.flatnonzero(rough >= bar.astype(np.float32)[:, None]), len(block))
                if query.size:
                    exact = _score_exactly(directions[:, batch], query, block, column, combine)
                    _merge(indices[batch], scores[batch], query, column + first, exact)
    return indices, scores


def _score_exactly(directions: np.ndarray, query: np.ndarray, block: np.ndarray, column: np.ndarray, combine: Combine) -> np.ndarray:
    """Score h pairs of a query and a row of the block in float64, by the same sums wherever they are: (h,)."""
    scores = np.empty(len(query))
    step = max(1, _SCORES // block.shape[1])
    for first in range(0, len(query), step):
        part = slice(first, first + step)
        rows = unit(block[column[part]])
        scores[part] = combine([np.clip(np.einsum("he,he->h", side[query[part]], rows), -1, 1) for side in directions])
    return scores


def _merge(indices: np.ndarray, scores: np.ndarray, query: np.ndarray, row: np.ndarray, score: np.ndarray) -> None:
    """Merge h scored rows into the lists (q, k) of the best, in place; best first, ties by row number."""
    q, k = indices.shape
    queries = np.concatenate([np.repeat(np.arange(q), k), query])
    rows, all_scores = np.concatenate([indices.ravel(), row]), np.concatenate([scores.ravel(), score])
    order = np.lexsort((rows, -all_scores, queries))
    best = order[np.searchsorted(queries[order], np.arange(q))[:, None] + np.arange(k)]  # (q, k)
    indices[:], scores[:] = rows[best], all_scores[best]
