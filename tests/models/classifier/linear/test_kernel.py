"""The training loop of the linear encoder against NumPy in float64, one document at a time."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from lexloom.compiled.memory import padded
from lexloom.models.classifier.linear.features import Features
from lexloom.models.classifier.linear.kernel import (
    MERGE,
    Answers,
    Job,
    Matrices,
    Objective,
    draw_rows,
    predict_kernel,
    train_kernel,
    work_for,
)

ROWS = 50
SHAPES = [(10, 2), (16, 16), (33, 37), (100, 2)]  # each is compiled for itself


class Document(NamedTuple):
    rows: list[int]
    times: list[int]
    labels: list[int]
    extra: int = 0
    """Features that have no row."""


def document(random, labels, *, rows=9):
    return Document(random.choice(ROWS, rows, replace=False).tolist(), random.integers(1, 5, rows).tolist(), labels)


def drawn(number, classes, *, most=1, least=1, seed=0):
    random = np.random.default_rng(seed)
    return [document(random, np.sort(random.permutation(classes)[: random.integers(least, most + 1)]).tolist()) for _ in range(number)]


def packed(documents):
    starts = np.concatenate([[0], np.cumsum([len(one.rows) for one in documents], dtype=np.int64)])
    label_starts = np.concatenate([[0], np.cumsum([len(one.labels) for one in documents], dtype=np.int64)])
    rows = np.array([row for one in documents for row in one.rows], np.uint32)
    times = np.array([number for one in documents for number in one.times], np.uint8)
    lengths = np.array([sum(one.times) + one.extra for one in documents], np.int64)
    codes = np.array([label for one in documents for label in one.labels], np.int64)
    return Features(rows, times, starts, lengths), Answers(codes, label_starts)


def model(dim, classes, seed=1, scale=1.0):
    random = np.random.default_rng(seed)
    return random.normal(size=(ROWS, dim)), random.normal(size=(dim, classes)) * scale


def hidden_of(one, rows):
    return np.array(one.times, float) @ rows[one.rows] / (sum(one.times) + one.extra)


def probabilities_of(scores, sigmoid):
    if sigmoid:
        return 1 / (1 + np.exp(-scores))
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def objective_of(one, rows, output, weights, smoothing, sigmoid):
    """The objective of a document, and its derivative with respect to the logits."""
    p = probabilities_of(hidden_of(one, rows) @ output, sigmoid)
    t = np.zeros(len(p))
    t[one.labels] = 1 if sigmoid else 1 / len(one.labels)
    t = (1 - smoothing) * t + smoothing / (2 if sigmoid else len(p))
    if sigmoid:
        return -(weights * t * np.log(p) + (1 - t) * np.log(1 - p)).sum(), (1 - t) * p - weights * t * (1 - p)
    return -(weights * t * np.log(p)).sum(), p * (weights * t).sum() - weights * t


def loss_of(one, rows, output, sigmoid):
    """The loss of a document: its objective without weights and smoothing."""
    return objective_of(one, rows, output, np.ones(output.shape[1]), 0.0, sigmoid)[0]


def twin(documents, rows, output, weights, smoothing, sigmoid, rate, slope):
    rows, output, total, done = rows.copy(), output.copy(), 0.0, 0
    for one in documents:
        if not one.rows or not (one.labels or sigmoid):
            continue
        total += loss_of(one, rows, output, sigmoid)
        gradient = objective_of(one, rows, output, weights, smoothing, sigmoid)[1]
        length = sum(one.times) + one.extra
        hidden, step = hidden_of(one, rows), rate + slope * done
        back = output @ gradient
        output -= step * np.outer(hidden, gradient)
        for row, times in zip(one.rows, one.times, strict=True):
            rows[row] -= step * times / length * back
        done += length
    return total, rows, output


def trained(documents, rows, output, weights, smoothing, sigmoid, rate, slope, *, jobs=None):
    """Train with the kernel; returns the loss, and both matrices with their padding."""
    dim, classes = output.shape
    source, target = np.zeros((ROWS, padded(dim)), np.float32), np.zeros((padded(dim), padded(classes)), np.float32)
    source[:, :dim], target[:dim, :classes] = rows, output
    features, targets = packed(documents)
    work = work_for(dim, classes, max((len(one.rows) for one in documents), default=0))
    given = work, features, targets, Objective(weights.astype(np.float32), np.float32(smoothing))
    matrices, kernel = Matrices(source.reshape(-1), target.reshape(-1)), train_kernel(dim, classes, sigmoid)
    loss = sum(kernel(*given, matrices, Job(*job, rate, slope)) for job in jobs or [(0, len(documents))])
    return loss, source, target


def assert_same(documents, dim, classes, sigmoid, *, weights=None, smoothing=0.0, rate=0.3, slope=0.0):
    rows, output = model(dim, classes)
    given = documents, rows, output, np.ones(classes) if weights is None else weights, smoothing, sigmoid, rate, slope
    (loss, source, target), (wanted, *matrices) = trained(*given), twin(*given)
    assert loss == pytest.approx(wanted, rel=2e-5)
    np.testing.assert_allclose(source[:, :dim], matrices[0], rtol=1e-4, atol=2e-5)
    np.testing.assert_allclose(target[:dim, :classes], matrices[1], rtol=1e-4, atol=2e-5)
    assert not source[:, dim:].any() and not target[dim:].any() and not target[:, classes:].any()


# ---- one document --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigmoid", [False, True], ids=["softmax", "sigmoids"])
@pytest.mark.parametrize(("dim", "classes"), SHAPES)
def test_a_document_moves_all_as_the_twin_does_and_padding_stays_zero(dim, classes, sigmoid):
    weights = np.random.default_rng(2).uniform(0.5, 2, classes)
    assert_same(drawn(1, classes, most=min(3, classes), least=2), dim, classes, sigmoid, weights=weights, smoothing=0.1)


@pytest.mark.parametrize("dim", [1, 64, 65])
def test_any_dimension_fits_the_rows(dim):
    assert_same(drawn(3, 3), dim, 3, False)


@pytest.mark.parametrize("rows", [1, 2, 3, 24, 25, 50])
def test_any_number_of_features_fits_the_reading_ahead(rows):
    random = np.random.default_rng(0)
    assert_same([document(random, [0], rows=rows), document(random, [1], rows=1), document(random, [1], rows=rows)], 64, 3, False)


@pytest.mark.parametrize("sigmoid", [False, True], ids=["softmax", "sigmoids"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_smoothing_and_weights_change_the_targets_as_the_twin_says(smoothing, weighted, sigmoid):
    weights = np.array([0.1, 1, 3, 0.7, 5]) if weighted else None
    assert_same(drawn(2, 5, most=3), 10, 5, sigmoid, weights=weights, smoothing=smoothing)


@pytest.mark.parametrize("labels", [[], [0], [2, 4], [0, 1, 2, 3, 4]])
def test_under_sigmoids_any_labels_are_learnt_also_none(labels):
    random = np.random.default_rng(0)
    assert_same([document(random, labels)], 10, 5, True, weights=np.array([1, 2, 3, 4, 0.5]))


def test_a_row_that_is_there_again_counts_again():
    again = Document([4, 9, 4, 4], [255, 2, 255, 7], [1])
    assert_same([again], 10, 3, False)
    once = Document([4, 9], [250, 2], [1])
    split = Document([4, 9, 4], [200, 2, 50], [1])
    rows, output = model(10, 3)
    given = rows, output, np.ones(3), 0.0, False, 0.3, 0.0
    for found, wanted in zip(trained([split], *given), trained([once], *given), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_features_without_a_row_thin_the_mean():
    random = np.random.default_rng(0)
    assert_same([document(random, [1])._replace(extra=30), document(random, [0])], 10, 3, False, slope=-1e-3)


# ---- the gradient ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigmoid", [False, True], ids=["softmax", "sigmoids"])
@pytest.mark.parametrize("smoothing", [0.0, 0.15])
def test_a_step_of_rate_one_is_the_slope_of_the_objective(sigmoid, smoothing):
    one = Document([3, 8, 20], [1, 4, 2], [1, 3])
    weights, (rows, output) = np.array([0.5, 2, 1, 3, 1.5]), model(10, 5)
    _, source, target = trained([one], rows, output, weights, smoothing, sigmoid, 1.0, 0.0)

    def slope_at(matrix, place):
        ends = []
        for change in (1e-5, -1e-5):
            matrix[place] += change
            ends.append(objective_of(one, rows, output, weights, smoothing, sigmoid)[0])
            matrix[place] -= change
        return (ends[0] - ends[1]) / 2e-5

    for place in np.ndindex(output.shape):
        assert output[place] - target[place] == pytest.approx(slope_at(output, place), abs=2e-6)
    for place in np.ndindex(rows[:25].shape):
        assert rows[place] - source[place] == pytest.approx(slope_at(rows, place), abs=2e-6)


@pytest.mark.parametrize("sigmoid", [False, True], ids=["softmax", "sigmoids"])
def test_a_rate_of_zero_measures_and_changes_no_bit(sigmoid):
    rows, output = model(10, 5)
    documents = drawn(40, 5)
    loss, source, target = trained(documents, rows, output, np.ones(5), 0.0, sigmoid, 0.0, 0.0)
    assert loss == pytest.approx(sum(loss_of(one, rows, output, sigmoid) for one in documents), rel=1e-5)
    np.testing.assert_array_equal(source[:, :10], rows.astype(np.float32))
    np.testing.assert_array_equal(target[:10, :5], output.astype(np.float32))


@pytest.mark.parametrize("sigmoid", [False, True], ids=["softmax", "sigmoids"])
def test_the_loss_has_neither_weights_nor_smoothing_in_it(sigmoid):
    """Like the `train_loss` of the other encoders."""
    documents, (rows, output) = drawn(20, 5), model(10, 5)
    plain, *_ = trained(documents, rows, output, np.ones(5), 0.0, sigmoid, 0.0, 0.0)
    loss, *_ = trained(documents, rows, output, np.array([0.1, 1, 3, 0.7, 5]), 0.2, sigmoid, 0.0, 0.0)
    assert loss == plain


# ---- many documents ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, MERGE - 1, MERGE, MERGE + 1, 3 * MERGE])
@pytest.mark.parametrize("sigmoid", [False, True], ids=["softmax", "sigmoids"])
def test_documents_follow_each_other_across_merges(number, sigmoid):
    assert_same(drawn(number, 5, most=2), 10, 5, sigmoid, rate=0.2)


def test_the_rate_falls_with_every_feature():
    assert_same(drawn(30, 3), 10, 3, False, rate=0.5, slope=-0.5 / 1000)


def test_jobs_go_on_where_the_last_ended():
    documents, (rows, output) = drawn(50, 3), model(10, 3)
    given = documents, rows, output, np.ones(3), 0.0, False, 0.2, 0.0
    whole, parts = trained(*given), trained(*given, jobs=[(0, 0), (0, 1), (1, 33), (33, 50), (50, 50)])
    for found, wanted in zip(parts, whole, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    "nothing", [Document([], [], [1]), Document([], [], [1], extra=7), Document([5], [1], []), Document([], [], [])], ids=repr
)
def test_documents_without_features_or_labels_are_passed_over(nothing):
    documents, (rows, output) = drawn(3, 3), model(10, 3)
    given = rows, output, np.ones(3), 0.1, False, 0.3, -1e-3
    wanted = trained(documents, *given)
    for number in range(4):
        for found, matrix in zip(trained([*documents[:number], nothing, *documents[number:]], *given), wanted, strict=True):
            np.testing.assert_array_equal(found, matrix)


@pytest.mark.parametrize("documents", [[], [Document([], [], [])]], ids=["none", "an empty one"])
def test_where_there_is_nothing_to_learn_nothing_is_learnt(documents):
    rows, output = model(10, 3)
    loss, source, target = trained(documents, rows, output, np.ones(3), 0.0, True, 0.3, 0.0)
    assert loss == 0
    np.testing.assert_array_equal(source[:, :10], rows.astype(np.float32))
    np.testing.assert_array_equal(target[:10, :3], output.astype(np.float32))


@pytest.mark.parametrize("sigmoid", [False, True], ids=["softmax", "sigmoids"])
def test_scores_far_from_zero_neither_overflow_nor_lose_the_loss(sigmoid):
    rows, output = np.full((ROWS, 10), 10.0), np.zeros((10, 3))
    output[:, 0], output[:, 1] = 100, -100
    loss, source, target = trained([Document([1], [1], [1])], rows, output, np.ones(3), 0.0, sigmoid, 0.01, 0.0)
    assert 25 < loss < 65
    assert np.isfinite(source).all() and np.isfinite(target).all()
    assert target[0, 0] < 100 and target[0, 1] > -100


# ---- judging -----------------------------------------------------------------------------------------------------------------------------


def predicted(documents, rows, output, sigmoid, *, jobs=None):
    dim, classes = output.shape
    source, target = np.zeros((ROWS, padded(dim)), np.float32), np.zeros((padded(dim), padded(classes)), np.float32)
    source[:, :dim], target[:dim, :classes] = rows, output
    out = np.full((len(documents), classes), np.nan, np.float32)
    work = work_for(dim, classes, max((len(one.rows) for one in documents), default=0))
    for job in jobs or [(0, len(documents))]:
        predict_kernel(dim, classes, sigmoid)(work, packed(documents)[0], *job, source.reshape(-1), target.reshape(-1), out)
    return out


@pytest.mark.parametrize("sigmoid", [False, True], ids=["softmax", "sigmoids"])
@pytest.mark.parametrize(("dim", "classes"), SHAPES)
def test_probabilities_are_those_of_numpy(dim, classes, sigmoid):
    documents, (rows, output) = drawn(20, classes), model(dim, classes)
    found = predicted(documents, rows, output, sigmoid)
    wanted = [probabilities_of(hidden_of(one, rows) @ output, sigmoid) for one in documents]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("sigmoid", [False, True], ids=["softmax", "sigmoids"])
def test_a_document_without_features_is_undecided(sigmoid):
    found = predicted([Document([], [], []), Document([], [], [], extra=3)], *model(10, 5), sigmoid)
    np.testing.assert_allclose(found, 0.5 if sigmoid else 0.2, rtol=1e-6)


def test_features_without_a_row_thin_the_mean_in_judging_too():
    (rows, output), [one] = model(10, 5), drawn(1, 5)
    thin = one._replace(extra=20)
    np.testing.assert_allclose(
        predicted([thin], rows, output, False)[0], probabilities_of(hidden_of(thin, rows) @ output, False), rtol=1e-5
    )


def test_a_job_writes_its_own_documents_alone():
    documents, (rows, output) = drawn(6, 3), model(10, 3)
    found = predicted(documents, rows, output, False, jobs=[(2, 4)])
    assert np.isnan(found[[0, 1, 4, 5]]).all()
    np.testing.assert_array_equal(found[2:4], predicted(documents, rows, output, False)[2:4])


def test_one_hopeless_class_and_one_certain_one_get_finite_probabilities():
    rows, output = np.ones((ROWS, 10)), np.zeros((10, 3))
    output[:, 0], output[:, 1] = 1e6, -1e6
    np.testing.assert_allclose(predicted([Document([0], [1], [])], rows, output, False), [[1, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(predicted([Document([0], [1], [])], rows, output, True), [[1, 0, 0.5]], atol=1e-12)


# ---- where rows begin ------------------------------------------------------------------------------------------------------------------


def rows_of(keys, dim, *, seed=1, cuts=None):
    keys = np.asarray(keys, np.uint32)
    rows = np.zeros((len(keys), padded(dim)), np.float32)
    for first, last in cuts or [(0, len(keys))]:
        draw_rows(rows.reshape(-1), keys, first, last, dim, padded(dim), seed)
    return rows


@pytest.mark.parametrize("dim", [1, 10, 16, 100])
def test_rows_begin_evenly_between_bounds_and_padding_is_zero(dim):
    rows = rows_of(np.arange(20000 // dim), dim)
    assert np.abs(rows).max() <= np.float32(1 / dim)
    assert not rows[:, dim:].any()
    assert stats.kstest(rows[:, :dim].ravel() * dim, stats.uniform(-1, 2).cdf).pvalue > 0.001


def test_columns_and_neighbouring_rows_are_not_alike():
    rows = rows_of(np.arange(3000), 8)[:, :8]
    between = np.corrcoef(np.concatenate([rows[:-1], rows[1:]], 1).T)
    assert np.abs(between - np.eye(16)).max() < 0.1


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**62])
def test_neither_the_numbering_of_rows_nor_the_cuts_change_where_a_feature_begins(seed):
    keys = np.array([0, 1, 77, 5_000_000, 2**32 - 1], np.uint32)
    whole = rows_of(keys, 10, seed=seed)
    np.testing.assert_array_equal(rows_of(keys[::-1], 10, seed=seed)[::-1], whole)
    np.testing.assert_array_equal(rows_of(keys, 10, seed=seed, cuts=[(0, 2), (2, 2), (2, 5)]), whole)
    assert len(np.unique(whole[:, :10])) == 50


def test_another_seed_begins_elsewhere():
    assert (rows_of(np.arange(100), 10, seed=1)[:, :10] != rows_of(np.arange(100), 10, seed=2)[:, :10]).all(1).all()
