import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexloom.errors import ConfigError, UnknownWordError
from lexloom.vectors.evaluate import evaluate_analogy
from lexloom.vectors.evaluate.analogy import Words
from lexloom.vectors.evaluate.items import Questions
from lexloom.vectors.search import WordPolicy
from lexloom.vectors.table import Vectors


def planted():
    """Three capitals and three plurals whose offsets hold exactly, amid tokens that are in no question."""
    random = np.random.default_rng(2)
    base = {name: random.standard_normal(20) for name in ("france", "italy", "japan", "cat", "dog", "cow")}
    capital, plural = random.standard_normal(20), random.standard_normal(20)
    rows = dict(base)
    rows |= {city: base[land] + capital for land, city in (("france", "Paris"), ("italy", "Rome"), ("japan", "Tokyo"))}
    rows |= {name + "s": base[name] + plural for name in ("cat", "dog", "cow")}
    rows |= {f"noise{number}": random.standard_normal(20) for number in range(50)}
    return Vectors(list(rows), np.array(list(rows.values()), np.float32))


FILE = """: capitals
france Paris italy Rome
france Paris japan Tokyo
italy Rome france Oslo
italy Rome france japan
: gram-plural
cat cats dog dogs
dog dogs cow noise3
"""


@pytest.fixture
def questions(tmp_path):
    file = tmp_path / "questions.txt"
    file.write_text(FILE)
    return file


@pytest.mark.parametrize("method", ["add", "multiply"])
def test_answers_are_counted_by_section_and_in_all(questions, method):
    result = evaluate_analogy(planted(), questions, method=method)
    capitals, plurals = result.sections
    assert (capitals.name, capitals.questions, capitals.covered, capitals.scored, capitals.correct) == ("capitals", 4, 3, 3, 2)
    assert (plurals.questions, plurals.covered, plurals.correct) == (2, 2, 1)
    assert (result.total.questions, result.total.scored, result.total.correct) == (6, 5, 3)
    assert result.total.accuracy == 3 / 5
    assert result.semantic.correct == 2 and result.syntactic.correct == 1


def test_zero_counts_unknown_questions_as_wrong(questions):
    total = evaluate_analogy(planted(), questions, policy=WordPolicy(unknown="zero")).total
    assert (total.covered, total.scored, total.correct) == (5, 6, 3)


def test_error_raises_on_an_unknown_word(questions):
    with pytest.raises(UnknownWordError, match="'Oslo'"):
        evaluate_analogy(planted(), questions, policy=WordPolicy(unknown="error"))


def test_a_file_of_one_kind_has_no_kinds(tmp_path):
    file = tmp_path / "q.txt"
    file.write_text(": a\ncat cats dog dogs\n")
    result = evaluate_analogy(planted(), file)
    assert result.semantic is None and result.syntactic is None


def test_nothing_covered_has_no_accuracy(tmp_path):
    file = tmp_path / "q.txt"
    file.write_text(": a\nw x y z\n")
    result = evaluate_analogy(planted(), file)
    assert math.isnan(result.total.accuracy)
    assert json.loads(json.dumps(result.as_dict(), allow_nan=False))["total"]["accuracy"] is None


def test_case_is_folded_in_questions_and_answers(tmp_path):
    file = tmp_path / "q.txt"
    file.write_text("FRANCE paris Italy rome\n")
    assert evaluate_analogy(planted(), file).total.covered == 0
    assert evaluate_analogy(planted(), file, policy=WordPolicy(ignore_case=True)).total.correct == 1


def test_another_spelling_of_the_answer_is_right_and_of_the_question_no_candidate(tmp_path):
    plain = planted()
    matrix = np.vstack([plain.matrix, plain["Rome"] * 1.5, plain["Rome"], plain["Rome"]])
    matrix[plain.index["Rome"]] = -plain["Rome"]  # the exact spelling points elsewhere
    vectors = Vectors([*plain.tokens, "ROME", "ITALY", "PARIS"], matrix)
    file = tmp_path / "q.txt"
    file.write_text("france Paris italy Rome\n")
    assert evaluate_analogy(vectors, file).total.correct == 0
    assert evaluate_analogy(vectors, file, policy=WordPolicy(ignore_case=True)).total.correct == 1


def test_an_unknown_method_is_refused(questions):
    with pytest.raises(ConfigError, match="method='divide'"):
        evaluate_analogy(planted(), questions, method="divide")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), v=st.integers(4, 30), n=st.integers(1, 40))
def test_answers_agree_with_brute_force(seed, v, n):
    random = np.random.default_rng(seed)
    vectors = Vectors([f"t{row}" for row in range(v)], random.standard_normal((v, 5)).astype(np.float32))
    rows = random.integers(v, size=(n, 4))
    questions = Questions("q", [tuple(f"t{row}" for row in line) for line in rows], ["s"], np.zeros(n, np.int64))
    unit = vectors.matrix / np.linalg.norm(vectors.matrix, axis=1, keepdims=True)
    expected = []
    for a, b, c, d in rows:
        scores = unit @ (unit[b] - unit[a] + unit[c])
        scores[[a, b, c]] = -np.inf
        expected.append(scores.argmax() == d and len({a, b, c, d}) == len({a, b, c}) + 1)
    answers = Words(vectors, questions, WordPolicy()).answer("add")
    assert answers.tolist() == expected
