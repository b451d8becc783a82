"""Train a text classifier with any encoder. Imports torch only for those that need it."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lexloom.models.classifier.answers import Predictor
from lexloom.models.classifier.options import ClassifierOptions
from lexloom.run_folder import RunConfig, Trained
from lexloom.text.examples import Examples
from lexloom.training.reporter import Reporter

if TYPE_CHECKING:
    from lightning.fabric.loggers.logger import Logger


def train_classifier(
    corpus: Examples,
    options: ClassifierOptions | None = None,
    *,
    valid: Examples | None = None,
    test: Examples | None = None,
    run: RunConfig | None = None,
    reporter: Reporter | None = None,
    loggers: Sequence["Logger"] = (),
) -> Predictor:
    """Train a classifier.

    Args:
        corpus: documents with labels, see `open_labelled`.
        options: all options.
        valid: validation documents. Default: a tenth of the documents of each label.
        test: documents to evaluate the result on.
        run: the output folder. Default: nothing is kept on disk.
        reporter: called during the run.
        loggers: Lightning loggers (W&B, MLflow, ...), which get the record of each epoch; not with the linear encoder.

    Returns:
        The model of the epoch that did best on the validation documents, ready to predict; that of the last epoch without validation, and
        with the linear encoder, whose learning rate falls to zero.

    Raises:
        LexloomError: see `lexloom.training.run.train`.
    """
    return run_classifier(corpus, options, valid=valid, test=test, run=run, reporter=reporter, loggers=loggers).result


def run_classifier(
    corpus: Examples,
    options: ClassifierOptions | None = None,
    *,
    valid: Examples | None = None,
    test: Examples | None = None,
    run: RunConfig | None = None,
    reporter: Reporter | None = None,
    loggers: Sequence["Logger"] = (),
) -> Trained[Predictor]:
    """Do the same as `train_classifier`, and return the facts of the run too."""
    options = options or ClassifierOptions()
    if options.model.encoder == "linear":
        from lexloom.models.classifier.linear.train import train_linear

        return train_linear(corpus, options, valid=valid, test=test, run=run, reporter=reporter)
    from lexloom.models.classifier.task import ClassifierTask
    from lexloom.training.run import train

    options = dataclasses.replace(options, training=options.training.resolved())
    return train(ClassifierTask(options, corpus, valid, test), run, reporter, loggers)
