import json
import math

import pytest

from lexloom.cli.show import show_description, show_json, show_table, training_progress, warn


def test_json_keeps_every_script_readable(capsys):
    show_json({"word": "水"})
    assert json.loads(capsys.readouterr().out) == {"word": "水"}


def test_a_warning_goes_to_standard_error(capsys):
    warn("three bad lines")
    assert capsys.readouterr() == ("", "lexloom: warning: three bad lines\n")


def test_a_table_in_a_pipe_is_not_cut(capsys):
    word = "w" * 150
    show_table("title", ("word", "cosine"), [(word, 0.5), ("[b]", math.pi)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["title"], ["word", "cosine"], [word, "0.5000"], ["[b]", "3.1416"]]


def test_a_description_is_a_line_a_value_without_a_header(capsys):
    show_description({"tokens": 3, "metadata": {"options": {"dim": 8}, "loss": [1.5, 0.123456789]}, "norm_mean": 0.123456789})
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    found = [[name, value.strip()] for name, value in lines]
    assert found == [["tokens", "3"], ["metadata.options.dim", "8"], ["metadata.loss", "1.5, 0.123457"], ["norm_mean", "0.123457"]]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "none"),
        ([], "none"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        ("two\nlines", "two lines"),
        (list(range(8)), "0, 1, 2, 3, 4, 5, 6, 7"),
        (list(range(100)), "0, 1, 2, 3, 4, 5, 6, 7, ... (100 in all)"),
        ([{"word": "king", "cosine": 0.5}], "word king, cosine 0.5"),
        ([{"word": "king"}] * 3, "word king (the first of 3)"),
    ],
    ids=str,
)
def test_a_value_of_a_description_is_short(capsys, value, shown):
    show_description({"name": value})
    assert capsys.readouterr().out == f"name  {shown}\n"


@pytest.mark.parametrize(
    ("record", "line"),
    [
        ({"seconds": 2.0}, "epoch 1  loss 0.5000  2.00 M words/s  2.0 s"),
        ({"seconds": 0.0}, "epoch 1  loss 0.5000  0.0 s"),
        ({"seconds": 2.0, "valid_loss": 0.25}, "epoch 1  loss 0.5000  validation loss 0.2500  2.00 M words/s  2.0 s"),
    ],
)
def test_an_epoch_is_a_line(capsys, record, line):
    with training_progress(None, epochs=1) as reporter:
        reporter.epoch({"epoch": 1, "loss": 0.5, "raw_words": 4_000_000, **record})
    assert capsys.readouterr().out == line + "\n"
