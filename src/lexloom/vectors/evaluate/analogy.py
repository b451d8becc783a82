"""Do the vectors answer "a is to b as c is to ?": accuracy a section and in all, with coverage, over all tokens as candidates."""

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from lexloom.vectors.evaluate.items import Questions, read_questions
from lexloom.vectors.search.queries import AnalogyMethod, answer_analogies
from lexloom.vectors.search.spelling import Found, UnknownPolicy, find_words, tokens_by_fold
from lexloom.vectors.table import Vectors

_SYNTACTIC_PREFIX = "gram"  # how the Google file names its syntactic sections


@dataclass(frozen=True)
class SectionResult:
    """The questions of one section, or of several together.

    Attributes:
        name: the section's name.
        questions: questions in the file.
        covered: questions of which the vectors have all four words.
        scored: questions that count: the covered ones under `skip`, all under `zero`, the common ones in a comparison.
        correct: questions whose best candidate is the expected word.
    """

    name: str
    questions: int
    covered: int
    scored: int
    correct: int

    @property
    def accuracy(self) -> float:
        """`correct / scored`, NaN where nothing was scored."""
        return self.correct / self.scored if self.scored else math.nan

    def as_dict(self) -> dict[str, Any]:
        """The fields and the accuracy as plain JSON values; NaN becomes None."""
        counts = {"questions": self.questions, "covered": self.covered, "scored": self.scored, "correct": self.correct}
        return {"name": self.name, **counts, "accuracy": self.accuracy if self.scored else None}


@dataclass(frozen=True)
class AnalogyResult:
    """How many questions of an analogy file the vectors answer.

    Attributes:
        file: the file's name.
        method: `add` or `multiply`.
        total: all questions.
        semantic: all sections whose name does not begin with `gram`; None unless there are sections of both kinds.
        syntactic: those whose name does; None likewise.
        sections: each section, in the order of the file.
    """

    file: str
    method: AnalogyMethod
    total: SectionResult
    semantic: SectionResult | None
    syntactic: SectionResult | None
    sections: tuple[SectionResult, ...]

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {
            "file": self.file,
            "method": self.method,
            "total": self.total.as_dict(),
            "semantic": self.semantic.as_dict() if self.semantic else None,
            "syntactic": self.syntactic.as_dict() if self.syntactic else None,
            "sections": [section.as_dict() for section in self.sections],
        }


def evaluate_analogy(
    vectors: Vectors,
    file: str | os.PathLike[str],
    *,
    unknown: UnknownPolicy = "skip",
    ignore_case: bool = False,
    method: AnalogyMethod = "add",
) -> AnalogyResult:
    """Answer the questions of an analogy file; every token but the question's own three words is a candidate.

    Args:
        vectors: the table.
        file: lines of four words, and `: name` where a section begins.
        unknown: questions with an unknown word are left out (`skip`), count as wrong (`zero`), or are an error (`error`).
        ignore_case: whether words may take a spelling that differs in case. Then answers, too, are right if they casefold to the
            expected word, and no other spelling of a question's word is a candidate.
        method: `add` (3CosAdd) or `multiply` (3CosMul).

    Raises:
        InputError: the file cannot be read or has a malformed line.
        UnknownWordError: a word is unknown, under `error`.
        ConfigError: there is no such method or policy.
    """
    questions = read_questions(file)
    words = Words(vectors, questions, unknown=unknown, ignore_case=ignore_case)
    scored = words.covered if unknown == "skip" else np.ones_like(words.covered)
    return score(questions, words.answer(method), words.covered, scored, method)


class Words:
    """The words of an analogy file, found in one table; each is looked up once, however many questions it is in.

    Attributes:
        covered: bool (n,), whether the table has all four words of a question.
    """

    def __init__(self, vectors: Vectors, questions: Questions, *, unknown: UnknownPolicy, ignore_case: bool) -> None:
        unique = {word: number for number, word in enumerate(dict.fromkeys(w for words in questions.words for w in words))}
        self._vectors, self._ignore_case = vectors, ignore_case
        self._found: Found = find_words(vectors, list(unique), unknown=unknown, ignore_case=ignore_case)
        self._numbers = np.array([[unique[word] for word in words] for words in questions.words], np.int64)  # (n, 4)
        self.covered: np.ndarray = np.all(self._found.known[self._numbers], axis=1)

    def answer(self, method: AnalogyMethod) -> np.ndarray:
        """Say of each question whether the best candidate is the expected word; an uncovered one is not answered. bool (n,)."""
        correct = np.zeros(len(self.covered), bool)
        asked = self._numbers[self.covered]  # (m, 4)
        spellings = self._spellings()  # (words, x)
        exclude = spellings[asked[:, :3]].reshape(len(asked), 3 * spellings.shape[1])
        rows = self._found.rows[asked[:, :3].T]  # (3, m, E)
        best, _ = answer_analogies(self._vectors, rows, 1, exclude=exclude, method=method)
        correct[self.covered] = ((best == spellings[asked[:, 3]]) & (best >= 0)).any(axis=1)
        return correct

    def _spellings(self) -> np.ndarray:
        """The rows that count as each word: its own, or all that casefold alike; int64 (words, x), -1 fills up."""
        if not self._ignore_case:
            return self._found.indices[:, None]
        variants = tokens_by_fold(self._vectors, self._found.tokens)
        rows = [variants.get(token.casefold(), []) for token in self._found.tokens]
        widest = max(1, *map(len, rows))
        return np.array([each + [-1] * (widest - len(each)) for each in rows], np.int64)


def score(questions: Questions, correct: np.ndarray, covered: np.ndarray, scored: np.ndarray, method: AnalogyMethod) -> AnalogyResult:
    """Count the answers of each section and in all, over the questions marked in `scored`, bool (n,)."""

    def count(name: str, chosen: np.ndarray) -> SectionResult:
        parts = (chosen, chosen & covered, chosen & scored, chosen & scored & correct)
        return SectionResult(name, *(int(part.sum()) for part in parts))

    syntactic = np.array([name.startswith(_SYNTACTIC_PREFIX) for name in questions.names])
    is_syntactic = syntactic[questions.sections]
    both = syntactic.any() and not syntactic.all()
    sections = [count(name, questions.sections == number) for number, name in enumerate(questions.names)]
    return AnalogyResult(
        file=questions.file,
        method=method,
        total=count("total", np.ones_like(is_syntactic)),
        semantic=count("semantic", ~is_syntactic) if both else None,
        syntactic=count("syntactic", is_syntactic) if both else None,
        sections=tuple(sections),
    )
