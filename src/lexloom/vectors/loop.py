"""The training loop of the vectors: epochs of jobs, done by threads without the GIL.

An epoch is cut into jobs at fixed token positions. A job's random numbers start from (seed, epoch, job) and its learning rate follows
from its position, so what a job does depends on the state of the matrices alone, not on who runs it or when. One thread takes the
jobs in order and is exactly reproducible, also across a resume; several take the next one each, and their updates race (Hogwild).
"""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lexloom.errors import ConfigError, InputError
from lexloom.vectors.checkpoint import Progress
from lexloom.vectors.config import VectorConfig
from lexloom.vectors.kernels import Plan, Scratch, compile_kernel, padded, scratch
from lexloom.vectors.sampling import keep_thresholds, noise_table, stream_seed
from lexloom.vectors.threads import run_threads

JOB = 1 << 16  # raw tokens: some 20 ms of work, long against the cost of a call, short against a pause for a checkpoint
SEGMENT = 1000  # tokens held out in one piece

Tick = Callable[[Progress, float], None]


@dataclass(frozen=True)
class Text:
    """Encoded text and the pieces of it to work through: ids uint32 (N,), starts int64 (docs + 1,), jobs as (first, last) positions."""

    ids: np.ndarray
    starts: np.ndarray
    jobs: list[tuple[int, int]]

    @property
    def tokens(self) -> int:
        """Raw tokens in all jobs."""
        return sum(last - first for first, last in self.jobs)


def cut(first: int, last: int) -> list[tuple[int, int]]:
    """Cut a range of token positions into jobs."""
    return [(begin, min(begin + JOB, last)) for begin in range(first, last, JOB)]


