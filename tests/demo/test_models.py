import importlib.util
import io
import random

import numpy as np
import pytest
from rich.console import Console

from lexloom.demo import models
from lexloom.demo.models import RememberingCorpus, compare_starts, write_sentence
from lexloom.models.loading import load_model
from lexloom.text.corpus import iterable_corpus, open_corpus
from lexloom.vectors.table import Vectors

WORDS = ["the", "a", "one", "cat", "dog", "cow", "sees", "hears", "follows", "big", "small", "old", "house", "garden", "road"]


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200, highlight=False)


@pytest.fixture
def lines():
    draw = random.Random(1)
    return [" ".join([*draw.choices(WORDS, k=10), "."]).capitalize() for _ in range(300)]


@pytest.fixture
def vectors():
    return Vectors([*WORDS, "."], np.random.default_rng(1).normal(0, 0.1, (16, 8)).astype(np.float32), np.full(16, 200))


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(models, "_PROBE_SECONDS", 0.1)
    monkeypatch.setattr(models, "_SECONDS", 0.2)
    monkeypatch.setattr(models, "_LONGEST", 0.5)
    monkeypatch.setattr(models, "_FEWEST_TOKENS", 700)


def printed(console):
    return console.file.getvalue()


def test_both_models_take_the_same_steps_and_the_better_one_writes(console, lines, vectors, tmp_path, quick, monkeypatch):
    monkeypatch.setattr(models, "_LONGEST", 60.0)
    monkeypatch.setattr(models, "_SECONDS", 0.0)
    arms = compare_starts(console, lines, vectors, tmp_path, "The cat")
    assert [arm.folder.name for arm in arms] == ["model-random", "model-vectors"]
    assert arms[0].tokens == arms[1].tokens > 0
    assert [load_model(arm.folder).config.embedding.embedding_dim for arm in arms] == [8, 8]
    output = printed(console)
    for part in ("random rows", "the vectors", *(f"validation perplexity {arm.perplexity:.1f}" for arm in arms), "it writes: The cat"):
        assert part in output


def test_a_second_run_replaces_the_first(console, lines, vectors, tmp_path, quick):
    for _ in range(2):
        arms = compare_starts(console, lines, vectors, tmp_path, "")
    assert len(arms) == 2


def test_a_slow_machine_is_cut_short(console, lines, vectors, tmp_path, quick, monkeypatch):
    monkeypatch.setattr(models, "_SECONDS", 1000.0)
    monkeypatch.setattr(models, "_MOST_EPOCHS", 100_000)
    arms = compare_starts(console, lines, vectors, tmp_path, "")
    assert all(arm.seconds < 5 for arm in arms)


@pytest.mark.parametrize(
    ("missing", "said"),
    [(["torch", "lightning"], "torch and lightning are not installed"), (["lightning"], "lightning is not installed")],
)
def test_without_torch_one_line_says_how_to_get_it(console, lines, vectors, tmp_path, monkeypatch, missing, said):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else find(name))
    assert compare_starts(console, lines, vectors, tmp_path, "") == []
    assert printed(console).strip().count("\n") == 0
    assert said in printed(console)
    assert "pip install 'lexloom[models]'" in printed(console)
    assert list(tmp_path.iterdir()) == []


def test_a_text_too_short_for_a_model_is_said_in_one_line(console, vectors, tmp_path):
    few = Vectors(vectors.tokens, vectors.matrix, np.full(16, 3))
    assert compare_starts(console, ["the cat"], few, tmp_path, "") == []
    assert "fewer than 2,000 words" in printed(console)
    assert printed(console).strip().count("\n") == 0


def test_a_text_that_can_be_read_once_is_remembered():
    corpus = RememberingCorpus(iterable_corpus(text for text in ["one two", "", "three"]))
    assert corpus.lines == []
    assert sum(len(block.texts) for block in corpus.blocks()) == 3
    assert corpus.lines == ["one two", "", "three"]
    assert corpus.report.documents == 3


def test_no_more_is_remembered_than_models_need(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "_CHARACTERS", 1)
    path = tmp_path / "long.txt"
    path.write_text("x" * 99 + "\n" + "y" * 99 + ("\n" + "z" * 99) * 60_000)
    corpus = RememberingCorpus(open_corpus(path))
    blocks = list(corpus.blocks())
    assert len(blocks) > 1
    assert len(corpus.lines) == len(blocks[0].texts)
    assert corpus.fingerprint() == open_corpus(path).fingerprint()


@pytest.mark.parametrize(
    ("texts", "chosen"),
    [
        (["b\n", "a b c d e\n"], "a b c d e"),
        (["never ends and ends not", "it does end here now\n"], "it does end here now"),
        (["b\n", "too short\n"], "b"),
    ],
    ids=["not too short", "an end", "none is so"],
)
def test_a_sentence_of_a_likely_length_with_an_end_is_chosen(monkeypatch, texts, chosen):
    def write(_model, _prompt, sampling, **_options):
        return iter([texts[min(sampling.seed, len(texts) - 1)]])

    monkeypatch.setattr("lexloom.models.language_model.writing.write_text_from", write)
    assert write_sentence(object(), "") == chosen
