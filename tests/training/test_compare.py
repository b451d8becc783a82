"""What vectors are worth to any task: which runs are done, what is made of their scores, and what a folder keeps of them."""

import dataclasses
import json
from statistics import mean, stdev

import numpy as np
import pytest

from lexloom.errors import ConfigError, InputError, InterruptedRun
from lexloom.models.language_model.options import LanguageModelConfig, LanguageModelOptions
from lexloom.nn.embedding_config import EmbeddingConfig
from lexloom.run_folder import RunConfig
from lexloom.training.compare import ARMS, EmbeddingComparison, Trial, compare_embeddings
from lexloom.training.config import TrainingConfig
from lexloom.training.reporter import Reporter
from lexloom.vectors.formats import write_folder
from lexloom.vectors.table import Vectors

RANDOM, FROZEN, TUNED = ARMS
TEXTS = {"corpus": "train.txt", "test": "test.txt"}


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """Vectors of 10 numbers."""
    folder = tmp_path_factory.mktemp("files") / "vectors"
    write_folder(Vectors(["a", "b"], np.ones((2, 10), np.float32)), folder)
    return str(folder)


def score_of(_model, arm, seed):
    return ARMS.index(arm) / 10 + seed / 100


class Script:
    """In place of a task: notes what is trained, and returns facts.

    Attributes:
        asked: the options of each run.
        facts: of a run, from the model, the arm and the seed.
        records: of the epochs of each run.
    """

    def __init__(self):
        self.asked = []
        self.facts = lambda *key: {"best_epoch": 1, "test": {"accuracy": score_of(*key)}, "scores": {}}
        self.records = [{"epoch": 1}]

    def train(self, options, reporter):
        self.asked.append(options)
        for record in self.records:
            reporter.epoch(record)
        return self.facts(*self.done[-1])

    @property
    def done(self):
        """What was trained: model, arm and seed."""
        arms = [RANDOM if one.embedding.vectors is None else FROZEN if one.embedding.freeze else TUNED for one in self.asked]
        return [(one.model.softmax, arm, one.training.seed) for one, arm in zip(self.asked, arms, strict=True)]


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def compare(script, vectors):
    """Compares models that differ in their softmax; other names are options of the embedding."""

    def call(*models, training=TrainingConfig(), seeds=2, arms=None, texts=TEXTS, told=None, reporter=None, run=None, **embedding):
        shared = EmbeddingConfig(**{"vectors": vectors, **embedding})
        options = {name: LanguageModelOptions(LanguageModelConfig(softmax=name), shared, training=training) for name in models or ("full",)}
        given = {"arms": arms} if arms else {}
        told = told or (lambda _trial: None)
        return compare_embeddings(script.train, options, texts=texts, seeds=seeds, run=run, told=told, reporter=reporter, **given)

    return call


def saved(folder):
    return json.loads((folder / "comparison.json").read_text())


def keys(trials):
    return [tuple(trial.values())[:3] if isinstance(trial, dict) else trial[:3] for trial in trials]


# ---- which runs are done -------------------------------------------------------------------------------------------------------------


def test_every_model_has_its_arms_with_every_seed(script, compare):
    found = compare(
        "full",
        "tied",
        training=TrainingConfig(seed=7),
        arms=lambda options: (RANDOM, TUNED) if options.model.softmax == "tied" else ARMS,
    )
    expected = [("full", arm, seed) for arm in ARMS for seed in (7, 8)] + [
        ("tied", arm, seed) for arm in (RANDOM, TUNED) for seed in (7, 8)
    ]
    assert script.done == keys(found.trials) == expected
    assert found.arms == {"full": list(ARMS), "tied": [RANDOM, TUNED]}
    assert [trial.score for trial in found.trials] == [score_of(*key) for key in expected]
    assert found.scores("full", FROZEN) == pytest.approx({7: 0.17, 8: 0.18})


def test_arms_differ_in_their_rows_and_in_nothing_else(script, compare, vectors):
    compare(seeds=1, vectors_std=0.5, word_dropout=0.1)
    rows = [(one.embedding.vectors, one.embedding.vectors_std, one.embedding.freeze, one.embedding.embedding_dim) for one in script.asked]
    assert rows == [(None, None, False, 10), (vectors, 0.5, True, None), (vectors, 0.5, False, None)]
    for one in script.asked:
        embedding = dataclasses.replace(one.embedding, vectors=None, vectors_std=None, freeze=False, embedding_dim=None)
        assert dataclasses.replace(one, embedding=embedding) == LanguageModelOptions(
            LanguageModelConfig(softmax="full"), EmbeddingConfig(word_dropout=0.1)
        )


def test_the_reporter_hears_of_each_run_and_of_its_epochs(script, compare):
    told, epochs = [], []
    script.records *= 3
    found = compare(seeds=2, told=told.append, reporter=Reporter(epoch=epochs.append))
    assert told == found.trials
    assert epochs == script.records * 6