def hold_out(num_tokens: int, fraction: float, seed: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Jobs that train and jobs that are held out: about `fraction` of the tokens, in segments spread evenly over the text.

    The text is divided into equal periods; in each, one segment at a random place is held out.
    """
    segment = max(1, min(SEGMENT, int(num_tokens * fraction)))
    periods = max(1, round(num_tokens * fraction / segment))
    random = np.random.default_rng(seed)
    trained: list[tuple[int, int]] = []
    held: list[tuple[int, int]] = []
    done = 0
    for number in range(periods):
        begin, end = num_tokens * number // periods, num_tokens * (number + 1) // periods
        first = begin + int(random.integers(0, max(1, end - begin - segment + 1)))
        trained += cut(done, first)
        held.append((first, min(end, first + segment)))
        done = held[-1][1]
    return trained + cut(done, num_tokens), held


class Loop:
    """Two matrices, a text, and the threads that train the one on the other."""

    def __init__(
        self, config: VectorConfig, counts: np.ndarray, text: Text, source: np.ndarray, target: np.ndarray, learns: np.ndarray
    ) -> None:
        """Prepare a training; compiles the kernel where it is not cached.

        Args:
            config: with its defaults filled in (`resolved`).
            counts: int64 (V,), zero for ids that are never trained.
            text: what to train on.
            source: input matrix, float32 (>= V, padded dim), trained in place.
            target: output matrix, likewise.
            learns: uint8 (V,), 0 where the input row is held fixed.
        """
        self.config, self.text, self.source, self.target = config, text, source, target
        self.plan = Plan(source.shape[1], config.negative, config.window, config.model == "cbow")
        assert source.shape[1] == padded(config.dim)
        self._keep = keep_thresholds(counts, config.sample)
        self._noise = noise_table(counts, config.ns_exponent)
        self._learns = learns
        self._kernel = compile_kernel(config.kernel, self.plan)
        lengths = np.array([last - first for first, last in text.jobs], np.int64)
        self._before = np.concatenate([[0], np.cumsum(lengths)])  # raw tokens of an epoch before each job
        self._total = max(1, config.epochs * int(self._before[-1]))  # raw tokens of the whole training
        self._fall = config.min_learning_rate - config.initial_rate  # by which the learning rate changes over it
        self._call(scratch(self.plan), text, (0, 0), 0.0, 0.0, 1)  # compiles, trains nothing

    def _call(self, work: Scratch, text: Text, job: tuple[int, int], rate: float, slope: float, state: int) -> tuple[float, int, int]:
        first, last = job
        document = int(np.searchsorted(text.starts, first, side="right")) - 1
        options = (self.config.window, self.config.shrink_windows, self.config.cbow_mean)
        flat = self.source.reshape(-1), self.target.reshape(-1)
        arrays = (self._keep, self._noise, self._learns, *flat)
        return self._kernel(work, text.ids, text.starts, document, first, last, *arrays, options, rate, slope, np.uint64(state))

    def rate(self, epoch: int, done: int) -> float:
        """The learning rate after `done` raw tokens of an epoch."""
        return self.config.initial_rate + self._fall * (epoch * int(self._before[-1]) + done) / self._total

    def advance(self, progress: Progress, until: float, tick: Tick) -> None:
        """Work on the epoch under way until it is done or the clock says `until`; then no job is half done.

        Args:
            progress: brought up to date as jobs are finished.
            until: a time of `time.monotonic`.
            tick: called some ten times a second with the progress and the fraction of the epoch that is done.

        Raises:
            KeyboardInterrupt: after the jobs under way were finished, so that the state can be saved.
        """
        lock, pause = threading.Lock(), threading.Event()

        def take_jobs() -> None:
            mine = scratch(self.plan)
            while not pause.is_set():
                with lock:
                    number = progress.job
                    if number == len(self.text.jobs):
                        return
                    progress.job += 1
                loss, terms, words = self._train_job(mine, progress.epoch, number)
                with lock:
                    progress.loss, progress.terms, progress.words = progress.loss + loss, progress.terms + terms, progress.words + words

        def look() -> None:
            progress.seconds = before + time.monotonic() - begin
            tick(progress, float(self._before[progress.job]) / max(1.0, float(self._before[-1])))
            if time.monotonic() >= until:
                pause.set()

        begin, before = time.monotonic(), progress.seconds
        try:
            run_threads(take_jobs, min(self.config.threads or 1, len(self.text.jobs) - progress.job), pause, look)
        finally:
            progress.seconds = before + time.monotonic() - begin

    def _train_job(self, work: Scratch, epoch: int, number: int) -> tuple[float, int, int]:
        rate = self.rate(epoch, int(self._before[number]))
        state = stream_seed(self.config.seed, epoch, number)
        return self._call(work, self.text, self.text.jobs[number], rate, self._fall / self._total, state)

    def evaluate(self, text: Text) -> float:
        """The mean loss over the terms of another text, nothing trained; the same draws every time.

        The kernel runs with a learning rate of zero: every step it takes is then exactly zero.

        Raises:
            InputError: the text has no term, so that there is nothing to average.
        """
        work = scratch(self.plan)
        loss, terms = 0.0, 0
        for number, job in enumerate(text.jobs):
            more, count, _ = self._call(work, text, job, 0.0, 0.0, stream_seed(self.config.seed, -1, number))
            loss, terms = loss + more, terms + count
        if not terms:
            raise InputError(f"the held-out text ({text.tokens} tokens) has no two known words side by side; hold out more, or other text")
        return loss / terms

    def check(self, progress: Progress) -> None:
        """Refuse to go on after an epoch in which the training diverged; the loss does not tell: bounded logits hide a NaN.

        Raises:
            ConfigError: a matrix is no longer finite.
        """
        if not (_is_finite(self.source) and _is_finite(self.target)):
            raise ConfigError(
                f"the training diverged in epoch {progress.epoch + 1}: the vectors hold NaN or infinity; begin anew (--overwrite) with a "
                f"learning_rate below {self.config.learning_rate}"
            )


def _is_finite(matrix: np.ndarray) -> bool:
    return all(np.isfinite(matrix[first : first + (1 << 14)]).all() for first in range(0, len(matrix), 1 << 14))


def allocate(rows: int, dim: int) -> np.ndarray:
    """A zeroed float32 matrix (rows, padded dim), on 2 MB pages where the system has them: with pages of 4 kB nearly every row that is
    touched would first need its address looked up.

    Raises:
        ConfigError: it does not fit into the memory.
    """
    import mmap

    width, huge = padded(dim), 1 << 21
    size = rows * width * 4
    try:
        if not hasattr(mmap, "MADV_HUGEPAGE"):
            return np.zeros((rows, width), np.float32)
        # private: what mmap shares by default lies in a file system in memory, where huge pages are off as a rule
        block = mmap.mmap(-1, size + huge, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, MemoryError, OverflowError, ValueError):
        raise ConfigError(
            f"dim is {dim}: two matrices of {rows:,} rows take {2 * size / 1e9:,.1f} GB, more than this machine has free; "
            "give a lower dim, or fewer words by a higher min_count or a max_size"
        ) from None
    with contextlib.suppress(OSError):  # an operating system built without them
        block.madvise(mmap.MADV_HUGEPAGE)
    raw = np.frombuffer(block, np.uint8)
    skip = -raw.ctypes.data % huge
    return raw[skip : skip + size].view(np.float32).reshape(rows, width)


def describe_epoch(progress: Progress, loop: Loop, valid_loss: float | None) -> dict[str, Any]:
    """The record of a finished epoch, as training.jsonl shows it."""
    record: dict[str, Any] = {"epoch": progress.epoch + 1, "loss": progress.loss / progress.terms if progress.terms else None}
    if valid_loss is not None:
        record["valid_loss"] = valid_loss
    return record | {
        "raw_words": loop.text.tokens,
        "effective_words": progress.words,
        "terms": progress.terms,
        "seconds": round(progress.seconds, 3),
        "learning_rate": loop.rate(progress.epoch + 1, 0),
    }
