"""Random draws inside the kernels: a 64-bit xorshift generator (Marsaglia 2003), negatives, and subsampling."""

import numpy as np
from numba import njit


@njit(inline="always")
def next_state(state):
    """Advance the generator (shifts 13, 7, 17). The new state is also the draw."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@njit(inline="always")
def below(state, size):
    """Return an integer in [0, size) from the upper half of a draw, without a division."""
    return np.int64(((state >> np.uint64(32)) * np.uint64(size)) >> np.uint64(32))


@njit(inline="always")
def negative(state, noise):
    """Return a word of the noise distribution for a draw; `noise` is an alias table (see `noise_table`)."""
    column = below(state, noise.shape[0])
    entry = noise[column]
    if (state & np.uint64(0xFFFFFFFF)) < (entry >> np.uint64(32)):
        return column
    return np.int64(entry & np.uint64(0xFFFFFFFF))


@njit(inline="always")
def subsample(ids, first, last, keep, line, state):
    """Copy the occurrences that subsampling keeps to `line`. Returns their number and the generator's state.

    Written without a branch: whether an occurrence is kept cannot be predicted.
    """
    n = 0
    for position in range(first, last):
        state = next_state(state)
        line[n] = ids[position]
        n += (state >> np.uint64(32)) < keep[ids[position]]
    return n, state
