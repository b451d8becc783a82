"""From the words of a question to rows: the one policy for unknown words and for case, used by queries, evaluation and plots.

Policy for a word that the vectors do not have: `error` raises; `skip` leaves the word (or the question it is part of) out; `zero`
gives it a row of zeros, whose cosine with everything is 0. Policy for case: the exact spelling first; with `ignore_case` any
spelling that casefolds alike, and among several the most frequent, which is the lowest row.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from lexloom.errors import ConfigError, UnknownWordError
from lexloom.vectors.table import Vectors

UnknownPolicy = Literal["error", "skip", "zero"]

_SUGGESTION_CANDIDATES = 5000  # difflib compares some 100,000 strings a second; the answer to a typo should come at once


@dataclass(frozen=True)
class Found:
    """What the vectors have for n words.

    Attributes:
        tokens: n tokens, spelled as the vectors spell them; an unknown word as it was asked.
        indices: int64 (n,), the row number of each, -1 where it has none.
        rows: float32 (n, E), zero where unknown.
        known: bool (n,).
    """

    tokens: list[str]
    indices: np.ndarray
    rows: np.ndarray
    known: np.ndarray


def find_words(vectors: Vectors, words: Sequence[str], *, unknown: UnknownPolicy = "error", ignore_case: bool = False) -> Found:
    """Find the rows of some words under the policy for unknown words and for case.

    Args:
        vectors: the table.
        words: n words.
        unknown: under `error` every word must be known; otherwise the caller reads `known`.
        ignore_case: whether a word without an exact match may take a spelling that differs in case.

    Returns:
        Tokens, row numbers, rows (n, E) and which are known.

    Raises:
        UnknownWordError: a word is unknown under `error`; the message offers the nearest spellings.
        ConfigError: there is no such policy.
    """
    if unknown not in get_args(UnknownPolicy):
        raise ConfigError(f"unknown={unknown!r}: expected one of {', '.join(get_args(UnknownPolicy))}")
    tokens = match_case(vectors, words) if ignore_case else list(words)
    rows, known = vectors.lookup(tokens)
    if unknown == "error" and not known.all():
        raise unknown_words(vectors, [word for word, is_known in zip(words, known, strict=True) if not is_known])
    index = vectors.index
    indices = np.array([index.get(token, -1) for token in tokens], np.int64)
    return Found(tokens, indices, rows, known)


def match_case(vectors: Vectors, words: Iterable[str]) -> list[str]:
    """Spell words as the vectors do: exact first, then the most frequent token that casefolds alike, else as they are."""
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


def unknown_words(vectors: Vectors, words: Sequence[str]) -> UnknownWordError:
    """Build the error for one or more unknown words, with the nearest spellings of the first."""
    others = len(set(words)) - 1
    text = f"unknown word {words[0]!r}" + (f" (and {others} more)" if others else "")
    text += f": not among the {len(vectors)} tokens of these vectors"
    near = nearest_spellings(vectors, words[0])
    if near:
        text += "; did you mean " + ", ".join(repr(token) for token in near[:-1]) + (" or " if near[1:] else "") + f"{near[-1]!r}?"
    return UnknownWordError(text)


def nearest_spellings(vectors: Vectors, word: str, count: int = 3) -> list[str]:
    """Offer up to `count` tokens that are spelled much like a word, other cases of it first.

    Only the most frequent tokens of nearly the same length that share the first or the last character are compared, so that a
    million tokens take a fraction of a second.
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
