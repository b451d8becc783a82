"""The noise distribution at the edges of what a user may ask for; the draws themselves are tested with the kernels."""

import numpy as np
import pytest

from lexloom.vectors.sampling import noise_table


def probabilities(table: np.ndarray) -> np.ndarray:
    """The chance of each word, by adding up what each column of an alias table gives away."""
    threshold, alias = (table >> np.uint64(32)).astype(float) / 2.0**32, (table & np.uint64(0xFFFFFFFF)).astype(int)
    found = threshold.copy()
    np.add.at(found, alias, 1 - threshold)
    return found / len(table)


@pytest.mark.parametrize("exponent", [-1.0, 0.0, 0.75, 3.0])
def test_words_are_drawn_in_proportion_to_a_power_of_their_count(exponent):
    counts = np.array([0, 1, 5, 20, 100])
    expected = np.concatenate([[0], counts[1:] ** exponent])
    np.testing.assert_allclose(probabilities(noise_table(counts, exponent)), expected / expected.sum(), atol=1e-8)


@pytest.mark.parametrize(("exponent", "winner"), [(3000.0, 3), (-3000.0, 1)])
def test_an_extreme_exponent_draws_one_word(exponent, winner):
    expected = np.zeros(4)
    expected[winner] = 1
    np.testing.assert_allclose(probabilities(noise_table(np.array([0, 1, 50, 900]), exponent)), expected, atol=1e-8)
