import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from lexloom import TokenizerConfig, VectorConfig, VectorTrainingConfig, VocabularyConfig, train_vectors
from lexloom.cli import main

WORDS = [
    "king",
    "queen",
    "man",
    "woman",
    "prince",
    "princess",
    "boy",
    "girl",
    "apple",
    "pear",
    "plum",
    "cherry",
    "River",
    "lake",
    "sea",
    "-dash",
]


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 lines of ten words, drawn from the same half of WORDS."""
    draw = random.Random(1)
    halves = WORDS[:8], WORDS[8:]
    lines = (" ".join(draw.choices(halves[number % 2], k=10)) for number in range(300))
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def vectors(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A finished folder of vectors of 8 dimensions."""
    out = tmp_path_factory.mktemp("vectors") / "vectors"
    whitespace = TokenizerConfig(tokenizer="whitespace")
    train_vectors(
        corpus,
        VectorConfig(dim=8),
        VectorTrainingConfig(epochs=3, threads=1),
        tokenizer=whitespace,
        vocabulary=VocabularyConfig(min_count=1),
        out=out,
    )
    return str(out)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Outcome:
        status = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = int(end.code or 0)
        return Outcome(status, *capfd.readouterr())

    return call


@pytest.fixture
def fails(run: Run) -> Callable[..., str]:
    """Run a command line that must fail with status 2 and exactly one line on standard error; returns that line."""

    def call(*arguments: object) -> str:
        outcome = run(*arguments)
        assert outcome.status == 2
        assert outcome.out == ""
        assert outcome.err.startswith("lexloom: error: ")
        assert outcome.err.count("\n") == 1
        assert outcome.err.endswith("\n")
        return outcome.err

    return call
