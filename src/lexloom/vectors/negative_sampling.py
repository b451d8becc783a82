"""The trainer of skip-gram and CBOW: the two matrices, and epochs of jobs that several threads run.

The random numbers of a job follow from (seed, epoch, job) and its learning rate from its position, so what a job does depends on the
state of the matrices alone, not on who runs it or when. One thread takes the jobs in order and is exactly reproducible, also across a
resume; with several threads their updates race (Hogwild).
"""

import time
from collections.abc import Callable

import numpy as np

from lexloom.compiled.threads import run_jobs
from lexloom.errors import ConfigError, InputError
from lexloom.vectors.checkpoint import TrainingState
from lexloom.vectors.config import VectorConfig, VectorTrainingConfig
from lexloom.vectors.jobs import Split
from lexloom.vectors.kernels import Job, Matrices, Options, Plan, Scratch, Tables, compile_kernel, scratch
from lexloom.vectors.sampling import keep_thresholds, noise_table, stream_seed

JobResult = tuple[float, int, int]
"""The sum of the losses in nats, the number of terms, and the number of effective words."""
Tick = Callable[[TrainingState, float], None]
"""Called with the state and the fraction of the epoch that is done."""


class NegativeSampling:
    """Trains two matrices on a text.

    Attributes:
        arrays: what is trained and belongs into a checkpoint: `input` and `output`, float32 (V, padded dim).
    """

    def __init__(
        self,
        config: VectorConfig,
        training: VectorTrainingConfig,
        split: Split,
        counts: np.ndarray,
        trainable: np.ndarray,
        arrays: dict[str, np.ndarray],
    ) -> None:
        """Prepare a training, and compile the kernel where it is not cached.

        Args:
            config: what is learnt.
            training: how it is trained, with its defaults filled in (`resolved`).
            split: the text to train on.
            counts: int64 (V,), zero for ids that are not trained.
            trainable: uint8 (V,), 0 where the input row is frozen.
            arrays: `input` and `output`, float32 (at least V rows, padded dim), trained in place.
        """
        self.config, self.training, self.split, self.arrays = config, training, split, arrays
        self._matrices = Matrices(arrays["input"].reshape(-1), arrays["output"].reshape(-1))
        self._tables = Tables(keep_thresholds(counts, config.sample), noise_table(counts, config.ns_exponent), trainable)
        self._options = Options(config.window, config.shrink_windows, config.cbow_mean)
        self._plan = Plan(arrays["input"].shape[1], config.negative, config.model == "cbow")
        self._kernel = compile_kernel(self._plan)
        assert training.learning_rate is not None  # resolved
        self._initial_rate = training.learning_rate
        lengths = np.array([last - first for first, last in split.jobs], np.int64)
        self._before = np.concatenate([[0], np.cumsum(lengths)])  # raw tokens of an epoch before each job
        self._total = max(1, training.epochs * int(self._before[-1]))  # raw tokens of all epochs
        self._fall = training.min_learning_rate - self._initial_rate  # change of the learning rate over all epochs
        self._run(self._scratch(), split, (0, 0), 0.0, 0.0, 1)  # an empty job: compiles the kernel

    def _scratch(self) -> Scratch:
        return scratch(self._plan, self.config.window)

    def _run(self, work: Scratch, split: Split, positions: tuple[int, int], rate: float, slope: float, state: int) -> JobResult:
        first, last = positions
        document = int(np.searchsorted(split.text.starts, first, side="right")) - 1
        job = Job(document, first, last, rate, slope, np.uint64(state))
        return self._kernel(work, split.text, self._tables, self._matrices, self._options, job)

    def rate(self, epoch: int, done: int) -> float:
        """Return the learning rate after `done` raw tokens of an epoch, counted from 0."""
        return self._initial_rate + self._fall * (epoch * int(self._before[-1]) + done) / self._total

    def train_job(self, work: Scratch, epoch: int, number: int) -> JobResult:
        """Run one job of an epoch."""
        rate = self.rate(epoch, int(self._before[number]))
        state = stream_seed(self.training.seed, epoch, number)
        return self._run(work, self.split, self.split.jobs[number], rate, self._fall / self._total, state)

    def train(self, state: TrainingState, until: float, tick: Tick) -> None:
        """Train until the epoch is done or the time is up. Jobs that were started are always finished.

        Args:
            state: updated whenever a job is finished.
            until: a time of `time.monotonic`.
            tick: called about ten times per second.

        Raises:
            KeyboardInterrupt: after the jobs under way have been finished, so that the state can be saved.
        """
        begin, before = time.monotonic(), state.seconds

        def start_worker() -> Callable[[int], JobResult]:
            work = self._scratch()
            return lambda number: self.train_job(work, state.epoch, number)

        def finished(_number: int, result: JobResult) -> None:
            loss, terms, words = result
            state.job, state.loss, state.terms, state.words = state.job + 1, state.loss + loss, state.terms + terms, state.words + words

        def watch() -> None:
            state.seconds = before + time.monotonic() - begin
            tick(state, float(self._before[state.job]) / max(1.0, float(self._before[-1])))

        numbers = range(state.job, len(self.split.jobs))
        try:
            run_jobs(numbers, start_worker, finished, threads=self.training.threads or 1, until=until, tick=watch)
        finally:
            state.seconds = before + time.monotonic() - begin

    def evaluate(self, split: Split) -> float:
        """Compute the mean loss over the terms of another text, with the same random draws every time.

        The kernel runs with a learning rate of zero, which makes all its updates exactly zero. The sums of the jobs are added in order,
        so the value does not depend on the number of threads.

        Raises:
            InputError: the text has no term.
        """
        results: list[JobResult] = [(0.0, 0, 0)] * len(split.jobs)

        def start_worker() -> Callable[[int], JobResult]:
            work = self._scratch()
            return lambda number: self._run(work, split, split.jobs[number], 0.0, 0.0, stream_seed(self.training.seed, -1, number))

        run_jobs(range(len(results)), start_worker, results.__setitem__, threads=self.training.threads or 1)
        loss, terms = 0.0, 0
        for more, count, _ in results:
            loss, terms = loss + more, terms + count
        if not terms:
            raise InputError(f"the validation text ({split.tokens} tokens) has no two known words next to each other; give a longer text")
        return loss / terms

    def check(self, state: TrainingState) -> None:
        """Stop a training that diverged. The loss does not show it, because scores are clamped.

        Raises:
            ConfigError: a matrix holds NaN or infinity.
        """
        if not all(_is_finite(array) for array in self.arrays.values()):
            raise ConfigError(
                f"the training diverged in epoch {state.epoch + 1}: the vectors hold NaN or infinity; start again (--overwrite) with a "
                f"learning_rate below {self.training.learning_rate}"
            )


def _is_finite(matrix: np.ndarray) -> bool:
    return all(np.isfinite(matrix[first : first + (1 << 14)]).all() for first in range(0, len(matrix), 1 << 14))
