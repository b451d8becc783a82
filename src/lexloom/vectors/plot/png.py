"""Draw a scene as PNG with matplotlib, on a figure of its own: no pyplot, no window, no global state."""

from pathlib import Path
from typing import Any

import numpy as np

from lexloom.vectors.plot.fonts import PLACEHOLDER, choose_fonts, printable
from lexloom.vectors.plot.labels import Place, place_labels
from lexloom.vectors.plot.scene import PALETTE, TEXT_COLOUR, Scene, colours, fit

_WIDTH, _HEIGHT, _DPI = 1600, 1200, 160  # pixels
_TITLE_HEIGHT, _LEGEND_HEIGHT, _MARGIN = 60, 50, 70
_GAPS = (2.0, 14.0, 26.0, 38.0, 50.0)
_PADDING = 2  # between the boxes of two labels
_LINE_COLOUR = "#B4B9C2"


def draw_png(scene: Scene, out: Path) -> tuple[int, str]:
    """Draw a scene into a PNG file.

    Returns:
        How many labels found a place, and the characters that no font has.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

    labels = printable(scene.tokens)
    names = printable(scene.names, 40)
    title = printable([scene.title], 100)[0]
    families, missing = choose_fonts([*labels, *names, title, PLACEHOLDER])
    squares = str.maketrans(dict.fromkeys(missing, PLACEHOLDER))
    figure = Figure(figsize=(_WIDTH / _DPI, _HEIGHT / _DPI), dpi=_DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    fonts = [FontProperties(family=families, size=size) for size in 8 + 4 * scene.weights]
    texts = [_text(figure, label.translate(squares), font) for label, font in zip(labels, fonts, strict=True)]

    height = _HEIGHT - _TITLE_HEIGHT * bool(title) - _LEGEND_HEIGHT * bool(names)
    points = fit(scene.points, _WIDTH, height, _MARGIN)
    radii = 4 + 5 * scene.weights
    renderer = canvas.get_renderer()
    sizes = np.array([[box.width, box.height] for box in (text.get_window_extent(renderer) for text in texts)])
    places = place_labels(points, sizes + 2 * _PADDING, radii, (_WIDTH, height), gaps=_GAPS)

    paint = colours(scene)
    _draw_markers(figure, points, radii, paint)
    for text, place, point, size, colour in zip(texts, places, points, sizes, paint, strict=True):
        _draw_label(figure, text, place, point, size, colour if scene.names else TEXT_COLOUR)
    if title:
        font = FontProperties(family=families, size=14)
        _text(figure, title.translate(squares), font).set(
            x=_WIDTH / 2, y=_HEIGHT - _TITLE_HEIGHT / 2, ha="center", va="center", color=TEXT_COLOUR
        )
    if names:
        _draw_legend(figure, [name.translate(squares) for name in names], FontProperties(family=families, size=10), height)
    figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": "lexloom"})
    return sum(place is not None for place in places), "".join(sorted(missing))


def _text(figure: Any, text: str, font: Any) -> Any:
    """A text in pixel coordinates, taken as it is: a dollar sign starts no formula."""
    from matplotlib.transforms import IdentityTransform

    return figure.text(0, 0, text, fontproperties=font, transform=IdentityTransform(), parse_math=False, va="bottom", ha="left")


def _draw_markers(figure: Any, points: np.ndarray, radii: np.ndarray, paint: list[str]) -> None:
    from matplotlib.patches import Circle
    from matplotlib.transforms import IdentityTransform

    for point, radius, colour in zip(points, radii, paint, strict=True):
        circle = Circle(point, radius, transform=IdentityTransform(), facecolor=colour, edgecolor="white", linewidth=0.5, alpha=0.85)
        figure.add_artist(circle)


def _draw_label(figure: Any, text: Any, place: Place | None, point: np.ndarray, size: np.ndarray, colour: str) -> None:
    """Put a label where it belongs, with a line to its point where it stands apart, or take it away."""
    from matplotlib.lines import Line2D
    from matplotlib.transforms import IdentityTransform

    if place is None:
        text.remove()
        return
    text.set(x=place.left + _PADDING, y=place.bottom + _PADDING, color=colour, zorder=3)
    if place.apart:
        corner = np.array([place.left, place.bottom]) + _PADDING
        end = np.clip(point, corner, corner + size)  # the spot of the label's box nearest to the point
        line = Line2D([point[0], end[0]], [point[1], end[1]], transform=IdentityTransform(), color=_LINE_COLOUR, linewidth=0.7, zorder=0)
        figure.add_artist(line)


def _draw_legend(figure: Any, names: list[str], font: Any, height: float) -> None:
    from matplotlib.lines import Line2D

    paint = [PALETTE[number % len(PALETTE)] for number in range(len(names))]
    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=7, color=colour, label=name) for name, colour in zip(names, paint, strict=True)
    ]
    figure.legend(
        handles=handles,
        loc="center",
        bbox_to_anchor=(0.5, (height + _LEGEND_HEIGHT / 2) / _HEIGHT),
        ncols=min(len(names), 6),
        frameon=False,
        prop=font,
        handletextpad=0.2,
    )
