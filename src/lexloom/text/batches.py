"""Windows of a language model: one stream of ids, cut into batches in which every target stands beside what comes before it.

A stream of N tokens has N - 1 targets, all tokens but the first; the input of a target is the token before it. Three readings of it:

- `SequentialWindows`: B rows, each reads its own stretch of the stream from left to right; the state is carried from window to window;
- `RandomWindows`: windows from all over the stream, shuffled, each with a fresh state;
- `ScoredWindows`: like the first, but with nothing left over: what an evaluation needs.

All are functions of their arguments, the number of the epoch and the number of the window alone, so that a training that was broken off
goes on at any window without a saved state.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from lexloom.errors import ConfigError, InputError
from lexloom.options import check_whole

IGNORE = -100
"""The target where there is none to predict; the `ignore_index` that torch's losses have by default."""

_ALL = slice(None)


class Window(NamedTuple):
    """One batch of B rows of T tokens.

    Attributes:
        inputs: int64 (B, T).
        targets: int64 (B, T), the token after each input; `IGNORE` where there is none, which only `ScoredWindows` has.
        fresh: whether the state begins anew with this window; otherwise each row goes on where it was in the window before.
    """

    inputs: np.ndarray
    targets: np.ndarray
    fresh: bool


class Windows(Protocol):
    """What all three readings have.

    Attributes:
        targets_per_epoch: targets that one epoch visits, each once, in all rows of all processes together.
        left_over: targets that it does not visit, because they fill no row or no batch.
    """

    targets_per_epoch: int
    left_over: int

    def __len__(self) -> int:
        """Windows an epoch."""

    def epoch(self, number: int, first: int = 0) -> Iterator[Window]:
        """Go through the windows of an epoch, from window `first` on; where that is not the first, the state must be that before it."""


def rows_of(process: int, processes: int, batch_size: int) -> slice:
    """Choose the rows of every batch that one of several processes reads.

    Args:
        process: its number, from 0.
        processes: how many share a batch.
        batch_size: B, the rows of the whole batch.

    Raises:
        ConfigError: the rows cannot be shared out evenly.
    """
    if batch_size % processes:
        nearest = max(1, batch_size // processes) * processes
        raise ConfigError(f"batch_size is {batch_size}: {processes} processes cannot share that evenly; give --batch-size {nearest}")
    share = batch_size // processes
    return slice(process * share, (process + 1) * share)


class SequentialWindows:
    """B rows that read one stretch of the stream each, with the state carried from window to window.

    Windows have `bptt` tokens, the last of an epoch may be shorter. Every epoch is the same, and left over is the end of the stream, fewer
    targets than there are rows. Or every epoch begins at an offset of its own, drawn below `bptt`, and up to `bptt` - 1 more are left over.

    Args:
        ids: integers (N,), perhaps memory-mapped; only windows are ever copied.
        batch_size: B, the rows of the whole batch.
        bptt: T, tokens of a row in a window, through which the gradient flows back.
        rows: which rows to hand out, see `rows_of`; all unless given.
        offset_seed: where the draws of the offsets begin; there are none unless given.

    Raises:
        ConfigError: `batch_size` or `bptt` is below 1.
        InputError: the text is too short for one window of `batch_size` times `bptt` targets.
    """

    def __init__(self, ids: np.ndarray, batch_size: int, bptt: int, *, rows: slice = _ALL, offset_seed: int | None = None) -> None:
        _require_window(ids, batch_size, bptt)
        check_whole("offset_seed", offset_seed, 0)
        self._ids, self._bptt, self._seed = np.asarray(ids), bptt, offset_seed
        self._offsets = 1 if offset_seed is None else min(bptt, len(ids) - batch_size * bptt)  # so many that a window is left
        self._length = (len(ids) - self._offsets) // batch_size  # targets of a row
        self._starts = (np.arange(batch_size) * self._length)[rows]
        self.targets_per_epoch = batch_size * self._length
        self.left_over = len(ids) - 1 - self.targets_per_epoch

    def __len__(self) -> int:
        """Windows an epoch."""
        return -(-self._length // self._bptt)

    def epoch(self, number: int, first: int = 0) -> Iterator[Window]:
        """Go through the windows of an epoch, from window `first` on; where that is not 0, the state must be that before it."""
        starts = self._starts
        if self._seed is not None:
            starts = starts + np.random.default_rng([self._seed, number]).integers(self._offsets)
        for window in range(first, len(self)):
            begin = window * self._bptt
            yield _window(self._ids, starts + begin, min(self._bptt, self._length - begin), fresh=window == 0)


class RandomWindows:
    """Windows of `bptt` tokens from all over the stream, in an order that each epoch draws anew, every one with a fresh state.

    Each epoch cuts the stream into windows that do not overlap, from an offset that is drawn too, so that a window's edges do not always
    fall on the same tokens. The offset is below `bptt` and never so large that a batch is lost: the number of batches is always that of
    offset 0. What an epoch leaves over is the stretch before the offset, the end that fills no window, and the windows, chosen by lot,
    that fill no batch.

    Args:
        ids: integers (N,), perhaps memory-mapped; only windows are ever copied.
        batch_size: B, the rows of the whole batch.
        bptt: T, tokens of a row in a window.
        seed: where the draws begin; with the number of the epoch it says all about an epoch.
        rows: which rows to hand out, see `rows_of`; all unless given.

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
        """Windows an epoch."""
        return self._windows

    def epoch(self, number: int, first: int = 0) -> Iterator[Window]:
        """Go through the windows of an epoch, from window `first` on."""
        generator = np.random.default_rng([self._seed, number])
        offset = int(generator.integers(min(self._bptt, self.left_over + 1)))
        order = generator.permutation((len(self._ids) - 1 - offset) // self._bptt)
        for window in range(first, len(self)):
            places = order[window * self._batch_size : (window + 1) * self._batch_size][self._rows]
            yield _window(self._ids, offset + places * self._bptt, self._bptt, fresh=True)


class ScoredWindows:
    """Every target of the stream once, for an evaluation: B rows of ceil((N - 1) / B) targets, the last ones padded.

    The state is carried from window to window. The first tokens of a row lack what comes before them, so a batch of one is the exact
    reading, and more rows are a faster one that comes close to it. Padding has the target `IGNORE` and the input 0, and stands only
    after all that its row has to say; rows at the end may be padding alone.

    Args:
        ids: integers (N,), perhaps memory-mapped; only windows are ever copied.
        batch_size: B, the rows of the whole batch.
        bptt: T, tokens of a row in a window.
        rows: which rows to hand out, see `rows_of`; all unless given.

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
        self._length = -(-self.targets_per_epoch // batch_size)  # targets of a row
        self._starts = (np.arange(batch_size) * self._length)[rows]

    def __len__(self) -> int:
        """Windows an epoch."""
        return -(-self._length // self._bptt)

    def epoch(self, number: int = 0, first: int = 0) -> Iterator[Window]:
        """Go through the windows, from window `first` on; where that is not 0, the state must be that before it."""
        for window in range(first, len(self)):
            begin = window * self._bptt
            places = self._starts[:, None] + np.arange(begin, min(begin + self._bptt, self._length))  # (B, T), of the inputs
            padding = places >= self.targets_per_epoch
            places[padding] = 0
            inputs, targets = self._ids[places].astype(np.int64), self._ids[places + 1].astype(np.int64)
            inputs[padding], targets[padding] = 0, IGNORE
            yield Window(inputs, targets, fresh=window == 0)


def _window(ids: np.ndarray, starts: np.ndarray, length: int, fresh: bool) -> Window:
    """The window whose rows have their first inputs at `starts` (B,)."""
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
