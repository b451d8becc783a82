"""What a training goes through: batches of tensors, an epoch after the other."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from lexloom.models.label_set import Targets
from lexloom.text.batches import IGNORE, Windows
from lexloom.text.documents import Documents, LengthBuckets

_MULTIPLE = 4  # of which the length of rows is one: oneDNN builds a program for each shape that it meets


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


class DocumentBatch(NamedTuple):
    """Documents of a classifier as tensors.

    Attributes:
        ids: int64 (B, T).
        keep: bool (B, T), True for the tokens of a document.
        targets: int64 (B,), or float32 (B, C) where a document may have several labels.
    """

    ids: Tensor
    keep: Tensor
    targets: Tensor


class DocumentBatches:
    """Documents with their labels as batches of tensors, each epoch in another order unless told otherwise.

    Args:
        documents: n of them.
        targets: their labels.
        labels: C, how many there are.
        buckets: which documents are together.
        longest: tokens of a document at most; all unless given.
        shuffled: False for the same order each time, by length.
        share: which of every so many batches to go through, (first, step); all unless given.
    """

    def __init__(
        self,
        documents: Documents,
        targets: Targets,
        labels: int,
        buckets: LengthBuckets,
        *,
        longest: int | None = None,
        shuffled: bool = True,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self._documents, self._targets, self._labels, self._buckets = documents, targets, labels, buckets
        self._longest, self._shuffled, self._share = longest, shuffled, share

    def __len__(self) -> int:
        return len(self._numbers(0))

    def _numbers(self, epoch: int) -> list[np.ndarray]:
        first, step = self._share
        batches = self._buckets.epoch(epoch if self._shuffled else 0)
        whole = len(batches) // step * step if self._shuffled else len(batches)  # in training all processes take as many steps
        return batches[first:whole:step]

    def epoch(self, number: int) -> Iterator[DocumentBatch]:
        """Go through the batches of an epoch, counted from 0."""
        for chosen in self._numbers(number):
            ids, lengths = self._documents.rows(chosen, self._longest, _MULTIPLE)
            keep = np.arange(ids.shape[1]) < lengths[:, None]
            targets = (
                self._targets.matrix(self._labels, chosen).astype(np.float32) if self._targets.several else self._targets.single[chosen]
            )
            yield DocumentBatch(torch.from_numpy(ids), torch.from_numpy(keep), torch.from_numpy(targets))
