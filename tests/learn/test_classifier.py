"""Small things that a classifier must be able to learn, all through the command line, judged on fresh documents."""

import json
import random
from pathlib import Path

import pytest

FILLERS = [f"w{number}" for number in range(20)]
COMMON = ("--threads", 1, "--seed", 1)
TORCH = (*COMMON, "--accelerator", "cpu", "--embedding-dim", 16)
ENCODERS = {
    "average": ("--encoder", "average", "--epochs", 8, "--learning-rate", 0.02, *TORCH),
    "cnn": ("--encoder", "cnn", "--widths", 2, 3, "--filters", 16, "--epochs", 6, "--learning-rate", 0.01, *TORCH),
    "rnn": ("--encoder", "rnn", "--hidden-size", 16, "--epochs", 8, "--learning-rate", 0.02, *TORCH),
    "linear": ("--encoder", "linear", "--word-ngrams", 2, "--epochs", 20, "--learning-rate", 1, *COMMON),
    "linear of single words": ("--encoder", "linear", "--word-ngrams", 1, "--epochs", 20, "--learning-rate", 1, *COMMON),
}


def among_fillers(draw, *parts):
    """Put parts, each of some words in a row, at places drawn among fillers."""
    text = draw.choices(FILLERS, k=draw.randint(4, 8))
    for part in parts:
        place = draw.randint(0, len(text))
        text[place:place] = [part]
    return " ".join(text)


def majority(draw):
    good, bad = draw.choice([(0, 1), (1, 2), (0, 2), (1, 3)])
    label, words = draw.choice([("bad", ["good"] * good + ["bad"] * bad), ("good", ["bad"] * good + ["good"] * bad)])
    return label, among_fillers(draw, *words)


def negation(draw):
    label, part = draw.choice([("yes", "good"), ("no", "not good"), ("yes", "not bad"), ("no", "bad")])
    return label, among_fillers(draw, part)


def order(draw):
    label, part = draw.choice([("yes", "a b"), ("no", "b a")])
    return label, among_fillers(draw, part)


def accuracy(run, task, encoder):
    """Train on some documents, and judge others."""
    draw = random.Random(7)
    for name, number in (("train.tsv", 600), ("fresh.tsv", 300)):
        Path(name).write_text("".join("\t".join(task(draw)) + "\n" for _ in range(number)))
    outcome = run("classifier", "train", "train.tsv", "--out", "model", *ENCODERS[encoder])
    assert (outcome.status, outcome.err) == (0, "")
    return json.loads(run("classifier", "evaluate", "model", "fresh.tsv", "--json", "--threads", 1).out)["accuracy"]


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_majority_of_two_words_is_found(run, encoder):
    assert accuracy(run, majority, encoder) >= 0.95


@pytest.mark.parametrize("encoder", ["cnn", "rnn", "linear"])
def test_a_negation_is_understood(run, encoder):
    assert accuracy(run, negation, encoder) >= 0.95


@pytest.mark.parametrize("encoder", ["cnn", "rnn", "linear"])
def test_the_order_of_two_words_is_seen(run, encoder):
    assert accuracy(run, order, encoder) >= 0.95


@pytest.mark.parametrize("encoder", ["average", "linear of single words"])
@pytest.mark.parametrize(("task", "bar"), [(negation, 0.9), (order, 0.65)])
def test_a_mean_of_words_sees_no_order(run, task, bar, encoder):
    assert accuracy(run, task, encoder) < bar


def test_predictions_are_the_labels_of_the_lines_in_their_order(run):
    accuracy(run, majority, "linear")
    lines = ["good w1 good", "bad", "", "w2 w3 bad", "good"]
    Path("texts.txt").write_text("\n".join(lines) + "\n")
    found = run("classifier", "predict", "model", "texts.txt").out.splitlines()
    assert len(found) == 5
    assert [found[place] for place in (0, 1, 3, 4)] == ["good", "bad", "bad", "good"]
