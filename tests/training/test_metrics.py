import math

import pytest
import torch

from lexloom.training.metrics import Sums, means_of, perplexity


def tensor(value):
    return torch.tensor(value, dtype=torch.float32)


def means(sums, reduce=lambda tensor: tensor, names=None):
    return means_of(sums.totals(sums.names if names is None else names, reduce))


def test_sums_are_divided_once():
    sums = Sums()
    sums.add({"loss": (tensor(6.0), 2), "accuracy": (tensor(1.0), 2)})
    sums.add({"loss": (tensor(1.0), 8), "accuracy": (tensor(1.0), 2)})
    assert means(sums) == {"loss": 0.7, "accuracy": 0.5}
    assert sums.totals(["loss"]) == {"loss": (7.0, 10)}


def test_many_small_losses_are_not_lost_beside_a_large_sum():
    sums = Sums()
    sums.add({"loss": (tensor(2.0**24), 0)})
    for _ in range(100):
        sums.add({"loss": (tensor(1.0), 1)})
    assert means(sums)["loss"] == (2**24 + 100) / 100


def test_nothing_counted_has_no_mean():
    sums = Sums()
    assert means(sums) == {}
    sums.add({"loss": (tensor(0.0), 0)})
    assert math.isnan(means(sums)["loss"])


def test_a_process_without_batches_takes_part_in_the_one_sum_over_processes():
    """A process with fewer collectives than the others would wait for ever."""
    others, calls = torch.tensor([[6.0, 1.0], [2.0, 4.0]]), []

    def reduce(pair):
        calls.append(pair.tolist())
        return pair + others

    assert means(Sums(), reduce, ["loss", "accuracy"]) == {"loss": 3.0, "accuracy": 0.25}
    assert calls == [[[0.0, 0.0], [0.0, 0.0]]]


def test_sums_go_through_a_checkpoint():
    sums, restored = Sums(), Sums()
    sums.add({"loss": (tensor(6.0), 2)})
    restored.load_state_dict(sums.state_dict())
    restored.add({"loss": (tensor(1.0), 5)})
    assert means(restored) == {"loss": 1.0}
    assert means(sums) == {"loss": 3.0}


@pytest.mark.parametrize(("loss", "expected"), [(None, None), (0.0, 1.0), (math.log(50), 50), (1e4, math.inf)])
def test_perplexity(loss, expected):
    assert perplexity(loss) == (None if expected is None else pytest.approx(expected))
