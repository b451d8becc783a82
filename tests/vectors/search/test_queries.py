import json
import math

import numpy as np
import pytest

from lexloom.errors import ConfigError, InputError, UnknownWordError
from lexloom.vectors.search import WordPolicy, analogy, nearest, neighbors, neighbors_batch, odd_one_out, similarity
from lexloom.vectors.table import Vectors


@pytest.fixture
def royals():
    """Words on a grid of sex and rank, so that the analogies hold exactly."""
    male, female, royal, common, fruit = np.eye(5, dtype=np.float32)
    rows = {
        "man": male + common,
        "woman": female + common,
        "king": male + royal,
        "queen": female + royal,
        "apple": fruit,
        "Pear": fruit + 0.1 * male,
    }
    return Vectors(list(rows), np.stack(list(rows.values())), np.arange(6, 0, -1))


@pytest.fixture
def cloud():
    random = np.random.default_rng(1)
    return Vectors([f"t{row}" for row in range(50)], random.standard_normal((50, 6)).astype(np.float32))


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_neighbors_are_the_best_cosines_without_the_word(cloud):
    truth = sorted(((cosine(cloud["t7"], cloud[token]), token) for token in cloud.tokens if token != "t7"), reverse=True)
    answer = neighbors(cloud, "t7", 5)
    assert [token for token, _ in answer] == [token for _, token in truth[:5]]
    assert [score for _, score in answer] == pytest.approx([score for score, _ in truth[:5]], abs=1e-6)


def test_a_batch_answers_each_word_as_if_alone(cloud):
    assert neighbors_batch(cloud, ["t3", "t9", "t3"], 4) == [neighbors(cloud, word, 4) for word in ("t3", "t9", "t3")]
    assert neighbors_batch(cloud, []) == []


def test_an_answer_is_plain_json(cloud):
    [[token, score]] = json.loads(json.dumps(neighbors(cloud, "t0", 1)))
    assert neighbors(cloud, "t0", 1) == [(token, score)]


@pytest.mark.parametrize(("k", "found"), [(0, 0), (1, 1), (49, 49), (50, 49), (1000, 49)])
def test_k_may_be_nothing_or_more_than_there_is(cloud, k, found):
    assert len(neighbors(cloud, "t0", k)) == found


def test_a_single_token_has_no_neighbors():
    assert neighbors(Vectors(["only"], np.ones((1, 2), np.float32)), "only") == []


@pytest.mark.parametrize("ask", [lambda v: neighbors(v, "t0", -1), lambda v: analogy(v, "t0", "t1", "t2", -1)])
def test_a_negative_k_is_refused(cloud, ask):
    with pytest.raises(ConfigError, match="k=-1: expected 0 or more"):
        ask(cloud)


def test_nearest_takes_rows_of_no_token(cloud):
    indices, scores = nearest(cloud, 3 * cloud["t4"][None], 1)
    assert indices.tolist() == [[4]]
    assert scores[0, 0] == pytest.approx(1)


@pytest.mark.parametrize("shape", [(6,), (2, 5)])
def test_nearest_refuses_rows_of_another_shape(cloud, shape):
    with pytest.raises(ConfigError, match=r"expected \(n, 6\)"):
        nearest(cloud, np.ones(shape), 1)


def test_similarity_is_the_cosine(cloud):
    assert similarity(cloud, "t1", "t2") == pytest.approx(cosine(cloud["t1"], cloud["t2"]), abs=1e-6)
    assert similarity(cloud, "t1", "t1") == pytest.approx(1)


@pytest.mark.parametrize("method", ["add", "multiply"])
def test_an_analogy_that_holds_is_found(royals, method):
    answers = analogy(royals, "man", "king", "woman", 3, method=method)
    assert answers[0].token == "queen"
    assert not {"man", "king", "woman"} & {token for token, _ in answers}


def test_add_scores_by_the_cosine_with_b_minus_a_plus_c(cloud):
    unit = {token: cloud[token] / np.linalg.norm(cloud[token]) for token in cloud.tokens}
    target = unit["t1"] - unit["t0"] + unit["t2"]
    truth = {token: cosine(target, row) for token, row in unit.items() if token not in ("t0", "t1", "t2")}
    answers = analogy(cloud, "t0", "t1", "t2", 47)
    assert dict(answers) == pytest.approx(truth, abs=1e-6)
    assert [token for token, _ in answers] == sorted(truth, key=truth.__getitem__, reverse=True)


def test_multiply_scores_as_levy_and_goldberg(cloud):
    def moved(a, b):
        return (cosine(cloud[a], cloud[b]) + 1) / 2

    rest = [token for token in cloud.tokens if token not in ("t0", "t1", "t2")]
    truth = {token: moved(token, "t1") * moved(token, "t2") / (moved(token, "t0") + 0.001) for token in rest}
    answers = analogy(cloud, "t0", "t1", "t2", 47, method="multiply")
    assert dict(answers) == pytest.approx(truth, rel=1e-5)
    assert [token for token, _ in answers] == sorted(truth, key=truth.__getitem__, reverse=True)


def test_an_unknown_method_is_refused(cloud):
    with pytest.raises(ConfigError, match="method='divide': expected add or multiply"):
        analogy(cloud, "t0", "t1", "t2", method="divide")


def test_the_odd_one_out_is_named(royals):
    assert odd_one_out(royals, ["king", "queen", "apple", "man"]) == "apple"
    assert odd_one_out(royals, ["apple", "PEAR", "king"], policy=WordPolicy(ignore_case=True)) == "king"


def test_the_odd_one_out_of_two_is_refused(royals):
    with pytest.raises(InputError, match="2 known words: expected three"):
        odd_one_out(royals, ["king", "queen", "nothing"], policy=WordPolicy(unknown="skip"))


@pytest.mark.parametrize(
    "ask",
    [
        lambda v, **how: neighbors(v, "pear", 2, **how),
        lambda v, **how: neighbors_batch(v, ["king", "pear"], 2, **how),
        lambda v, **how: similarity(v, "apple", "pear", **how),
        lambda v, **how: analogy(v, "man", "king", "pear", 2, **how),
        lambda v, **how: odd_one_out(v, ["apple", "man", "woman", "pear"], **how),
    ],
)
def test_every_question_raises_on_an_unknown_word_and_folds_case_on_demand(royals, ask):
    with pytest.raises(UnknownWordError, match="'pear'"):
        ask(royals)
    assert ask(royals, policy=WordPolicy(ignore_case=True))


def test_skip_gives_no_answer(royals):
    assert neighbors(royals, "?", policy=WordPolicy(unknown="skip")) == []
    assert [len(answer) for answer in neighbors_batch(royals, ["king", "?"], 2, policy=WordPolicy(unknown="skip"))] == [2, 0]
    assert math.isnan(similarity(royals, "king", "?", policy=WordPolicy(unknown="skip")))
    assert analogy(royals, "man", "king", "?", policy=WordPolicy(unknown="skip")) == []


def test_zero_answers_for_a_row_of_zeros(royals):
    assert neighbors(royals, "?", 2, policy=WordPolicy(unknown="zero")) == [("man", 0), ("woman", 0)]
    assert similarity(royals, "king", "?", policy=WordPolicy(unknown="zero")) == 0
    assert odd_one_out(royals, ["man", "woman", "?"], policy=WordPolicy(unknown="zero")) == "?"
