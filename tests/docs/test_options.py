"""The tables of options in the pages say what the dataclasses say."""

import ast
import dataclasses
import re
from typing import Any

import pytest

from lexloom import (
    ClassifierConfig,
    DocumentConfig,
    EmbeddingConfig,
    LanguageModelConfig,
    LanguageTokenizerConfig,
    LanguageVocabularyConfig,
    LinearConfig,
    RecurrentConfig,
    SamplingConfig,
    TokenizerConfig,
    TrainingConfig,
    VectorConfig,
    VocabularyConfig,
    WindowConfig,
)
from tests.docs.pages import read

PAGES = {
    "docs/vectors.md": (VectorConfig, TokenizerConfig, VocabularyConfig),
    "docs/language_models.md": (
        LanguageModelConfig,
        RecurrentConfig,
        WindowConfig,
        TrainingConfig,
        LanguageTokenizerConfig,
        LanguageVocabularyConfig,
        SamplingConfig,
    ),
    "docs/embedding.md": (EmbeddingConfig,),
    "docs/classification.md": (ClassifierConfig, LinearConfig, DocumentConfig),
}
TABLES = [pytest.param(page, config, id=config.__name__) for page, configs in PAGES.items() for config in configs]


def table(page: str, name: str) -> dict[str, str]:
    """From option to default, as a page has them under the heading of a dataclass."""
    section = read(page).partition(f"## `{name}`")[2].partition("\n#")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE))


def written(default: Any) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return "none" if default is None else f"`{default}`"


def same(cell: str, default: Any) -> bool:
    if isinstance(default, float):
        return ast.literal_eval(cell.strip("`")) == default
    return cell == written(default)


@pytest.mark.parametrize(("page", "config"), TABLES)
def test_every_option_is_there_in_order(page, config):
    assert list(table(page, config.__name__)) == [field.name for field in dataclasses.fields(config)]


@pytest.mark.parametrize(("page", "config"), TABLES)
def test_the_defaults_are_right(page, config):
    cells = table(page, config.__name__)
    assert [field.name for field in dataclasses.fields(config) if not same(cells[field.name], field.default)] == []
