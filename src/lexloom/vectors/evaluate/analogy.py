"""Accuracy and coverage on analogy questions, "a is to b as c is to ?", per section and in total, with all tokens as candidates."""

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from lexloom.vectors.evaluate.items import Questions, read_questions
from lexloom.vectors.search.queries import AnalogyMethod, answer_analogies
from lexloom.vectors.search.words import Found, WordPolicy, find_words, tokens_by_fold
from lexloom.vectors.table import Vectors

_SYNTACTIC_PREFIX = "gram"  # of the syntactic sections in the Google file (Mikolov et al. 2013)


@dataclass(frozen=True)
class SectionResult:
    """Counts over the questions of one or several sections.

    Attributes:
        name: the section's name.
        questions: questions in the file.
        covered: questions whose four words the vectors all have.
        scored: questions that count: the covered ones under `skip` (in a comparison, those covered by every set), otherwise all.
        correct: questions whose best candidate is the expected word.
    """

    name: str
    questions: int
    covered: int
    scored: int
    correct: int

    @property
    def accuracy(self) -> float:
        """`correct / scored`, NaN if nothing was scored."""
        return self.correct / self.scored if self.scored else math.nan

    def as_dict(self) -> dict[str, Any]:
        """The fields and the accuracy as plain JSON values; NaN becomes None."""
        counts = {"questions": self.questions, "covered": self.covered, "scored": self.scored, "correct": self.correct}
        return {"name": self.name, **counts, "accuracy": self.accuracy if self.scored else None}


@dataclass(frozen=True)
class AnalogyResult:
    """How many questions of an analogy file the vectors answer correctly.

    Attributes:
        file: the file's name.
        method: `add` or `multiply`.
        total: all questions.
        semantic: all sections whose name does not begin with `gram`; None unless the file has sections of both kinds.
        syntactic: all sections whose name does; None unless the file has sections of both kinds.
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
    method: AnalogyMethod = "add",
    policy: WordPolicy = WordPolicy(),
) -> AnalogyResult:
    """Answer the questions of an analogy file; every token except the question's own three words is a candidate.

    Args:
        vectors: the table.
        file: lines of four words, and lines `: name` that begin a section.
        method: `add` (3CosAdd) or `multiply` (3CosMul).
        policy: questions with an unknown word are left out (`skip`), count as wrong (`zero`), or are an error (`error`). With
            `ignore_case` an answer is correct if it casefolds like the expected word, and other spellings of a question's own words are
            not candidates.

    Raises:
        InputError: the file cannot be read or has a malformed line.
        UnknownWordError: a word is unknown, under `error`.
        ConfigError: there is no such method.
    """
    questions = read_questions(file)
    words = Words(vectors, questions, policy)
    return score(questions, words.answer(method), words.covered, words.kept, method)


class Words:
    """The words of an analogy file, each looked up once in a table.

    Attributes:
        covered: bool (n,), whether the table has all four words of a question.
        kept: bool (n,), whether the question counts under the policy.
    """

    def __init__(self, vectors: Vectors, questions: Questions, policy: WordPolicy) -> None:
        unique = {word: number for number, word in enumerate(dict.fromkeys(w for words in questions.words for w in words))}
        self._vectors, self._ignore_case = vectors, policy.ignore_case
        self._found: Found = find_words(vectors, list(unique), policy.or_skip())
        self._numbers = np.array([[unique[word] for word in words] for words in questions.words], np.int64)  # (n, 4)
        self.covered: np.ndarray = np.all(self._found.known[self._numbers], axis=1)
        self.kept: np.ndarray = np.all(self._found.kept[self._numbers], axis=1)

    def answer(self, method: AnalogyMethod) -> np.ndarray:
        """Tell for each question whether the best candidate is the expected word, bool (n,); False for uncovered questions."""
        correct = np.zeros(len(self.covered), bool)
        asked = self._numbers[self.covered]  # (m, 4)
        spellings = self._spellings()  # (words, x)
        exclude = spellings[asked[:, :3]].reshape(len(asked), 3 * spellings.shape[1])
        rows = self._found.rows[asked[:, :3].T]  # (3, m, E)
        best, _ = answer_analogies(self._vectors, rows, 1, exclude=exclude, method=method)
        correct[self.covered] = ((best == spellings[asked[:, 3]]) & (best >= 0)).any(axis=1)
        return correct

    def _spellings(self) -> np.ndarray:
        """The rows that count as each word: its own, or all that casefold like it; int64 (words, x), padded with -1."""
        if not self._ignore_case:
            return self._found.indices[:, None]
        variants = tokens_by_fold(self._vectors, self._found.tokens)
        rows = [variants.get(token.casefold(), []) for token in self._found.tokens]
        widest = max(1, *map(len, rows))
        return np.array([each + [-1] * (widest - len(each)) for each in rows], np.int64)


def score(questions: Questions, correct: np.ndarray, covered: np.ndarray, scored: np.ndarray, method: AnalogyMethod) -> AnalogyResult:
    """Count the answers per section and in total, over the questions marked in `scored`, bool (n,)."""

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
