import io
import random
import re
import shlex

import polars as pl
import pytest
from rich.console import Console

from lexloom.cli import main
from lexloom.demo import classifier as module
from lexloom.demo.classifier import choose_answers, classify_packages
from lexloom.demo.harvest import Harvest
from lexloom.files import read_json
from lexloom.models.classifier.scores import evaluate_classifier
from lexloom.models.loading import load_model
from lexloom.text.labels import open_labelled

THEMES = {
    "algebra": "matrix vector diagonal inverse transpose",
    "network": "server client request socket proxy",
    "statistics": "mean variance median deviation quantile",
}


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=160, highlight=False)


def harvest_in(folder, number):
    """Sentences that each keep to the theme of their package."""
    draw = random.Random(1)
    rows = [(name, " ".join(draw.choices(words.split(), k=10)).capitalize() + ".") for name, words in THEMES.items() for _ in range(number)]
    draw.shuffle(rows)
    path, packages = folder / "docstrings.txt", folder / "packages.txt"
    path.write_text("".join(f"{text}\n" for _, text in rows))
    packages.write_text("".join(f"{name}\n" for name, _ in rows))
    return Harvest(path, packages, documents=len(rows), words=0, files=1, unreadable=0, seconds=1.0, cached=False)


@pytest.fixture
def harvest(tmp_path):
    return harvest_in(tmp_path, 250)


def test_the_packages_are_told_apart(console, harvest, tmp_path):
    folder = classify_packages(console, harvest, tmp_path)
    score = evaluate_classifier(load_model(folder), open_labelled(tmp_path / "packages-held-out.tsv"))
    assert (score.accuracy, score.documents) == (1.0, 75)
    output = console.file.getvalue()
    for part in (
        "come from, algebra, network or statistics?",
        "675 sentences to train on and 75 held out",
        "sentences 100.0%",
        "for all: 33.3%",
    ):
        assert part in output
    assert "what spoke for" in output


def test_the_printed_command_makes_the_same_classifier_again(console, harvest, tmp_path, capsys):
    folder = classify_packages(console, harvest, tmp_path)
    first = (folder / "model.safetensors").read_bytes()
    asked = read_json(folder / "run.json")
    (command,) = [line.split("again: ")[1] for line in console.file.getvalue().splitlines() if "the same again" in line]
    with pytest.raises(SystemExit, match="0"):
        main(shlex.split(command)[1:])
    assert re.search("^test: .*accuracy 100.00%", capsys.readouterr().out, re.MULTILINE)
    assert (folder / "model.safetensors").read_bytes() == first
    assert read_json(folder / "run.json") == asked


def test_a_second_run_replaces_the_first(console, harvest, tmp_path):
    assert classify_packages(console, harvest, tmp_path) == classify_packages(console, harvest, tmp_path)


@pytest.mark.parametrize(("number", "said"), [(None, "a text of your own names no packages"), (100, "fewer than two packages have 200")])
def test_without_packages_two_lines_say_so(console, tmp_path, number, said):
    out = tmp_path / "out"
    assert classify_packages(console, None if number is None else harvest_in(tmp_path, number), out) is None
    assert said in console.file.getvalue()
    assert console.file.getvalue().strip().count("\n") == 1
    assert not out.exists()


def answered(*rows):
    return pl.DataFrame(rows, schema=["package", "text", "answer", "probability"], orient="row")


SHORT = "There are eight words in this short sentence"


def test_two_right_answers_and_the_surest_wrong_one_are_shown():
    rows = [
        ("a", f"{SHORT} 1", "a", 1.0),
        ("a", f"{SHORT} 2", "a", 0.91),
        ("a", f"{SHORT} 3", "a", 0.92),
        ("b", f"{SHORT} 4", "b", 0.6),
        ("c", f"{SHORT} 5", "c", 0.5),
        ("a", f"{SHORT} 6", "b", 0.7),
        ("b", f"{SHORT} 7", "a", 0.8),
        ("b", "Too short", "a", 0.99),
    ]
    assert [text[-1] for text in choose_answers(answered(*rows))["text"]] == ["2", "4", "7"]


@pytest.mark.parametrize(("answer", "text"), [("b", SHORT), ("a", "Short"), ("b", "Short")])
def test_there_is_always_something_to_show(answer, text):
    assert len(choose_answers(answered(("a", text, answer, 0.5)))) == 1


def test_a_decision_that_no_word_spoke_for_is_told(console, harvest, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LEAST", 1e9)
    classify_packages(console, harvest, tmp_path)
    assert "in log-odds: no single word" in console.file.getvalue()
