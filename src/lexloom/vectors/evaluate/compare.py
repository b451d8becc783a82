"""Several vector sets side by side, on the pairs and questions that every one of them covers."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lexloom.errors import ConfigError
from lexloom.vectors.evaluate import analogy, similarity
from lexloom.vectors.evaluate.items import read_pairs, read_questions
from lexloom.vectors.search.queries import AnalogyMethod
from lexloom.vectors.search.spelling import UnknownPolicy
from lexloom.vectors.table import Vectors


@dataclass(frozen=True)
class Comparison:
    """What several vector sets score on the same items.

    Attributes:
        names: the sets' names.
        similarity: for each similarity file a result a set, in the order of `names`; `covered` is the set's own, `scored` common.
        analogy: the same for each analogy file.
    """

    names: tuple[str, ...]
    similarity: tuple[tuple[similarity.SimilarityResult, ...], ...]
    analogy: tuple[tuple[analogy.AnalogyResult, ...], ...]

    def as_dict(self) -> dict[str, Any]:
        """The results as plain JSON values."""
        return {
            "names": list(self.names),
            "similarity": [[result.as_dict() for result in results] for results in self.similarity],
            "analogy": [[result.as_dict() for result in results] for results in self.analogy],
        }


def compare(
    sets: Mapping[str, Vectors],
    *,
    similarity_files: Sequence[str | os.PathLike[str]] = (),
    analogy_files: Sequence[str | os.PathLike[str]] = (),
    unknown: UnknownPolicy = "skip",
    ignore_case: bool = False,
    method: AnalogyMethod = "add",
    seed: int = 1,
) -> Comparison:
    """Judge several vector sets on the same items, by default those of their common vocabulary.

    The candidates of an analogy stay all tokens of each set, so a larger vocabulary is a harder test.

    Args:
        sets: the vector sets by name.
        similarity_files: as `evaluate_similarity` reads them.
        analogy_files: as `evaluate_analogy` reads them.
        unknown: an item with a word that any of the sets lacks is left out for all (`skip`), scored as `evaluate_similarity` and
            `evaluate_analogy` do (`zero`), or an error (`error`).
        ignore_case: as in `evaluate_similarity` and `evaluate_analogy`.
        method: as in `evaluate_analogy`.
        seed: of the bootstrap, which draws the same pairs for every set.

    Raises:
        InputError: a file cannot be read or has a malformed line.
        UnknownWordError: a set lacks a word, under `error`.
        ConfigError: there is no set to compare.
    """
    if not sets:
        raise ConfigError("nothing to compare: expected one vector set or more")
    tables = list(sets.values())
    return Comparison(
        tuple(sets),
        tuple(_compare_similarity(tables, file, unknown, ignore_case, seed) for file in similarity_files),
        tuple(_compare_analogy(tables, file, unknown, ignore_case, method) for file in analogy_files),
    )


def _compare_similarity(
    tables: Sequence[Vectors], file: str | os.PathLike[str], unknown: UnknownPolicy, ignore_case: bool, seed: int
) -> tuple[similarity.SimilarityResult, ...]:
    pairs = read_pairs(file)
    predictions = [similarity.predict(table, pairs, unknown=unknown, ignore_case=ignore_case) for table in tables]
    scored = _scored([covered for _, covered in predictions], unknown)
    return tuple(similarity.score(pairs, predicted, covered, scored, seed=seed) for predicted, covered in predictions)


def _compare_analogy(
    tables: Sequence[Vectors], file: str | os.PathLike[str], unknown: UnknownPolicy, ignore_case: bool, method: AnalogyMethod
) -> tuple[analogy.AnalogyResult, ...]:
    questions = read_questions(file)
    words = [analogy.Words(table, questions, unknown=unknown, ignore_case=ignore_case) for table in tables]
    scored = _scored([each.covered for each in words], unknown)
    return tuple(analogy.score(questions, each.answer(method), each.covered, scored, method) for each in words)


def _scored(covered: Sequence[np.ndarray], unknown: UnknownPolicy) -> np.ndarray:
    """Mark the items that count: under `skip` those that every set covers, otherwise all; bool (n,)."""
    common: np.ndarray = np.logical_and.reduce(list(covered))
    return common if unknown == "skip" else np.ones_like(common)
