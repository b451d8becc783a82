"""From the words of a question to rows: one policy for unknown words and for case, shared by queries, evaluation and plots."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lexloom.errors import UnknownWordError
from lexloom.options import check_choice
from lexloom.vectors.table import Vectors

_SUGGESTION_CANDIDATES = 5000  # difflib compares some 100,000 strings per second, and a typo should be answered at once


UnknownPolicy = Literal["error", "skip", "zero"]


@dataclass(frozen=True)
class WordPolicy:
    """How the words of a question are found among the vectors.

    Attributes:
        unknown: What to do about an unknown word: stop (error, the default of questions and plots), leave out what needs it (skip, the
            default of evaluations), or use a row of zeros, whose cosine with everything is 0 (zero).
        ignore_case: Let a word without an exact match find a token that differs in case, the most frequent one if there are several.
    """

    unknown: UnknownPolicy | None = None
    ignore_case: bool = False

    def __post_init__(self) -> None:
        if self.unknown is not None:
            check_choice("unknown", self.unknown, UnknownPolicy)

    def or_skip(self) -> "WordPolicy":
        """The policy of an evaluation, which leaves out what it cannot score unless told otherwise."""
        return replace(self, unknown=self.unknown or "skip")


@dataclass(frozen=True)
class Found:
    """What the vectors have for n words.

    Attributes:
        tokens: n tokens, spelled as among the vectors; an unknown word as it was asked for.
        indices: int64 (n,), the row number of each, -1 for an unknown word.
        rows: float32 (n, E), zero for an unknown word.
        known: bool (n,), whether the vectors have the word.
        kept: bool (n,), whether the word counts: `known` under `skip`, otherwise all of them.
    """

    tokens: list[str]
    indices: np.ndarray
    rows: np.ndarray
    known: np.ndarray
    kept: np.ndarray


def find_words(vectors: Vectors, words: Sequence[str], policy: WordPolicy = WordPolicy()) -> Found:
    """Find the rows of n words.

    Raises:
        UnknownWordError: a word is unknown under `error` or None; the message suggests the nearest spellings.
    """
    tokens = match_case(vectors, words) if policy.ignore_case else list(words)
    rows, known = vectors.lookup(tokens)
    if policy.unknown in (None, "error") and not known.all():
        raise _unknown_words(vectors, [word for word, is_known in zip(words, known, strict=True) if not is_known])
    index = vectors.index
    indices = np.array([index.get(token, -1) for token in tokens], np.int64)
    return Found(tokens, indices, rows, known, known if policy.unknown == "skip" else np.ones_like(known))


def match_case(vectors: Vectors, words: Iterable[str]) -> list[str]:
    """Spell words as the vectors do: an exact match first, then the most frequent token with the same casefold, else unchanged."""
    words = list(words)
    missing = [word for word in words if word not in vectors]
    if not missing:
        return words
    variants = tokens_by_fold(vectors, missing)
    return [vectors.tokens[variants[fold][0]] if word not in vectors and (fold := word.casefold()) in variants else word for word in words]


def tokens_by_fold(vectors: Vectors, words: Iterable[str]) -> dict[str, list[int]]:
    """Find every row whose token casefolds like one of some words: from casefolded word to row numbers, lowest first."""
    wanted = {word.casefold() for word in words}
    found: dict[str, list[int]] = {}
    for row, token in enumerate(vectors.tokens):
        fold = token.casefold()
        if fold in wanted:
            found.setdefault(fold, []).append(row)
    return found


def _unknown_words(vectors: Vectors, words: Sequence[str]) -> UnknownWordError:
    others = len(set(words)) - 1
    text = f"unknown word {words[0]!r}" + (f" (and {others} more)" if others else "")
    text += f": not among the {len(vectors)} tokens of these vectors"
    near = nearest_spellings(vectors, words[0])
    if near:
        text += "; did you mean " + ", ".join(repr(token) for token in near[:-1]) + (" or " if near[1:] else "") + f"{near[-1]!r}?"
    return UnknownWordError(text)


def nearest_spellings(vectors: Vectors, word: str, count: int = 3) -> list[str]:
    """Suggest up to `count` tokens with a spelling similar to a word, those that differ in case first.

    To answer at once for a million tokens, only the most frequent tokens are compared that have nearly the same length and share the
    first or the last character.
    """
    if not word:
        return []
    fold = word.casefold()
    heads, tails = {word[0], word[0].swapcase()}, {word[-1], word[-1].swapcase()}
    shortest, longest = len(word) - 2, len(word) + 2
    candidates: list[str] = []
    for token in vectors.tokens:
        if shortest <= len(token) <= longest and token and (token[0] in heads or token[-1] in tails):
            candidates.append(token)
            if len(candidates) == _SUGGESTION_CANDIDATES:
                break
    other_case = [token for token in candidates if token.casefold() == fold]
    close = difflib.get_close_matches(word, candidates, count)
    return list(dict.fromkeys(other_case + close))[:count]
