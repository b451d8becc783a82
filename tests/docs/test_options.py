"""The tables of options in docs/vectors.md say what the dataclasses say."""

import ast
import dataclasses
import re
from typing import Any

import pytest

from lexloom import TokenizerConfig, VectorConfig, VocabularyConfig
from tests.docs.pages import read

CONFIGS = [VectorConfig, TokenizerConfig, VocabularyConfig]


def table(name: str) -> dict[str, str]:
    """From option to default, as the page has them under the heading of a dataclass."""
    section = read("docs/vectors.md").partition(f"### `{name}`")[2].partition("\n#")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE))


def written(default: Any) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return "none" if default is None else f"`{default}`"


def same(cell: str, default: Any) -> bool:
    if isinstance(default, float):
        return ast.literal_eval(cell.strip("`")) == default
    return cell == written(default)


@pytest.mark.parametrize("config", CONFIGS)
def test_every_option_is_there_in_order(config):
    assert list(table(config.__name__)) == [field.name for field in dataclasses.fields(config)]


@pytest.mark.parametrize("config", CONFIGS)
def test_the_defaults_are_right(config):
    cells = table(config.__name__)
    assert [field.name for field in dataclasses.fields(config) if not same(cells[field.name], field.default)] == []
