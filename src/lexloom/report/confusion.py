"""Plot a confusion matrix as PNG: no pyplot, no window, no global state."""

import os
from typing import Any

import numpy as np

from lexloom.errors import ConfigError
from lexloom.files import write_atomically
from lexloom.models.classifier.scores import ClassificationScore
from lexloom.plotting import TEXT_COLOUR, drawable, printable

_DPI = 160
_MOST = 40  # at most that many labels are drawn, the most frequent ones
_MOST_WRITTEN = 20  # with more labels, the cells have no numbers
_LONGEST = 24  # characters of a label


def plot_confusion(score: ClassificationScore, out: str | os.PathLike[str], *, title: str = "") -> None:
    """Plot how often each true label (rows) was predicted as each label (columns); the colour is the share of the row.

    If there are too many labels, only the most frequent are drawn, and the title says so.

    Args:
        score: the result of an evaluation in which every document has one label.
        out: the PNG file.
        title: a line above the picture.

    Raises:
        ConfigError: documents may have several labels, so there is no confusion matrix.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if score.confusion is None:
        raise ConfigError("documents may have several labels, so there is no confusion matrix to draw; leave out the picture")
    matrix, names = np.array(score.confusion), list(score.per_class)
    shown = np.sort(np.argsort(-matrix.sum(1), kind="stable")[:_MOST])
    if len(shown) < len(names):
        title = f"{title}  (the {_MOST} most frequent of {len(names)} labels)".strip()
    matrix, names = matrix[np.ix_(shown, shown)], printable([names[place] for place in shown], _LONGEST)
    side = min(12.0, max(3.2, 1.8 + 0.42 * len(names)) + 0.06 * max(0, max(map(len, names)) - 8))
    figure = Figure(figsize=(side + 1.0, side), dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shares = matrix / np.maximum(1, matrix.sum(1, keepdims=True))
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    _name_axes(axes, names, title)
    if len(names) <= _MOST_WRITTEN:
        for (row, column), number in np.ndenumerate(matrix):
            colour = "white" if shares[row, column] > 0.55 else TEXT_COLOUR
            axes.text(column, row, f"{number:,}", ha="center", va="center", fontsize=8, color=colour)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label("share of the true label", color=TEXT_COLOUR, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    with write_atomically(out) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": "lexloom"})


def _name_axes(axes: Any, names: list[str], title: str) -> None:
    """Write labels and title literally: a dollar sign starts no formula, and a character that no font has becomes a square."""
    [line, *written], families, _ = drawable([*printable([title], max(40, 9 * len(names))), *names])
    style: dict[str, Any] = {"fontfamily": families, "color": TEXT_COLOUR, "parse_math": False}
    places = range(len(names))
    axes.set_xticks(places, written, rotation=45, ha="right", fontsize=8, **style)
    axes.set_yticks(places, written, fontsize=8, **style)
    axes.set_xlabel("predicted", color=TEXT_COLOUR)
    axes.set_ylabel("true", color=TEXT_COLOUR)
    axes.set_title(line, fontsize=11, **style)
