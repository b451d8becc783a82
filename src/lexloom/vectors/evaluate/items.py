"""Read test sets for vectors: pairs of words with a score, and analogy questions in sections."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lexloom.errors import InputError
from lexloom.files import open_bytes

UNNAMED_SECTION = "(no section)"


@dataclass(frozen=True)
class Pairs:
    """A similarity file: n pairs of words with scores given by people.

    Attributes:
        file: its name.
        left: n words.
        right: n words.
        scores: float64 (n,), in the file's own unit; higher means more similar.
    """

    file: str
    left: list[str]
    right: list[str]
    scores: np.ndarray


@dataclass(frozen=True)
class Questions:
    """An analogy file: n questions "a is to b as c is to d".

    Attributes:
        file: its name.
        words: n quadruples.
        names: the names of the sections, in the order of the file.
        sections: int64 (n,), the section of each question.
    """

    file: str
    words: list[tuple[str, str, str, str]]
    names: list[str]
    sections: np.ndarray


def read_pairs(file: str | os.PathLike[str]) -> Pairs:
    """Read a similarity file: lines of word, word, score, separated by a tab, a comma or spaces; more fields may follow.

    Skips empty lines, lines that begin with #, and a first line whose third field is not a number (a header).

    Raises:
        InputError: the file cannot be read or has no pairs, or a line is malformed (the message has its number).
    """
    name = os.fspath(file)
    left, right, scores = [], [], []
    first = True
    for number, line in _lines(name):
        fields = _fields(line)
        if len(fields) < 3 or not all(fields[:3]):
            raise InputError(f"{name}:{number}: expected word, word, score, separated by a tab, a comma or spaces, found {line[:80]!r}")
        score = _number(fields[2])
        if score is not None:
            left.append(fields[0])
            right.append(fields[1])
            scores.append(score)
        elif not first:
            raise InputError(f"{name}:{number}: expected a number as the third field, found {fields[2][:80]!r}")
        first = False
    if not scores:
        raise InputError(f"{name}: no pairs of words; expected lines of word, word, score")
    return Pairs(name, left, right, np.array(scores))


def read_questions(file: str | os.PathLike[str]) -> Questions:
    """Read an analogy file: lines of four words, and lines `: name` that begin a section.

    Skips empty lines and lines that begin with # or //. Questions before the first section belong to a section named `(no section)`.

    Raises:
        InputError: the file cannot be read or has no questions, or a line is malformed (the message has its number).
    """
    name = os.fspath(file)
    words: list[tuple[str, str, str, str]] = []
    sections: list[int] = []
    numbers: dict[str, int] = {}
    section = -1
    for number, line in _lines(name):
        if line.startswith("//"):
            continue
        if line.startswith(":"):
            section = numbers.setdefault(line[1:].strip() or UNNAMED_SECTION, len(numbers))
            continue
        fields = line.split()
        if len(fields) != 4:
            raise InputError(f"{name}:{number}: expected four words or ': section', found {len(fields)} in {line[:80]!r}")
        if section < 0:
            section = numbers.setdefault(UNNAMED_SECTION, len(numbers))
        words.append((fields[0], fields[1], fields[2], fields[3]))
        sections.append(section)
    if not words:
        raise InputError(f"{name}: no questions; expected lines of four words")
    return Questions(name, words, list(numbers), np.array(sections, np.int64))


def _lines(name: str) -> Iterator[tuple[int, str]]:
    """Yield number and stripped text of each line that is neither empty nor a comment; invalid UTF-8 is kept as surrogates."""
    with open_bytes(name) as stream:
        text = stream.read().decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if line and not line.startswith("#"):
            yield number, line


def _fields(line: str) -> list[str]:
    for separator in ("\t", ","):
        if separator in line:
            return [field.strip() for field in line.split(separator)]
    return line.split()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