# ---- how good they are ---------------------------------------------------------------------------------------------------------------


def test_without_a_test_the_score_is_that_of_the_validation_data(script, compare):
    script.facts = lambda *_key: {"best_epoch": 3, "scores": {"valid_accuracy": 0.25}}
    found = compare(seeds=1)
    assert {(trial.best_epoch, trial.score) for trial in found.trials} == {(3, 0.25)}


def test_without_either_there_is_nothing_to_compare_on(script, compare):
    script.facts = lambda *_key: {"best_epoch": None, "scores": {"valid_accuracy": None}}
    with pytest.raises(ConfigError, match="there is nothing to compare on"):
        compare(seeds=1)


def trials_of(**scores):
    """Runs of one model from the scores of each arm, one per seed."""
    names = {"random": RANDOM, "frozen": FROZEN, "tuned": TUNED}
    return [Trial("cnn", names[arm], seed, value, None, 0.1) for arm, values in scores.items() for seed, value in enumerate(values, 1)]


def test_differences_are_of_the_same_seeds():
    values = {"random": [0.70, 0.80, 0.75], "frozen": [0.72, 0.70, 0.60], "tuned": [0.80, 0.91, 0.84]}
    found = {(one.better, one.worse): one for one in EmbeddingComparison("accuracy", trials_of(**values)).differences}
    names = {RANDOM: "random", FROZEN: "frozen", TUNED: "tuned"}
    assert list(found) == [(FROZEN, RANDOM), (TUNED, RANDOM), (TUNED, FROZEN)]
    for (better, worse), one in found.items():
        each = [first - second for first, second in zip(values[names[better]], values[names[worse]], strict=True)]
        assert (one.model, one.mean, one.spread) == ("cnn", pytest.approx(mean(each)), pytest.approx(stdev(each)))
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
    (found,) = EmbeddingComparison("accuracy", trials_of(random=first, tuned=second)).differences
    assert found.larger is larger


def test_a_seed_that_only_one_arm_has_makes_no_difference():
    trials = trials_of(random=[0.5, 0.6, 0.7], tuned=[0.2, 0.7, 0.9, 0.1])
    first, *_, last = trials
    (found,) = EmbeddingComparison("accuracy", [trial for trial in trials if trial not in (first, last)]).differences
    assert found.mean == pytest.approx(mean([0.7 - 0.6, 0.9 - 0.7]))


def test_a_single_seed_makes_no_difference():
    assert EmbeddingComparison("accuracy", trials_of(random=[0.5], tuned=[0.6])).differences == []


def test_models_are_not_compared_with_each_other():
    other = [trial._replace(model="rnn") for trial in trials_of(random=[0.1, 0.2])]
    assert EmbeddingComparison("accuracy", [*trials_of(random=[0.5, 0.6]), *other]).differences == []


# ---- the folder ----------------------------------------------------------------------------------------------------------------------


def test_the_folder_knows_each_run_as_soon_as_it_is_done(compare, tmp_path):
    seen = []
    out = tmp_path / "out"
    found = compare("full", "tied", run=RunConfig(out), told=lambda _trial: seen.append(len(saved(out)["trials"])))
    assert seen == list(range(1, 13))
    assert {name: saved(out)[name] for name in ("metric", "trials", "differences")} == found.as_dict()
    assert [Trial(**trial) for trial in saved(out)["trials"]] == found.trials
    assert saved(out)["options"]["full"]["embedding"]["word_dropout"] == 0.0
    assert [path.name for path in out.iterdir()] == ["comparison.json"]


def stopping_after(number):
    """Hears of runs, and stops after this many."""
    heard = []

    def told(trial):
        heard.append(trial)
        if len(heard) == number:
            raise KeyboardInterrupt

    return told


def without_seconds(folder):
    return [{**trial, "seconds": None} for trial in saved(folder)["trials"]]


def test_a_resume_does_the_missing_runs(script, compare, tmp_path):
    compare("full", "tied", run=RunConfig(tmp_path / "whole"))
    every = script.done
    script.asked.clear()
    with pytest.raises(KeyboardInterrupt):
        compare("full", "tied", run=RunConfig(tmp_path / "out"), told=stopping_after(4))
    script.asked.clear()
    found = compare("full", "tied", run=RunConfig(tmp_path / "out", resume=True))
    assert script.done == every[4:]
    assert keys(found.trials) == every
    assert without_seconds(tmp_path / "out") == without_seconds(tmp_path / "whole")
    assert saved(tmp_path / "out")["differences"] == saved(tmp_path / "whole")["differences"]


