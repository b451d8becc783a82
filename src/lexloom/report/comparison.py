"""Draw what vectors are worth: a dot a seed and their mean with its spread, arm by arm for each encoder, as PNG."""

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
    width = 0.6 / max(1, len(arms))
    values = [value for group in accuracies.values() for found in group.values() for value in found]
    for number, arm in enumerate(arms):
        colour, label = PALETTE[number % len(PALETTE)], arm
        for place, group in enumerate(accuracies.values()):
            if not (found := group.get(arm, ())):
                continue
            x = place + (number - (len(arms) - 1) / 2) * width
            spread = statistics.stdev(found) if len(found) > 1 else 0.0
            axes.plot([x] * len(found), found, linestyle="", marker="o", markersize=4, color=colour, alpha=0.45, markeredgewidth=0)
            mean = statistics.mean(found)
            axes.errorbar(x, mean, spread, linestyle="", marker="D", markersize=7, color=colour, ecolor=TEXT_COLOUR, capsize=4, label=label)
            label = "_"  # once in the legend
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = max(0.01, 0.15 * (high - low))
    axes.set_ylim(max(0.0, low - margin), min(1.0, high + margin))
    axes.set_xlim(-0.5, len(accuracies) - 0.5)
    axes.set_xticks(range(len(accuracies)), list(accuracies), color=TEXT_COLOUR)
    axes.set_ylabel("accuracy (mean, standard deviation, every seed)", color=TEXT_COLOUR)
    axes.set_title(title, fontsize=11, color=TEXT_COLOUR, parse_math=False)
    figure.legend(loc="outside lower center", ncols=len(arms), frameon=False, labelcolor=TEXT_COLOUR)
    with write_atomically(out) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": "lexloom"})
