import shlex
import sys
from pathlib import Path

import pytest

from lexloom.demo import program
from lexloom.demo.program import command


def test_a_command_survives_the_shell():
    arguments = ["vectors", "neighbors", "a folder", "it's", ""]
    assert shlex.split(command(*arguments[:2], Path("a folder"), *arguments[3:]))[1:] == arguments


@pytest.mark.parametrize(
    ("found", "beside", "expected"), [("/bin/lexloom", True, "lexloom"), (None, True, "bin/lexloom"), (None, False, "lexloom")]
)
def test_lexloom_is_called_by_its_place_where_the_shell_would_not_find_it(tmp_path, monkeypatch, found, beside, expected):
    (tmp_path / "bin").mkdir()
    if beside:
        (tmp_path / "bin" / "lexloom").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(program, "which", lambda _name: found)
    assert command("demo") == f"{expected} demo"
