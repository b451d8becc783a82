"""Compare what vectors are worth to text classifiers."""

import dataclasses
from collections.abc import Callable, Sequence

from lexloom.errors import ConfigError
from lexloom.models.classifier.data import check_documents
from lexloom.models.classifier.options import ClassifierOptions, Encoder
from lexloom.models.classifier.train import run_classifier
from lexloom.run_folder import RunConfig
from lexloom.text.examples import Examples
from lexloom.training.compare import ARMS, EmbeddingComparison, Trial, compare_embeddings
from lexloom.training.reporter import Reporter


def compare_classifiers(
    corpus: Examples,
    options: ClassifierOptions,
    *,
    encoders: Sequence[Encoder] = ("average", "cnn", "rnn"),
    seeds: int = 5,
    valid: Examples | None = None,
    test: Examples | None = None,
    run: RunConfig | None = None,
    told: Callable[[Trial], None] = lambda _trial: None,
    reporter: Reporter | None = None,
) -> EmbeddingComparison:
    """Train each encoder with random rows, with frozen vectors and with fine-tuned vectors, with several seeds each.

    Args:
        corpus: documents with labels, which can be read several times.
        options: all options; the embedding names the vectors, the training has the first seed.
        encoders: which ones. The linear encoder cannot freeze vectors and has two arms.
        seeds: runs per arm.
        valid: see `train_classifier`.
        test: documents to compare on. Default: the validation documents, at the best epoch.
        run: see `compare_embeddings`.
        told: called after each run.
        reporter: called during each run.

    Raises:
        LexloomError: see `compare_embeddings`.
    """
    if valid is None and test is None and not options.batches.held_out:
        raise ConfigError("there is nothing to compare on: hold documents out (--held-out), or give --valid or --test")
    models: dict[str, ClassifierOptions] = {
        name: dataclasses.replace(options, model=dataclasses.replace(options.model, encoder=name)) for name in encoders
    }
    if "linear" in models:
        from lexloom.models.classifier.linear.train import refuse_unknown

        refuse_unknown(models["linear"])
    check_documents(corpus, valid, test)
    return compare_embeddings(
        lambda changed, listening: run_classifier(corpus, changed, valid=valid, test=test, reporter=listening).facts,
        models,
        texts={"corpus": corpus.name, "valid": valid and valid.name, "test": test and test.name},
        seeds=seeds,
        arms=lambda changed: ("random", "fine-tuned") if changed.model.encoder == "linear" else ARMS,
        run=run,
        told=told,
        reporter=reporter,
    )
