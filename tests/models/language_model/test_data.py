"""The windows of a stream as batches of tensors, and how processes share them."""

import numpy as np
import pytest
import torch

from lexloom.models.language_model.data import WindowBatches
from lexloom.models.language_model.options import WindowConfig
from lexloom.text.batches import IGNORE

STREAM = np.arange(200, dtype=np.uint32)  # every token once, so that an input says where its window begins
WAYS = [{}, {"random_offset": False}, {"windows": "random"}]


def batches(*, scored=False, seed=1, **config):
    return WindowBatches(STREAM, WindowConfig(**{"batch_size": 4, "bptt": 8, **config}), seed, scored=scored)


def first_inputs(found, epochs):
    return [int(next(iter(found.epoch(number))).inputs[0, 0]) for number in range(epochs)]


@pytest.mark.parametrize("config", WAYS, ids=str)
def test_a_target_follows_its_input(config):
    found = batches(**config)
    every = list(found.epoch(0))
    assert len(every) == len(found)
    for batch in every:
        assert (batch.inputs.dtype, batch.targets.dtype) == (torch.int64, torch.int64)
        assert torch.equal(batch.targets, batch.inputs + 1)
        assert batch.scored == batch.targets.numel()


def test_each_epoch_begins_at_a_random_offset_below_bptt():
    offsets = first_inputs(batches(), 200)
    assert set(offsets) == set(range(8))
    assert offsets == first_inputs(batches(), 200) != first_inputs(batches(seed=2), 200)


def test_without_a_random_offset_all_epochs_begin_with_the_first_token():
    assert set(first_inputs(batches(random_offset=False), 20)) == {0}


@pytest.mark.parametrize(("config", "fresh"), [({}, 1), ({"windows": "random"}, 6)], ids=str)
def test_the_state_is_carried_between_sequential_windows_alone(config, fresh):
    assert sum(batch.fresh for batch in batches(**config).epoch(3)) == fresh


@pytest.mark.parametrize("config", WAYS, ids=str)
def test_processes_share_the_rows_of_each_batch(config):
    whole = batches(**config)
    shards = [whole.shard(process, 2) for process in range(2)]
    for number in (0, 3):
        for batch, *parts in zip(whole.epoch(number), *(shard.epoch(number) for shard in shards), strict=True):
            assert torch.equal(torch.cat([part.inputs for part in parts]), batch.inputs)
            assert sum(part.scored for part in parts) == batch.scored


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_processes_together_score_each_target_once(processes):
    whole = batches(scored=True)
    every = [batch for process in range(processes) for batch in whole.shard(process, processes).epoch(0)]
    targets = torch.cat([batch.targets.flatten() for batch in every])
    assert sorted(targets[targets != IGNORE].tolist()) == list(range(1, 200))
    assert sum(batch.scored for batch in every) == 199
