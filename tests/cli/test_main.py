"""What holds for all commands: help, version, errors."""

import re
from collections.abc import Iterator

import cyclopts
import pytest

from lexloom import __version__
from lexloom.cli import app, main
from lexloom.errors import InputError


def commands(group: cyclopts.App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """All commands of a group and of the groups in it."""
    for name in group:
        if not name.startswith("-"):
            inner = [*commands(group[name], (*path, name))]
            yield from inner or [(*path, name)]


COMMANDS = list(commands(app))
every_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


@pytest.mark.parametrize("arguments", [["--help"], ["vectors", "--help"], ["vectors", "train", "--help"], ["demo", "--help"], []])
def test_help_is_printed_on_standard_output(run, arguments):
    outcome = run(*arguments)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith("Usage: lexloom")


PANELS = {
    "lm": ["Model", "Recurrent layers", "Embedding", "Batches and samples", "Training", "Text", "Vocabulary"],
    "classifier": [
        "Model",
        "Embedding",
        "Recurrent layers (rnn encoder only)",
        "Features (linear encoder only)",
        "Documents",
        "Training",
        "Text",
        "Vocabulary",
    ],
    "vectors": ["Vectors", "Training", "Training (torch engine only)", "Text", "Vocabulary"],
}


@pytest.mark.parametrize(("noun", "parts"), PANELS.items(), ids=PANELS)
def test_help_has_a_panel_of_common_options_and_one_per_part(run, noun, parts):
    shown = run(noun, "train", "--help").out
    assert re.findall(r"^╭─ (.*?) ─*╮$", shown, re.MULTILINE) == ["Arguments", "Common options", *parts, "Options"]
    common = shown.split("─ Common options ")[1].split("╰")[0]
    for option in ("--out", "--valid", "--epochs", "--lowercase", "--min-count", "--threads", "--resume"):
        assert f" {option} " in common
        assert len(re.findall(rf"│ \*? *{option} ", shown)) == 1


@every_command
def test_help_shows_no_option_that_nobody_needs(run, command):
    shown = run(*command, "--help").out
    assert not re.findall(r"--empty-[\w-]+|--no-(?:json|resume|overwrite|only|words|probabilities)\b", shown)


@pytest.mark.parametrize(("command", "shown"), [("lm train", "<unk>"), ("lm generate", "<unk>"), ("classifier train", "__label__")])
def test_help_shows_text_that_looks_like_markup(run, command, shown):
    assert shown in run(*command.split(), "--help").out


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("command", [command for command in COMMANDS if command != ("completion",)], ids=" ".join)
def test_a_mistyped_option_is_an_unknown_option_with_the_nearest_name(run, fails, command, place):
    shown = run(*command, "--help").out
    required = [part for name in re.findall(r"│ \*  (--[\w-]+)", shown) for part in (name, "onnx")]
    own = sorted({*re.findall(r"│ (?:\*  |   )?(--[\w-]+)", shown)})
    for option in (own[0], own[-1]):
        given = ["a", "b", "c", *required]
        given.insert(0 if place == "first" else len(given), option + option[-1])
        assert f"Unknown option: {option}{option[-1]}. Did you mean {option}?" in fails(*command, *given)


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
        (["vectors", "train", "x.txt", "--out", "o", "--patience", "1"], "patience is 1 but there is no validation text"),
        (["vectors", "train", "x.txt", "--out", "o", "--normalization", "nfd"], "nfc"),
        (["vectors", "train", "x.txt", "--out", "o", "--min-count", "0"], "min_count is 0: expected a whole number of at least 1"),
        (["vectors", "evaluate", "x.txt"], "nothing to evaluate on"),
        (["demo", "--corpus", "missing.txt"], "missing.txt: no such file"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(fails, arguments, said):
    assert said in fails(*arguments)


def test_debug_shows_the_traceback(run):
    with pytest.raises(InputError, match=r"missing\.txt: no such file"):
        run("info", "missing.txt", "--debug")


def test_an_error_of_several_lines_becomes_one(monkeypatch, fails):
    def fail(*_: object) -> None:
        raise InputError("first\n  second")

    monkeypatch.setattr("lexloom.vectors.formats.describe_vectors", fail)
    assert fails("info", "x") == "lexloom: error: first second\n"


def test_an_error_of_the_operating_system_is_one_line(monkeypatch, fails):
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr("lexloom.vectors.formats.describe_vectors", fail)
    assert "No space left on device: 'x'" in fails("info", "x")


def test_a_bug_is_not_hidden(monkeypatch):
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("lexloom.vectors.formats.describe_vectors", fail)
    with pytest.raises(ZeroDivisionError):
        main(["info", "x"])
