import json
from pathlib import Path

import pytest


@pytest.fixture
def train(run, corpus):
    """Train as a TOML text says, with more arguments; returns the outcome."""

    def call(text: str, *arguments: object):
        Path("options.toml").write_text(text)
        return run("vectors", "train", corpus, "--config", "options.toml", *arguments)

    return call


def resolved(out: str) -> dict[str, dict[str, object]]:
    return json.loads(Path(out, "run.json").read_text())


def test_a_file_gives_every_kind_of_option(train):
    text = """
        out = "here"
        dim = 8
        epochs = 1
        min-count = 2
        min_learning_rate = 1e-5
        shrink_windows = false
        valid = 0.1
        lowercase = true
    """
    assert train(text).status == 0
    options = resolved("here")
    assert options["vectors"]["dim"] == 8
    assert options["training"]["min_learning_rate"] == 1e-5
    assert options["vectors"]["shrink_windows"] is False
    assert options["training"]["valid"] in (0.1, "0.1")
    assert options["tokenizer"]["lowercase"] is True
    assert options["vocabulary"]["min_count"] == 2


def test_the_command_line_wins(train):
    assert train('out = "there"\ndim = 8\nepochs = 1', "--out", "here", "--dim", 12).status == 0
    assert resolved("here")["vectors"]["dim"] == 12
    assert resolved("here")["training"]["epochs"] == 1
    assert not Path("there").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dimm = 3", "options.toml: unknown option 'dimm'; did you mean dim?"),
        ("min_cuont = 3", "did you mean min_count?"),
        ("[vectors]\ndim = 3", "options.toml: [vectors] is a table, but options are not in tables"),
        ('inputs = "x"', "options.toml: unknown option 'inputs'"),
        ('config = "x"', "options.toml: unknown option 'config'"),
        ("qqqq = 3", "see --help"),
        ('dim = "x"', 'Invalid value for [dim] from options.toml: unable to convert "x" into int'),
        ("dim = 1.5", "1.5 is not a whole number"),
        ("dim = [1, 2]", "Invalid value for [dim] from options.toml"),
        ("dim = {a = 1}", "options.toml"),
        ("dim = 0", "dim is 0: expected"),
        ('lowercase = "maybe"', "Invalid value for [lowercase] from options.toml"),
        ('model = "glove"', 'Choose from: "skipgram", "cbow"'),
        ("dim = [", "options.toml: not a TOML file"),
        ("dim", "options.toml: not a TOML file"),
    ],
)
def test_a_wrong_file_is_one_line(fails, corpus, text, said):
    Path("options.toml").write_text(text)
    assert said in fails("vectors", "train", corpus, "--out", "out", "--config", "options.toml")


def test_a_file_that_is_no_utf8_is_one_line(fails, corpus):
    Path("options.toml").write_bytes(b"dim = \xff")
    assert "not a TOML file" in fails("vectors", "train", corpus, "--out", "out", "--config", "options.toml")


@pytest.mark.parametrize(("path", "said"), [("none.toml", "none.toml: no such file"), (".", ".: cannot be read")])
def test_a_file_that_cannot_be_read_is_one_line(fails, corpus, path, said):
    assert said in fails("vectors", "train", corpus, "--out", "out", "--config", path)


def test_the_option_needs_a_file(fails, corpus):
    assert "--config" in fails("vectors", "train", corpus, "--out", "out", "--config")


def test_a_command_without_the_option_refuses_it(fails, vectors):
    assert "Unknown option: --config" in fails("info", vectors, "--config", "none.toml")
