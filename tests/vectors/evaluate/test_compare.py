import json

import numpy as np
import pytest

from lexloom.errors import ConfigError, UnknownWordError
from lexloom.vectors.evaluate import compare, evaluate_analogy, evaluate_similarity
from lexloom.vectors.search import WordPolicy
from lexloom.vectors.table import Vectors


def table(tokens, seed):
    return Vectors(tokens, np.random.default_rng(seed).standard_normal((len(tokens), 4)).astype(np.float32))


@pytest.fixture
def sets():
    letters = list("abcdefghij")
    return {"all": table(letters, 0), "no a": table(letters[1:], 1), "no j": table(letters[:-1], 2)}


@pytest.fixture
def files(tmp_path):
    pairs, questions = tmp_path / "pairs", tmp_path / "questions"
    pairs.write_text("a b 1\nb c 2\nc d 4\nd e 3\nf g 9\nh j 0\n")
    questions.write_text(": s\na b c d\nb c d e\nc d e f\n: t\nd e f j\n")
    return pairs, questions


def test_every_set_is_scored_on_what_all_cover(sets, files):
    result = compare(sets, similarity_files=[files[0]], analogy_files=[files[1]])
    assert result.names == ("all", "no a", "no j")
    assert [(each.pairs, each.covered, each.scored) for each in result.similarity[0]] == [(6, 6, 4), (6, 5, 4), (6, 5, 4)]
    assert [(each.total.covered, each.total.scored) for each in result.analogy[0]] == [(4, 2), (3, 2), (3, 2)]


def test_scores_are_those_of_a_file_with_the_common_items_alone(sets, files, tmp_path):
    pairs, questions = tmp_path / "common-pairs", tmp_path / "common-questions"
    pairs.write_text("b c 2\nc d 4\nd e 3\nf g 9\n")
    questions.write_text(": s\nb c d e\nc d e f\n")
    result = compare(sets, similarity_files=[files[0]], analogy_files=[files[1]], seed=5)
    for number, vectors in enumerate(sets.values()):
        alone = evaluate_similarity(vectors, pairs, seed=5)
        side = result.similarity[0][number]
        assert (side.spearman, side.pearson, side.spearman_low) == (alone.spearman, alone.pearson, alone.spearman_low)
        assert result.analogy[0][number].total.correct == evaluate_analogy(vectors, questions).total.correct


def test_a_comparison_is_plain_json(sets, files):
    value = compare(sets, similarity_files=[files[0]], analogy_files=[files[1]]).as_dict()
    assert json.loads(json.dumps(value, allow_nan=False)) == value


def test_nothing_to_compare_is_refused():
    with pytest.raises(ConfigError, match="nothing to compare"):
        compare({})


def test_unknown_words_can_count_as_zero_for_every_set(sets, files):
    result = compare(sets, similarity_files=[files[0]], analogy_files=[files[1]], policy=WordPolicy(unknown="zero"))
    assert [each.scored for each in result.similarity[0]] == [6, 6, 6]
    assert [each.total.scored for each in result.analogy[0]] == [4, 4, 4]


def test_unknown_words_can_be_an_error(sets, files):
    with pytest.raises(UnknownWordError):
        compare(sets, similarity_files=[files[0]], policy=WordPolicy(unknown="error"))
