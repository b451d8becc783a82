"""What is drawn: words as points with sizes, groups and colours, whatever draws them."""

from dataclasses import dataclass

import numpy as np

# Okabe and Ito's colours, which colour-blind readers tell apart too, without the yellow that is lost on white, and two more.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7A5195", "#8C564B", "#E69F00", "#56B4E9")
TEXT_COLOUR = "#22252B"


@dataclass(frozen=True)
class Scene:
    """What a drawer needs to know.

    Attributes:
        tokens: n tokens, those whose label matters most first.
        points: float64 (n, 2).
        counts: int64 (n,), zeros where not known.
        weights: float64 (n,), 0 to 1, how large to draw each.
        groups: int64 (n,), the number of each token's group, -1 for none.
        names: the groups' names.
        title: a line above the picture, or "".
    """

    tokens: list[str]
    points: np.ndarray
    counts: np.ndarray
    weights: np.ndarray
    groups: np.ndarray
    names: list[str]
    title: str


def colours(scene: Scene) -> list[str]:
    """A colour a point: that of its group, grey for none; one colour for all where there are no groups."""
    plain = "#8A8F98" if scene.names else PALETTE[0]
    return [PALETTE[group % len(PALETTE)] if group >= 0 else plain for group in scene.groups]


def fit(points: np.ndarray, width: float, height: float, margin: float) -> np.ndarray:
    """Scale points (n, 2) to pixels inside a canvas, with one scale for both axes, centred."""
    low, high = points.min(axis=0), points.max(axis=0)
    room = np.array([width, height]) - 2 * margin
    scale = float(np.min(room / np.maximum(high - low, 1e-12)))
    fitted: np.ndarray = (points - (low + high) / 2) * scale + np.array([width, height]) / 2
    return fitted
