"""Batches of ids: windows over the token stream of a language model, and documents of similar length.

A stream of N tokens has N - 1 targets, all tokens but the first; the input of a target is the token before it. Three kinds of windows:

- `SequentialWindows`: each of B rows reads its own part of the stream from left to right; the state is carried from window to window;
- `RandomWindows`: shuffled windows from the whole stream, each with a new state;
- `ScoredWindows`: like the first, but every target is visited, as an evaluation needs.

All batches depend on their arguments and the number of the epoch alone, so that a resumed run sees the same ones.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from lexloom.errors import ConfigError, InputError
from lexloom.options import check_whole

IGNORE = -100
"""The target of positions without a prediction; the default `ignore_index` of torch's losses."""

_ALL = slice(None)
_POOL = 64  # batches whose documents are sorted by length together


class Window(NamedTuple):
    """One batch of B rows of T tokens.

    Attributes:
        inputs: int64 (B, T).
        targets: int64 (B, T), the token after each input; `IGNORE` where there is none, which only `ScoredWindows` has.
        fresh: whether the state starts from zero; otherwise each row continues where it was in the window before.
    """

    inputs: np.ndarray
    targets: np.ndarray
    fresh: bool


class Windows(Protocol):
    """What all three kinds have in common.

    Attributes:
        targets_per_epoch: targets that an epoch visits, each once, over all rows of all processes.
        left_over: targets that it does not visit because they fill no row or no batch.
    """

    targets_per_epoch: int
    left_over: int

    def __len__(self) -> int:
        """Windows per epoch."""

    def epoch(self, number: int) -> Iterator[Window]:
        """Iterate over the windows of an epoch."""


