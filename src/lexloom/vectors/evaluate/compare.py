"""Several vector sets side by side, on the pairs and questions that all of them cover."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lexloom.errors import ConfigError
from lexloom.vectors.evaluate import analogy, similarity
from lexloom.vectors.evaluate.items import read_pairs, read_questions
from lexloom.vectors.search.queries import AnalogyMethod
from lexloom.vectors.search.words import WordPolicy
from lexloom.vectors.table import Vectors


@dataclass(frozen=True)
class Comparison:
    """The results of several vector sets on the same items.

    Attributes:
        names: the names of the sets.
        similarity: for each similarity file one result per set, in the order of `names`; `covered` is the set's own, `scored` common.
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
    method: AnalogyMethod = "add",
    policy: WordPolicy = WordPolicy(),
    seed: int = 1,
) -> Comparison:
    """Evaluate several vector sets on the same items, by default those whose words are in every vocabulary.

    The candidates of an analogy are all tokens of each set, so a larger vocabulary makes the questions harder.

    Args:
        sets: the vector sets by name.
        similarity_files: as for `evaluate_similarity`.
        analogy_files: as for `evaluate_analogy`.
        method: as for `evaluate_analogy`.
        policy: as for both; an item with a word that any of the sets lacks is left out for all of them under `skip`.
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
        tuple(_compare_similarity(tables, file, policy, seed) for file in similarity_files),
        tuple(_compare_analogy(tables, file, policy, method) for file in analogy_files),
    )


def _compare_similarity(
    tables: Sequence[Vectors], file: str | os.PathLike[str], policy: WordPolicy, seed: int
) -> tuple[similarity.SimilarityResult, ...]:
    pairs = read_pairs(file)
    predictions = [similarity.predict(table, pairs, policy) for table in tables]
    scored = np.logical_and.reduce([kept for *_, kept in predictions])
    return tuple(similarity.score(pairs, predicted, covered, scored, seed=seed) for predicted, covered, _ in predictions)


def _compare_analogy(
    tables: Sequence[Vectors], file: str | os.PathLike[str], policy: WordPolicy, method: AnalogyMethod
) -> tuple[analogy.AnalogyResult, ...]:
    questions = read_questions(file)
    words = [analogy.Words(table, questions, policy) for table in tables]
    scored = np.logical_and.reduce([each.kept for each in words])
    return tuple(analogy.score(questions, each.answer(method), each.covered, scored, method) for each in words)
