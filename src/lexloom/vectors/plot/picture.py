"""Draw words as points: choose them, project them, and draw them as PNG or HTML, by the suffix of the file."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lexloom.errors import ConfigError, InputError
from lexloom.files import write_atomically
from lexloom.vectors.plot.project import ProjectionMethod, project
from lexloom.vectors.plot.scene import Scene
from lexloom.vectors.search.topk import unit
from lexloom.vectors.search.words import WordPolicy, find_words
from lexloom.vectors.table import Vectors


@dataclass(frozen=True)
class PlotReport:
    """What a picture shows.

    Attributes:
        points: words drawn.
        labels: how many of them have a visible label; there was no room for the others.
        missing_glyphs: characters that no font on this machine has; they are drawn as squares.
    """

    points: int
    labels: int
    missing_glyphs: str


def plot_vectors(
    vectors: Vectors,
    out: str | os.PathLike[str],
    *,
    words: Sequence[str] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    top: int = 100,
    method: ProjectionMethod = "pca",
    seed: int = 1,
    policy: WordPolicy = WordPolicy(),
    title: str = "",
) -> PlotReport:
    """Draw words as labelled points in the plane, close to each other if their unit vectors are.

    Args:
        vectors: the table.
        out: a `.png` file, or `.html` for an interactive page with zoom and the count of each word (needs plotly).
        words: the words to draw; if neither words nor groups are given, the `top` most frequent tokens.
        groups: from the name of a group to its words, in one colour per group, drawn beside `words`; a word belongs to its first group.
        top: how many tokens to draw if none are given.
        method: `pca` or `tsne`, as in `project`.
        seed: the seed of t-SNE.
        policy: unknown words are an error (`error`), are left out (`skip`), or are drawn as a row of zeros (`zero`).
        title: a line above the picture.

    Raises:
        UnknownWordError: a word is unknown, under `error`.
        ConfigError: the suffix or the method is unknown, or a library is missing.
        InputError: there is nothing to draw, or a row is not finite.
    """
    suffix = Path(out).suffix.lower()
    if suffix not in (".png", ".html"):
        raise ConfigError(f"{os.fspath(out)}: a picture's name must end in .png or .html")
    if words is None and groups is None:
        words = vectors.tokens[: max(0, top)]
    group_of = {word: number for number, group in reversed(list(enumerate((groups or {}).values()))) for word in group}
    chosen = list(dict.fromkeys([*(words or ()), *(word for group in (groups or {}).values() for word in group)]))
    found = find_words(vectors, chosen, policy)
    kept = np.flatnonzero(found.kept)
    if not len(kept):
        raise InputError("no words to plot: name some that the vectors have, or let top be 1 or more")
    broken = next((chosen[i] for i in kept if not np.isfinite(found.rows[i]).all()), None)
    if broken is not None:
        raise InputError(f"the row of {broken!r} is not finite: leave the word out or train with a lower learning rate")
    counts = np.array([vectors.counts[row] if row >= 0 else 0 for row in found.indices], np.int64)
    kept = kept[np.argsort(-counts[kept], kind="stable")]
    scene = Scene(
        tokens=[chosen[i] for i in kept],
        points=project(unit(found.rows[kept]), method, seed=seed),
        counts=counts[kept],
        weights=_weights(counts[kept]),
        groups=np.array([group_of.get(chosen[i], -1) for i in kept], np.int64),
        names=list(groups or {}),
        title=title,
    )
    return _draw(scene, Path(out), suffix)


def _draw(scene: Scene, out: Path, suffix: str) -> PlotReport:
    if suffix == ".png":
        from lexloom.vectors.plot.png import draw_png

        with write_atomically(out) as temporary:
            labels, missing = draw_png(scene, temporary)
        return PlotReport(len(scene.tokens), labels, missing)
    from lexloom.vectors.plot.html import draw_html

    with write_atomically(out) as temporary:
        labels = draw_html(scene, temporary)
    return PlotReport(len(scene.tokens), labels, "")


def _weights(counts: np.ndarray) -> np.ndarray:
    """Turn counts (n,) into sizes from 0 to 1 by their logarithm; 0.5 for all if the counts do not differ."""
    logs = np.log1p(counts.astype(np.float64))
    spread = float(logs.max() - logs.min())
    return (logs - logs.min()) / spread if math.isfinite(spread) and spread > 0 else np.full(len(logs), 0.5)
