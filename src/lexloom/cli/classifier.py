"""`lexloom classifier ...`: train text classifiers, let them predict, judge them, ask them why."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from lexloom.cli.show import show_json, warn, warn_of_text
from lexloom.errors import ConfigError
from lexloom.models.classifier_config import (
    ClassifierConfig,
    ClassifierEmbeddingConfig,
    ClassifierOptions,
    ClassifierRecurrentConfig,
    ClassifierVocabularyConfig,
    DocumentConfig,
    Encoder,
    LinearConfig,
    refuse_unused,
)
from lexloom.options import check_whole
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.training.config import ClassifierTrainingConfig
from lexloom.version import __version__

if TYPE_CHECKING:
    from lexloom.models.classification import Predictor

app = App(
    name="classifier",
    help="Train text classifiers, let them predict, judge them, ask them why.",
    version=__version__,
    help_format="markdown",
    default_parameter=Parameter(consume_multiple=True, negative_iterable=()),
)

Flat = Parameter(name="*")
Positional = Parameter(allow_leading_hyphen=True)
Flag = Parameter(negative="")


@app.command
def train(
    inputs: Annotated[list[str], Positional],
    /,
    *,
    out: str,
    valid: str | None = None,
    test: str | None = None,
    model: Annotated[ClassifierConfig, Flat] = ClassifierConfig(),  # noqa: B008 (frozen)
    embedding: Annotated[ClassifierEmbeddingConfig, Flat] = ClassifierEmbeddingConfig(),  # noqa: B008
    recurrent: Annotated[ClassifierRecurrentConfig, Flat] = ClassifierRecurrentConfig(),  # noqa: B008
    linear: Annotated[LinearConfig, Flat] = LinearConfig(),  # noqa: B008
    batches: Annotated[DocumentConfig, Flat] = DocumentConfig(),  # noqa: B008
    training: Annotated[ClassifierTrainingConfig, Flat] = ClassifierTrainingConfig(),  # noqa: B008
    splitting: Annotated[TokenizerConfig, Flat] = TokenizerConfig(),  # noqa: B008
    counting: Annotated[ClassifierVocabularyConfig, Flat] = ClassifierVocabularyConfig(),  # noqa: B008
    text_field: str | None = None,
    label_field: str | None = None,
    separator: str | None = None,
    resume: Annotated[bool, Flag] = False,
    overwrite: Annotated[bool, Flag] = False,
    config: str | None = None,
) -> None:
    """Train a text classifier on documents with labels, and save it in a folder.

    Args:
        inputs: Files, globs, folders or URLs, compressed or not; - is standard input. A line is a label, a tab and a text, or has labels as
            words that begin with `__label__`; or the files are CSV, TSV, JSONL or Parquet with the two fields below.
        out: The folder to write.
        valid: A file to validate on after each epoch; a tenth of the documents of each label unless given.
        test: A file to evaluate on at the end.
        text_field: The field that is the text, in CSV, TSV, JSONL and Parquet.
        label_field: The field that is the label.
        separator: What stands between several labels of one document; without it what is before the tab, or in the field, is one label.
        resume: Go on from the last checkpoint in OUT; begin if there is none.
        overwrite: Replace what an earlier training left in OUT.
        config: A TOML file with any of these options, such as hidden_size = 400.
    """
    from lexloom.cli.show_classifier import TOLD, show_finished
    from lexloom.cli.show_model import model_progress
    from lexloom.text.labels import open_labelled
    from lexloom.training.compare import trainer_of
    from lexloom.training.reporter import is_first_process

    del config  # read by the command line itself, before this
    refuse_unused(ClassifierOptions(model, embedding, recurrent, linear), [model.encoder])
    how: dict[str, Any] = {"text_field": text_field, "label_field": label_field, "separator": separator}
    how["allow_none"] = model.multi_label is True
    corpus, tested = open_labelled(inputs, **how), None if test is None else open_labelled(test, **how)
    with model_progress(TOLD, corpus, training) as reporter:
        trainer_of(model)(
            corpus,
            ClassifierOptions(model, embedding, recurrent, linear),
            training,
            batches,
            tokenizer=splitting,
            vocabulary=counting,
            valid=None if valid is None else open_labelled(valid, **how),
            test=tested,
            out=out,
            resume=resume,
            overwrite=overwrite,
            reporter=reporter,
        )
    if is_first_process():
        warn_of_text(tested)
        show_finished(Path(out))


@contextmanager
def _loaded(folder: str, threads: int | None) -> Iterator["Predictor"]:
    """Load a classifier, with so many threads while it is at work."""
    from lexloom.models.classification import load_classifier
    from lexloom.models.folder import describe_model

    check_whole("threads", threads, 1)
    if describe_model(folder).get("kind") == "linear-classifier":
        yield load_classifier(folder, threads)
        return
    from lexloom.training.processor import processor

    with processor(threads):
        yield load_classifier(folder)


@app.command
def predict(
    folder: Annotated[str, Positional],
    file: Annotated[str, Positional] = "-",
    /,
    *,
    text_field: str | None = None,
    probabilities: Annotated[bool, Flag] = False,
    k: Annotated[int | None, Parameter(name=["-k", "--k"])] = None,
    threads: int | None = None,
    json: Annotated[bool, Flag] = False,
) -> None:
    """Print the label of each line of a text, in order; several labels, or none, are parted by tabs.

    Args:
        folder: A folder that `classifier train` wrote.
        file: A document a line; - is standard input.
        text_field: The field that is the text, in CSV, TSV, JSONL and Parquet.
        probabilities: Print labels and their probabilities, the likeliest first, parted by tabs.
        k: So many labels a line, with --probabilities or --json; all unless given.
        threads: Threads of the processor; its cores unless given.
        json: Print a JSON value a line.
    """
    from lexloom.cli.show_classifier import predicted_lines
    from lexloom.text.readers import open_corpus

    check_whole("k", k, 1)
    if k is not None and not (probabilities or json):
        raise ConfigError(f"k is {k}, but only the labels are printed; give --probabilities or --json too")
    corpus = open_corpus(file, field=text_field, keep_bad=True)
    with _loaded(folder, threads) as model:
        for lines in predicted_lines(model, corpus, probabilities=probabilities, k=k, json=json):
            sys.stdout.write(lines)
    warn_of_text(corpus)


@app.command
def evaluate(
    folder: Annotated[str, Positional],
    file: Annotated[str, Positional],
    /,
    *,
    text_field: str | None = None,
    label_field: str | None = None,
    separator: str | None = None,
    mistakes: int = 10,
    picture: str | None = None,
    threads: int | None = None,
    json: Annotated[bool, Flag] = False,
) -> None:
    """Judge a classifier on documents with labels.

    Args:
        folder: A folder that `classifier train` wrote.
        file: The documents, as for `classifier train`; - is standard input.
        text_field: The field that is the text, in CSV, TSV, JSONL and Parquet.
        label_field: The field that is the label.
        separator: What stands between several labels of one document.
        mistakes: How many wrong answers to show, the most confident ones.
        picture: Draw the confusion matrix into this PNG file.
        threads: Threads of the processor; its cores unless given.
        json: Print one JSON value.
    """
    from lexloom.cli.show_classifier import show_score, warn_of_unseen
    from lexloom.models.classification import evaluate_classifier
    from lexloom.report.confusion import plot_confusion
    from lexloom.text.labels import open_labelled

    check_whole("mistakes", mistakes, 0)
    how: dict[str, Any] = {"text_field": text_field, "label_field": label_field, "separator": separator}
    with _loaded(folder, threads) as model:
        corpus = open_labelled(file, **how, allow_none=model.labels.several)
        score = evaluate_classifier(model, corpus, mistakes=mistakes)
    warn_of_text(corpus)
    warn_of_unseen(score.unseen_labels)
    if picture is not None:
        plot_confusion(score, picture, title=Path(file).name)
    if json:
        show_json(score.as_dict())
    else:
        show_score(score)


@app.command
def explain(
    folder: Annotated[str, Positional],
    text: Annotated[str, Positional],
    /,
    *,
    label: str | None = None,
    html: str | None = None,
    json: Annotated[bool, Flag] = False,
) -> None:
    """Show which words of a text spoke for a decision, and which against it.

    Args:
        folder: A folder that `classifier train` wrote.
        text: The document; - reads it from standard input.
        label: The decision to explain; the likeliest label unless given.
        html: Write it as a page into this file too.
        json: Print one JSON value.
    """
    from lexloom.cli.show_classifier import show_explanation
    from lexloom.report.explanation import write_page

    if text == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "replace").removesuffix("\n")
    with _loaded(folder, 1) as model:
        explanation = model.explain(text, label)
    if html is not None:
        write_page(explanation, html)
    if json:
        show_json(explanation.as_dict())
    else:
        show_explanation(explanation)


@app.command
def compare(
    inputs: Annotated[list[str], Positional],
    /,
    *,
    out: str,
    valid: str | None = None,
    test: str | None = None,
    encoders: tuple[Encoder, ...] = ("average", "cnn", "rnn"),
    seeds: int = 5,
    model: Annotated[ClassifierConfig, Flat] = ClassifierConfig(),  # noqa: B008 (frozen)
    embedding: Annotated[ClassifierEmbeddingConfig, Flat] = ClassifierEmbeddingConfig(),  # noqa: B008
    recurrent: Annotated[ClassifierRecurrentConfig, Flat] = ClassifierRecurrentConfig(),  # noqa: B008
    linear: Annotated[LinearConfig, Flat] = LinearConfig(),  # noqa: B008
    batches: Annotated[DocumentConfig, Flat] = DocumentConfig(),  # noqa: B008
    training: Annotated[ClassifierTrainingConfig, Flat] = ClassifierTrainingConfig(),  # noqa: B008
    splitting: Annotated[TokenizerConfig, Flat] = TokenizerConfig(),  # noqa: B008
    counting: Annotated[ClassifierVocabularyConfig, Flat] = ClassifierVocabularyConfig(),  # noqa: B008
    text_field: str | None = None,
    label_field: str | None = None,
    separator: str | None = None,
    resume: Annotated[bool, Flag] = False,
    overwrite: Annotated[bool, Flag] = False,
    config: str | None = None,
) -> None:
    """See what vectors are worth: each encoder with random rows, with the vectors frozen, and with the vectors fine-tuned.

    Args:
        inputs: As for `classifier train`.
        out: The folder to write: comparison.json and comparison.png.
        valid: As for `classifier train`.
        test: A file to judge on; without it the accuracy is that of the best epoch on the validation documents.
        encoders: Which ones; linear cannot hold vectors fixed, and has two arms.
        seeds: With how many seeds each is trained, from --seed on.
        text_field: The field that is the text, in CSV, TSV, JSONL and Parquet.
        label_field: The field that is the label.
        separator: What stands between several labels of one document.
        resume: Go on with the trainings that OUT lacks.
        overwrite: Replace the comparison in OUT.
        config: A TOML file with any of these options.
    """
    from lexloom.cli.show_classifier import show_arms, show_run
    from lexloom.text.labels import open_labelled
    from lexloom.training.compare import compare_embeddings
    from lexloom.training.reporter import Reporter

    del config  # read by the command line itself, before this
    refuse_unused(ClassifierOptions(model, embedding, recurrent, linear), encoders)
    how: dict[str, Any] = {"text_field": text_field, "label_field": label_field, "separator": separator}
    how["allow_none"] = model.multi_label is True
    corpus, tested = open_labelled(inputs, **how), None if test is None else open_labelled(test, **how)
    told: set[str] = set()

    def prepared(facts: dict[str, Any]) -> None:  # of each training; a warning is given once
        problems = [*corpus.report.warnings(), *facts["problems"], (facts["coverage"] or {}).get("warning")]
        for problem in dict.fromkeys(problems):
            if problem and problem not in told:
                told.add(problem)
                warn(problem)

    found = compare_embeddings(
        corpus,
        ClassifierOptions(model, embedding, recurrent, linear),
        training,
        batches,
        encoders=encoders,
        seeds=seeds,
        tokenizer=splitting,
        vocabulary=counting,
        valid=None if valid is None else open_labelled(valid, **how),
        test=tested,
        out=out,
        resume=resume,
        overwrite=overwrite,
        told=show_run,
        reporter=Reporter(prepared=prepared),
    )
    warn_of_text(tested)
    show_arms(found, Path(out))


@app.command
def export(
    folder: Annotated[str, Positional],
    /,
    *,
    to: Literal["onnx"],
    out: str | None = None,
) -> None:
    """Write a classifier for another runtime, with a check that it answers as the original does.

    Args:
        folder: A folder that `classifier train` wrote.
        to: onnx: a graph in 32-bit floats and one in 8-bit integers, for documents of any number and length.
        out: The folder to write; FOLDER/onnx unless given.
    """
    from lexloom.export.onnx import export_classifier
    from lexloom.models.base import load_model
    from lexloom.models.classifier import Classifier
    from lexloom.models.folder import describe_model

    del to
    if describe_model(folder).get("kind") == "linear-classifier":
        raise ConfigError(f"{folder}: the encoder linear is not exported: its n-grams are hashed from words, which no graph can do")
    exported = export_classifier(load_model(folder, Classifier), Path(folder) / "onnx" if out is None else out)
    for name, size in exported.sizes.items():
        print(  # noqa: T201
            f"{exported.folder / name}: {size / 1e6:.2f} MB; probabilities differ from the original's by at most "
            f"{exported.differences[name]:.2g}, the same labels for {exported.agreement[name]:.1%} of {exported.examples} examples"
        )
    print(f"to repeat the check there, with onnxruntime alone: python {exported.folder / 'check.py'}")  # noqa: T201


@app.command
def info(folder: Annotated[str, Positional], /, *, json: Annotated[bool, Flag] = False) -> None:
    """Check a whole model folder, and say what it is.

    Args:
        folder: A folder that `classifier train` wrote.
        json: Print one JSON value.
    """
    from lexloom.cli.show_model import show_model
    from lexloom.models.classification import load_classifier

    load_classifier(folder)
    show_model(Path(folder), json=json)
