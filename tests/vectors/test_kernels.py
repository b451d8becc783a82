"""The kernels against their NumPy twin: same draws, same results within float32's tolerance."""

import numpy as np
import pytest

from lexloom.vectors.kernels import Plan, compile_kernel, padded, scratch
from lexloom.vectors.sampling import keep_thresholds, noise_table, stream_seed
from tests.vectors import twin

TWINS = {"window": twin.window, "pair": twin.pair}


def run(kernel, options, *, dim=20, vocabulary=60, lengths=(50, 1, 0, 2, 30), rate=0.05, slope=-1e-4, learns=None, seed=3):
    """Run a kernel and its twin on the same random text and matrices; returns both results and both pairs of matrices."""
    random = np.random.default_rng(seed)
    documents = [random.zipf(1.3, length).clip(1, vocabulary) - 1 for length in lengths]
    ids = np.concatenate(documents).astype(np.uint32)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    counts = np.maximum(1, np.bincount(ids, minlength=vocabulary))
    keep, noise = keep_thresholds(counts, 0.05), noise_table(counts, 0.75)
    learns = np.ones(vocabulary, np.uint8) if learns is None else learns
    source, target = np.zeros((2, vocabulary, padded(dim)), np.float32)
    source[:, :dim], target[:, :dim] = random.normal(size=(2, vocabulary, dim)) * 0.3
    expected = source.astype(float), target.astype(float)
    plan = Plan(padded(dim), options.negative, options.window, options.cbow)
    state = stream_seed(seed, 0, 0)
    result = compile_kernel(kernel, plan)(
        scratch(plan), ids, starts, 0, 0, len(ids), keep, noise, learns, source.reshape(-1), target.reshape(-1),
        (options.window, options.shrink, options.mean), rate, slope, np.uint64(state),
    )  # fmt: skip
    wanted = TWINS[kernel](documents, keep, noise, learns, *expected, options, rate, slope, state)
    return result, wanted, (source, target), expected


def assert_same(result, wanted, found, expected):
    assert result[1:] == wanted[1:]
    assert result[0] == pytest.approx(wanted[0], rel=1e-5)
    for matrix, twin_matrix in zip(found, expected, strict=True):
        np.testing.assert_allclose(matrix, twin_matrix, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("kernel", ["window", "pair"])
@pytest.mark.parametrize("cbow", [False, True])
@pytest.mark.parametrize("shrink", [False, True])
def test_kernel_computes_what_its_twin_does(kernel, cbow, shrink):
    assert_same(*run(kernel, twin.Options(cbow=cbow, shrink=shrink)))


@pytest.mark.parametrize("kernel", ["window", "pair"])
def test_cbow_can_sum_its_contexts(kernel):
    assert_same(*run(kernel, twin.Options(cbow=True, mean=False)))


@pytest.mark.parametrize("negative", [1, 7, 8, 20])
def test_any_number_of_negatives_fits_the_tiles(negative):
    assert_same(*run("window", twin.Options(negative=negative)))


@pytest.mark.parametrize("dim", [1, 16, 100])
def test_any_dimension_fits_the_rows_and_padding_stays_zero(dim):
    result, wanted, found, expected = run("window", twin.Options(), dim=dim)
    assert_same(result, wanted, found, expected)
    assert not found[0][:, dim:].any()
    assert not found[1][:, dim:].any()


@pytest.mark.parametrize("window", [1, 8, 40])
def test_any_window_fits_the_ring(window):
    assert_same(*run("window", twin.Options(window=window), rate=0.01))


@pytest.mark.parametrize("vocabulary", [1, 2, 3])
@pytest.mark.parametrize("kernel", ["window", "pair"])
def test_negatives_that_are_the_word_itself_are_left_out(kernel, vocabulary):
    assert_same(*run(kernel, twin.Options(), vocabulary=vocabulary, lengths=(12, 3), rate=0.01))


@pytest.mark.parametrize("kernel", ["window", "pair"])
def test_fixed_rows_stay_as_they_are(kernel):
    learns = (np.arange(60) % 3 > 0).astype(np.uint8)
    options = twin.Options(cbow=False)
    result, wanted, found, expected = run(kernel, options, learns=learns)
    assert_same(result, wanted, found, expected)
    untouched = run(kernel, options, rate=0.0, slope=0.0)[2][0]
    np.testing.assert_array_equal(found[0][learns == 0], untouched[learns == 0])
    assert (found[0][learns == 1] != untouched[learns == 1]).any()


@pytest.mark.parametrize("kernel", ["window", "pair"])
def test_a_rate_of_zero_measures_and_changes_no_bit(kernel):
    random = np.random.default_rng(3)
    [random.zipf(1.3, length) for length in (50, 1, 0, 2, 30)]
    (loss, terms, _), _, found, expected = run(kernel, twin.Options(), rate=0.0, slope=0.0)
    assert loss > 0
    assert terms > 0
    for matrix, start in zip(found, expected, strict=True):
        np.testing.assert_array_equal(matrix, start.astype(np.float32))


def test_scores_far_from_zero_neither_overflow_nor_lose_the_loss():
    random = np.random.default_rng(0)
    ids = random.integers(0, 9, 400).astype(np.uint32)
    counts = np.bincount(ids, minlength=9)
    plan = Plan(16, 5, 3, False)
    source, target = np.full((9, 16), 10, np.float32), np.full((9, 16), 10, np.float32)  # every score is 1600
    loss, terms, _ = compile_kernel("window", plan)(
        scratch(plan), ids, np.array([0, 400]), 0, 0, 400, keep_thresholds(counts, 0), noise_table(counts, 0.75), np.ones(9, np.uint8),
        source.reshape(-1), target.reshape(-1), (3, True, True), 0.0, 0.0, np.uint64(9),
    )  # fmt: skip
    assert 0.7 * 30 < loss / terms < 0.9 * 30  # held at 30 for each negative, nothing for the word itself
    assert np.isfinite(source).all()


def test_jobs_may_begin_and_end_inside_documents():
    options = twin.Options()
    whole = run("pair", options, lengths=(40, 25))
    assert whole[0][2] == whole[1][2]
    plan = Plan(32, 5, 3, False)
    ids = np.arange(50, dtype=np.uint32) % 7
    counts = np.bincount(ids, minlength=7)
    for first, last, document in ((0, 0, 0), (5, 6, 0), (5, 45, 0), (20, 50, 1)):
        source, target = np.ones((2, 7, 32), np.float32)
        words = compile_kernel("window", plan)(
            scratch(plan), ids, np.array([0, 20, 20, 50]), document, first, last, keep_thresholds(counts, 0), noise_table(counts, 1),
            np.ones(7, np.uint8), source.reshape(-1), target.reshape(-1), (3, True, True), 0.1, 0.0, np.uint64(1),
        )[2]  # fmt: skip
        assert words == last - first
