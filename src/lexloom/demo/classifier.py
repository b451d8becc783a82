"""The end of the tour: a classifier that predicts which installed package a docstring sentence comes from, without torch."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from lexloom.demo.harvest import Harvest
from lexloom.demo.program import command
from lexloom.demo.progress import progress_bar
from lexloom.demo.sentences import FEWEST, choose_sentences, words
from lexloom.files import write_text

if TYPE_CHECKING:
    from rich.console import Console

    from lexloom.models.classifier.answers import Predictor

_EPOCHS, _LEARNING_RATE = 5, 0.2  # the accuracy of the defaults with a quarter of their calibration error
_SHORT = (8, 14)  # words of a shown sentence, minimum and maximum
_SURE = 0.9  # the probability that correct answers shown should be close to
_LIKELIEST = 3  # packages shown for each sentence
_TELLING = 6  # words shown as reasons
_LEAST = 0.05  # the smallest contribution to the log-odds of a shown word


def classify_packages(console: "Console", harvest: Harvest | None, folder: Path) -> Path | None:
    """Train a classifier on sentences and their packages, evaluate it on others, and show some predictions and the reasons for one.

    If there are fewer than two packages, two lines say so and nothing else happens.

    Args:
        console: where to print.
        harvest: the docstrings; None for a text of the user's own.
        folder: the folder for the classifier and for the sentences as files of `label<TAB>text`.

    Returns:
        The classifier's folder.
    """
    sentences = None if harvest is None else choose_sentences(harvest)
    if sentences is None or not len(sentences.train):
        reason = "a text of your own names no packages" if harvest is None else f"fewer than two packages have {FEWEST} sentences"
        console.print(f"\n[bold]Classifier[/]: left out, since {reason}; with lines of a label, a tab and a text:", soft_wrap=True)
        console.print(
            f"  {command('classifier', 'train', 'LINES.tsv', '--encoder', 'linear', '--out', 'FOLDER')}", markup=False, soft_wrap=True
        )
        return None
    train, held_out, out = folder / "packages-train.tsv", folder / "packages-held-out.tsv", folder / "classifier"
    for path, part in ((train, sentences.train), (held_out, sentences.held_out)):
        write_text(path, "".join(f"{package}\t{text}\n" for package, text in part.select("package", "text").iter_rows()))
    *packages, last = sentences.shares
    console.print(
        f"\n[bold]Classifier[/]: linear, which package does a sentence come from, {', '.join(packages)} or {last}? "
        f"{len(sentences.train):,} sentences to train on and {len(sentences.held_out):,} held out, none with the name of its package",
        soft_wrap=True,
    )
    model = _train(console, train, out)
    options = f"--encoder linear --lowercase --epochs {_EPOCHS} --learning-rate {_LEARNING_RATE} --held-out 0 --threads 1 --overwrite"
    again = command("classifier", "train", train, "--test", held_out, "--out", out, *options.split())
    console.print(f"  the same again: {again}", markup=False, soft_wrap=True)
    answered = answer(model, sentences.held_out)
    right = answered.filter(pl.col("answer") == pl.col("package"))
    console.print(
        f"  accuracy on the held-out sentences [cyan]{len(right) / len(answered):.1%}[/]"
        f"   [dim]with the most frequent package for all: {max(sentences.shares.values()):.1%}[/]",
        soft_wrap=True,
    )
    _show_answers(console, model, choose_answers(answered))
    return out


def _train(console: "Console", train: Path, out: Path) -> "Predictor":
    """Train with a progress bar."""
    from lexloom.models.classifier.options import ClassifierConfig, ClassifierOptions, ClassifierTrainingConfig, DocumentConfig
    from lexloom.models.classifier.train import train_classifier
    from lexloom.run_folder import RunConfig
    from lexloom.text.labels import open_labelled
    from lexloom.text.tokenizers import TokenizerConfig
    from lexloom.training.reporter import Reporter

    with progress_bar(console) as progress:
        task = progress.add_task("training", total=1.0)
        options = ClassifierOptions(
            ClassifierConfig(encoder="linear"),
            batches=DocumentConfig(held_out=0.0),
            training=ClassifierTrainingConfig(epochs=_EPOCHS, learning_rate=_LEARNING_RATE, threads=1),
            tokenizer=TokenizerConfig(lowercase=True),
        )
        reporter = Reporter(working=lambda now: progress.update(task, completed=now.done))
        return train_classifier(open_labelled(train), options, run=RunConfig(out, overwrite=True), reporter=reporter)


# ---- predictions -----------------------------------------------------------------------------------------------------------------------


def answer(model: "Predictor", sentences: pl.DataFrame) -> pl.DataFrame:
    """Add a classifier's predictions for the column text: `answer`, `probability`, and `likeliest`, formatted for printing."""
    from lexloom.text.corpus import iterable_corpus

    probabilities = np.concatenate(list(model.predict_blocks(iterable_corpus(sentences["text"].to_list()).blocks())))
    names = model.labels.names
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :_LIKELIEST].tolist()
    likeliest = [
        "  ".join(f"{names[label]} [dim]{row[label]:.2f}[/]" for label in labels) for row, labels in zip(probabilities, order, strict=True)
    ]
    return sentences.with_columns(
        answer=pl.Series([names[labels[0]] for labels in order]),
        probability=pl.Series(probabilities.max(1)),
        likeliest=pl.Series(likeliest),
    )


def choose_answers(answered: pl.DataFrame) -> pl.DataFrame:
    """Choose short sentences: two of different packages with confident correct answers, and the one with the most confident wrong answer.

    Args:
        answered: the result of `answer`; if no sentence is short, any may be chosen.
    """
    short = answered.filter(words().is_between(*_SHORT))
    short = short if len(short) else answered
    is_right = pl.col("answer") == pl.col("package")
    right = short.filter(is_right).sort((pl.col("probability") - _SURE).abs(), maintain_order=True)
    wrong = short.filter(~is_right).sort("probability", descending=True, maintain_order=True)
    return pl.concat([right.unique("package", keep="first", maintain_order=True).head(2), wrong.head(1)])


def _show_answers(console: "Console", model: "Predictor", shown: pl.DataFrame) -> None:
    """Show sentences with the answers, and the words that contributed most to the first one."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("held-out sentence", "from", "the classifier's answer", box=box.SIMPLE)
    for text, package, likeliest in shown.select("text", "package", "likeliest").iter_rows():
        table.add_row(escape(text), package, likeliest)
    console.print(table)
    explanation = model.explain(shown["text"][0])
    scored = zip(explanation.tokens, explanation.scores, strict=True)
    telling = [(token, score) for token, score in scored if token[0].isalnum() and score >= _LEAST]
    telling.sort(key=lambda pair: -pair[1])
    told = "  ".join(f"{escape(token)} [dim]+{score:.1f}[/]" for token, score in telling[:_TELLING])
    console.print(f"  what spoke for {explanation.label} in the first, in log-odds: {told or 'no single word'}", soft_wrap=True)
