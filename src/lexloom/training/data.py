"""What a training goes through: batches of tensors, an epoch after the other."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from lexloom.text.batches import IGNORE, Windows


class Batches(Protocol):
    """The batches of any epoch; which they are depends on its number alone, so that a resumed training sees the same."""

    def __len__(self) -> int:
        """Batches an epoch."""

    def epoch(self, number: int) -> Iterator[Any]:
        """Go through the batches of an epoch, counted from 0: named tuples of tensors and plain values."""


Share = Callable[[int, int], Batches]
"""Gives the batches that one process goes through: (its number, how many processes there are)."""


class Loader:
    """What Lightning iterates over: some batches at a time, so that what it does between two of its steps is done once for all of them.

    Attributes:
        number: the epoch that the next iteration goes through, from 0.
    """

    def __init__(self, batches: Batches, together: int) -> None:
        self._batches, self._together, self.number = batches, together, 0

    def __len__(self) -> int:
        return -(-len(self._batches) // self._together)

    def __iter__(self) -> Iterator[list[Any]]:
        # a generator, so that the number is looked up at the first batch: on a resume Lightning calls iter() before the epoch is known
        batches = self._batches.epoch(self.number)
        while some := list(islice(batches, self._together)):
            yield some

    def batches(self) -> int:
        """Batches an epoch."""
        return len(self._batches)


class WindowBatch(NamedTuple):
    """A window of a language model as tensors.

    Attributes:
        inputs: int64 (B, T).
        targets: int64 (B, T), `IGNORE` where nothing is to be predicted.
        fresh: the state begins anew.
        scored: how many targets there are.
    """

    inputs: Tensor
    targets: Tensor
    fresh: bool
    scored: int


class WindowBatches:
    """Windows as batches of tensors."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows

    def __len__(self) -> int:
        return len(self._windows)

    def epoch(self, number: int) -> Iterator[WindowBatch]:
        """Go through the windows of an epoch, counted from 0."""
        for inputs, targets, fresh in self._windows.epoch(number):
            scored = targets.size - int(np.count_nonzero(targets == IGNORE))
            yield WindowBatch(torch.from_numpy(inputs), torch.from_numpy(targets), fresh, scored)
