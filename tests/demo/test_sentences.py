from pathlib import Path

import pytest

from lexloom.demo import sentences as module
from lexloom.demo.harvest import Harvest
from lexloom.demo.sentences import choose_sentences


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(module, "FEWEST", 4)


def harvest_of(folder: Path, paragraphs: list[tuple[str, str]]) -> Harvest:
    path, packages = folder / "docstrings.txt", folder / "packages.txt"
    path.write_text("".join(f"{text}\n" for _, text in paragraphs))
    packages.write_text("".join(f"{package}\n" for package, _ in paragraphs))
    return Harvest(path, packages, documents=len(paragraphs), words=0, files=1, unreadable=0, seconds=1.0, cached=False)


def sentence(number: int, what: str = "matrix") -> str:
    """No two are alike in their letters."""
    return f"Return the {what} {'abcdefghij'[number // 10]}{'klmnopqrst'[number % 10]} of all of these."


def plain(package: str, number: int, what: str = "matrix") -> list[tuple[str, str]]:
    return [(package, sentence(n, what)) for n in range(number)]


def chosen(folder: Path, paragraphs: list[tuple[str, str]]) -> dict[str, str]:
    found = choose_sentences(harvest_of(folder, paragraphs))
    rows = [*found.train.iter_rows(), *found.held_out.iter_rows()]
    assert len({text for _, text in rows}) == len(rows)
    return {text: package for package, text in rows}


@pytest.fixture
def two():
    return plain("alpha", 10, "matrix") + plain("beta", 10, "server")


def test_a_tenth_of_each_package_is_held_out(tmp_path, two):
    found = choose_sentences(harvest_of(tmp_path, two))
    assert sorted(found.held_out["package"]) == ["alpha", "beta"]
    assert sorted(found.train["package"]) == ["alpha"] * 9 + ["beta"] * 9
    assert found.shares == {"alpha": 0.5, "beta": 0.5}


def test_paragraphs_are_parted_into_sentences(tmp_path, two):
    found = chosen(tmp_path, [*two, ("beta", "A first one is in this sentence. Is there a second one in it? e.g. this is one of them.")])
    assert found["A first one is in this sentence."] == "beta"
    assert found["Is there a second one in it? e.g. this is one of them."] == "beta"


@pytest.mark.parametrize(
    "added",
    [
        [("", "This one stands in several of these packages.")],
        [("alpha", "This one stands in both of them."), ("beta", "This one stands in both of them.")],
        [("alpha", "This one stands in 1 of them."), ("beta", "This ONE stands in 2 of 'them'.")],
        [("alpha", "This one stands in two of them."), ("", "This one stands in two of them. Another one follows it here.")],
        [("alpha", "This one has the name of Alpha in it.")],
        [("alpha", "this one is cut off at its beginning.")],
        [("alpha", "This one is cut off at its")],
        [("alpha", "This one is short.")],
        [("alpha", f"This one is {'very ' * 50}long.")],
    ],
)
def test_what_would_tell_too_much_or_too_little_is_left_out(tmp_path, two, added):
    assert chosen(tmp_path, two + added) == {text: package for package, text in two}


def test_sentences_that_are_alike_count_once(tmp_path, two):
    again = [("alpha", "This is the first way to say it."), ("alpha", "This is the First way, to say it."), ("alpha", sentence(1) + " 1.")]
    assert [text for text in chosen(tmp_path, two + again) if "first" in text.lower()] == ["This is the first way to say it."]


def test_the_largest_packages_are_chosen_and_none_is_much_larger_than_the_smallest(tmp_path, two, monkeypatch):
    monkeypatch.setattr(module, "PACKAGES", 2)
    others = plain("gamma", 50, "thread") + plain("delta", 5, "image")
    found = list(chosen(tmp_path, two + others).values())
    assert (found.count("gamma"), found.count("alpha"), len(found)) == (20, 10, 30)
    monkeypatch.setattr(module, "_MOST", 7)
    assert len(chosen(tmp_path, two + others)) == 14


@pytest.mark.parametrize("paragraphs", [plain("alpha", 10), plain("alpha", 10) + plain("beta", 3, "server")])
def test_fewer_than_two_packages_give_none(tmp_path, paragraphs):
    found = choose_sentences(harvest_of(tmp_path, paragraphs))
    assert (len(found.train), len(found.held_out)) == (0, 0)
