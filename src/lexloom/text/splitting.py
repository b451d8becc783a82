r"""The fast splitter: polars does what a tokenizer.json says, for whole blocks at once.

The tokenizer.json stays the only source of truth: this module reads its normalizer and pre-tokenizer and replaces the forms that it
recognises. All others, and every text that a normalizer might change by more than lowercasing, go through the `tokenizers` library; so
the result is always the same, and only the speed differs.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
from tokenizers import Tokenizer

Split = Callable[[pl.Series], pl.Series]

_ASCII_ONLY = r"[^\x00-\x7F]"
_NFC_MAY_CHANGE = (
    r"[^\x00-\x{02FF}\x{0391}-\x{03A1}\x{03A3}-\x{03C9}\x{0400}-\x{0482}\x{05D0}-\x{05EA}\x{0621}-\x{064A}"
    r"\x{2010}-\x{2027}\x{2030}-\x{205E}\x{20A0}-\x{20BF}\x{3001}-\x{3029}\x{3041}-\x{3096}\x{30A1}-\x{30FA}\x{4E00}-\x{9FEF}"
    r"\x{AC00}-\x{D7A3}\x{FF01}-\x{FF60}]"
)
"""A character outside the ranges of the common scripts in which NFC changes nothing, neither alone nor after another character."""
_NEVER = "[^\x00-\U0010ffff]"

_MAY_CHANGE = {"NFC": _NFC_MAY_CHANGE, "NFD": _ASCII_ONLY, "NFKC": _ASCII_ONLY, "NFKD": _ASCII_ONLY, "StripAccents": _ASCII_ONLY}
"""For each normalizer, a pattern that matches every text that it may change."""


_RUNS = {"Whitespace": (r"\w", r"[^\w\s]"), "WhitespaceSplit": (r"\S",)}
"""For each pre-tokenizer whose tokens are runs of characters, the patterns of these characters."""
_EACH_CHARACTER = {"type": "Split", "pattern": {"Regex": r"[\s\S]"}, "behavior": "Isolated", "invert": False}


@dataclass(frozen=True)
class _Normalization:
    """How to normalize most texts, and how to recognise the others."""

    careful: str | None  # pattern: texts with a match go through the library; None: all texts do
    lowercase: bool
    show_spaces: bool


@dataclass(frozen=True)
class CharacterSplit:
    """How to split normalized text into tokens one character at a time, as a compiled loop does.

    Attributes:
        normalize: the normalization before, from String (n,) to String (n,).
        kinds: patterns of one character; a token is a run of characters that match the same one. Empty: every character is a token.
    """

    normalize: Split
    kinds: tuple[str, ...]


def find_character_split(tokenizer_json: str) -> CharacterSplit | None:
    """The `CharacterSplit` of a tokenizer.json; None if it does not split by looking at one character at a time."""
    content = json.loads(tokenizer_json)
    pre_tokenizer = content["pre_tokenizer"] or {"type": ""}
    kinds = _RUNS.get(pre_tokenizer["type"])
    if kinds is None and pre_tokenizer != _EACH_CHARACTER:
        return None
    return CharacterSplit(_make_normalizer(content, Tokenizer.from_str(tokenizer_json)), kinds or ())


def make_splitter(tokenizer_json: str) -> Split:
    """Make a function that splits texts as a tokenizer.json does.

    Args:
        tokenizer_json: its normalizer and pre-tokenizer are used, its model is not.

    Returns:
        A function from String (n,) to List(String) (n,).
    """
    content = json.loads(tokenizer_json)
    normalize = _make_normalizer(content, Tokenizer.from_str(tokenizer_json))
    split = _make_pre_tokenizer(content, Tokenizer.from_str(tokenizer_json))
    return lambda texts: split(normalize(texts))


# ---- normalizers -------------------------------------------------------------------------------------------------------------------


def _make_normalizer(content: dict[str, Any], tokenizer: Tokenizer) -> Split:
    if tokenizer.normalizer is None:
        return lambda texts: texts
    plan = _plan(_steps(content["normalizer"]))
    library = tokenizer.normalizer.normalize_str

    def normalize(texts: pl.Series) -> pl.Series:
        if plan.careful is None:
            return pl.Series([library(text) for text in texts], dtype=pl.String)
        rows = texts.str.contains(plan.careful).arg_true()
        done = texts
        if plan.show_spaces:
            done = done.str.replace_all(r"\s", "\u2581")
        if plan.lowercase:  # the library lowercases each character by itself, polars knows the final sigma
            done = done.str.replace_all("Σ", "σ", literal=True).str.to_lowercase()
        return done.scatter(rows, pl.Series([library(text) for text in texts.gather(rows)], dtype=pl.String)) if len(rows) else done

    return normalize


def _steps(normalizer: dict[str, Any]) -> list[dict[str, Any]]:
    if normalizer["type"] != "Sequence":
        return [normalizer]
    return [step for part in normalizer["normalizers"] for step in _steps(part)]


def _plan(steps: list[dict[str, Any]]) -> _Normalization:
    lowercase = show_spaces = False
    patterns = {_NEVER}
    for step in steps:
        if step["type"] == "Lowercase":
            lowercase = True
        elif step["type"] == "Replace" and (step["pattern"], step["content"]) == ({"Regex": r"\s"}, "\u2581"):
            show_spaces = True
        elif step["type"] == "Replace" and (step["pattern"], step["content"]) == ({"Regex": r"\p{M}"}, ""):
            patterns.add(_ASCII_ONLY)
        elif step["type"] in _MAY_CHANGE:
            patterns.add(_MAY_CHANGE[step["type"]])
        else:
            return _Normalization(None, False, False)
    for pattern in (_ASCII_ONLY, _NFC_MAY_CHANGE):  # the wider first
        if pattern in patterns:
            return _Normalization(pattern, lowercase, show_spaces)
    return _Normalization(_NEVER, lowercase, show_spaces)


# ---- pre-tokenizers ----------------------------------------------------------------------------------------------------------------


def _make_pre_tokenizer(content: dict[str, Any], tokenizer: Tokenizer) -> Split:
    library = tokenizer.pre_tokenizer
    if library is None:
        return lambda texts: texts.str.extract_all(r"(?s).+")
    if content["pre_tokenizer"] == _EACH_CHARACTER:
        return lambda texts: texts.str.split("")
    if kinds := _RUNS.get(content["pre_tokenizer"]["type"]):
        token = "|".join(f"{kind}+" for kind in kinds)
        return lambda texts: texts.str.extract_all(token)
    return lambda texts: pl.Series([[token for token, _ in library.pre_tokenize_str(text)] for text in texts], dtype=pl.List(pl.String))
