"""The options that a page names are options of a command."""

import re
from collections.abc import Iterator
from functools import cache

import pytest
from cyclopts import App

from lexloom.cli import app
from tests.docs.pages import PAGES, read

_OTHERS = {"--quick"}  # of `python -m benchmarks`


def commands(parent: App) -> Iterator[App]:
    """Walk through all commands; `--help` and `--version` are listed among them."""
    names = [name for name in parent if not name.startswith("-")]
    if not names:
        yield parent
    for name in names:
        yield from commands(parent[name])


@cache
def options() -> frozenset[str]:
    names = (name for command in commands(app) for argument in command.assemble_argument_collection() for name in argument.names)
    return frozenset({*names, "--debug", "--help"})


@pytest.mark.parametrize("page", PAGES)
def test_named_options_exist(page):
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.MULTILINE | re.DOTALL)  # blocks are run
    spans = [span for span in re.findall(r"`([^`]+)`", text) if span.startswith(("--", "lexloom "))]
    named = {name for span in spans for name in re.findall(r"(?<!\S)--[a-z][a-z-]*", span)}
    assert named - options() - _OTHERS == set()
