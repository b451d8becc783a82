"""The trainer: learning rate, jobs on several threads, and evaluation."""

import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from lexloom.compiled.memory import allocate
from lexloom.errors import InputError
from lexloom.vectors.checkpoint import TrainingState
from lexloom.vectors.jobs import Split
from lexloom.vectors.kernels import Text
from lexloom.vectors.negative_sampling import NegativeSampling
from tests.vectors.options import options

V = 50


def trainer(tokens=4000, jobs=8, **given):
    random = np.random.default_rng(0)
    ids = (random.zipf(1.3, tokens) % V).astype(np.uint32)
    text = Text(ids, np.arange(0, tokens + 1, 20))
    cuts = np.linspace(0, tokens, jobs + 1).astype(int).tolist()
    arrays = {name: allocate(V, 16) for name in ("input", "output")}
    for array in arrays.values():
        array[:] = random.normal(size=array.shape) * 0.3
    config, training = options(dim=16, sample=0, **given)
    split = Split(text, list(pairwise(cuts)))
    counts = np.bincount(ids, minlength=V)
    return NegativeSampling(config, training.resolved(config.model), split, counts, np.ones(V, np.uint8), arrays)


def test_the_learning_rate_falls_linearly_over_all_epochs():
    made = trainer(epochs=2, learning_rate=0.5, min_learning_rate=0.1)
    found = [made.rate(epoch, done) for epoch, done in ((0, 0), (0, 2000), (1, 0), (1, 4000))]
    assert found == pytest.approx([0.5, 0.4, 0.3, 0.1])


def test_an_epoch_counts_every_job_once():
    made, state = trainer(threads=3), TrainingState()
    made.train(state, float("inf"), lambda _state, _fraction: None)
    assert (state.job, state.words) == (8, 4000)
    assert state.loss > 0 and state.seconds > 0


def test_an_epoch_stops_in_time_and_continues_to_the_same_bits(monkeypatch):
    whole, parts, calls = trainer(threads=1), trainer(threads=1), 0
    one, other = TrainingState(), TrainingState()
    whole.train(one, float("inf"), lambda _state, _fraction: None)
    train_job = parts.train_job

    def slowly(*given):
        time.sleep(0.06)
        return train_job(*given)

    monkeypatch.setattr(parts, "train_job", slowly)
    while other.job < 8:
        parts.train(other, time.monotonic(), lambda _state, _fraction: None)
        calls += 1
    assert calls > 1
    assert (one.loss, one.terms) == (other.loss, other.terms)
    for name in whole.arrays:
        np.testing.assert_array_equal(whole.arrays[name], parts.arrays[name])


def test_the_validation_loss_is_the_same_on_any_number_of_threads_and_changes_nothing():
    losses, before = [], trainer().arrays
    for threads in (1, 2, 7):
        made = trainer(threads=threads)
        losses.append(made.evaluate(made.split))
        for name in before:
            np.testing.assert_array_equal(made.arrays[name], before[name])
    assert losses[0] == losses[1] == losses[2] > 0


def test_the_validation_loss_is_computed_on_all_threads(monkeypatch):
    made, together = trainer(threads=3, tokens=600, jobs=3), threading.Barrier(3)
    run = made._run

    def wait(*given):
        together.wait(10)  # fails unless three jobs run at the same time
        return run(*given)

    monkeypatch.setattr(made, "_run", wait)
    assert made.evaluate(made.split) > 0


def test_a_validation_text_without_terms_is_refused():
    made = trainer()
    lonely = Split(Text(np.zeros(5, np.uint32), np.arange(6)), [(0, 5)])
    with pytest.raises(InputError, match="no two known words next to each other"):
        made.evaluate(lonely)
