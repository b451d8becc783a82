import math

import pytest
import torch

from lexloom.training.metrics import Sums, perplexity


def tensor(value):
    return torch.tensor(value, dtype=torch.float32)


def test_sums_are_divided_once():
    sums = Sums()
    sums.add({"loss": (tensor(6.0), 2), "accuracy": (tensor(1.0), 2)})
    sums.add({"loss": (tensor(1.0), 8), "accuracy": (tensor(1.0), 2)})
    assert sums.means() == {"loss": 0.7, "accuracy": 0.5}
    assert (sums.count("loss"), sums.count("other")) == (10, 0)


def test_many_small_losses_are_not_lost_beside_a_large_sum():
    sums = Sums()
    sums.add({"loss": (tensor(2.0**24), 0)})
    for _ in range(100):
        sums.add({"loss": (tensor(1.0), 1)})
    assert sums.means()["loss"] == (2**24 + 100) / 100


def test_nothing_counted_has_no_mean():
    sums = Sums()
    assert sums.means() == {}
    sums.add({"loss": (tensor(0.0), 0)})
    assert math.isnan(sums.means()["loss"])


def test_sums_are_added_up_over_processes():
    sums = Sums()
    sums.add({"loss": (tensor(6.0), 2)})
    assert sums.means(lambda pair: pair + torch.tensor([1.0, 5.0]))["loss"] == 1
    assert sums.count("loss", lambda count: count + 5) == 7


@pytest.mark.parametrize(("loss", "expected"), [(None, None), (0.0, 1.0), (math.log(50), 50), (1e4, math.inf)])
def test_perplexity(loss, expected):
    assert perplexity(loss) == (None if expected is None else pytest.approx(expected))