@pytest.mark.parametrize(
    ("models", "seeds", "missing"),
    [
        (("full",), 2, []),
        (("full",), 3, [("full", arm, 3) for arm in ARMS]),
        (("full",), 1, []),
        (("tied", "full"), 2, [("tied", arm, seed) for arm in ARMS for seed in (1, 2)]),
        (("tied",), 2, [("tied", arm, seed) for arm in ARMS for seed in (1, 2)]),
    ],
    ids=["nothing", "more seeds", "fewer seeds", "more models", "other models"],
)
def test_a_resume_may_ask_for_more_or_less(script, compare, tmp_path, models, seeds, missing):
    compare("full", run=RunConfig(tmp_path / "out"))
    before = set(script.done)
    script.asked.clear()
    found = compare(*models, seeds=seeds, run=RunConfig(tmp_path / "out", resume=True))
    assert script.done == missing
    assert set(keys(found.trials)) == set(keys(saved(tmp_path / "out")["trials"])) == before | set(missing)
    order = [*models, "full"]
    assert keys(found.trials) == sorted(keys(found.trials), key=lambda key: (order.index(key[0]), ARMS.index(key[1]), key[2]))


def test_a_resume_of_a_finished_comparison_needs_no_vectors(compare, tmp_path, monkeypatch):
    found = compare(seeds=1, run=RunConfig(tmp_path / "out"))
    monkeypatch.setattr("lexloom.training.compare.load_vectors", lambda *_arguments, **_rest: pytest.fail("nothing is to be read"))
    assert compare(seeds=1, run=RunConfig(tmp_path / "out", resume=True)) == found


def test_resuming_an_empty_folder_starts_a_comparison(compare, tmp_path):
    assert len(compare(run=RunConfig(tmp_path / "out", resume=True)).trials) == 6


@pytest.mark.parametrize(
    "rest",
    [
        {"training": TrainingConfig(epochs=9)},
        {"training": TrainingConfig(seed=2)},
        {"word_dropout": 0.1},
        {"texts": TEXTS | {"test": None}},
    ],
    ids=lambda rest: "-".join(rest),
)
def test_a_resume_with_other_options_is_refused(compare, tmp_path, rest):
    compare(seeds=1, run=RunConfig(tmp_path / "out"))
    before = saved(tmp_path / "out")
    with pytest.raises(ConfigError, match="out: cannot resume with other options; give the same ones, or --overwrite to start over"):
        compare(run=RunConfig(tmp_path / "out", resume=True), **rest)
    assert saved(tmp_path / "out") == before


def test_a_comparison_is_left_alone_unless_asked(script, compare, tmp_path):
    compare(seeds=1, run=RunConfig(tmp_path / "out"))
    with pytest.raises(InputError, match="holds a comparison; give --resume to continue it, --overwrite to replace it, or another --out"):
        compare(run=RunConfig(tmp_path / "out"))
    assert len(script.asked) == 3


def test_overwriting_starts_over(compare, tmp_path):
    compare(run=RunConfig(tmp_path / "out"))
    compare("tied", seeds=1, run=RunConfig(tmp_path / "out", overwrite=True), word_dropout=0.1)
    assert keys(saved(tmp_path / "out")["trials"]) == [("tied", arm, 1) for arm in ARMS]


@pytest.mark.parametrize(
    ("done", "kept", "message"),
    [(3, True, "they are kept; the same command with --resume continues"), (3, False, "nothing is saved"), (0, True, "nothing is saved")],
    ids=str,
)
def test_an_interrupt_says_how_much_was_done(script, compare, tmp_path, done, kept, message):
    def facts(*key):
        if len(script.asked) > done:
            raise InterruptedRun("interrupted in epoch 1: nothing is saved")
        return {"best_epoch": 1, "test": {"accuracy": score_of(*key)}}

    script.facts = facts
    with pytest.raises(InterruptedRun, match=f"^interrupted after {done} runs: {message}$"):
        compare(run=RunConfig(tmp_path / "out" if kept else None))
    assert (tmp_path / "out" / "comparison.json").exists() == (kept and done > 0)


# ---- what is refused -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rest", "error", "message"),
    [
        ({"vectors": None}, ConfigError, "vectors is missing: a comparison needs vectors; give --vectors"),
        ({"freeze": True}, ConfigError, "freeze is set, but one arm of a comparison freezes the vectors anyway; leave it out"),
        ({"seeds": 0}, ConfigError, "seeds is 0: expected a whole number of at least 1"),
        ({"resume": True, "overwrite": True}, ConfigError, "resume and overwrite are both set"),
        ({"training": TrainingConfig(devices=2)}, ConfigError, "a comparison trains in one process"),
        ({"vectors": "gone"}, InputError, "gone: no such file"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_options_that_make_no_comparison_are_refused_before_anything_is_trained(script, compare, tmp_path, rest, error, message):
    where = {name: rest[name] for name in ("resume", "overwrite") if name in rest}
    with pytest.raises(error, match=message):
        compare(run=RunConfig(tmp_path / "out", **where), **{name: value for name, value in rest.items() if name not in where})
    assert script.asked == []
    assert not (tmp_path / "out" / "comparison.json").exists()


def test_a_comparison_of_no_model_is_refused(script):
    with pytest.raises(ConfigError, match="there is no model to compare: give at least one"):
        compare_embeddings(script.train, {}, texts=TEXTS)
