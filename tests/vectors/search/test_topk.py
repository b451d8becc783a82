import tracemalloc
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexloom.vectors.search import nearest, topk
from lexloom.vectors.search.queries import answer_analogies
from lexloom.vectors.search.topk import unit
from lexloom.vectors.table import Vectors


def table(matrix):
    return Vectors([f"t{row}" for row in range(len(matrix))], np.asarray(matrix, np.float32))


def all_cosines(matrix, queries):
    """Every cosine in float64, by a loop."""
    scores = np.zeros((len(queries), len(matrix)))
    for i, query in enumerate(np.asarray(queries, np.float64)):
        for j, row in enumerate(np.asarray(matrix, np.float64)):
            norm = np.linalg.norm(query) * np.linalg.norm(row)
            scores[i, j] = query @ row / norm if norm else 0
    return scores


@st.composite
def tables_and_queries(draw):
    """Small integers, so that equal and parallel rows, zero rows and ties are common."""
    v, e, n = draw(st.integers(1, 40)), draw(st.integers(1, 4)), draw(st.integers(1, 6))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    matrix = random.integers(-2, 3, (v, e)).astype(np.float32)
    return matrix, random.integers(-2, 3, (n, e)).astype(np.float32), draw(st.integers(0, 45))


@settings(max_examples=60, deadline=None)
@given(case=tables_and_queries(), scores_at_a_time=st.integers(1, 30), batch=st.integers(1, 4))
def test_nearest_agrees_with_brute_force_whatever_the_blocks(case, scores_at_a_time, batch):
    matrix, queries, k = case
    with mock.patch.multiple(topk, _SCORES=scores_at_a_time, _BATCH=batch, _SMALLEST_BLOCK=3):
        indices, scores = nearest(table(matrix), queries, k)
    truth = all_cosines(matrix, queries)
    best = -np.sort(-truth, axis=1)[:, :k]
    assert indices.shape == scores.shape == (len(queries), min(k, len(matrix)))
    np.testing.assert_allclose(scores, best, atol=1e-12)
    np.testing.assert_allclose(np.take_along_axis(truth, indices, axis=1), best, atol=1e-12)
    assert all(len(set(line)) == len(line) for line in indices.tolist())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), width=st.integers(2, 70))
def test_equal_rows_come_in_the_order_of_the_table(seed, width):
    random = np.random.default_rng(seed)
    rows = random.standard_normal((7, width)).astype(np.float32)
    matrix = rows[random.integers(7, size=300)]
    with mock.patch.multiple(topk, _SCORES=64, _SMALLEST_BLOCK=7):
        indices, scores = nearest(table(matrix), rows, 60)
    for line, score in zip(indices, scores, strict=True):
        assert np.array_equal(line, line[np.lexsort((line, -score))])
        for value in np.unique(score):
            kind = matrix[line[score == value][0]]
            same = np.flatnonzero((matrix == kind).all(axis=1))
            assert np.array_equal(line[score == value], same[: np.count_nonzero(score == value)])


@settings(max_examples=60, deadline=None)
@given(case=tables_and_queries(), seed=st.integers(0, 2**32 - 1), scores_at_a_time=st.integers(1, 30))
def test_analogies_agree_with_a_sort_of_all_scores_ties_by_row(case, seed, scores_at_a_time):
    matrix, _, k = case
    random = np.random.default_rng(seed)
    asked = random.integers(len(matrix), size=(4, 3))
    rows = unit(matrix)
    for method in ("add", "multiply"):
        with mock.patch.multiple(topk, _SCORES=scores_at_a_time, _BATCH=2, _SMALLEST_BLOCK=3):
            questions = matrix[asked.T]  # (3, n, E)
            indices, scores = answer_analogies(table(matrix), questions, k, exclude=asked, method=method)
        for line, score, (a, b, c) in zip(indices, scores, asked, strict=True):
            if method == "add":
                [target] = unit((rows[b] - rows[a] + rows[c])[None])
                truth = cosines_with(target, rows)
            else:
                near_a, near_b, near_c = ((cosines_with(rows[each], rows) + 1) / 2 for each in (a, b, c))
                truth = near_b * near_c / (near_a + 0.001)
            truth[[a, b, c]] = -np.inf
            best = np.lexsort((np.arange(len(truth)), -truth))[:k]
            found = truth[best] > -np.inf
            assert line.tolist() == np.where(found, best, -1).tolist()
            assert score.tolist() == truth[best].tolist()


def cosines_with(direction, rows):
    """The cosine of a unit vector with each unit row, summed in the same order wherever the row is."""
    return np.clip(np.einsum("ve,ve->v", np.broadcast_to(direction, rows.shape), rows), -1, 1)


def test_a_query_gets_the_same_bits_alone_and_in_a_batch():
    random = np.random.default_rng(0)
    vectors, queries = table(random.standard_normal((3000, 33))), random.standard_normal((300, 33))
    indices, scores = nearest(vectors, queries, 9)
    for number in (0, 17, 299):
        alone = nearest(vectors, queries[number : number + 1], 9)
        assert np.array_equal(alone[0][0], indices[number])
        assert np.array_equal(alone[1][0], scores[number])


def test_float32_rounding_does_not_decide():
    random = np.random.default_rng(3)
    base = random.standard_normal(200)
    matrix = (base + 1e-4 * random.standard_normal((500, 200))).astype(np.float32)  # cosines that differ in the eighth digit
    truth = all_cosines(matrix, base[None])[0]
    indices, _ = nearest(table(matrix), base[None], 20)
    assert np.array_equal(indices[0], np.argsort(-truth, kind="stable")[:20])


def test_excluded_rows_are_no_answers():
    vectors = table(np.eye(5) + 1)
    exclude = np.array([[0, -1], [4, 2]])
    indices, scores = nearest(vectors, np.ones((2, 5)), 5, exclude=exclude)
    assert indices.tolist() == [[1, 2, 3, 4, -1], [0, 1, 3, -1, -1]]
    assert scores[0, -1] == -np.inf


def test_rows_with_nan_are_never_found_and_nan_finds_nothing():
    matrix = np.array([[1, 0], [np.nan, 1], [0, 1], [np.inf, 0]])
    indices, _ = nearest(table(matrix), np.array([[0.0, 1.0], [np.nan, 0.0]]), 4)
    assert indices[0].tolist()[:2] == [2, 0]
    assert 1 not in indices[0]
    assert indices[1].tolist() == [-1] * 4


def test_a_zero_row_has_cosine_zero_with_everything():
    vectors = table([[0, 0], [-1, 0], [1, 0]])
    indices, scores = nearest(vectors, np.array([[1.0, 0.0], [0.0, 0.0]]), 3)
    assert indices.tolist() == [[2, 0, 1], [0, 1, 2]]
    assert scores.tolist() == [[1, 0, -1], [0, 0, 0]]


@pytest.mark.parametrize(("v", "n", "k"), [(0, 2, 3), (4, 0, 3), (4, 2, 0)])
def test_nothing_asked_or_nothing_there_is_an_empty_answer(v, n, k):
    indices, scores = nearest(table(np.ones((v, 3))), np.ones((n, 3)), k)
    assert indices.shape == scores.shape == (n, min(k, v))


def test_memory_stays_far_below_a_score_for_each_query_and_row():
    random = np.random.default_rng(0)
    vectors, queries = table(random.standard_normal((20_000, 8))), random.standard_normal((2_000, 8))
    tracemalloc.start()
    nearest(vectors, queries, 5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000 * 2_000 * 4 / 4
