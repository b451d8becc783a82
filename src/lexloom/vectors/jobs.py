"""An epoch is cut into jobs at fixed token positions, and part of the text can be held out for validation."""

from dataclasses import dataclass

import numpy as np

from lexloom.vectors.kernels.arguments import Text

JOB = 1 << 16  # raw tokens: some 20 ms of work, long compared with a call, short compared with the pause for a checkpoint
SEGMENT = 1000  # tokens held out in one piece


@dataclass(frozen=True)
class Split:
    """A text and the jobs that make up its training or its validation split, as (first, last) token positions, last exclusive."""

    text: Text
    jobs: list[tuple[int, int]]

    @property
    def tokens(self) -> int:
        """Raw tokens in all jobs."""
        return sum(last - first for first, last in self.jobs)


def cut_jobs(first: int, last: int) -> list[tuple[int, int]]:
    """Cut a range of token positions into jobs."""
    return [(begin, min(begin + JOB, last)) for begin in range(first, last, JOB)]


def hold_out(num_tokens: int, fraction: float, seed: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Divide a text into training jobs and validation jobs.

    About `fraction` of the tokens are held out, in segments spread over the text: the text is divided into equal periods, and in each of
    them one segment at a random position is held out.
    """
    segment = max(1, min(SEGMENT, int(num_tokens * fraction)))
    periods = max(1, round(num_tokens * fraction / segment))
    random = np.random.default_rng(seed)
    train: list[tuple[int, int]] = []
    held: list[tuple[int, int]] = []
    done = 0
    for number in range(periods):
        begin, end = num_tokens * number // periods, num_tokens * (number + 1) // periods
        first = begin + int(random.integers(0, max(1, end - begin - segment + 1)))
        train += cut_jobs(done, first)
        held.append((first, min(end, first + segment)))
        done = held[-1][1]
    return train + cut_jobs(done, num_tokens), held
