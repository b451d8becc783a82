"""The batches of an epoch, and how several processes share them."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from lexloom.errors import ConfigError
from lexloom.options import check_whole
from lexloom.text.batches import LengthBuckets


class Batches(Protocol):
    """The batches of any epoch. They depend on its number alone, so that a resumed run sees the same ones."""

    def __len__(self) -> int:
        """Batches per epoch; a single epoch may have a few more or less."""

    def epoch(self, number: int) -> Iterator[Any]:
        """Iterate over the batches of an epoch, counted from 0: named tuples of tensors and plain values."""

    def shard(self, process: int, processes: int) -> Self:
        """Return the shard of one of several processes. In training all shards have the same number of batches."""


class TensorBatches:
    """Tensors with a row per example, in shuffled batches.

    Args:
        tensors: (n, ...) each, with the same n.
        size: rows per batch; the last batch of an epoch may have fewer.
        seed: for training: another order in each epoch, and the same number of rows in each process. Otherwise the order of the tensors.

    Raises:
        ConfigError: there is no tensor, their numbers of rows differ, or `size` is below 1.
    """

    def __init__(self, *tensors: Tensor, size: int, seed: int | None = None) -> None:
        if len({len(tensor) for tensor in tensors}) != 1:
            raise ConfigError(f"tensors have {', '.join(str(len(tensor)) for tensor in tensors) or 'no'} rows: expected the same number")
        check_whole("size", size, 1)
        self._tensors, self._size, self._seed = tensors, size, seed
        self._process, self._processes = 0, 1

    def __len__(self) -> int:
        return -(-(len(self._tensors[0]) // self._processes) // self._size)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, ...]]:
        """Iterate over the batches of an epoch, counted from 0: a tuple with some rows of each tensor."""
        rows = torch.arange(len(self._tensors[0]))
        if self._seed is not None:
            rows = torch.from_numpy(np.random.default_rng([self._seed, number]).permutation(len(rows)))
            rows = rows[: len(rows) // self._processes * self._processes]
        rows = rows[self._process :: self._processes]
        for chosen in torch.split(rows, self._size) if len(rows) else ():
            yield tuple(tensor[chosen] for tensor in self._tensors)

    def shard(self, process: int, processes: int) -> "TensorBatches":
        """Return every n-th row for one of n processes."""
        shard = TensorBatches(*self._tensors, size=self._size, seed=self._seed)
        shard._process, shard._processes = process, processes
        return shard


class BucketBatches:
    """Sequences in batches of similar length.

    Args:
        buckets: which sequences share a batch.
        make: returns the batch of some sequences, int64 (B,).
        shuffled: for training: another order each epoch, and the same number of batches in each process. Otherwise the order of epoch 0.
    """

    def __init__(self, buckets: LengthBuckets, make: Callable[[np.ndarray], Any], *, shuffled: bool) -> None:
        self._buckets, self._make, self._shuffled = buckets, make, shuffled
        self._process, self._processes = 0, 1

    def __len__(self) -> int:
        return len(self._chosen(0))

    def _chosen(self, epoch: int) -> list[np.ndarray]:
        batches = self._buckets.epoch(epoch if self._shuffled else 0)
        end = len(batches) // self._processes * self._processes if self._shuffled else len(batches)
        return batches[self._process : end : self._processes]

    def epoch(self, number: int) -> Iterator[Any]:
        """Iterate over the batches of an epoch, counted from 0."""
        return map(self._make, self._chosen(number))

    def shard(self, process: int, processes: int) -> "BucketBatches":
        """Return every n-th batch for one of n processes.

        Raises:
            ConfigError: there are fewer batches to train on than processes.
        """
        if self._shuffled and len(self) < processes:
            raise ConfigError(f"an epoch has {len(self)} batches: too few for {processes} processes; give a lower --batch-size")
        shard = BucketBatches(self._buckets, self._make, shuffled=self._shuffled)
        shard._process, shard._processes = process, processes
        return shard
