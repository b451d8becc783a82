"""How well cosines rank pairs of words as people did: Spearman's and Pearson's correlation, with coverage and a bootstrap interval."""

import math
import os
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lexloom.vectors.evaluate.items import Pairs, read_pairs
from lexloom.vectors.search.queries import cosines
from lexloom.vectors.search.words import WordPolicy, find_words
from lexloom.vectors.table import Vectors

_RESAMPLES = 1000
_DRAWS_AT_A_TIME = 1 << 22


@dataclass(frozen=True)
class SimilarityResult:
    """How well the cosines of vectors agree with a similarity file.

    Attributes:
        file: the file's name.
        pairs: pairs in the file.
        covered: pairs whose two words the vectors have.
        scored: pairs that count: the covered ones under `skip` (in a comparison, those covered by every set), otherwise all.
        spearman: rank correlation over the pairs scored, -1 to 1; NaN for fewer than two pairs or if one side is constant.
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
    vectors: Vectors, file: str | os.PathLike[str], *, policy: WordPolicy = WordPolicy(), seed: int = 1, resamples: int = _RESAMPLES
) -> SimilarityResult:
    """Compare the cosines of pairs of words with scores given by people.

    Args:
        vectors: the table.
        file: lines of word, word, score, separated by a tab, a comma or spaces.
        policy: pairs with an unknown word are left out (`skip`), have cosine 0 (`zero`), or are an error (`error`).
        seed: of the bootstrap.
        resamples: of the bootstrap; with 0 the interval is NaN.

    Raises:
        InputError: the file cannot be read or has a malformed line.
        UnknownWordError: a word is unknown, under `error`.
    """
    pairs = read_pairs(file)
    return score(pairs, *predict(vectors, pairs, policy), seed=seed, resamples=resamples)


def predict(vectors: Vectors, pairs: Pairs, policy: WordPolicy) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute for each pair the cosine, float64 (n,), 0 if a word is unknown; whether it is covered, and whether it counts, bool (n,)."""
    n = len(pairs.scores)
    found = find_words(vectors, [*pairs.left, *pairs.right], policy.or_skip())
    return cosines(found.rows[:n], found.rows[n:]), found.known[:n] & found.known[n:], found.kept[:n] & found.kept[n:]


def score(
    pairs: Pairs, predicted: np.ndarray, covered: np.ndarray, scored: np.ndarray, *, seed: int = 1, resamples: int = _RESAMPLES
) -> SimilarityResult:
    """Correlate predictions (n,) with the scores of the file over the pairs marked in `scored`, bool (n,)."""
    from scipy.stats import pearsonr, spearmanr

    human, cosine = pairs.scores[scored], predicted[scored]
    spearman = pearson = math.nan
    if len(human) >= 2:
        with warnings.catch_warnings(action="ignore"):  # scipy warns if one side is constant, and returns NaN
            spearman, pearson = float(spearmanr(human, cosine).statistic), float(pearsonr(human, cosine).statistic)
    low, high = spearman_interval(human, cosine, seed=seed, resamples=resamples)
    return SimilarityResult(
        file=pairs.file,
        pairs=len(covered),
        covered=int(covered.sum()),
        scored=len(human),
        spearman=spearman,
        pearson=pearson,
        spearman_low=low,
        spearman_high=high,
    )


def spearman_interval(x: np.ndarray, y: np.ndarray, *, seed: int, resamples: int) -> tuple[float, float]:
    """Compute the 95 % percentile-bootstrap interval over pairs (Efron 1979) of the rank correlation of x and y, each (n,).

    Resamples without a correlation (one side constant) are left out; NaN, NaN if none has one.
    """
    from scipy.stats import bootstrap, pearsonr, rankdata

    if len(x) < 2 or resamples == 0:
        return math.nan, math.nan

    def spearman(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:  # spearmanr has no axis to vectorise over
        correlations: np.ndarray = pearsonr(rankdata(x, axis=axis), rankdata(y, axis=axis), axis=axis).statistic
        return correlations

    with warnings.catch_warnings(action="ignore"):  # scipy warns of each resample without a correlation
        drawn = bootstrap(
            (x, y),
            spearman,
            paired=True,
            method="percentile",
            n_resamples=resamples,
            batch=max(1, _DRAWS_AT_A_TIME // len(x)),
            rng=np.random.default_rng(seed),
        ).bootstrap_distribution
        low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(low), float(high)
