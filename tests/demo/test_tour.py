import io
import random

import pytest
from rich.console import Console

from lexloom.demo import tour
from lexloom.demo.harvest import Harvest
from lexloom.demo.models import Arm
from lexloom.demo.tour import run_tour
from lexloom.errors import InputError
from lexloom.vectors.formats import load_vectors

THEMES = ["matrix vector diagonal inverse transpose", "server client request socket proxy", "mean variance median deviation quantile"]


@pytest.fixture
def text(tmp_path):
    """Sentences that each keep to one theme, so that neighbours are known."""
    draw = random.Random(1)
    path = tmp_path / "text.txt"
    lines = (" ".join(draw.choices(theme.split(), k=12)).capitalize() for theme in THEMES for _ in range(400))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=160, highlight=False)


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """Keep the training short, and note down what the second half is asked for; test_models.py and test_classifier.py run it."""
    calls = []

    def compare(console, lines, vectors, folder, prompt):
        calls.append((list(lines), prompt))
        return [Arm("random rows", folder / "model-random", 1, 1.0, 2.0), Arm("the vectors", folder / "model-vectors", 1, 1.0, 2.0)]

    monkeypatch.setattr(tour, "_EPOCHS", (1, 2))
    monkeypatch.setattr(tour, "classify_packages", lambda _console, harvest, folder: harvest and folder / "classifier")
    monkeypatch.setattr(tour, "compare_starts", compare)
    return calls


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_tour_of_a_text_leaves_vectors_and_a_picture(text, tmp_path, console):
    vectors = run_tour(text, tmp_path / "out", console=console)
    assert load_vectors(tmp_path / "out" / "vectors").tokens == vectors.tokens
    assert (tmp_path / "out" / "words.png").read_bytes().startswith(b"\x89PNG")
    output = printed(console)
    for part in ("Text", "epoch  1", "epoch  2", "loss", "raw words/s", "Neighbours", "Done in", f"lexloom vectors neighbors {tmp_path}"):
        assert part in output


def test_the_models_get_the_lines_of_the_text(text, tmp_path, console, asked):
    run_tour(text, tmp_path / "out", console=console)
    assert asked == [(text.read_text().splitlines(), "")]
    assert f"lm generate {tmp_path / 'out' / 'model-vectors'} --prompt ''" in printed(console)


def test_without_models_no_command_for_them_is_shown(text, tmp_path, console, monkeypatch):
    monkeypatch.setattr(tour, "compare_starts", lambda *_: [])
    run_tour(text, tmp_path / "out", console=console)
    assert " lm " not in printed(console)
    assert " classifier " not in printed(console)


def test_words_are_folded_to_lower_case(text, tmp_path, console):
    assert all(token == token.lower() for token in run_tour(text, tmp_path / "out", console=console).tokens)


def test_a_second_tour_replaces_the_first(text, tmp_path, console):
    run_tour(text, tmp_path / "out", console=console)
    text.write_text("other words in this text now\n" * 50)
    assert set(run_tour(text, tmp_path / "out", console=console).tokens) == {"other", "words", "in", "this", "text", "now"}


def test_without_a_corpus_the_docstrings_are_toured(text, tmp_path, console, monkeypatch, asked):
    found = Harvest(path=text, packages=text, documents=1200, words=14_400, files=7, unreadable=2, seconds=1.0, cached=False)
    monkeypatch.setattr(tour, "harvest_docstrings", lambda progress: found)
    run_tour(out=tmp_path / "out", console=console)
    assert "2 of 7 files could not be read" in printed(console)
    assert "matrix" in printed(console)
    assert asked[0][1] == "returns the"
    assert f"classifier explain {tmp_path / 'out' / 'classifier'} 'Return the" in printed(console)


@pytest.mark.parametrize("content", [None, ""], ids=["missing", "empty"])
def test_a_text_that_is_not_there_is_one_clear_error(tmp_path, console, content):
    path = tmp_path / "nothing.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"nothing\.txt"):
        run_tour(path, tmp_path / "out", console=console)
