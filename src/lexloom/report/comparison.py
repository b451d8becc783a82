"""Draw what vectors are worth: a bar an arm with a dot a seed, side by side for each encoder, as PNG."""

import os
import statistics
from collections.abc import Mapping, Sequence

from lexloom.files import write_atomically
from lexloom.vectors.plot.scene import PALETTE, TEXT_COLOUR

_DPI = 160
_GRID_COLOUR = "#E3E6EB"


def plot_arms(accuracies: Mapping[str, Mapping[str, Sequence[float]]], out: str | os.PathLike[str], *, title: str = "") -> None:
    """Draw mean accuracies with their standard deviations, and every single one.

    Args:
        accuracies: from encoder to arm to the accuracy with each seed, as shares of 1.
        out: the PNG file.
        title: a line above the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    arms = list(dict.fromkeys(arm for group in accuracies.values() for arm in group))
    figure = Figure(figsize=(2.0 + 2.0 * max(2, len(accuracies)), 4.5), dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.grid(axis="y", color=_GRID_COLOUR, linewidth=0.8)
    axes.set_axisbelow(True)
    width = 0.8 / max(1, len(arms))
    values = [value for group in accuracies.values() for found in group.values() for value in found]
    for number, arm in enumerate(arms):
        colour, labelled = PALETTE[number % len(PALETTE)], False
        for place, group in enumerate(accuracies.values()):
            found = group.get(arm, ())
            if not found:
                continue
            x = place + (number - (len(arms) - 1) / 2) * width
            spread = statistics.stdev(found) if len(found) > 1 else 0.0
            label = None if labelled else arm
            mean = statistics.mean(found)
            axes.bar(x, mean, width * 0.92, color=colour, alpha=0.45, yerr=spread, ecolor=TEXT_COLOUR, capsize=3, label=label)
            axes.plot([x] * len(found), found, linestyle="", marker="o", markersize=3.5, color=colour)
            labelled = True
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = max(0.01, 0.15 * (high - low))
    axes.set_ylim(max(0.0, low - 2 * margin), min(1.0, high + margin))
    axes.set_xticks(range(len(accuracies)), list(accuracies), color=TEXT_COLOUR)
    axes.set_ylabel("accuracy", color=TEXT_COLOUR)
    axes.set_title(title, fontsize=11, color=TEXT_COLOUR, parse_math=False)
    figure.legend(loc="outside lower center", ncols=len(arms), frameon=False, labelcolor=TEXT_COLOUR)
    with write_atomically(out) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": "lexloom"})
