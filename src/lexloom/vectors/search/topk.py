"""Exact top-k rows by cosine, in blocks, without a (queries x V) matrix and without a full sort.

Every block of rows is multiplied with a batch of queries (one GEMM, a few MB of scores). A score is looked at only
where it reaches the k-th best so far, less what float32 may have lost; those few are scored again in float64 and merged. So the
answer does not depend on where a row stands in a block or a query in a batch: equal rows get equal scores, the lower one first.
"""

from collections.abc import Callable, Sequence

import numpy as np

from lexloom.vectors.table import Vectors

Combine = Callable[[Sequence[np.ndarray]], np.ndarray]
"""From m arrays of cosines, one a direction, to an array of scores of the same shape; higher is better."""

_SCORES = 1 << 21  # scores of one block and batch: 8 MB of float32, large enough that threads seldom wait for each other
_BATCH = 512  # queries in a GEMM: enough to read each row of the matrix from memory seldom
_SMALLEST_BLOCK = 1024  # rows: below this a product is too small to keep both cores busy
_LOWEST = np.finfo(np.float32).min


def only_cosine(cosines: Sequence[np.ndarray]) -> np.ndarray:
    """Take the cosine with the one direction of a query as its score."""
    return cosines[0]


def unit(rows: np.ndarray) -> np.ndarray:
    """Scale rows (n, E) to length 1 in float64; a zero row stays zero, and one with NaN becomes NaN."""
    rows = np.asarray(rows, np.float64)
    norms = np.sqrt(np.einsum("ne,ne->n", rows, rows))
    norms[norms == 0] = 1
    with np.errstate(invalid="ignore"):
        rows = rows / norms[:, None]
    return rows


def top_rows(
    vectors: Vectors, directions: np.ndarray, k: int, exclude: np.ndarray, combine: Combine = only_cosine
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k best rows for each of n queries.

    Args:
        vectors: the table; V rows of E floats.
        directions: float64 (m, n, E), m unit vectors a query.
        k: how many; no more than V are returned.
        exclude: int64 (n, x), for each query the rows that are no answer; -1 fills up.
        combine: makes the score of a row from its m cosines.

    Returns:
        indices, int64 (n, min(k, V)), best first, ties by row number; scores, float64 of the same shape. Where fewer rows qualify
        (rows that hold NaN never do) the rest is -1 and -inf.
    """
    n = directions.shape[1]
    k = max(0, min(k, len(vectors)))
    indices, scores = np.full((n, k), -1, np.int64), np.full((n, k), -np.inf)
    if n == 0 or k == 0:
        return indices, scores
    batch_size = max(1, min(_BATCH, n, _SCORES // k))
    block_size = max(_SMALLEST_BLOCK, _SCORES // batch_size)
    small = directions.astype(np.float32)
    # What a float32 dot product over E terms, and a float32 norm, may be off by, on both sides of a comparison.
    # A proof for cosines; for scores combined from several it is an estimate.
    tolerance = (2 * vectors.dim + 16) * 2.0**-23
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        for first in range(0, len(vectors), block_size):
            block = np.asarray(vectors.matrix[first : first + block_size])
            scale = 1 / vectors.norms[first : first + block_size]
            for start in range(0, n, batch_size):
                batch = slice(start, start + batch_size)
                rough = combine([np.multiply(product := side[batch] @ block.T, scale, out=product) for side in small])
                _strike_out(rough, exclude[batch] - first)
                hits = _candidates(rough, scores[batch, -1], k, tolerance)
                if hits.size:
                    query, column = np.divmod(hits, len(block))
                    exact = _score_exactly(directions[:, batch], query, block, column, combine)
                    _merge(indices[batch], scores[batch], query, column + first, exact)
    return indices, scores


def _strike_out(scores: np.ndarray, columns: np.ndarray) -> None:
    """Set scores (q, b) to -inf at some columns (q, x) of each row, where they lie within this block."""
    query, which = np.nonzero((columns >= 0) & (columns < scores.shape[1]))
    scores[query, columns[query, which]] = -np.inf


def _candidates(scores: np.ndarray, kth: np.ndarray, k: int, tolerance: float) -> np.ndarray:
    """Point at the scores (q, b) that may be among the k best: flat positions, given the k-th best so far (q,)."""
    floor = np.maximum(kth, _LOWEST)
    waiting = np.flatnonzero(kth == -np.inf)
    if len(waiting) and scores.shape[1] > k:
        # A list that is not full yet has no bar; the k-th best of this block is one.
        part = scores[waiting]
        part[np.isnan(part)] = -np.inf
        part.partition(scores.shape[1] - k, axis=1)
        floor[waiting] = np.maximum(part[:, scores.shape[1] - k], _LOWEST)
    floor = np.maximum(floor - tolerance * np.maximum(1, np.abs(floor)), _LOWEST)
    return np.flatnonzero(scores >= floor.astype(np.float32)[:, None])


def _score_exactly(directions: np.ndarray, query: np.ndarray, block: np.ndarray, column: np.ndarray, combine: Combine) -> np.ndarray:
    """Score h pairs of a query and a row of the block in float64, by the same sums wherever they stand: (h,)."""
    scores = np.empty(len(query))
    step = max(1, _SCORES // block.shape[1])
    for first in range(0, len(query), step):
        part = slice(first, first + step)
        rows = unit(block[column[part]])
        cosines = [np.clip(np.einsum("he,he->h", side[query[part]], rows), -1, 1) for side in directions]
        scores[part] = combine(cosines)
    return scores


def _merge(indices: np.ndarray, scores: np.ndarray, query: np.ndarray, row: np.ndarray, score: np.ndarray) -> None:
    """Merge h scored candidates into the lists (q, k) of the best, in place; best first, ties by row number."""
    q, k = indices.shape
    queries = np.concatenate([np.repeat(np.arange(q), k), query])
    all_rows = np.concatenate([indices.ravel(), row])
    all_scores = np.concatenate([scores.ravel(), score])
    order = np.lexsort((all_rows, -all_scores, queries))
    starts = np.searchsorted(queries[order], np.arange(q))
    best = order[starts[:, None] + np.arange(k)]  # (q, k)
    indices[:], scores[:] = all_rows[best], all_scores[best]
