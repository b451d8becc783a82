"""Do the cosines of pairs of words rank them as people did? Spearman and Pearson, with coverage and a bootstrap interval."""

import math
import os
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lexloom.vectors.evaluate.items import Pairs, read_pairs
from lexloom.vectors.search.queries import cosines
from lexloom.vectors.search.spelling import UnknownPolicy, find_words
from lexloom.vectors.table import Vectors

_CONFIDENCE = 0.95
_RESAMPLES = 1000
_DRAWS_AT_A_TIME = 1 << 22


@dataclass(frozen=True)
class SimilarityResult:
    """How well vectors agree with a similarity file.

    Attributes:
        file: the file's name.
        pairs: pairs in the file.
        covered: pairs of which the vectors have both words.
        scored: pairs that the figures below are over: the covered ones under `skip`, all under `zero`, the common ones in a
            comparison.
        spearman: rank correlation, -1 to 1; NaN with fewer than two pairs or where one side is constant.
        pearson: linear correlation, likewise.
        spearman_low: lower end of the 95 % percentile-bootstrap interval of `spearman`.
        spearman_high: its upper end.
    """

    file: str
    pairs: int
    covered: int
    scored: int
    spearman: float
    pearson: float
    spearman_low: float
    spearman_high: float

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values; NaN becomes None."""
        return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in asdict(self).items()}


def evaluate_similarity(
    vectors: Vectors,
    file: str | os.PathLike[str],
    *,
    unknown: UnknownPolicy = "skip",
    ignore_case: bool = False,
    seed: int = 1,
    resamples: int = _RESAMPLES,
) -> SimilarityResult:
    """Compare the cosines of pairs of words with people's scores.

    Args:
        vectors: the table.
        file: lines of word, word, score by tab, comma or spaces, as `read_pairs` reads them.
        unknown: pairs with an unknown word are left out (`skip`), get cosine 0 (`zero`), or are an error (`error`).
        ignore_case: whether a word without an exact match may take a spelling that differs in case.
        seed: of the bootstrap.
        resamples: of the bootstrap; 0 leaves the interval NaN.

    Raises:
        InputError: the file cannot be read or has a malformed line.
        UnknownWordError: a word is unknown, under `error`.
    """
    pairs = read_pairs(file)
    predicted, covered = predict(vectors, pairs, unknown=unknown, ignore_case=ignore_case)
    scored = covered if unknown == "skip" else np.ones_like(covered)
    return score(pairs, predicted, covered, scored, seed=seed, resamples=resamples)


def predict(vectors: Vectors, pairs: Pairs, *, unknown: UnknownPolicy, ignore_case: bool) -> tuple[np.ndarray, np.ndarray]:
    """Give the cosine of each pair, float64 (n,), 0 where a word is unknown, and whether it is covered, bool (n,)."""
    n = len(pairs.scores)
    found = find_words(vectors, [*pairs.left, *pairs.right], unknown=unknown, ignore_case=ignore_case)
    return cosines(found.rows[:n], found.rows[n:]), found.known[:n] & found.known[n:]


def score(
    pairs: Pairs, predicted: np.ndarray, covered: np.ndarray, scored: np.ndarray, *, seed: int = 1, resamples: int = _RESAMPLES
) -> SimilarityResult:
    """Correlate predictions (n,) with the file's scores over the pairs marked in `scored`, bool (n,)."""
    human, cosine = pairs.scores[scored], predicted[scored]
    low, high = spearman_interval(human, cosine, seed=seed, resamples=resamples)
    return SimilarityResult(
        file=pairs.file,
        pairs=len(covered),
        covered=int(covered.sum()),
        scored=len(human),
        spearman=float(_spearman(human[None], cosine[None])[0]),
        pearson=float(_pearson(human[None], cosine[None])[0]),
        spearman_low=low,
        spearman_high=high,
    )


def spearman_interval(x: np.ndarray, y: np.ndarray, *, seed: int, resamples: int, confidence: float = _CONFIDENCE) -> tuple[float, float]:
    """Bound the rank correlation of x and y, each (n,), by the percentile bootstrap over pairs (Efron 1979).

    Resamples without a correlation (all pairs equal) are left out; NaN, NaN where none has one.
    """
    n = len(x)
    if n < 2:
        return math.nan, math.nan
    random = np.random.default_rng(seed)
    values = np.empty(resamples)
    step = max(1, _DRAWS_AT_A_TIME // n)
    for first in range(0, resamples, step):
        draw = random.integers(n, size=(min(step, resamples - first), n))
        values[first : first + step] = _spearman(x[draw], y[draw])
    values = values[~np.isnan(values)]
    if not len(values):
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Correlate the ranks of each line of x and y (r, n), ties sharing their mean rank: (r,)."""
    from scipy.stats import rankdata

    return _pearson(rankdata(x, axis=1), rankdata(y, axis=1))


def _pearson(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Correlate each line of x and y (r, n): (r,), NaN where n < 2 or a line is constant."""
    if x.shape[1] < 2:
        return np.full(len(x), math.nan)
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.einsum("rn,rn->r", x, x) * np.einsum("rn,rn->r", y, y))
    products = np.einsum("rn,rn->r", x, y)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip(np.where(norms > 0, products / norms, math.nan), -1, 1)
