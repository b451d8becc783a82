"""What vectors are worth to text classifiers; `tests/training/test_compare.py` has what holds for any task."""

import dataclasses

import numpy as np
import pytest
from tests.models.classifier.linear.corpora import opinions, write

from lexloom.errors import ConfigError, InputError
from lexloom.models.classifier.compare import compare_classifiers
from lexloom.models.classifier.options import (
    ClassifierConfig,
    ClassifierEmbeddingConfig,
    ClassifierOptions,
    ClassifierTrainingConfig,
    DocumentConfig,
)
from lexloom.models.classifier.scores import evaluate_classifier
from lexloom.models.classifier.train import run_classifier, train_classifier
from lexloom.run_folder import RunConfig
from lexloom.text.labels import open_labelled
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.training.compare import ARMS
from lexloom.vectors.formats import write_folder
from lexloom.vectors.table import Vectors

RANDOM, FROZEN, TUNED = ARMS
NETWORK = ClassifierTrainingConfig(epochs=5, threads=1, accelerator="cpu", learning_rate=0.1)
LINEAR = ClassifierTrainingConfig(epochs=2, threads=1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Documents to train and to test on; vectors of their words, and some that are all the same."""
    folder = tmp_path_factory.mktemp("files")
    pairs = opinions(60)
    write(folder / "train.tsv", pairs)
    write(folder / "test.tsv", opinions(40, seed=2))
    words = sorted({word for _, text in pairs for word in text.split()})
    rows = np.random.default_rng(1).normal(size=(len(words), 10)).astype(np.float32)
    write_folder(Vectors(words, rows), folder / "vectors")
    write_folder(Vectors(words, np.ones_like(rows)), folder / "flat")
    return folder


def options_of(training=LINEAR, model=None, held_out=0.1, **embedding):
    return ClassifierOptions(
        ClassifierConfig(**(model or {})),
        ClassifierEmbeddingConfig(**embedding),
        batches=DocumentConfig(batch_size=10, held_out=held_out),
        training=training,
        tokenizer=TokenizerConfig(tokenizer="whitespace"),
    )


@pytest.fixture
def compare(files):
    """Compares encoders; other names are parts of `options_of`."""

    def call(*encoders, vectors="vectors", seeds=1, valid=None, test="test.tsv", out=None, resume=False, **rest):
        valid, test = (None if name is None else open_labelled(files / name) for name in (valid, test))
        options, run = options_of(vectors=str(files / vectors), **rest), RunConfig(out, resume)
        corpus = open_labelled(files / "train.tsv")
        return compare_classifiers(corpus, options, encoders=encoders, seeds=seeds, valid=valid, test=test, run=run)

    return call


@pytest.mark.parametrize(("encoder", "training"), [("average", NETWORK), ("linear", LINEAR)], ids=["average", "linear"])
def test_each_run_is_one_as_any_other(compare, files, encoder, training):
    for trial in compare(encoder, training=training, embedding_dim=10).trials:
        vectors = None if trial.arm == RANDOM else str(files / "vectors")
        options = options_of(training, {"encoder": encoder}, embedding_dim=10, vectors=vectors, freeze=trial.arm == FROZEN)
        model = train_classifier(open_labelled(files / "train.tsv"), options)
        assert trial.score == evaluate_classifier(model, open_labelled(files / "test.tsv")).accuracy


def test_random_and_fine_tuned_rows_separate_what_equal_frozen_ones_cannot(compare):
    found = {
        trial.arm: trial.score for trial in compare("average", vectors="flat", training=dataclasses.replace(NETWORK, epochs=15)).trials
    }
    assert found[FROZEN] == 0.5 and min(found[RANDOM], found[TUNED]) > 0.8


def test_the_linear_encoder_has_no_frozen_arm_and_an_encoder_named_twice_is_trained_once(compare):
    found = compare("linear", "linear", seeds=2)
    assert [trial[:3] for trial in found.trials] == [("linear", arm, seed) for arm in (RANDOM, TUNED) for seed in (1, 2)]


@pytest.mark.parametrize(("encoder", "training"), [("average", NETWORK), ("linear", LINEAR)], ids=["average", "linear"])
def test_without_a_test_the_score_is_the_validation_accuracy_of_the_result(compare, files, encoder, training):
    trial = compare(encoder, training=training, test=None, embedding_dim=10).trials[0]
    options = options_of(training, {"encoder": encoder}, embedding_dim=10)
    facts = run_classifier(open_labelled(files / "train.tsv"), options).facts
    assert (trial.score, trial.best_epoch) == (facts["scores"]["valid_accuracy"], facts["best_epoch"])


def test_a_resume_on_other_test_documents_is_refused(compare, tmp_path):
    compare("linear", out=tmp_path / "out")
    with pytest.raises(ConfigError, match="out: cannot resume with other options"):
        compare("linear", out=tmp_path / "out", resume=True, test="train.tsv")


@pytest.mark.parametrize(
    ("encoders", "rest", "error", "message"),
    [
        (["linear"], {"test": None, "held_out": 0.0}, ConfigError, "there is nothing to compare on: hold documents out"),
        ([], {}, ConfigError, "there is no model to compare: give at least one, such as --encoders average cnn"),
        (["linear"], {"test": "gone.tsv"}, InputError, "gone.tsv: no such file"),
        (["linear"], {"valid": "gone.tsv"}, InputError, "gone.tsv: no such file"),
        (["average", "linear"], {"model": {"dropout": 0.1}}, ConfigError, "dropout is 0.1, which the linear encoder does not have"),
        (["average", "cnn"], {"model": {"pooling": "mean"}}, ConfigError, "which the cnn encoder does not have"),
    ],
    ids=["no documents", "no encoder", "no test", "no valid", "linear", "pooling"],
)
def test_options_that_make_no_comparison_are_refused_before_anything_is_trained(compare, tmp_path, encoders, rest, error, message):
    with pytest.raises(error, match=message):
        compare(*encoders, out=tmp_path / "out", **rest)
    assert not (tmp_path / "out" / "comparison.json").exists()


def test_nothing_to_compare_on_is_reported_where_nothing_could_be_held_out(files, tmp_path):
    write(tmp_path / "two.tsv", [("good", "fine"), ("bad", "poor")])
    options = options_of(embedding_dim=10, vectors=str(files / "vectors"))
    with pytest.raises(ConfigError, match="there is nothing to compare on: hold documents out"):
        compare_classifiers(open_labelled(tmp_path / "two.tsv"), options, encoders=("linear",), seeds=1)
