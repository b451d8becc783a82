"""What vectors are worth: which trainings are done, what is made of their accuracies, and what a folder keeps of them."""

import dataclasses
import json
from statistics import mean, stdev
from types import SimpleNamespace

import numpy as np
import pytest
from tests.models.linear.corpora import opinions, write

from lexloom.errors import ConfigError, InputError, InterruptedRun
from lexloom.models.classification import evaluate_classifier
from lexloom.models.classifier_config import (
    ClassifierConfig,
    ClassifierEmbeddingConfig,
    ClassifierOptions,
    ClassifierVocabularyConfig,
    DocumentConfig,
)
from lexloom.text.labels import open_labelled
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.training.compare import ARMS, EmbeddingComparison, Run, compare_embeddings, trainer_of
from lexloom.training.config import ClassifierTrainingConfig
from lexloom.training.reporter import Reporter
from lexloom.vectors.formats import write_folder
from lexloom.vectors.table import Vectors

RANDOM, FROZEN, TUNED = ARMS
TRAINING = ClassifierTrainingConfig(epochs=5, threads=1, accelerator="cpu", learning_rate=0.1)
PLAIN = ClassifierTrainingConfig(epochs=2, threads=1)  # as the encoder linear knows it
BATCHES = DocumentConfig(batch_size=10)
WHITESPACE = TokenizerConfig(tokenizer="whitespace")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Documents to train and to judge on; vectors of their words, and some that are all the same."""
    folder = tmp_path_factory.mktemp("files")
    pairs = opinions(60)
    write(folder / "train.tsv", pairs)
    write(folder / "test.tsv", opinions(40, seed=2))
    words = sorted({word for _, text in pairs for word in text.split()})
    rows = np.random.default_rng(1).normal(size=(len(words), 10)).astype(np.float32)
    write_folder(Vectors(words, rows), folder / "vectors")
    write_folder(Vectors(words, np.ones_like(rows)), folder / "flat")
    return folder


@pytest.fixture
def compare(files):
    """Compares with small options; what is no argument of the function is an option of the embedding."""

    def call(*encoders, vectors="vectors", seeds=2, test="test.tsv", training=PLAIN, batches=BATCHES, model=None, **rest):
        names = {field.name for field in dataclasses.fields(ClassifierEmbeddingConfig)}
        embedding = {name: rest.pop(name) for name in list(rest) if name in names}
        given = {"vectors": vectors and str(files / vectors), **embedding}
        options = ClassifierOptions(ClassifierConfig(**(model or {})), ClassifierEmbeddingConfig(**given))
        judged = test and open_labelled(files / test)
        given = {"tokenizer": WHITESPACE, "test": judged, "encoders": encoders or ("average",), "seeds": seeds, **rest}
        return compare_embeddings(open_labelled(files / "train.tsv"), options, training, batches, **given)

    return call


class Script:
    """In place of all trainings: notes what they are asked for, and says how they do.

    Attributes:
        asked: what each training was given, by name.
        accuracy: of a model on the test documents, from the encoder, the arm and the seed.
        records: of the epochs of each training.
    """

    def __init__(self):
        self.asked = []
        self.accuracy = lambda _encoder, arm, seed: ARMS.index(arm) / 10 + seed / 100
        self.records = [{"valid_loss": 0.5, "valid_accuracy": 0.5}]

    def train(self, corpus, options, training, batches, *, reporter, **texts):
        asked = SimpleNamespace(**vars(options), corpus=corpus, training=training, batches=batches, **texts)
        self.asked.append(asked)
        for record in self.records:
            reporter.epoch(record)
        arm = FROZEN if asked.embedding.freeze else RANDOM if asked.embedding.vectors is None else TUNED
        return asked.model.encoder, arm, training.seed

    @property
    def done(self):
        """What was trained: encoder, arm and seed."""
        arms = [RANDOM if one.embedding.vectors is None else FROZEN if one.embedding.freeze else TUNED for one in self.asked]
        return [(one.model.encoder, arm, one.training.seed) for one, arm in zip(self.asked, arms, strict=True)]


@pytest.fixture
def script(monkeypatch):
    found = Script()
    monkeypatch.setattr("lexloom.training.compare.trainer_of", lambda _model: found.train)
    judged = "lexloom.training.compare.evaluate_classifier"
    monkeypatch.setattr(judged, lambda model, _test, *, mistakes: SimpleNamespace(accuracy=found.accuracy(*model)))
    return found


def saved(folder):
    return json.loads((folder / "comparison.json").read_text())


def keys(runs):
    return [(run["encoder"], run["arm"], run["seed"]) if isinstance(run, dict) else (run.encoder, run.arm, run.seed) for run in runs]


# ---- which trainings are done --------------------------------------------------------------------------------------------------------


def test_every_encoder_has_its_arms_with_every_seed(script, compare):
    found = compare("cnn", "linear", "average", seeds=2, training=dataclasses.replace(PLAIN, seed=7))
    expected = [(encoder, arm, seed) for encoder in ("cnn", "linear", "average") for arm in ARMS for seed in (7, 8)]
    expected = [run for run in expected if run[:2] != ("linear", FROZEN)]  # which it cannot do
    assert script.done == keys(found.runs) == expected
    assert found.arms == list(dict.fromkeys((encoder, arm) for encoder, arm, _ in expected))
    assert [run.accuracy for run in found.runs] == [script.accuracy(*run) for run in expected]
    assert found.accuracies("cnn", FROZEN) == pytest.approx({7: 0.17, 8: 0.18})


def test_an_encoder_that_is_named_twice_is_trained_once(script, compare):
    compare("linear", "average", "linear", seeds=1)
    assert script.done == [("linear", RANDOM, 1), ("linear", TUNED, 1), *[("average", arm, 1) for arm in ARMS]]


def test_arms_differ_in_their_rows_and_in_nothing_else(script, compare, files):
    compare(seeds=1, vectors_std=0.5, word_dropout=0.1, model={"label_smoothing": 0.2}, valid=open_labelled(files / "test.tsv"))
    asked = [one.embedding for one in script.asked]
    rows = [(embedding.vectors, embedding.vectors_std, embedding.freeze, embedding.embedding_dim) for embedding in asked]
    source = str(files / "vectors")
    assert rows == [(None, None, False, 10), (source, 0.5, True, None), (source, 0.5, False, None)]
    for one in script.asked:
        embedding = dataclasses.replace(one.embedding, vectors=None, vectors_std=None, freeze=False, embedding_dim=None)
        assert embedding == ClassifierEmbeddingConfig(word_dropout=0.1)
        assert one.model == ClassifierConfig(label_smoothing=0.2)
        assert (one.training, one.batches, one.tokenizer) == (PLAIN, BATCHES, WHITESPACE)
        assert one.vocabulary == ClassifierVocabularyConfig()
        assert (one.corpus.name, one.valid.name) == (str(files / "train.tsv"), str(files / "test.tsv"))


def test_who_listens_hears_of_each_training_and_of_its_epochs(script, compare):
    told, epochs = [], []
    script.records *= 3
    found = compare(seeds=2, told=told.append, reporter=Reporter(epoch=epochs.append))
    assert told == found.runs
    assert epochs == script.records * 6


@pytest.mark.parametrize(("encoder", "training"), [("average", TRAINING), ("linear", PLAIN)], ids=["average", "linear"])
def test_each_is_a_training_as_any_other(compare, files, encoder, training):
    for run in compare(encoder, seeds=1, training=training, embedding_dim=10).runs:
        vectors = None if run.arm == RANDOM else str(files / "vectors")
        options = ClassifierOptions(
            ClassifierConfig(encoder), ClassifierEmbeddingConfig(embedding_dim=10, vectors=vectors, freeze=run.arm == FROZEN)
        )
        model = trainer_of(options.model)(open_labelled(files / "train.tsv"), options, training, BATCHES, tokenizer=WHITESPACE)
        assert run.accuracy == evaluate_classifier(model, open_labelled(files / "test.tsv")).accuracy


def test_random_rows_and_those_that_learn_tell_apart_what_frozen_ones_cannot(compare):
    found = {run.arm: run.accuracy for run in compare(vectors="flat", seeds=1, training=dataclasses.replace(TRAINING, epochs=15)).runs}
    assert found[FROZEN] == 0.5 and min(found[RANDOM], found[TUNED]) > 0.8


# ---- how good they are ---------------------------------------------------------------------------------------------------------------


def epochs(*pairs):
    return [{"valid_loss": loss, "valid_accuracy": accuracy} for loss, accuracy in pairs]


@pytest.mark.parametrize(
    ("encoder", "best_by", "best", "accuracy"),
    [("average", "accuracy", 3, 0.9), ("average", "loss", 2, 0.8), ("linear", "accuracy", 4, 0.7), ("linear", "loss", 4, 0.7)],
)
def test_without_a_test_the_accuracy_is_that_of_the_epoch_that_is_kept(script, compare, encoder, best_by, best, accuracy):
    script.records = epochs((0.5, 0.9), (0.2, 0.8), (0.4, 0.9), (0.3, 0.7))
    found = compare(encoder, seeds=1, test=None, training=dataclasses.replace(PLAIN, best_by=best_by)).runs[0]
    assert (found.best_epoch, found.accuracy) == (best, accuracy)


def test_without_validation_the_last_epoch_is_judged_on_the_test(script, compare):
    script.records = epochs((None, None), (None, None))
    found = compare(seeds=1, batches=DocumentConfig(held_out=0.0)).runs[0]
    assert (found.best_epoch, found.accuracy) == (None, script.accuracy("average", RANDOM, 1))


def runs_of(**accuracies):
    """Runs of one encoder from the accuracies of each arm, one a seed."""
    names = {"random": RANDOM, "frozen": FROZEN, "tuned": TUNED}
    return [Run("cnn", names[arm], seed, value, None, 0.1) for arm, values in accuracies.items() for seed, value in enumerate(values, 1)]


def test_differences_are_of_the_same_seeds():
    values = {"random": [0.70, 0.80, 0.75], "frozen": [0.72, 0.70, 0.60], "tuned": [0.80, 0.91, 0.84]}
    found = {(one.better, one.worse): one for one in EmbeddingComparison(runs_of(**values)).differences}
    names = {RANDOM: "random", FROZEN: "frozen", TUNED: "tuned"}
    assert list(found) == [(FROZEN, RANDOM), (TUNED, RANDOM), (TUNED, FROZEN)]
    for (better, worse), one in found.items():
        each = [first - second for first, second in zip(values[names[better]], values[names[worse]], strict=True)]
        assert (one.encoder, one.mean, one.spread) == ("cnn", pytest.approx(mean(each)), pytest.approx(stdev(each)))
    assert [one.larger for one in found.values()] == [False, True, True]


@pytest.mark.parametrize(
    ("first", "second", "larger"),
    [
        ([0.5, 0.5], [0.6, 0.6], True),
        ([0.6, 0.6], [0.5, 0.5], True),
        ([0.5, 0.5], [0.5, 0.5], False),
        ([0.5, 0.6], [0.6, 0.5], False),
        ([0.50, 0.50], [0.50, 0.75], False),
        ([0.50, 0.50], [0.60, 0.75], True),
        ([0.60, 0.75], [0.50, 0.50], True),
    ],
    ids=str,
)
def test_a_difference_is_larger_than_its_spread_or_not_whatever_its_sign(first, second, larger):
    (found,) = EmbeddingComparison(runs_of(random=first, tuned=second)).differences
    assert found.larger is larger


def test_a_seed_that_only_one_arm_has_makes_no_difference():
    runs = runs_of(random=[0.5, 0.6, 0.7], tuned=[0.2, 0.7, 0.9, 0.1])
    first, *_, last = runs
    (found,) = EmbeddingComparison([run for run in runs if run not in (first, last)]).differences
    assert found.mean == pytest.approx(mean([0.7 - 0.6, 0.9 - 0.7]))


def test_a_single_seed_makes_no_difference():
    assert EmbeddingComparison(runs_of(random=[0.5], tuned=[0.6])).differences == []


def test_encoders_are_not_compared_with_each_other():
    other = [run._replace(encoder="rnn") for run in runs_of(random=[0.1, 0.2])]
    assert EmbeddingComparison([*runs_of(random=[0.5, 0.6]), *other]).differences == []


# ---- the folder ----------------------------------------------------------------------------------------------------------------------


def test_the_folder_knows_each_training_as_soon_as_it_is_done(script, compare, tmp_path):
    seen = []
    found = compare("average", "linear", out=tmp_path / "out", told=lambda _run: seen.append(len(saved(tmp_path / "out")["runs"])))
    assert seen == list(range(1, 11))
    assert {name: saved(tmp_path / "out")[name] for name in ("runs", "differences")} == found.as_dict()
    assert [Run(**run) for run in saved(tmp_path / "out")["runs"]] == found.runs
    assert saved(tmp_path / "out")["options"]["embedding"]["word_dropout"] == 0.0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["comparison.json"]


def stopping_after(number):
    """Hears of trainings, and stops after so many."""
    heard = []

    def told(run):
        heard.append(run)
        if len(heard) == number:
            raise KeyboardInterrupt

    return told


def without_seconds(folder):
    return [{**run, "seconds": None} for run in saved(folder)["runs"]]


def test_a_resume_does_what_is_lacking(script, compare, tmp_path):
    compare("average", "linear", out=tmp_path / "whole")
    every = script.done
    script.asked.clear()
    with pytest.raises(KeyboardInterrupt):
        compare("average", "linear", out=tmp_path / "out", told=stopping_after(4))
    script.asked.clear()
    found = compare("average", "linear", out=tmp_path / "out", resume=True)
    assert script.done == every[4:]
    assert keys(found.runs) == every
    assert without_seconds(tmp_path / "out") == without_seconds(tmp_path / "whole")
    assert saved(tmp_path / "out")["differences"] == saved(tmp_path / "whole")["differences"]


@pytest.mark.parametrize(
    ("encoders", "seeds", "lacking"),
    [
        (("average",), 2, []),
        (("average",), 3, [("average", arm, 3) for arm in ARMS]),
        (("average",), 1, []),
        (("linear", "average"), 2, [("linear", arm, seed) for arm in (RANDOM, TUNED) for seed in (1, 2)]),
        (("linear",), 2, [("linear", arm, seed) for arm in (RANDOM, TUNED) for seed in (1, 2)]),
    ],
    ids=["nothing", "more seeds", "fewer seeds", "more encoders", "other encoders"],
)
def test_a_resume_may_ask_for_more_or_less(script, compare, tmp_path, encoders, seeds, lacking):
    compare("average", seeds=2, out=tmp_path / "out")
    before = set(script.done)
    script.asked.clear()
    found = compare(*encoders, seeds=seeds, out=tmp_path / "out", resume=True)
    assert script.done == lacking
    assert set(keys(found.runs)) == set(keys(saved(tmp_path / "out")["runs"])) == before | set(lacking)
    order = [*encoders, "average"]
    assert keys(found.runs) == sorted(keys(found.runs), key=lambda key: (order.index(key[0]), ARMS.index(key[1]), key[2]))


def test_a_resume_of_what_is_done_needs_no_files(script, compare, tmp_path, files, monkeypatch):
    found = compare(seeds=1, out=tmp_path / "out")
    monkeypatch.setattr("lexloom.training.compare.load_vectors", lambda *_arguments, **_rest: pytest.fail("nothing is to be read"))
    assert compare(seeds=1, out=tmp_path / "out", resume=True) == found


def test_a_resume_where_nothing_began_begins(script, compare, tmp_path):
    assert len(compare(out=tmp_path / "out", resume=True).runs) == 6


@pytest.mark.parametrize(
    "rest",
    [
        {"training": dataclasses.replace(PLAIN, epochs=9)},
        {"training": dataclasses.replace(PLAIN, seed=2)},
        {"batches": DocumentConfig(batch_size=9)},
        {"vectors": "flat"},
        {"word_dropout": 0.1},
        {"model": {"widths": (2, 3)}},
        {"tokenizer": TokenizerConfig()},
        {"vocabulary": ClassifierVocabularyConfig(min_count=2)},
        {"test": None},
        {"test": "train.tsv"},
    ],
    ids=lambda rest: "-".join(rest),
)
def test_a_resume_with_other_options_is_refused(script, compare, tmp_path, rest):
    compare(seeds=1, out=tmp_path / "out")
    before = saved(tmp_path / "out")
    with pytest.raises(ConfigError, match="out: cannot go on with other options; give the same ones, or --overwrite to begin anew"):
        compare(seeds=2, out=tmp_path / "out", resume=True, **rest)
    assert saved(tmp_path / "out") == before


def test_a_comparison_is_left_alone_unless_told_otherwise(script, compare, tmp_path):
    compare(seeds=1, out=tmp_path / "out")
    with pytest.raises(InputError, match="holds a comparison; give --resume to go on with it, --overwrite to replace it, or another --out"):
        compare(seeds=2, out=tmp_path / "out")
    assert len(script.asked) == 3


def test_overwriting_begins_anew(script, compare, tmp_path):
    compare(seeds=2, out=tmp_path / "out")
    compare("linear", seeds=1, out=tmp_path / "out", overwrite=True, model={"label_smoothing": 0.1})
    assert keys(saved(tmp_path / "out")["runs"]) == [("linear", RANDOM, 1), ("linear", TUNED, 1)]


@pytest.mark.parametrize(
    ("done", "kept", "message"),
    [(3, True, "they are kept; the same command with --resume goes on"), (3, False, "nothing is saved"), (0, True, "nothing is saved")],
    ids=str,
)
def test_an_interrupt_says_how_much_was_done(script, compare, tmp_path, done, kept, message):
    train = script.train

    def interrupted(*arguments, **rest):
        if len(script.asked) == done:
            raise InterruptedRun("interrupted after 0 whole epochs: nothing is saved")
        return train(*arguments, **rest)

    script.train = interrupted
    with pytest.raises(InterruptedRun, match=f"^interrupted after {done} whole trainings: {message}$"):
        compare(out=tmp_path / "out" if kept else None)
    assert (tmp_path / "out" / "comparison.json").exists() == (kept and done > 0)


# ---- what is refused -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rest", "error", "message"),
    [
        ({"vectors": None}, ConfigError, "vectors is missing: a comparison needs the vectors whose worth it is about; give --vectors"),
        ({"freeze": True}, ConfigError, "freeze is set, but a comparison freezes the vectors in one of its arms by itself"),
        ({"test": None, "batches": DocumentConfig(held_out=0.0)}, ConfigError, "there is nothing to compare on: hold documents out"),
        ({"encoders": ()}, ConfigError, "encoders is empty: give at least one"),
        ({"seeds": 0}, ConfigError, "seeds is 0: expected a whole number of at least 1"),
        ({"resume": True, "overwrite": True}, ConfigError, "resume and overwrite are both set"),
        ({"training": dataclasses.replace(TRAINING, devices=2)}, ConfigError, "a comparison trains in one process"),
        ({"vectors": "gone"}, InputError, "gone: no such file"),
        ({"vectors": "train.tsv"}, Exception, "train.tsv"),
        ({"test": "gone.tsv"}, InputError, "gone.tsv: no such file"),
        ({"valid": open_labelled("gone.tsv")}, InputError, "gone.tsv: no such file"),
        ({"encoders": ("average", "linear"), "model": {"dropout": 0.1}}, ConfigError, "dropout is 0.1, which the encoder linear"),
        ({"encoders": ("average", "cnn"), "model": {"pooling": "mean"}}, ConfigError, "which the encoder cnn does not have"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_makes_no_comparison_is_refused_before_anything_is_trained(script, compare, tmp_path, rest, error, message):
    with pytest.raises(error, match=message):
        compare(out=tmp_path / "out", **rest)
    assert script.asked == []
    assert not (tmp_path / "out" / "comparison.json").exists()


def test_nothing_to_compare_on_is_told_of_where_nothing_could_be_held_out(compare, files, tmp_path):
    write(tmp_path / "two.tsv", [("good", "fine"), ("bad", "poor")])
    options = ClassifierOptions(embedding=ClassifierEmbeddingConfig(embedding_dim=10, vectors=str(files / "vectors")))
    with pytest.raises(ConfigError, match="there is nothing to compare on: hold documents out"):
        compare_embeddings(open_labelled(tmp_path / "two.tsv"), options, PLAIN, encoders=("linear",), seeds=1)