def rows_of(process: int, processes: int, batch_size: int) -> slice:
    """Return the rows of every batch that one of several processes reads.

    Args:
        process: its rank, from 0.
        processes: number of processes.
        batch_size: B, the rows of the whole batch.

    Raises:
        ConfigError: the rows cannot be divided evenly.
    """
    if batch_size % processes:
        nearest = max(1, batch_size // processes) * processes
        raise ConfigError(f"batch_size is {batch_size}: {processes} processes cannot share that evenly; give --batch-size {nearest}")
    share = batch_size // processes
    return slice(process * share, (process + 1) * share)


class SequentialWindows:
    """Each of B rows reads its own part of the stream, with the state carried from window to window.

    Windows have `bptt` tokens; the last of an epoch may be shorter. Without offsets every epoch is the same, and fewer than B targets at
    the end of the stream are left over. With offsets each epoch starts at a random one of the first `bptt` tokens, and at most `bptt` - 1
    more targets are left over.

    Args:
        ids: integers (N,), may be memory-mapped; only windows are copied.
        batch_size: B, the rows of the whole batch.
        bptt: T, tokens per row and window.
        rows: the rows to return, see `rows_of`. Default: all.
        offset_seed: seed of the offsets. Default: no offsets.

    Raises:
        ConfigError: `batch_size` or `bptt` is below 1.
        InputError: the text is too short for one window of `batch_size` times `bptt` targets.
    """

    def __init__(self, ids: np.ndarray, batch_size: int, bptt: int, *, rows: slice = _ALL, offset_seed: int | None = None) -> None:
        _require_window(ids, batch_size, bptt)
        check_whole("offset_seed", offset_seed, 0)
        self._ids, self._bptt, self._seed = np.asarray(ids), bptt, offset_seed
        self._offsets = 1 if offset_seed is None else min(bptt, len(ids) - batch_size * bptt)  # small enough to leave a window
        self._length = (len(ids) - self._offsets) // batch_size  # targets per row
        self._starts = (np.arange(batch_size) * self._length)[rows]
        self.targets_per_epoch = batch_size * self._length
        self.left_over = len(ids) - 1 - self.targets_per_epoch

    def __len__(self) -> int:
        """Windows per epoch."""
        return -(-self._length // self._bptt)

    def epoch(self, number: int) -> Iterator[Window]:
        """Iterate over the windows of an epoch."""
        starts = self._starts
        if self._seed is not None:
            starts = starts + np.random.default_rng([self._seed, number]).integers(self._offsets)
        for window in range(len(self)):
            begin = window * self._bptt
            yield _window(self._ids, starts + begin, min(self._bptt, self._length - begin), fresh=window == 0)


class RandomWindows:
    """Windows of `bptt` tokens from the whole stream, shuffled in each epoch, each with a new state.

    Each epoch cuts the stream into windows that do not overlap, from a random offset, so that windows have other edges in each.
    The offset is below `bptt` and small enough that no batch is lost. Left over are the tokens before the offset, the end that fills no
    window, and randomly chosen windows that fill no batch.

    Args:
        ids: integers (N,), may be memory-mapped; only windows are copied.
        batch_size: B, the rows of the whole batch.
        bptt: T, tokens per row and window.
        seed: of all draws.
        rows: the rows to return, see `rows_of`. Default: all.

    Raises:
        ConfigError: `batch_size` or `bptt` is below 1, or `seed` is below 0.
        InputError: the text is too short for one window of `batch_size` times `bptt` targets.
    """

    def __init__(self, ids: np.ndarray, batch_size: int, bptt: int, seed: int, *, rows: slice = _ALL) -> None:
        _require_window(ids, batch_size, bptt)
        check_whole("seed", seed, 0)
        self._ids, self._batch_size, self._bptt, self._seed, self._rows = np.asarray(ids), batch_size, bptt, seed, rows
        self._windows = (len(ids) - 1) // bptt // batch_size
        self.targets_per_epoch = self._windows * batch_size * bptt
        self.left_over = len(ids) - 1 - self.targets_per_epoch

    def __len__(self) -> int:
        """Windows per epoch."""
        return self._windows

    def epoch(self, number: int) -> Iterator[Window]:
        """Iterate over the windows of an epoch."""
        generator = np.random.default_rng([self._seed, number])
        offset = int(generator.integers(min(self._bptt, self.left_over + 1)))
        order = generator.permutation((len(self._ids) - 1 - offset) // self._bptt)
        for window in range(len(self)):
            places = order[window * self._batch_size : (window + 1) * self._batch_size][self._rows]
            yield _window(self._ids, offset + places * self._bptt, self._bptt, fresh=True)


class ScoredWindows:
    """Every target of the stream once, for evaluation: B rows of ceil((N - 1) / B) targets, the last ones padded.

    The state is carried from window to window. The first tokens of a row lack context, so one row gives the exact score, and more rows a
    faster approximation. Padding has the target `IGNORE` and the input 0 and comes after all targets of its row; the last rows may be
    padding alone.

    Args:
        ids: integers (N,), may be memory-mapped; only windows are copied.
        batch_size: B, the rows of the whole batch.
        bptt: T, tokens per row and window.
        rows: the rows to return, see `rows_of`. Default: all.

    Raises:
        ConfigError: `batch_size` or `bptt` is below 1.
        InputError: the text has fewer than 2 tokens, so that there is nothing to predict.
    """

    left_over = 0

    def __init__(self, ids: np.ndarray, batch_size: int, bptt: int, *, rows: slice = _ALL) -> None:
        check_whole("batch_size", batch_size, 1)
        check_whole("bptt", bptt, 1)
        if len(ids) < 2:
            raise InputError(f"the text has {_tokens(len(ids))}: there is nothing to predict; give one of at least 2 tokens")
        self._ids, self._bptt = np.asarray(ids), bptt
        self.targets_per_epoch = len(ids) - 1
        self._length = -(-self.targets_per_epoch // batch_size)  # targets per row
        self._starts = (np.arange(batch_size) * self._length)[rows]

    def __len__(self) -> int:
        """Windows per epoch."""
        return -(-self._length // self._bptt)

    def epoch(self, number: int = 0) -> Iterator[Window]:
        """Iterate over the windows, the same ones in every epoch."""
        for window in range(len(self)):
            begin = window * self._bptt
            places = self._starts[:, None] + np.arange(begin, min(begin + self._bptt, self._length))  # (B, T), of the inputs
            padding = places >= self.targets_per_epoch
            places[padding] = 0
            inputs, targets = self._ids[places].astype(np.int64), self._ids[places + 1].astype(np.int64)
            inputs[padding], targets[padding] = 0, IGNORE
            yield Window(inputs, targets, fresh=window == 0)


def _window(ids: np.ndarray, starts: np.ndarray, length: int, fresh: bool) -> Window:
    """Cut the window whose rows start at `starts` (B,)."""
    tokens = ids[starts[:, None] + np.arange(length + 1)]
    return Window(tokens[:, :-1].astype(np.int64), tokens[:, 1:].astype(np.int64), fresh)


def _require_window(ids: np.ndarray, batch_size: int, bptt: int) -> None:
    check_whole("batch_size", batch_size, 1)
    check_whole("bptt", bptt, 1)
    if len(ids) - 1 < batch_size * bptt:
        raise InputError(
            f"the text has {_tokens(len(ids))}: too short for one window, which takes batch_size * bptt + 1 = "
            f"{batch_size} * {bptt} + 1 = {batch_size * bptt + 1}; give a longer text, or a smaller --batch-size or --bptt"
        )


def _tokens(number: int) -> str:
    return f"{number} token{'' if number == 1 else 's'}"


class LengthBuckets:
    """Batches of documents of similar length, so that little of a batch is padding, in a new random order each epoch.

    The documents are shuffled, sorted by length in pools of 64 batches, cut into batches, and the batches are shuffled. The result depends
    only on the seed and the number of the epoch.

    Args:
        lengths: int64 (n,), tokens of each document.
        batch_size: the maximum number of documents in a batch.
        batch_tokens: the maximum number of tokens in a batch, padding included; a longer document is a batch of its own.
        seed: of the shuffling.
    """

    def __init__(self, lengths: np.ndarray, batch_size: int, batch_tokens: int, seed: int) -> None:
        check_whole("batch_size", batch_size, 1)
        check_whole("batch_tokens", batch_tokens, 1)
        self._lengths, self._size, self._tokens, self._seed = lengths, batch_size, batch_tokens, seed
        self._drawn: tuple[int, list[np.ndarray]] = (-1, [])

    def epoch(self, number: int) -> list[np.ndarray]:
        """The document numbers of each batch of an epoch, int64 (B,)."""
        if self._drawn[0] != number:
            random = np.random.default_rng([self._seed, number])
            order = random.permutation(len(self._lengths))
            pools = [order[first : first + _POOL * self._size] for first in range(0, len(order), _POOL * self._size)]
            batches = [batch for pool in pools for batch in self.sorted(pool)]
            self._drawn = number, [batches[place] for place in random.permutation(len(batches))]
        return self._drawn[1]

    def sorted(self, numbers: np.ndarray) -> list[np.ndarray]:
        """Cut documents into batches by length, the shortest first."""
        ordered = numbers[np.argsort(self._lengths[numbers], kind="stable")]
        lengths = np.maximum(1, self._lengths[ordered])
        batches, first = [], 0
        while first < len(ordered):
            last = min(first + self._size, len(ordered))
            fits = lengths[first:last] * np.arange(1, last - first + 1) <= self._tokens  # the last one is the longest
            last = first + max(1, int(np.argmin(fits)) if not fits.all() else len(fits))
            batches.append(ordered[first:last])
            first = last
        return batches
