"""How the command line shows the answers of classifiers: labels, scores, explanations, comparisons."""

import json as jsonlib
import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from lexloom.cli.show import say, show_table, stdout, warn
from lexloom.models.classifier.answers import Explanation, Predictor, decide
from lexloom.models.classifier.labels import describe_unseen
from lexloom.models.classifier.scores import ClassificationScore
from lexloom.report.comparison import plot_arms
from lexloom.text.corpus import Corpus
from lexloom.training.compare import EmbeddingComparison, Trial

_FEWEST_SEEDS = 3  # for a spread that means something
_MOST_WORDS = 8  # listed for and against a label


def warn_of_unseen(labels: dict[str, int]) -> None:
    """Warn of labels that do not occur in training."""
    if labels:
        warn(describe_unseen(labels))


def predicted_lines(model: Predictor, corpus: Corpus, *, probabilities: bool, k: int | None, json: bool) -> Iterator[str]:
    """Yield the answers, one line per document, for several documents at a time.

    Args:
        model: a classifier.
        corpus: the documents.
        probabilities: labels with their probabilities.
        k: at most this many labels per line. Default: all.
        json: JSON values.
    """
    names = pl.Series(model.labels.names, dtype=pl.String)
    for found in model.predict_blocks(corpus.blocks()):
        chosen = decide(found, model.thresholds, multi_label=model.labels.multi_label)
        if json:
            lines = _json_lines(names, found, chosen, k)
        elif probabilities:
            lines = _probability_lines(names, found, k)
        elif model.labels.multi_label:
            lines = pl.Series(["\t".join(names.filter(pl.Series(row))) for row in chosen], dtype=pl.String)
        else:
            lines = names.gather(chosen.argmax(1))
        yield "\n".join(lines.to_list()) + "\n"


def _probability_lines(names: pl.Series, found: np.ndarray, k: int | None) -> pl.Series:
    order = np.argsort(-found, axis=1, kind="stable")[:, :k]
    columns = []
    for place in range(order.shape[1]):
        values = np.take_along_axis(found, order[:, place : place + 1], 1)[:, 0]
        columns += [names.gather(order[:, place]), pl.Series(values.astype(np.float64)).round(6).cast(pl.String)]
    return pl.select(pl.concat_str(columns, separator="\t")).to_series()


def _json_lines(names: pl.Series, found: np.ndarray, chosen: np.ndarray, k: int | None) -> pl.Series:
    order = np.argsort(-found, axis=1, kind="stable")
    lines = []
    for row, labels in enumerate(order):
        given = [names[label] for label in labels.tolist() if chosen[row, label]]
        listed = {names[label]: round(float(found[row, label]), 6) for label in labels[:k].tolist()}
        lines.append(jsonlib.dumps({"labels": given, "probabilities": listed}, ensure_ascii=False))
    return pl.Series(lines, dtype=pl.String)


def show_score(score: ClassificationScore) -> None:
    """Print the scores of a classifier."""
    say(
        f"{score.documents:,} documents  accuracy {score.accuracy:.4f}  macro F1 {score.macro_f1:.4f}  micro F1 {score.micro_f1:.4f}  "
        f"calibration error {score.calibration_error:.4f}"
    )
    rows = [(name, *label) for name, label in score.per_class.items()]
    show_table(None, ("label", "precision", "recall", "F1", "documents"), rows)
    if score.mistakes:
        say("most confident mistakes:")
        mistakes = [(m.document, f"{m.confidence:.3f}", ", ".join(m.true), ", ".join(m.predicted), _short(m.text)) for m in score.mistakes]
        show_table(None, ("document", "confidence", "true", "predicted", "text"), mistakes)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 90 else line[:87] + "..."


def show_trial(trial: Trial) -> None:
    """Print a line for a run of a comparison."""
    say(f"{trial.model}, {trial.arm}, seed {trial.seed}: accuracy {trial.score:.4f}  {trial.seconds:.1f} s")


def show_comparison(found: EmbeddingComparison, folder: Path) -> None:
    """Print the result of a comparison, and draw it."""
    rows = []
    for model, arms in found.arms.items():
        for arm in arms:
            values = list(found.scores(model, arm).values())
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            rows.append((model, arm, statistics.mean(values), spread, min(values), max(values), len(values)))
    show_table(None, ("model", "rows", found.metric, "spread", "lowest", "highest", "seeds"), rows)
    few = min(row[-1] for row in rows) < _FEWEST_SEEDS
    for one in found.differences if not few else ():
        verdict = "larger than" if one.larger else "not larger than"
        say(f"{one.model}: {one.better} minus {one.worse} is {one.mean:+.4f}, {verdict} its spread, {one.spread:.4f}")
    if few:
        say(f"with fewer than {_FEWEST_SEEDS} seeds differences cannot be compared with their spread")
    groups: dict[str, dict[str, list[float]]] = {
        model: {arm: list(found.scores(model, arm).values()) for arm in arms} for model, arms in found.arms.items()
    }
    plot_arms(groups, folder / "comparison.png", metric=found.metric, title=folder.resolve().name)
    say(f"wrote {folder / 'comparison.json'} and {folder / 'comparison.png'}")


def show_explanation(explanation: Explanation) -> None:
    """Print a label with the words that count for and against it; in a terminal also the coloured text."""
    from rich.text import Text

    say(f"{explanation.label}: {explanation.probability:.4f}")
    console = stdout()
    strongest = max(map(abs, explanation.scores), default=0.0) or 1.0
    if console.is_terminal:
        text = Text()
        for token, value in zip(explanation.tokens, explanation.scores, strict=True):
            strength = abs(value) / strongest
            colour = "green" if value > 0 else "red"
            text.append(token, style=f"bold {colour}" if strength > 0.5 else colour if strength > 0.15 else "dim")
            text.append(" ")
        console.print(text)
    order = np.argsort(-np.abs(np.array(explanation.scores)), kind="stable")
    rows = [(explanation.tokens[place], explanation.scores[place]) for place in order.tolist() if explanation.scores[place]]
    for title, some in (("words for it", [row for row in rows if row[1] > 0]), ("words against it", [row for row in rows if row[1] < 0])):
        if some:
            show_table(title, ("word", "log-odds"), some[:_MOST_WORDS])
    if not rows:
        say("no word of the text counts")
