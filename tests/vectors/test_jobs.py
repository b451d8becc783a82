"""Jobs cover a text once, and what is held out is spread over it."""

import numpy as np
import pytest

from lexloom.vectors.jobs import JOB, SEGMENT, cut_jobs, hold_out


@pytest.mark.parametrize("tokens", [0, 1, JOB, JOB + 1, 5 * JOB - 1])
def test_jobs_follow_each_other_and_are_never_too_long(tokens):
    jobs = cut_jobs(0, tokens)
    assert [position for job in jobs for position in job] == sorted([0, tokens, *(2 * [*range(JOB, tokens, JOB)])] if tokens else [])
    assert all(0 < last - first <= JOB for first, last in jobs)


@pytest.mark.parametrize(("tokens", "fraction"), [(2, 0.5), (50, 0.1), (400_000, 0.02), (400_000, 0.5), (70_000, 0.9)])
def test_every_token_is_in_the_training_or_in_the_validation_split(tokens, fraction):
    train, held = hold_out(tokens, fraction, seed=3)
    seen = np.zeros(tokens, int)
    for first, last in train + held:
        seen[first:last] += 1
    assert (seen == 1).all()
    assert sum(last - first for first, last in held) == pytest.approx(fraction * tokens, rel=0.05)


def test_held_out_segments_are_spread_evenly_and_depend_on_the_seed():
    held = hold_out(1_000_000, 0.05, seed=1)[1]
    assert len(held) == 50
    assert [first * 50 // 1_000_000 for first, _ in held] == list(range(50))
    assert all(last - first == SEGMENT for first, last in held)
    assert held != hold_out(1_000_000, 0.05, seed=2)[1]
