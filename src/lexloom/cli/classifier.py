"""`lexloom classifier ...`: train text classifiers, predict, evaluate, explain, compare, export."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from lexloom.cli.model import Accelerator, Flag, Json, loaded, noun, part, progress, show_finished
from lexloom.cli.show import show_json, warn, warn_of_text
from lexloom.errors import ConfigError
from lexloom.models.classifier.options import (
    ClassifierConfig,
    ClassifierEmbeddingConfig,
    ClassifierOptions,
    ClassifierRecurrentConfig,
    ClassifierTrainingConfig,
    ClassifierVocabularyConfig,
    DocumentConfig,
    Encoder,
    LinearConfig,
    refuse_unused,
)
from lexloom.options import check_whole
from lexloom.run_folder import RunConfig
from lexloom.text.tokenizers import TokenizerConfig

if TYPE_CHECKING:
    from lexloom.text.examples import Examples

KINDS = ("classifier", "linear-classifier")
Model = Annotated[ClassifierConfig, part("Model", 1)]
Embedding = Annotated[ClassifierEmbeddingConfig, part("Embedding", 2)]
Recurrent = Annotated[ClassifierRecurrentConfig, part("Recurrent layers (rnn encoder only)", 3)]
Linear = Annotated[LinearConfig, part("Features (linear encoder only)", 4)]
Batches = Annotated[DocumentConfig, part("Documents", 5)]
Training = Annotated[ClassifierTrainingConfig, part("Training", 6)]
Text = Annotated[TokenizerConfig, part("Text", 7)]
Vocabulary = Annotated[ClassifierVocabularyConfig, part("Vocabulary", 8)]


@dataclass(frozen=True)
class Given:
    """What `train` and `compare` have in common."""

    valid: str | None = None
    """Documents to validate on after each epoch. Default: a tenth of the documents of each label."""
    test: str | None = None
    """Documents to evaluate on at the end."""
    model: Model = ClassifierConfig()
    embedding: Embedding = ClassifierEmbeddingConfig()
    recurrent: Recurrent = ClassifierRecurrentConfig()
    linear: Linear = LinearConfig()
    batches: Batches = DocumentConfig()
    training: Training = ClassifierTrainingConfig()
    tokenizer: Text = TokenizerConfig()
    vocabulary: Vocabulary = ClassifierVocabularyConfig()
    text_field: str | None = None
    """The field with the text in CSV, TSV, JSONL and Parquet."""
    label_field: str | None = None
    """The field with the label."""
    separator: str | None = None
    """What separates the labels of a document. Default: all that is before the tab, or in the field, is one label."""

    def options(self, encoders: Sequence[Encoder]) -> ClassifierOptions:
        """Gather the options; refuse those that none of the encoders has."""
        parts = self.model, self.embedding, self.recurrent, self.linear, self.batches, self.training, self.tokenizer, self.vocabulary
        options = ClassifierOptions(*parts)
        refuse_unused(options, encoders)
        return options

    def open(self, name: str | list[str]) -> "Examples":
        """Open documents with labels."""
        from lexloom.text.labels import open_labelled

        fields = {"text_field": self.text_field, "label_field": self.label_field, "separator": self.separator}
        return open_labelled(name, **fields, allow_none=self.model.multi_label is True)

    def valid_and_test(self) -> "tuple[Examples | None, Examples | None]":
        """Open the validation and the test documents."""
        return None if self.valid is None else self.open(self.valid), None if self.test is None else self.open(self.test)


app = noun(
    "classifier",
    "Train text classifiers; predict, evaluate, explain, compare, export.",
    "out valid test encoder encoders vectors epochs lowercase min-count threads resume",
)


@app.command
def train(
    inputs: list[str],
    /,
    *,
    out: str,
    given: Annotated[Given, Parameter(name="*")] = Given(),
    resume: Flag = False,
    overwrite: Flag = False,
    config: str | None = None,
) -> None:
    """Train a text classifier on documents with labels.

    Args:
        inputs: Files, globs, folders or URLs, compressed or not; - is standard input. Each line is a label, a tab and a text, or a text
            with words that start with `__label__`. Or the files are CSV, TSV, JSONL or Parquet with the two fields below.
        out: The folder to write.
        resume: Resume from the last checkpoint in OUT, or start if there is none.
        overwrite: Replace the result of an earlier run in OUT.
        config: A TOML file with any of these options, such as hidden_size = 400.
    """
    from lexloom.models.classifier.train import train_classifier

    del config  # read before this by `apply_toml`
    options = given.options([given.model.encoder])
    valid, test = given.valid_and_test()
    with progress(given.training.epochs) as reporter:
        train_classifier(given.open(inputs), options, valid=valid, test=test, run=RunConfig(out, resume, overwrite), reporter=reporter)
    warn_of_text(test)
    show_finished(out)


@app.command
def predict(
    folder: str,
    file: str = "-",
    /,
    *,
    text_field: str | None = None,
    probabilities: Flag = False,
    k: Annotated[int | None, Parameter(name=["-k", "--k"])] = None,
    threads: int | None = None,
    accelerator: Accelerator = "cpu",
    json: Json = False,
) -> None:
    """Print the label of each line of a text, in order; several labels are separated by tabs.

    Args:
        folder: A folder that `classifier train` wrote.
        file: A document per line; - is standard input.
        text_field: The field with the text in CSV, TSV, JSONL and Parquet.
        probabilities: Print labels with their probabilities, the most probable first, separated by tabs.
        k: At most this many labels per line, with --probabilities or --json. Default: all.
        threads: CPU threads. Default: all cores.
        accelerator: Where to compute; auto takes a GPU if there is one.
        json: Print a JSON value per line.
    """
    from lexloom.cli.answers import predicted_lines
    from lexloom.text.corpus import open_corpus

    check_whole("k", k, 1)
    if k is not None and not (probabilities or json):
        raise ConfigError(f"k is {k}, but only the labels are printed; give --probabilities or --json too")
    corpus = open_corpus(file, field=text_field, keep_bad=True)
    with loaded(folder, *KINDS, threads=threads, accelerator=accelerator) as model:
        for lines in predicted_lines(model, corpus, probabilities=probabilities, k=k, json=json):
            sys.stdout.write(lines)
    warn_of_text(corpus)


@app.command
def evaluate(
    folder: str,
    file: str,
    /,
    *,
    text_field: str | None = None,
    label_field: str | None = None,
    separator: str | None = None,
    mistakes: int = 10,
    picture: str | None = None,
    threads: int | None = None,
    accelerator: Accelerator = "cpu",
    json: Json = False,
) -> None:
    """Evaluate a classifier on documents with labels.

    Args:
        folder: A folder that `classifier train` wrote.
        file: The documents, as for `classifier train`; - is standard input.
        text_field: The field with the text in CSV, TSV, JSONL and Parquet.
        label_field: The field with the label.
        separator: What separates the labels of a document.
        mistakes: Show at most this many wrong answers, the most confident first.
        picture: Draw the confusion matrix to this PNG file.
        threads: CPU threads. Default: all cores.
        accelerator: Where to compute; auto takes a GPU if there is one.
        json: Print one JSON value.
    """
    from lexloom.cli.answers import show_score, warn_of_unseen
    from lexloom.models.classifier.scores import evaluate_classifier
    from lexloom.report.confusion import plot_confusion
    from lexloom.text.labels import open_labelled

    check_whole("mistakes", mistakes, 0)
    how: dict[str, Any] = {"text_field": text_field, "label_field": label_field, "separator": separator}
    with loaded(folder, *KINDS, threads=threads, accelerator=accelerator) as model:
        corpus = open_labelled(file, **how, allow_none=model.labels.multi_label)
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
    folder: str,
    text: str,
    /,
    *,
    label: str | None = None,
    html: str | None = None,
    json: Json = False,
) -> None:
    """Show which words of a text count for a label, and which against it.

    Args:
        folder: A folder that `classifier train` wrote.
        text: The document; - reads it from standard input.
        label: The label to explain. Default: the most probable label.
        html: Also write the explanation to this HTML file.
        json: Print one JSON value.
    """
    from lexloom.cli.answers import show_explanation
    from lexloom.report.explanation import write_page

    if text == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "replace").removesuffix("\n")
    with loaded(folder, *KINDS, threads=1) as model:
        explanation = model.explain(text, label)
    if html is not None:
        write_page(explanation, html)
    if json:
        show_json(explanation.as_dict())
    else:
        show_explanation(explanation)


@app.command
def compare(
    inputs: list[str],
    /,
    *,
    out: str,
    encoders: tuple[Encoder, ...] = ("average", "cnn", "rnn"),
    seeds: int = 5,
    given: Annotated[Given, Parameter(name="*")] = Given(),
    resume: Flag = False,
    overwrite: Flag = False,
    config: str | None = None,
) -> None:
    """Compare each encoder with random rows, with frozen vectors and with fine-tuned vectors, over seeds.

    Scores are those on the test documents; without them on the validation documents, at the best epoch.

    Args:
        inputs: As for `classifier train`.
        out: The folder to write: comparison.json and comparison.png.
        encoders: Encoders to compare. The linear encoder cannot freeze vectors, so it has no frozen arm.
        seeds: Runs per arm, with consecutive seeds from --seed.
        resume: Do the runs that are missing in OUT.
        overwrite: Replace the comparison in OUT.
        config: A TOML file with any of these options.
    """
    from lexloom.cli.answers import show_comparison, show_trial
    from lexloom.models.classifier.compare import compare_classifiers
    from lexloom.training.reporter import Reporter

    del config  # read before this by `apply_toml`
    if given.model.encoder not in (ClassifierConfig.encoder, *encoders):
        raise ConfigError(f"encoder is {given.model.encoder!r}, but the comparison is of {', '.join(encoders)}; leave out --encoder")
    valid, test = given.valid_and_test()
    warned: set[str] = set()

    def prepared(facts: dict[str, Any]) -> None:  # of each run; every warning once
        for problem in (*facts["problems"], (facts["coverage"] or {}).get("warning")):
            if problem and problem not in warned:
                warned.add(problem)
                warn(problem)

    found = compare_classifiers(
        given.open(inputs),
        given.options(encoders),
        encoders=encoders,
        seeds=seeds,
        valid=valid,
        test=test,
        run=RunConfig(out, resume, overwrite),
        told=show_trial,
        reporter=Reporter(prepared=prepared),
    )
    warn_of_text(test)
    show_comparison(found, Path(out))


@app.command
def export(
    folder: str,
    /,
    *,
    to: Literal["onnx"],
    out: str | None = None,
) -> None:
    """Write a classifier for another runtime, and check that it gives the same answers.

    Args:
        folder: A folder that `classifier train` wrote.
        to: onnx: a graph in 32-bit floats and one in 8-bit integers, for any number and length of documents.
        out: The folder to write. Default: FOLDER/onnx.
    """
    from lexloom.model_folder import describe_model

    del to
    if describe_model(folder).get("kind") == KINDS[1]:
        raise ConfigError(f"{folder}: the linear encoder cannot be exported: no ONNX graph can hash the n-grams of words")
    with loaded(folder, KINDS[0], threads=1) as model:
        from lexloom.export.onnx import export_classifier

        exported = export_classifier(model, Path(folder) / "onnx" if out is None else out)
    for name, size in exported.sizes.items():
        print(  # noqa: T201
            f"{exported.folder / name}: {size / 1e6:.2f} MB; probabilities differ from the original's by at most "
            f"{exported.differences[name]:.2g}, the same labels for {exported.agreement[name]:.1%} of {exported.examples} examples"
        )
    print(f"to repeat the check there, with onnxruntime alone: python {exported.folder / 'check.py'}")  # noqa: T201
