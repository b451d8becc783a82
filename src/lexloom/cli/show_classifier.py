"""What the command line shows of classifiers: their training, their answers, how good these are, and why."""

import json as jsonlib
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lexloom.cli.show import left_out, show_table, stdout, warn
from lexloom.cli.show_model import Told, describe_coverage, say, show_movement
from lexloom.models.classification import ClassificationScore, Explanation, Predictor, decide
from lexloom.models.folder import describe_model
from lexloom.models.label_set import describe_unseen
from lexloom.report.comparison import plot_arms
from lexloom.text.readers import Corpus
from lexloom.training.compare import EmbeddingComparison, Run
from lexloom.training.reporter import Working

_MOST_LABELS = 12  # that are listed in a line
_FEWEST_SEEDS = 3  # whose spread is told
_TELLING = 8  # words for and against a decision


def describe_job(facts: dict[str, Any]) -> Iterator[str]:
    """Say what is about to be trained, on what."""
    labels = sorted(facts["labels"].items(), key=lambda item: -item[1])
    listed = ", ".join(f"{name} {number:,}" for name, number in labels[:_MOST_LABELS]) + (", ..." if len(labels) > _MOST_LABELS else "")
    yield f"{facts['documents']:,} documents to train on, {facts['tokens']:,} tokens; {len(labels)} labels: {listed}"
    yield f"{facts['vocabulary']:,} in the vocabulary{left_out(facts['left_out'])}"
    if facts["held_out"]:
        yield f"held out {facts['valid_documents']:,} documents to validate on, of each label its share"
    elif facts["valid_documents"]:
        yield f"validation: {facts['valid_documents']:,} documents"
    else:
        yield "no validation documents: the last epoch's model is kept"
    yield from describe_coverage(facts)
    yield f"model: {facts['parameters']:,} parameters"


def describe_epoch(record: dict[str, Any]) -> str:
    """Say how an epoch went, in one line."""
    parts = [f"epoch {record['epoch']}", f"loss {record['train_loss']:.4f}"]
    if "train_accuracy" in record:
        parts.append(f"accuracy {record['train_accuracy']:.2%}")
    if record["valid_loss"] is not None:
        parts.append(f"validation: loss {record['valid_loss']:.4f}  accuracy {record['valid_accuracy']:.2%}")
    if record["documents_per_second"]:
        parts.append(f"{record['documents_per_second']:,.0f} documents/s")
    return "  ".join([*parts, f"{record['seconds']:.1f} s"])


def _describe_work(now: Working, _facts: dict[str, Any]) -> str:
    return f"loss {now.loss:.4f}  {now.speed:,.0f} documents/s"


TOLD = Told(describe_job, describe_epoch, _describe_work)


def show_finished(folder: Path) -> None:
    """Print what a training left in its folder."""
    facts = describe_model(folder)
    best, scores = facts["best_epoch"], facts["scores"]
    if best is None and scores["valid_loss"] is not None:
        say(f"validation accuracy {scores['valid_accuracy']:.2%}")
    if best is not None:
        say(f"best epoch: {best} of {facts['epochs']}, validation accuracy {scores['valid_accuracy']:.2%}")
    if "test" in facts:
        test = facts["test"]
        warn_of_unseen(test["unseen_labels"])
        say(f"test: accuracy {test['accuracy']:.2%}, macro F1 {test['macro_f1']:.4f}, {test['documents']:,} documents")
    show_movement(facts)
    say(f"saved a model of {facts['parameters']:,} parameters in {folder}")


def warn_of_unseen(labels: dict[str, int]) -> None:
    """Name labels that training never saw, with the documents that have them."""
    if labels:
        warn(describe_unseen(labels))


def predicted_lines(model: Predictor, corpus: Corpus, *, probabilities: bool, k: int | None, json: bool) -> Iterator[str]:
    """Write the answers, a line a document, some at a time."""
    names = pl.Series(model.labels.names, dtype=pl.String)
    for found in model.predict_corpus(corpus):
        chosen = decide(found, model.thresholds, several=model.labels.several)
        if json:
            lines = _json_lines(names, found, chosen, k)
        elif probabilities:
            lines = _probability_lines(names, found, k)
        elif model.labels.several:
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
    """Print how good the answers are."""
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


def show_run(run: Run) -> None:
    """Print a line for one training of a comparison."""
    say(f"{run.encoder}, {run.arm}, seed {run.seed}: accuracy {run.accuracy:.4f}  {run.seconds:.1f} s")


def show_arms(found: EmbeddingComparison, folder: Path) -> None:
    """Print what a comparison says, and draw it."""
    rows = []
    for encoder, arm in found.arms:
        values = list(found.accuracies(encoder, arm).values())
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        rows.append((encoder, arm, statistics.mean(values), spread, min(values), max(values), len(values)))
    show_table(None, ("encoder", "rows", "accuracy", "spread", "lowest", "highest", "seeds"), rows)
    few = min(row[-1] for row in rows) < _FEWEST_SEEDS
    for one in found.differences if not few else ():
        verdict = "larger than" if one.larger else "not larger than"
        say(f"{one.encoder}: {one.better} minus {one.worse} is {one.mean:+.4f}, {verdict} its spread, {one.spread:.4f}")
    if few:
        say(f"with fewer than {_FEWEST_SEEDS} seeds it cannot be said which differences are larger than their spread")
    groups: dict[str, dict[str, list[float]]] = {
        encoder: {arm: list(found.accuracies(encoder, arm).values()) for name, arm in found.arms if name == encoder}
        for encoder, _ in found.arms
    }
    plot_arms(groups, folder / "comparison.png", title=folder.resolve().name)
    say(f"wrote {folder / 'comparison.json'} and {folder / 'comparison.png'}")


def show_explanation(explanation: Explanation) -> None:
    """Print a decision and the words that spoke for it and against it; in a terminal the text too, in colours."""
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
    for title, some in (("for it", [row for row in rows if row[1] > 0]), ("against it", [row for row in rows if row[1] < 0])):
        if some:
            show_table(title, ("word", "log-odds"), some[:_TELLING])
    if not rows:
        say("no word of the text has a say")
