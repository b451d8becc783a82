from itertools import chain

import numpy as np
import pytest
import torch
from torch import Tensor

from lexloom.errors import ConfigError
from lexloom.text.batches import LengthBuckets
from lexloom.training.batches import BucketBatches, TensorBatches

ROWS = torch.arange(11)


def rows(batches, epoch):
    return [batch[0].tolist() for batch in batches.epoch(epoch)]


def test_without_a_seed_the_rows_keep_their_order():
    assert rows(TensorBatches(ROWS, size=4), 0) == rows(TensorBatches(ROWS, size=4), 5) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]


def test_each_epoch_has_every_row_once_in_an_order_of_its_own():
    batches = TensorBatches(ROWS, size=4, seed=1)
    first, second = rows(batches, 0), rows(batches, 1)
    assert first != second
    assert sorted(chain.from_iterable(first)) == sorted(chain.from_iterable(second)) == ROWS.tolist()
    assert rows(TensorBatches(ROWS, size=4, seed=1), 1) == second
    assert len(batches) == len(first) == 3


def test_rows_of_several_tensors_stay_together():
    for first, second in TensorBatches(ROWS, 10 * ROWS, size=4, seed=1).epoch(3):
        assert torch.equal(10 * first, second)


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_the_rows_and_have_as_many_batches(processes):
    shards = [TensorBatches(ROWS, size=2, seed=1).shard(process, processes) for process in range(processes)]
    found = [rows(shard, 4) for shard in shards]
    assert len({len(batches) for batches in found}) == 1 and len(found[0]) == len(shards[0])
    everything = [row for batches in found for batch in batches for row in batch]
    assert len(set(everything)) == len(everything) == 11 // processes * processes


@pytest.mark.parametrize("processes", [2, 3, 20])
def test_processes_validate_every_row(processes):
    shards = [TensorBatches(ROWS, size=2).shard(process, processes) for process in range(processes)]
    assert sorted(row for shard in shards for batch in rows(shard, 0) for row in batch) == ROWS.tolist()


@pytest.mark.parametrize("tensors", [(), (ROWS, ROWS[:5])])
def test_tensors_of_different_lengths_are_refused(tensors):
    with pytest.raises(ConfigError, match="expected the same number"):
        TensorBatches(*tensors, size=2)


# ---- buckets ----------------------------------------------------------------------------------------------------------------------

LENGTHS = np.random.default_rng(3).integers(1, 60, 2000)


def bucketed(*, shuffled: bool = True, batch_tokens: int = 150) -> BucketBatches:
    """Batches of numbers of documents, so short of tokens that epochs have different numbers of batches."""

    def make(chosen: np.ndarray) -> Tensor:
        return torch.from_numpy(chosen)

    return BucketBatches(LengthBuckets(LENGTHS, 8, batch_tokens, 1), make, shuffled=shuffled)


def documents(epoch: list[Tensor]) -> list[int]:
    return sorted(int(number) for batch in epoch for number in batch)


def test_every_document_is_in_every_epoch_though_their_numbers_of_batches_differ():
    epochs = [list(bucketed().epoch(number)) for number in range(20)]
    assert len({len(epoch) for epoch in epochs}) > 1
    assert all(documents(epoch) == list(range(2000)) for epoch in epochs)


def test_an_epoch_depends_on_its_number_alone():
    first, again = bucketed(), bucketed()
    list(first.epoch(7))
    for number in (3, 4):
        assert all(torch.equal(*pair) for pair in zip(first.epoch(number), again.epoch(number), strict=True))
    assert not torch.equal(next(iter(first.epoch(3))), next(iter(first.epoch(4))))


def test_validation_has_the_same_batches_in_every_epoch():
    valid = bucketed(shuffled=False)
    assert all(torch.equal(*pair) for pair in zip(valid.epoch(0), valid.epoch(5), strict=True))


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_train_on_as_many_batches_each_and_share_no_document(processes):
    for number in range(5):
        shards = [list(bucketed().shard(process, processes).epoch(number)) for process in range(processes)]
        assert len({len(shard) for shard in shards}) == 1
        found = documents(list(chain(*shards)))
        assert len(set(found)) == len(found)
        whole = len(list(bucketed().epoch(number)))
        assert sum(map(len, shards)) == whole // processes * processes


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_validate_every_document_once(processes):
    shards = [list(bucketed(shuffled=False).shard(process, processes).epoch(0)) for process in range(processes)]
    assert documents(list(chain(*shards))) == list(range(2000))


def test_fewer_batches_than_processes_are_refused():
    with pytest.raises(ConfigError, match="too few for 5000 processes; give a lower --batch-size"):
        bucketed().shard(0, 5000)
