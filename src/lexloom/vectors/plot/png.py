"""Draw a scene as PNG with matplotlib, on a figure of its own that opens no window."""

from pathlib import Path
from typing import Any

import numpy as np

from lexloom.plotting import PALETTE, TEXT_COLOUR, drawable, printable
from lexloom.vectors.plot.scene import Scene, colours, fit, fits, place_beside

_WIDTH, _HEIGHT, _DPI = 1600, 1200, 160  # pixels
_TITLE_HEIGHT, _LEGEND_HEIGHT, _MARGIN = 60, 50, 70
_LINE = {"arrowstyle": "-", "color": "#B4B9C2", "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0, "zorder": 0}
_ITERATIONS = 60  # of adjustText; a bound on its time would make pictures depend on the machine
_MOST_MOVED = 40  # labels that adjustText moves: the time it takes grows with their square and more


def draw_png(scene: Scene, out: Path) -> tuple[int, str]:
    """Draw a scene into a PNG file.

    Returns:
        How many labels are shown, and the characters that no font has.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    given = [*printable(scene.tokens, 24), *printable(scene.names, 40), *printable([scene.title], 100)]
    texts, families, missing = drawable(given)
    labels, names, title = texts[: len(scene.tokens)], texts[len(scene.tokens) : -1], texts[-1]
    height = _HEIGHT - _TITLE_HEIGHT * bool(title) - _LEGEND_HEIGHT * bool(names)
    figure = Figure(figsize=(_WIDTH / _DPI, _HEIGHT / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, height / _HEIGHT), xlim=(0, _WIDTH), ylim=(0, height))  # its data are pixels
    axes.set_axis_off()
    shown = _draw_words(axes, scene, labels, families)
    if title:
        font: dict[str, Any] = {"fontfamily": families, "fontsize": 14, "color": TEXT_COLOUR, "parse_math": False}
        figure.text(0.5, 1 - _TITLE_HEIGHT / 2 / _HEIGHT, title, ha="center", va="center", **font)
    if names:
        _draw_legend(figure, names, families, (height + _LEGEND_HEIGHT / 2) / _HEIGHT)
    figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": "lexloom"})
    return shown, "".join(sorted(missing))


def _draw_words(axes: Any, scene: Scene, labels: list[str], families: list[str]) -> int:
    """Draw markers and labels; returns how many labels are shown."""
    width, height = axes.get_xlim()[1], axes.get_ylim()[1]
    points, radii, paint = fit(scene.points, width, height, _MARGIN), 4 + 5 * scene.weights, colours(scene)
    sizes = (2 * radii * 72 / _DPI) ** 2  # matplotlib wants the square of the diameter in points
    axes.scatter(*points.T, sizes, paint, linewidths=0.5, edgecolors="white", alpha=0.85)
    fixed = {"fontfamily": families, "ha": "center", "va": "center", "parse_math": False, "zorder": 3}
    texts = [
        axes.text(0, 0, label, fontsize=8 + 4 * weight, color=colour if scene.names else TEXT_COLOUR, **fixed)
        for label, weight, colour in zip(labels, scene.weights, paint, strict=True)
    ]
    boxes = _boxes(texts)
    sides, middles, taken = place_beside(points, radii, boxes[:, 2:] - boxes[:, :2], width, height)
    for text, middle in zip(texts, middles, strict=True):
        text.set_position(middle)
    crowded = [number for number, side in enumerate(sides) if not side]
    for number in crowded[_MOST_MOVED:]:
        texts[number].set_visible(False)
    crowded = crowded[:_MOST_MOVED]
    _move_apart(axes, [texts[number] for number in crowded], points[crowded], taken)
    return sum(text.get_visible() for text in texts)


def _move_apart(axes: Any, texts: list[Any], points: np.ndarray, taken: np.ndarray) -> None:
    """Move labels to where they cover nothing, with lines to their points (n, 2), and hide those that adjustText does not get free."""
    if not texts:
        return
    from adjustText import adjust_text
    from matplotlib.transforms import Bbox

    _, lines = adjust_text(
        texts,
        target_x=points[:, 0],
        target_y=points[:, 1],
        objects=[Bbox(box.reshape(2, 2)) for box in taken],
        avoid_self=False,
        prevent_crossings=False,  # it swaps boxes without their sizes
        iter_lim=_ITERATIONS,
        min_arrow_len=12,
        arrowprops=_LINE,
        ax=axes,
    )
    for text, box in zip(texts, _boxes(texts), strict=True):
        text.set_visible(fits(box, taken, axes.get_xlim()[1], axes.get_ylim()[1]))
        if text.get_visible():
            taken = np.vstack([taken, box])
    for line in lines:
        line.set_visible(line.patchA.get_visible())


def _boxes(texts: list[Any]) -> np.ndarray:
    """The boxes that texts take, float64 (n, 4): left, bottom, right, top in pixels."""
    return np.array([text.get_window_extent().extents for text in texts])


def _draw_legend(figure: Any, names: list[str], families: list[str], middle: float) -> None:
    from matplotlib.lines import Line2D

    paint = [PALETTE[number % len(PALETTE)] for number in range(len(names))]
    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=7, color=colour, label=name) for name, colour in zip(names, paint, strict=True)
    ]
    legend = figure.legend(
        handles=handles,
        loc="center",
        bbox_to_anchor=(0.5, middle),
        ncols=min(len(names), 6),
        frameon=False,
        prop={"family": families, "size": 10},
        handletextpad=0.2,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
