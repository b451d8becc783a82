"""Plot the losses of a training run by epoch, as PNG: no pyplot, no window, no global state."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lexloom.files import write_atomically
from lexloom.plotting import PALETTE, TEXT_COLOUR, drawable, printable

_WIDTH, _HEIGHT, _DPI = 1280, 800, 160  # pixels
_GRID_COLOUR = "#E3E6EB"
_COLOURS = {"training": PALETTE[0], "validation": PALETTE[1]}
_MOST_MARKERS = 60  # with more epochs, lines have no markers
_LARGEST = 1e100  # a larger loss counts as infinite; an axis cannot reach much further
_HIGHEST = 50.0  # the largest loss whose perplexity is shown


def plot_curves(
    records: Sequence[Mapping[str, Any]],
    out: str | os.PathLike[str],
    *,
    title: str = "",
    unit: str = "tokens",
    best_epoch: int | None = None,
) -> None:
    """Plot training and validation loss by epoch with the best epoch marked, and on the right accuracy if there is one, else perplexity.

    Epochs without a loss are skipped; losses that are infinite or NaN leave a gap.

    Args:
        records: one per epoch, as in training.jsonl: `epoch`, `train_loss`, and optionally `valid_loss` (both in nats), `train_accuracy`
            and `valid_accuracy`; of several with the same epoch (a run that was resumed) the last one counts.
        out: the PNG file.
        title: a line above the picture.
        unit: what the losses are averaged over, in the plural.
        best_epoch: the epoch to mark; by default the one with the lowest validation loss.
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
    axes.set_ylabel(f"loss, nats per {unit.removesuffix('s')}", color=TEXT_COLOUR)
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
            add_perplexity(axes)
            axes.legend(frameon=False, labelcolor=TEXT_COLOUR)
    else:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no finite loss to draw", transform=axes.transAxes, ha="center", color=TEXT_COLOUR)
    _add_title(axes, title)
    with write_atomically(out) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": "lexloom"})


def _points(by_epoch: Mapping[int, Mapping[str, Any]], field: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the epochs that have a value, int64 (n,) ascending, and the values, float64 (n,), NaN (a gap) where it cannot be drawn."""
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
    """Plot accuracies as dashed lines, with a scale on the right."""
    right = axes.twinx()
    for name, field in (("training", "train_accuracy"), ("validation", "valid_accuracy")):
        epochs, shares = _points(by_epoch, field)
        right.plot(epochs, shares, color=_COLOURS[name], linewidth=1.2, linestyle="--")
    right.set_ylabel("accuracy (dashed)", color=TEXT_COLOUR)
    handles = axes.get_legend_handles_labels()
    axes.figure.legend(*handles, loc="outside lower center", ncols=len(handles[0]), frameon=False, labelcolor=TEXT_COLOUR)


def add_perplexity(axes: Any) -> None:
    """Add a scale of perplexities at the right of axes whose y is a loss in nats; nothing if their exponentials are too large."""
    from matplotlib.ticker import LogLocator, MaxNLocator, StrMethodFormatter

    low, high = axes.get_ylim()
    if max(-low, high) > _HIGHEST:
        return
    right = axes.secondary_yaxis("right", functions=(np.exp, _log))
    decades = (high - low) / math.log(10)
    locator = LogLocator(subs=(1, 2, 5) if decades < 3 else (1,)) if decades > 1 else MaxNLocator(7, steps=[1, 2, 2.5, 5, 10])
    right.yaxis.set_major_locator(locator)
    right.yaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    right.set_ylabel("perplexity", color=TEXT_COLOUR)


def _log(perplexity: np.ndarray) -> np.ndarray:
    """Return the logarithm; locators also ask for it at 0 and below, outside of the axis."""
    logarithm: np.ndarray = np.log(np.maximum(perplexity, np.finfo(np.float64).tiny))
    return logarithm


def _add_title(axes: Any, title: str) -> None:
    """Set the title literally: a dollar sign starts no formula, and a character that no font has becomes a square."""
    [line], families, _ = drawable(printable([title], 100))
    axes.set_title(line, fontfamily=families, fontsize=12, color=TEXT_COLOUR, parse_math=False)
