"""How far the rows of an embedding moved in training."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lexloom.errors import ConfigError

_ROWS_AT_A_TIME = 1 << 14


@dataclass(frozen=True)
class MovedRow:
    """How far one row moved.

    Attributes:
        word: its token.
        count: occurrences of the token in the text.
        distance: Euclidean distance between the row before and after training.
        cosine: cosine between the two, -1 to 1; NaN if one of them is zero.
    """

    word: str
    count: int
    distance: float
    cosine: float


@dataclass(frozen=True)
class Movement:
    """How far the rows of an embedding moved; distances are Euclidean.

    Attributes:
        rows: V.
        unmoved: rows that are equal before and after training.
        mean_distance: over all rows, like the next two; NaN if V is 0.
        median_distance: half of the rows moved less far.
        max_distance: the largest distance of a row.
        mean_cosine: between rows before and after training, over rows that are not zero; NaN if all are.
        most: the rows that moved farthest, in descending order of distance.
    """

    rows: int
    unmoved: int
    mean_distance: float
    median_distance: float
    max_distance: float
    mean_cosine: float
    most: tuple[MovedRow, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values; NaN and infinity become None."""
        fields = _plain(asdict(self))
        return {**fields, "most": [_plain(moved) for moved in fields["most"]]}


def movement(start: np.ndarray, end: np.ndarray, tokens: Sequence[str], counts: Sequence[int] | np.ndarray, k: int = 10) -> Movement:
    """Compare the rows before and after training.

    Args:
        start: float (V, E), copied before training.
        end: float (V, E), after it.
        tokens: V tokens.
        counts: int (V,), occurrences of each.
        k: name at most k rows that moved farthest; rows that did not move are never named.

    Raises:
        ConfigError: the shapes do not agree.
    """
    if start.shape != end.shape or start.ndim != 2 or not len(start) == len(tokens) == len(counts):
        raise ConfigError(
            f"rows {tuple(start.shape)} and {tuple(end.shape)}, {len(tokens)} tokens, {len(counts)} counts: expected two rows, "
            "a token and a count for each id"
        )
    V = len(start)
    distance, cosine, same = np.zeros(V), np.full(V, math.nan), np.zeros(V, bool)
    for first in range(0, V, _ROWS_AT_A_TIME):
        part = slice(first, first + _ROWS_AT_A_TIME)
        distance[part], cosine[part], same[part] = _compare(start[part].astype(np.float64), end[part].astype(np.float64))
    order = np.argsort(-distance, kind="stable")[: max(0, k)].tolist()
    directed = cosine[~np.isnan(cosine)]
    return Movement(
        rows=V,
        unmoved=int(same.sum()),
        mean_distance=float(distance.mean()) if V else math.nan,
        median_distance=float(np.median(distance)) if V else math.nan,
        max_distance=float(distance.max()) if V else math.nan,
        mean_cosine=float(directed.mean()) if len(directed) else math.nan,
        most=tuple(MovedRow(tokens[row], int(counts[row]), float(distance[row]), float(cosine[row])) for row in order if not same[row]),
    )


def _compare(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return distances (n,), cosines (n,), NaN where a row is zero, and which rows are equal, bool (n,)."""
    before, after = np.linalg.norm(start, axis=1), np.linalg.norm(end, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.clip(np.einsum("ne,ne->n", start, end) / (before * after), -1, 1)
    return np.linalg.norm(end - start, axis=1), cosine, (start == end).all(axis=1)


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in fields.items()}
