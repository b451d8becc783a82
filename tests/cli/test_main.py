import pytest

from lexloom import __version__
from lexloom.cli import main
from lexloom.errors import InputError


@pytest.mark.parametrize("arguments", [["--help"], ["vectors", "--help"], ["vectors", "train", "--help"], ["demo", "--help"], []])
def test_help_is_printed_on_standard_output(run, arguments):
    outcome = run(*arguments)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith("Usage: lexloom")


@pytest.mark.parametrize("command", [(), ("lm",), ("vectors",)], ids=str)
def test_version_is_the_packages(run, command):
    assert run(*command, "--version").out.strip() == __version__


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["vectrs"], 'Did you mean "vectors"?'),
        (["vectors", "neighbrs", "x", "king"], 'Did you mean "neighbors"?'),
        (["vectors", "train", "x.txt", "--out", "o", "--dimm", "3"], "Did you mean --dim?"),
        (["vectors", "train", "x.txt"], "--out requires an argument"),
        (["vectors", "train", "x.txt", "--out", "o", "--dim", "x"], 'unable to convert "x" into int'),
        (["vectors", "train", "x.txt", "--out", "o", "--dim", "0"], "dim is 0: expected"),
        (["vectors", "train", "x.txt", "--out", "o", "--dim", "1.5"], "--dim: 1.5 is not a whole number"),
        (["vectors", "train", "x.txt", "--out", "o", "--sample", "nan"], "sample is nan: expected"),
        (["vectors", "train", "x.txt", "--out", "o", "--model", "glove"], 'Invalid value "glove" for --model'),
        (["vectors", "train", "x.txt", "--out", "o", "--patience", "1"], "nothing is held out"),
        (["vectors", "train", "x.txt", "--out", "o", "--normalization", "nfd"], "nfc"),
        (["vectors", "train", "x.txt", "--out", "o", "--min-count", "0"], "min_count is 0: expected a whole number of at least 1"),
        (["vectors", "evaluate", "x.txt"], "nothing to judge by"),
        (["demo", "--corpus", "missing.txt"], "missing.txt: no such file"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(fails, arguments, said):
    assert said in fails(*arguments)


def test_debug_shows_the_traceback(run):
    with pytest.raises(InputError, match=r"missing\.txt: no such file"):
        run("vectors", "info", "missing.txt", "--debug")


def test_an_error_of_several_lines_becomes_one(monkeypatch, fails):
    def fail(*_: object) -> None:
        raise InputError("first\n  second")

    monkeypatch.setattr("lexloom.vectors.formats.describe_vectors", fail)
    assert fails("vectors", "info", "x") == "lexloom: error: first second\n"


def test_an_error_of_the_operating_system_is_one_line(monkeypatch, fails):
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr("lexloom.vectors.formats.describe_vectors", fail)
    assert "No space left on device: 'x'" in fails("vectors", "info", "x")


def test_a_bug_is_not_hidden(monkeypatch):
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("lexloom.vectors.formats.describe_vectors", fail)
    with pytest.raises(ZeroDivisionError):
        main(["vectors", "info", "x"])
