"""How far the rows of an embedding moved in training."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor

from lexloom.errors import ConfigError

_ROWS_AT_A_TIME = 1 << 14


@dataclass(frozen=True)
class Moved:
    """What became of one row.

    Attributes:
        word: its token.
        count: how often the token occurs in the text.
        distance: Euclidean, from where the row began to where it ended.
        cosine: between the two, -1 to 1; NaN where one of them is zero.
    """

    word: str
    count: int
    distance: float
    cosine: float


@dataclass(frozen=True)
class Movement:
    """What became of the rows of an embedding; distances are Euclidean.

    Attributes:
        rows: V.
        unmoved: rows that are equal to what they were.
        mean_distance: over all rows, like the two that follow; NaN where V is 0.
        median_distance: half of the rows moved less far.
        max_distance: how far the row moved that moved farthest.
        mean_cosine: between where rows began and where they ended, over those that are not zero; NaN where all are.
        most: the rows that moved farthest, the farthest first.
    """

    rows: int
    unmoved: int
    mean_distance: float
    median_distance: float
    max_distance: float
    mean_cosine: float
    most: tuple[Moved, ...]

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values; NaN and infinity become None."""
        fields = _plain(asdict(self))
        return {**fields, "most": [_plain(moved) for moved in fields["most"]]}


def movement(start: Tensor, end: Tensor, tokens: Sequence[str], counts: Sequence[int] | np.ndarray, k: int = 10) -> Movement:
    """Compare where rows began with where they ended.

    Args:
        start: (V, E), copied before the training.
        end: (V, E), after it.
        tokens: V tokens.
        counts: int (V,), how often each occurs.
        k: how many of the rows that moved farthest to name; those that did not move are never named.

    Raises:
        ConfigError: the shapes do not agree.
    """
    if start.shape != end.shape or start.ndim != 2 or not len(start) == len(tokens) == len(counts):
        raise ConfigError(
            f"rows {tuple(start.shape)} and {tuple(end.shape)}, {len(tokens)} tokens, {len(counts)} counts: expected two rows, "
            "a token and a count for every id"
        )
    V = len(start)
    distance, cosine, same = np.zeros(V), np.full(V, math.nan), np.zeros(V, bool)
    for first in range(0, V, _ROWS_AT_A_TIME):
        part = slice(first, first + _ROWS_AT_A_TIME)
        distance[part], cosine[part], same[part] = _compare(_numbers(start[part]), _numbers(end[part]))
    order = np.argsort(-distance, kind="stable")[: max(0, k)].tolist()
    directed = cosine[~np.isnan(cosine)]
    return Movement(
        rows=V,
        unmoved=int(same.sum()),
        mean_distance=float(distance.mean()) if V else math.nan,
        median_distance=float(np.median(distance)) if V else math.nan,
        max_distance=float(distance.max()) if V else math.nan,
        mean_cosine=float(directed.mean()) if len(directed) else math.nan,
        most=tuple(Moved(tokens[row], int(counts[row]), float(distance[row]), float(cosine[row])) for row in order if not same[row]),
    )


def _numbers(rows: Tensor) -> np.ndarray:
    return rows.detach().cpu().double().numpy()


def _compare(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give distances (n,), cosines (n,), NaN beside a zero row, and which rows are equal, bool (n,)."""
    before, after = np.linalg.norm(start, axis=1), np.linalg.norm(end, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.clip(np.einsum("ne,ne->n", start, end) / (before * after), -1, 1)
    return np.linalg.norm(end - start, axis=1), cosine, (start == end).all(axis=1)


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in fields.items()}
