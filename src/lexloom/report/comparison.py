"""Draw a comparison of vectors as PNG: a dot per seed, and the mean and standard deviation of each arm, model by model."""

import os
import statistics
from collections.abc import Mapping, Sequence

from lexloom.files import write_atomically
from lexloom.plotting import PALETTE, TEXT_COLOUR

_DPI = 160
_GRID_COLOUR = "#E3E6EB"


def plot_arms(
    scores: Mapping[str, Mapping[str, Sequence[float]]], out: str | os.PathLike[str], *, metric: str = "accuracy", title: str = ""
) -> None:
    """Draw the score of each seed, and means with standard deviations.

    Args:
        scores: of each seed, between 0 and 1, by model and arm.
        out: the PNG file.
        metric: name of the score.
        title: a line above the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    arms = list(dict.fromkeys(arm for group in scores.values() for arm in group))
    figure = Figure(figsize=(2.0 + 2.0 * max(2, len(scores)), 4.5), dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.grid(axis="y", color=_GRID_COLOUR, linewidth=0.8)
    axes.set_axisbelow(True)
    width = 0.6 / max(1, len(arms))
    values = [value for group in scores.values() for found in group.values() for value in found]
    for number, arm in enumerate(arms):
        colour, label = PALETTE[number % len(PALETTE)], arm
        for place, group in enumerate(scores.values()):
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
    axes.set_xlim(-0.5, len(scores) - 0.5)
    axes.set_xticks(range(len(scores)), list(scores), color=TEXT_COLOUR)
    axes.set_ylabel(f"{metric} (mean, standard deviation, every seed)", color=TEXT_COLOUR)
    axes.set_title(title, fontsize=11, color=TEXT_COLOUR, parse_math=False)
    figure.legend(loc="outside lower center", ncols=len(arms), frameon=False, labelcolor=TEXT_COLOUR)
    with write_atomically(out) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": "lexloom"})
