"""Place labels beside their points so that none covers another; a label without a free place is left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Where a label stands to its point, by preference: the sign of its offset to the right and upwards.
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


@dataclass(frozen=True)
class Place:
    """Where one label goes.

    Attributes:
        left: x of the left edge of its box, in pixels.
        bottom: y of the lower edge.
        side: where it stands to its point, in plotly's words (`top center`).
        apart: whether it stands so far off that a line should lead to it.
    """

    left: float
    bottom: float
    side: str
    apart: bool


def place_labels(
    points: np.ndarray, sizes: np.ndarray, radii: np.ndarray, bounds: tuple[float, float], *, gaps: Sequence[float] = (2.0,)
) -> list[Place | None]:
    """Place labels greedily in the order given, so put what matters most first.

    Args:
        points: float (n, 2), the points in pixels, y upwards.
        sizes: float (n, 2), width and height of each label in pixels.
        radii: float (n,), radius of each marker in pixels.
        bounds: width and height of the canvas in pixels; no label leaves it.
        gaps: the distances from the marker to try, in pixels; labels beyond the first are `apart`.

    Returns:
        A place for each label, None where all its places are taken by a label or a marker.
    """
    markers = np.hstack([points - radii[:, None], points + radii[:, None]])  # (n, 4): left, bottom, right, top
    boxes = np.empty((len(points), 4))
    count = 0
    places: list[Place | None] = []
    for point, size, radius in zip(points, sizes, radii, strict=True):
        place = None
        for gap in gaps:
            for side, (right, up) in _SIDES.items():
                corner = _corner(point, size, radius + gap, right, up)
                box = np.concatenate([corner, corner + size])
                inside = box[0] >= 0 and box[1] >= 0 and box[2] <= bounds[0] and box[3] <= bounds[1]
                if inside and not _overlaps(box, boxes[:count]) and not _overlaps(box, markers):
                    place = Place(float(corner[0]), float(corner[1]), side, gap != gaps[0])
                    boxes[count] = box
                    count += 1
                    break
            if place:
                break
        places.append(place)
    return places


def _corner(point: np.ndarray, size: np.ndarray, distance: float, right: int, up: int) -> np.ndarray:
    """The lower left corner of a label that stands to one side of a point."""
    reach = distance * (0.7 if right and up else 1.0)  # a corner of the box meets the marker's circle, not its square
    sign = np.array([right, up])
    corner: np.ndarray = point + sign * reach + size * (sign - 1) / 2
    return corner


def _overlaps(box: np.ndarray, others: np.ndarray) -> bool:
    return bool(np.any((box[0] < others[:, 2]) & (others[:, 0] < box[2]) & (box[1] < others[:, 3]) & (others[:, 1] < box[3])))
