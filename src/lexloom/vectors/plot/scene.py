"""What is drawn: words as points with sizes, groups and colours, and which labels have room."""

from dataclasses import dataclass

import numpy as np

from lexloom.plotting import PALETTE

# where a label may stand, best first: plotly's name, and the direction from the marker to the right and upwards
_SIDES = {
    "middle right": (1, 0),
    "top center": (0, 1),
    "bottom center": (0, -1),
    "middle left": (-1, 0),
    "top right": (1, 1),
    "bottom right": (1, -1),
    "top left": (-1, 1),
    "bottom left": (-1, -1),
}
_GAP = 3  # pixels between a marker and its label


@dataclass(frozen=True)
class Scene:
    """What a drawer needs to know.

    Attributes:
        tokens: n tokens, those whose label matters most first.
        points: float64 (n, 2).
        counts: int64 (n,), zeros if not known.
        weights: float64 (n,), 0 to 1, how large to draw each.
        groups: int64 (n,), the number of each token's group, -1 for none.
        names: the names of the groups.
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
    """The colour of each point: that of its group, grey without a group; one colour for all if there are no groups."""
    plain = "#8A8F98" if scene.names else PALETTE[0]
    return [PALETTE[group % len(PALETTE)] if group >= 0 else plain for group in scene.groups]


def fit(points: np.ndarray, width: float, height: float, margin: float) -> np.ndarray:
    """Scale points (n, 2) to pixels inside a canvas, with one scale for both axes, centred."""
    low, high = points.min(axis=0), points.max(axis=0)
    room = np.array([width, height]) - 2 * margin
    scale = float(np.min(room / np.maximum(high - low, 1e-12)))
    fitted: np.ndarray = (points - (low + high) / 2) * scale + np.array([width, height]) / 2
    return fitted


def place_beside(
    points: np.ndarray, radii: np.ndarray, sizes: np.ndarray, width: float, height: float
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Choose for each label a side of its marker where it covers nothing, the first labels first.

    Args:
        points: float (n, 2), the markers in pixels, y upwards.
        radii: float (n,), their radii in pixels.
        sizes: float (n, 2), width and height of each label in pixels.
        width: of the canvas in pixels; no label may leave it.
        height: of the canvas in pixels.

    Returns:
        for each label the side in plotly's words, such as `top center`, or "" if none is free; the middles of the labels, float (n, 2),
        to the right if none is free; the boxes of the markers and of the labels placed, float (m, 4).
    """
    sides, middles = [""] * len(points), points + (radii[:, None] + _GAP + sizes / 2) * (1, 0)
    taken = np.hstack([points - radii[:, None], points + radii[:, None]])
    for number, (point, radius, size) in enumerate(zip(points, radii, sizes, strict=True)):
        for side, direction in _SIDES.items():
            middle = point + (radius + _GAP + size / 2) * direction
            box = np.concatenate([middle - size / 2, middle + size / 2])
            if fits(box, taken, width, height):
                sides[number], middles[number], taken = side, middle, np.vstack([taken, box])
                break
    return sides, middles, taken


def fits(box: np.ndarray, taken: np.ndarray, width: float, height: float) -> bool:
    """Whether a box (4,) of left, bottom, right and top is inside the canvas and overlaps none of the taken ones, (m, 4)."""
    left, bottom, right, top = box
    covers = (left < taken[:, 2]) & (taken[:, 0] < right) & (bottom < taken[:, 3]) & (taken[:, 1] < top)
    return bool(left >= 0 and bottom >= 0 and right <= width and top <= height and not covers.any())
