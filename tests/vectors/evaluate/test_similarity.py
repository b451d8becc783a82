import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lexloom.errors import UnknownWordError
from lexloom.vectors.evaluate import evaluate_similarity
from lexloom.vectors.evaluate.similarity import spearman_interval
from lexloom.vectors.search import WordPolicy
from lexloom.vectors.table import Vectors


@pytest.fixture
def vectors():
    random = np.random.default_rng(0)
    return Vectors([f"t{row}" for row in range(30)], random.standard_normal((30, 5)).astype(np.float32))


def pairs_file(folder, lines):
    file = folder / "pairs.tsv"
    file.write_text("".join(f"{a}\t{b}\t{score}\n" for a, b, score in lines))
    return file


def sample_pairs(count, seed=1):
    random = np.random.default_rng(seed)
    return [(f"t{a}", f"t{b}", int(score)) for a, b, score in random.integers(30, size=(count, 3))]


def cosine(vectors, a, b):
    a, b = vectors[a].astype(float), vectors[b].astype(float)
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def ranks(values):
    """1 for the smallest; ties share the mean of their ranks."""
    values = np.asarray(values)
    return np.array([(values < value).sum() + ((values == value).sum() + 1) / 2 for value in values])


def test_correlations_are_those_of_numpy(vectors, tmp_path):
    lines = sample_pairs(60)
    result = evaluate_similarity(vectors, pairs_file(tmp_path, lines))
    human, own = [score for *_, score in lines], [cosine(vectors, a, b) for a, b, _ in lines]
    assert result.spearman == pytest.approx(np.corrcoef(ranks(human), ranks(own))[0, 1], abs=1e-12)
    assert result.pearson == pytest.approx(np.corrcoef(human, own)[0, 1], abs=1e-6)
    assert (result.pairs, result.covered, result.scored) == (60, 60, 60)


def test_the_interval_is_that_of_resampled_pairs(vectors, tmp_path):
    lines = sample_pairs(60)
    result = evaluate_similarity(vectors, pairs_file(tmp_path, lines), resamples=4000)
    human, own = np.array([score for *_, score in lines]), np.array([cosine(vectors, a, b) for a, b, _ in lines])
    draws = np.random.default_rng(0).integers(60, size=(1000, 60))
    low, high = np.quantile([np.corrcoef(ranks(human[draw]), ranks(own[draw]))[0, 1] for draw in draws], [0.025, 0.975])
    assert (result.spearman_low, result.spearman_high) == pytest.approx((low, high), abs=0.04)


def test_a_seed_gives_the_same_interval_again(vectors, tmp_path):
    file = pairs_file(tmp_path, sample_pairs(20))
    assert evaluate_similarity(vectors, file, seed=3) == evaluate_similarity(vectors, file, seed=3)
    assert evaluate_similarity(vectors, file, seed=3).spearman_low != evaluate_similarity(vectors, file, seed=4).spearman_low


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 12))
def test_the_interval_is_ordered_and_within_bounds(seed, n):
    random = np.random.default_rng(seed)
    low, high = spearman_interval(random.integers(3, size=n).astype(float), random.standard_normal(n), seed=1, resamples=50)
    assert (math.isnan(low) and math.isnan(high)) or -1 <= low <= high <= 1


def test_skip_leaves_unknown_pairs_out(vectors, tmp_path):
    lines = sample_pairs(20)
    whole = evaluate_similarity(vectors, pairs_file(tmp_path, lines))
    holed = evaluate_similarity(vectors, pairs_file(tmp_path, [("?", "t1", 9), *lines, ("t1", "!", 0)]))
    assert (holed.pairs, holed.covered, holed.scored) == (22, 20, 20)
    assert holed.spearman == whole.spearman


def test_zero_scores_unknown_pairs_with_cosine_zero(vectors, tmp_path):
    lines = [*sample_pairs(20), ("?", "t1", 9)]
    result = evaluate_similarity(vectors, pairs_file(tmp_path, lines), policy=WordPolicy(unknown="zero"))
    own = [0 if a == "?" else cosine(vectors, a, b) for a, b, _ in lines]
    assert (result.covered, result.scored) == (20, 21)
    assert result.spearman == pytest.approx(stats.spearmanr([score for *_, score in lines], own).statistic)


def test_error_raises_on_an_unknown_word(vectors, tmp_path):
    with pytest.raises(UnknownWordError, match=r"'\?'"):
        evaluate_similarity(vectors, pairs_file(tmp_path, [("t1", "?", 1)]), policy=WordPolicy(unknown="error"))


def test_unknown_pairs_are_left_out_unless_told_otherwise(vectors, tmp_path):
    file = pairs_file(tmp_path, [("T1", "t2", 1), ("t3", "?", 2)])
    assert evaluate_similarity(vectors, file, policy=WordPolicy(ignore_case=True)).scored == 1


def test_case_is_folded_on_demand(vectors, tmp_path):
    file = pairs_file(tmp_path, [("T1", "t2", 1), ("t3", "T4", 2)])
    assert evaluate_similarity(vectors, file).covered == 0
    assert evaluate_similarity(vectors, file, policy=WordPolicy(ignore_case=True)).covered == 2


@pytest.mark.parametrize("lines", [[("?", "!", 1)], [("t1", "t2", 1)], [("t1", "t2", 5), ("t3", "t4", 5)]])
def test_no_correlation_is_nan_and_none_in_json(vectors, tmp_path, lines):
    result = evaluate_similarity(vectors, pairs_file(tmp_path, lines))
    assert math.isnan(result.spearman) and math.isnan(result.pearson)
    assert json.loads(json.dumps(result.as_dict(), allow_nan=False))["spearman"] is None


def test_without_resamples_there_is_no_interval(vectors, tmp_path):
    result = evaluate_similarity(vectors, pairs_file(tmp_path, sample_pairs(9)), resamples=0)
    assert math.isnan(result.spearman_low) and not math.isnan(result.spearman)
