"""The kernel against its NumPy twin: same draws, same results within float32's tolerance."""

import numpy as np
import pytest

from lexloom.compiled.memory import padded
from lexloom.vectors.kernels import Job, Matrices, Options, Plan, Tables, Text, compile_kernel, scratch
from lexloom.vectors.sampling import keep_thresholds, noise_table, stream_seed
from tests.vectors import twin


def train(plan, text, tables, matrices, options, job):
    """Call the kernel with fresh memory."""
    flat = Matrices(*(matrix.reshape(-1) for matrix in matrices))
    return compile_kernel(plan)(scratch(plan, options.window), text, tables, flat, options, job)


def run(options, *, dim=20, vocabulary=60, lengths=(50, 1, 0, 2, 30), rate=0.05, slope=-1e-4, trainable=None, seed=3):
    """Run the kernel and its twin on the same random text and matrices; returns both results and both pairs of matrices."""
    random = np.random.default_rng(seed)
    documents = [random.zipf(1.3, length).clip(1, vocabulary) - 1 for length in lengths]
    ids = np.concatenate(documents).astype(np.uint32)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    counts = np.maximum(1, np.bincount(ids, minlength=vocabulary))
    keep, noise = keep_thresholds(counts, 0.05), noise_table(counts, 0.75)
    trainable = np.ones(vocabulary, np.uint8) if trainable is None else trainable
    found = np.zeros((2, vocabulary, padded(dim)), np.float32)
    found[:, :, :dim] = random.normal(size=(2, vocabulary, dim)) * 0.3
    expected = found.astype(float)
    plan, chosen = Plan(padded(dim), options.negative, options.cbow), Options(options.window, options.shrink, options.mean)
    state = stream_seed(seed, 0, 0)
    job = Job(0, 0, len(ids), rate, slope, np.uint64(state))
    result = train(plan, Text(ids, starts), Tables(keep, noise, trainable), found, chosen, job)
    wanted = twin.train(documents, keep, noise, trainable, *expected, options, rate, slope, state)
    return result, wanted, found, expected


def assert_same(result, wanted, found, expected):
    assert result[1:] == wanted[1:]
    assert result[0] == pytest.approx(wanted[0], rel=1e-5)
    for matrix, twin_matrix in zip(found, expected, strict=True):
        np.testing.assert_allclose(matrix, twin_matrix, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("cbow", [False, True])
@pytest.mark.parametrize("shrink", [False, True])
def test_the_kernel_computes_what_its_twin_does(cbow, shrink):
    assert_same(*run(twin.Options(cbow=cbow, shrink=shrink)))


def test_cbow_can_sum_its_contexts():
    assert_same(*run(twin.Options(cbow=True, mean=False)))


@pytest.mark.parametrize("negative", [1, 7, 8, 20])
def test_any_number_of_negatives_fits_the_tiles(negative):
    assert_same(*run(twin.Options(negative=negative)))


@pytest.mark.parametrize("dim", [1, 16, 100])
def test_any_dimension_fits_the_rows_and_padding_stays_zero(dim):
    result, wanted, found, expected = run(twin.Options(), dim=dim)
    assert_same(result, wanted, found, expected)
    assert not found[0][:, dim:].any()
    assert not found[1][:, dim:].any()


@pytest.mark.parametrize("window", [1, 8, 40])
def test_any_window_fits_the_ring(window):
    assert_same(*run(twin.Options(window=window), rate=0.01))


@pytest.mark.parametrize("vocabulary", [1, 2, 3])
def test_negatives_that_are_the_word_itself_are_left_out(vocabulary):
    assert_same(*run(twin.Options(), vocabulary=vocabulary, lengths=(12, 3), rate=0.01))


def test_fixed_rows_stay_as_they_are():
    trainable = (np.arange(60) % 3 > 0).astype(np.uint8)
    options = twin.Options(cbow=False)
    result, wanted, found, expected = run(options, trainable=trainable)
    assert_same(result, wanted, found, expected)
    untouched = run(options, rate=0.0, slope=0.0)[2][0]
    np.testing.assert_array_equal(found[0][trainable == 0], untouched[trainable == 0])
    assert (found[0][trainable == 1] != untouched[trainable == 1]).any()


def test_a_rate_of_zero_measures_and_changes_no_bit():
    random = np.random.default_rng(3)
    [random.zipf(1.3, length) for length in (50, 1, 0, 2, 30)]
    (loss, terms, _), _, found, expected = run(twin.Options(), rate=0.0, slope=0.0)
    assert loss > 0
    assert terms > 0
    for matrix, start in zip(found, expected, strict=True):
        np.testing.assert_array_equal(matrix, start.astype(np.float32))


def test_scores_far_from_zero_neither_overflow_nor_lose_the_loss():
    random = np.random.default_rng(0)
    ids = random.integers(0, 9, 400).astype(np.uint32)
    counts = np.bincount(ids, minlength=9)
    matrices = np.full((2, 9, 16), 10, np.float32)  # every score is 1600
    tables = Tables(keep_thresholds(counts, 0), noise_table(counts, 0.75), np.ones(9, np.uint8))
    job = Job(0, 0, 400, 0.0, 0.0, np.uint64(9))
    loss, terms, _ = train(Plan(16, 5, False), Text(ids, np.array([0, 400])), tables, matrices, Options(3, True, True), job)
    assert 0.7 * 30 < loss / terms < 0.9 * 30  # scores are clamped to 30: a negative costs 30, the word itself nothing
    assert np.isfinite(matrices).all()


def test_jobs_may_begin_and_end_inside_documents():
    ids = np.arange(50, dtype=np.uint32) % 7
    counts = np.bincount(ids, minlength=7)
    tables = Tables(keep_thresholds(counts, 0), noise_table(counts, 1), np.ones(7, np.uint8))
    text = Text(ids, np.array([0, 20, 20, 50]))
    for first, last, document in ((0, 0, 0), (5, 6, 0), (5, 45, 0), (20, 50, 1)):
        job = Job(document, first, last, 0.1, 0.0, np.uint64(1))
        _, _, words = train(Plan(32, 5, False), text, tables, np.ones((2, 7, 32), np.float32), Options(3, True, True), job)
        assert words == last - first
