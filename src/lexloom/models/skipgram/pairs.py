"""The batches of skip-gram: centre words with their contexts and negatives."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from lexloom.errors import InputError
from lexloom.vectors.config import VectorConfig
from lexloom.vectors.sampling import keep_thresholds, noise_table

_TRIES = 16  # draws of a negative before it is given up: the contexts may be the whole vocabulary


class PairBatch(NamedTuple):
    """Centre words with contexts and negatives; arrays, which the DataLoader turns into tensors.

    Attributes:
        centres: int64 (B, 1).
        contexts: int64 (B, C): in each row the contexts, then the negatives, then zeros.
        labels: float32 (B, C), 1 for contexts.
        keep: bool (B, C), False for padding and for negatives that could not be drawn.
    """

    centres: np.ndarray | Tensor
    contexts: np.ndarray | Tensor
    labels: np.ndarray | Tensor
    keep: np.ndarray | Tensor


class Spans(NamedTuple):
    """The contexts of n centre words: the words from `low` to `high` (exclusive), except that at `centre`; int64 (n,)."""

    centre: np.ndarray
    low: np.ndarray
    high: np.ndarray


class PairBatches:
    """Every word that subsampling keeps is a centre once per epoch, in batches of random order.

    Centres with the same number of contexts share a batch, which keeps padding low. The draws of an epoch depend on the seed and its number
    alone. Its windows are held in memory, at some 50 bytes per word.
    """

    def __init__(self, ids: np.ndarray, starts: np.ndarray, counts: np.ndarray, config: VectorConfig, batch_size: int, seed: int) -> None:
        """Prepare to draw.

        Args:
            ids: uint32 (N,), all tokens.
            starts: int64 (documents + 1,); windows do not cross documents.
            counts: int64 (V,), zero for ids that are not trained, which drop out of the text before windows are formed.
            config: windows, negatives and frequencies.
            batch_size: B, about: epochs subsample different words, but all have the number of batches of the first.
            seed: of all draws.
        """
        self._ids, self._starts, self._config, self._seed = np.asarray(ids), np.asarray(starts), config, seed
        self._thresholds = keep_thresholds(counts, config.sample)
        self._noise = noise_table(counts, config.ns_exponent)
        _, windows = self._windows(np.random.default_rng([seed, 0]))
        self._batches = max(1, -(-len(windows.centre) // batch_size))

    def __len__(self) -> int:
        """Batches per epoch."""
        return self._batches

    def epoch(self, number: int) -> Iterator[PairBatch]:
        """Iterate over an epoch, counted from 0, as tensors.

        Raises:
            InputError: subsampling left no two words side by side.
        """
        return iter(DataLoader(_Epoch(self, number), batch_size=None))

    def shard(self, process: int, processes: int) -> "PairBatches":
        """Return all batches: there is one process."""
        return self

    def draw(self, number: int) -> Iterator[PairBatch]:
        """Iterate over an epoch as arrays."""
        random = np.random.default_rng([self._seed, number])
        words, windows = self._windows(random)
        if not len(windows.centre):
            raise InputError(
                f"epoch {number + 1} has no two words side by side in {len(self._ids)} tokens; give more text, a lower min_count, "
                "or sample 0, which keeps all words"
            )
        order = random.permutation(len(windows.centre))
        order = order[np.argsort((windows.high - windows.low)[order], kind="stable")]
        batches = np.array_split(order, len(self))
        for chosen in random.permutation(len(self)):
            yield self._batch(words, Spans(*(part[batches[chosen]] for part in windows)), random)

    def _windows(self, random: np.random.Generator) -> tuple[np.ndarray, Spans]:
        """Subsample the text and draw a window around each remaining word.

        Returns:
            The remaining words, int64 (n,), and a window for each that is not alone in its document.
        """
        kept = np.flatnonzero(random.integers(1 << 32, size=len(self._ids), dtype=np.uint32) < self._thresholds[self._ids])
        words = self._ids[kept].astype(np.int64)
        starts = np.searchsorted(kept, self._starts)  # of the remaining documents
        lengths = np.diff(starts)
        centre = np.arange(len(words))
        most = self._config.window
        reach = random.integers(1, most, size=len(words), endpoint=True) if self._config.shrink_windows else np.full(len(words), most)
        low = np.maximum(centre - reach, np.repeat(starts[:-1], lengths))
        high = np.minimum(centre + reach + 1, np.repeat(starts[1:], lengths))
        some = high - low > 1
        return words, Spans(centre[some], low[some], high[some])

    def _batch(self, words: np.ndarray, windows: Spans, random: np.random.Generator) -> PairBatch:
        """Write windows as rows: the contexts, the negatives, the padding."""
        centre, low, high = (part[:, None] for part in windows)  # (B, 1)
        contexts, times = high - low - 1, 1 + self._config.negative
        longest = contexts.max(initial=0)
        column = np.arange(times * longest)  # (C,)
        is_context, keep = column < contexts, column < times * contexts  # (B, C)

        rows = self._negatives(keep.shape, random)
        at = low + column[:longest]
        at += at >= centre  # skips the centre itself
        around = words[np.minimum(at, len(words) - 1)]  # (B, longest)
        around[~is_context[:, :longest]] = -1
        rows[is_context] = around[around >= 0]
        self._reject(rows, keep, around, random)
        rows[~keep] = 0
        return PairBatch(words[centre], rows, is_context.astype(np.float32), keep)

    def _negatives(self, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
        """Draw words in proportion to count ** ns_exponent, int64."""
        column = random.integers(len(self._noise), size=shape)
        entry = self._noise[column]
        own = random.integers(1 << 32, size=shape, dtype=np.uint32) < entry >> np.uint64(32)
        return np.where(own, column, (entry & np.uint64(0xFFFFFFFF)).astype(np.int64))

    def _reject(self, rows: np.ndarray, keep: np.ndarray, around: np.ndarray, random: np.random.Generator) -> None:
        """Redraw, in place, negatives that are contexts of their centre; give up after some tries.

        Args:
            rows: int64 (B, C).
            keep: bool (B, C), set to False for negatives that are given up.
            around: int64 (B, longest), the contexts, padded with -1.
            random: the generator.
        """
        clash = keep.copy()
        clash[:, : around.shape[1]] &= around < 0  # contexts are not redrawn
        clash &= (rows[:, :, None] == around[:, None, :]).any(axis=2)
        row, column = np.nonzero(clash)
        for _ in range(_TRIES):
            drawn = self._negatives(row.shape, random)
            rows[row, column] = drawn
            again = (drawn[:, None] == around[row]).any(axis=1)
            row, column = row[again], column[again]
        keep[row, column] = False


class _Epoch(IterableDataset[PairBatch]):
    """The whole batches of an epoch, for a DataLoader."""

    def __init__(self, batches: PairBatches, number: int) -> None:
        self._batches, self._number = batches, number

    def __iter__(self) -> Iterator[PairBatch]:
        return self._batches.draw(self._number)
