"""Draw the losses of a training, epoch by epoch, as PNG: no pyplot, no window, no global state."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lexloom.files import write_atomically
from lexloom.vectors.plot.fonts import PLACEHOLDER, choose_fonts, printable
from lexloom.vectors.plot.scene import PALETTE, TEXT_COLOUR

_WIDTH, _HEIGHT, _DPI = 1280, 800, 160  # pixels
_GRID_COLOUR = "#E3E6EB"
_COLOURS = {"training": PALETTE[0], "validation": PALETTE[1]}
_MOST_MARKERS = 60  # epochs that get a dot each
_LARGEST = 1e100  # a loss beyond it counts as infinite; an axis cannot reach much further
_HIGHEST = 50.0  # a loss with a perplexity that is still worth a scale


def plot_curves(
    records: Sequence[Mapping[str, Any]],
    out: str | os.PathLike[str],
    *,
    title: str = "",
    unit: str = "tokens",
    best_epoch: int | None = None,
) -> None:
    """Draw training and validation loss by epoch with the best epoch marked, and perplexity or, where there is one, accuracy at the right.

    Epochs without a loss are passed over; losses that are infinite or NaN leave a gap.

    Args:
        records: one an epoch, as in training.jsonl: `epoch`, `train_loss` and `valid_loss`, in nats, where there is one, and perhaps
            `train_accuracy` and `valid_accuracy`; of several with the same epoch (a training that was resumed) the last one counts.
        out: the PNG file.
        title: a line above the picture.
        unit: what the losses are means over, in the plural.
        best_epoch: which to mark; that with the lowest validation loss unless given.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    by_epoch = {int(record["epoch"]): record for record in records}
    curves = {name: _points(by_epoch, field) for name, field in (("training", "train_loss"), ("validation", "valid_loss"))}
    curves = {name: points for name, points in curves.items() if np.isfinite(points[1]).any()}

    figure = Figure(figsize=(_WIDTH / _DPI, _HEIGHT / _DPI), dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.grid(color=_GRID_COLOUR, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch", color=TEXT_COLOUR)
    axes.set_ylabel(f"loss, nats a {unit.removesuffix('s')}", color=TEXT_COLOUR)
    for name, (epochs, losses) in curves.items():
        marker = "o" if len(epochs) <= _MOST_MARKERS else None
        axes.plot(epochs, losses, label=name, color=_COLOURS[name], marker=marker, markersize=4, linewidth=1.6)
    judged = any(f"{part}_accuracy" in record for record in by_epoch.values() for part in ("train", "valid"))
    if "validation" in curves:
        _mark_best(axes, *curves["validation"], best_epoch, perplexity=not judged)
    if curves:
        margin = max(0.5, 0.02 * (max(by_epoch) - min(by_epoch)))
        axes.set_xlim(min(by_epoch) - margin, max(by_epoch) + margin)
        if judged:
            _add_accuracy(axes, by_epoch)
        else:
            _add_perplexity(axes)
            axes.legend(frameon=False, labelcolor=TEXT_COLOUR)
    else:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no finite loss to draw", transform=axes.transAxes, ha="center", color=TEXT_COLOUR)
    _add_title(axes, title)
    with write_atomically(out) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": "lexloom"})


def _points(by_epoch: Mapping[int, Mapping[str, Any]], field: str) -> tuple[np.ndarray, np.ndarray]:
    """The epochs that have a loss, int64 (n,) ascending, and the losses, float64 (n,), with NaN (a gap) for what cannot be drawn."""
    found = sorted((epoch, record[field]) for epoch, record in by_epoch.items() if record.get(field) is not None)
    losses = np.array([loss if abs(loss) < _LARGEST else math.nan for _, loss in found], np.float64)
    return np.array([epoch for epoch, _ in found], np.int64), losses


def _mark_best(axes: Any, epochs: np.ndarray, losses: np.ndarray, best_epoch: int | None, *, perplexity: bool) -> None:
    best = int(np.nanargmin(losses)) if best_epoch is None else epochs.tolist().index(best_epoch)
    epoch, loss = int(epochs[best]), float(losses[best])
    more = f", perplexity {math.exp(loss):.4g}" if perplexity and loss < _HIGHEST else ""
    axes.plot(
        [epoch],
        [loss],
        linestyle="",
        marker="o",
        markersize=9,
        markerfacecolor="none",
        markeredgewidth=1.6,
        color=_COLOURS["validation"],
        label=f"best: epoch {epoch}, loss {loss:.4g}{more}",
    )


def _add_accuracy(axes: Any, by_epoch: Mapping[int, Mapping[str, Any]]) -> None:
    """Draw the shares of right answers, dashed, with a scale at the right."""
    right = axes.twinx()
    for name, field in (("training", "train_accuracy"), ("validation", "valid_accuracy")):
        epochs, shares = _points(by_epoch, field)
        right.plot(epochs, shares, color=_COLOURS[name], linewidth=1.2, linestyle="--")
    right.set_ylabel("accuracy (dashed)", color=TEXT_COLOUR)
    right.legend(*axes.get_legend_handles_labels(), loc="center right", framealpha=0.9, edgecolor="none", labelcolor=TEXT_COLOUR)


def _add_perplexity(axes: Any) -> None:
    """Put the perplexities at round numbers on the right, at the height of their logarithms."""
    low, high = axes.get_ylim()
    if max(-low, high) > _HIGHEST:
        return
    ticks = perplexity_ticks(low, high)
    right = axes.twinx()
    right.set_ylim(low, high)
    right.set_yticks(np.log(ticks), [f"{tick:,.10g}" for tick in ticks])
    right.set_ylabel("perplexity", color=TEXT_COLOUR)


def perplexity_ticks(low: float, high: float) -> list[float]:
    """Choose round perplexities for a scale whose ends are losses.

    Args:
        low: the loss at the lower end, in nats.
        high: that at the upper end, above `low`, and small enough for its exponential.

    Returns:
        perplexities from exp(low) to exp(high), ascending: of the numbers 1, 2 and 5 times a power of ten, or of those 1 times, where
        these are not too few, and evenly spaced otherwise.
    """
    from matplotlib.ticker import MaxNLocator

    powers = range(math.floor(low / math.log(10)), math.ceil(high / math.log(10)) + 1)
    for digits in ((1, 2, 5), (1,)):
        ticks = [digit * 10.0**power for power in powers for digit in digits]
        ticks = [tick for tick in ticks if low <= math.log(tick) <= high]
        if len(ticks) <= 9:
            break
    if len(ticks) < 4:
        even = MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]).tick_values(math.exp(low), math.exp(high))
        ticks = [float(tick) for tick in even if math.exp(low) <= tick <= math.exp(high)]
    return ticks


def _add_title(axes: Any, title: str) -> None:
    """Set the title as it is: a dollar sign starts no formula, and what no font has becomes a square."""
    line = printable([title], 100)[0]
    families, missing = choose_fonts([line, PLACEHOLDER])
    squares = str.maketrans(dict.fromkeys(missing, PLACEHOLDER))
    axes.set_title(line.translate(squares), fontfamily=families, fontsize=12, color=TEXT_COLOUR, parse_math=False)
