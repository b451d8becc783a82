"""What training draws at random: which occurrences to keep, which words are the negatives, and the generator behind both."""

import numpy as np
from numba import njit

_MASK = (1 << 64) - 1


def keep_thresholds(counts: np.ndarray, sample: float) -> np.ndarray:
    """Chance of keeping an occurrence of each word, as a threshold for a 32-bit draw.

    word2vec.c's rule (Mikolov et al. 2013, as its code has it, not the paper): with f = count / total the chance is
    sqrt(sample / f) + sample / f, at most 1. A word with a count of zero is never kept, so that the ids of unknown words drop out of
    the text before windows are formed.

    Args:
        counts: int64 (V,).
        sample: about the frequency above which words are thinned out; 0 keeps everything.

    Returns:
        uint32 (V,): an occurrence stays where a uniform 32-bit draw is below its threshold.
    """
    frequency = counts / max(1, int(counts.sum()))
    chance = np.ones(len(counts))
    if sample > 0:
        ratio = sample / np.maximum(frequency, np.finfo(float).tiny)
        chance = np.minimum(1.0, np.sqrt(ratio) + ratio)
    chance[counts == 0] = 0.0
    return np.minimum(chance * 2.0**32, 2.0**32 - 1).astype(np.uint32)


def noise_table(counts: np.ndarray, ns_exponent: float) -> np.ndarray:
    """The distribution of the negatives, count ** ns_exponent, as an alias table (Walker 1974; built as Vose 1991 does).

    A draw takes one random 64-bit number and one look at the table: its upper half picks a column, its lower half decides between the
    column's own word and its alias. The distribution is exact to 2^-32, where word2vec.c's table of 10^8 entries is rounded, and for
    70,000 words the table is 0.5 MB instead of 400.

    Args:
        counts: int64 (V,), V >= 1; a word with a count of zero is never drawn.
        ns_exponent: 0.75 in word2vec; 0 is uniform over the words that occur, negative values favour rare words.

    Returns:
        uint64 (V,): threshold << 32 | alias.
    """
    seen = counts > 0
    weights = np.zeros(len(counts))
    logarithms = ns_exponent * np.log(counts[seen])
    weights[seen] = np.exp(logarithms - logarithms.max())  # the largest is 1, so that no exponent overflows
    scaled = weights * (len(counts) / weights.sum())
    threshold = np.ones(len(counts))
    alias = np.arange(len(counts))
    small, large = np.flatnonzero(scaled < 1).tolist(), np.flatnonzero(scaled >= 1).tolist()
    left = scaled.tolist()
    while small and large:
        poor, rich = small.pop(), large[-1]
        threshold[poor], alias[poor] = left[poor], rich
        left[rich] -= 1.0 - left[poor]
        if left[rich] < 1.0:
            small.append(large.pop())
    most = int(np.argmax(weights))
    for word in small:  # left over by rounding; a word that must never be drawn sends its column to the commonest one
        if not seen[word]:
            threshold[word], alias[word] = 0.0, most
    bits = np.minimum(threshold * 2.0**32, 2.0**32 - 1).astype(np.uint64)
    return (bits << np.uint64(32)) | alias.astype(np.uint64)


def stream_seed(seed: int, epoch: int, job: int) -> int:
    """The start of the random stream of one piece of work: the same for the same seed, epoch and job, whichever thread runs it.

    Three rounds of SplitMix64 (Steele, Lea and Flood 2014); never zero, which is xorshift's one bad state.
    """
    state = 0
    for part in (seed, epoch, job):
        state = (state + part + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state or 1


@njit(inline="always")
def advance(state):
    """The next state of a 64-bit xorshift generator (Marsaglia 2003, shifts 13, 7, 17); the state is the draw."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@njit(inline="always")
def below(state, size):
    """A whole number in [0, size) from the upper half of a draw, without a division."""
    return np.int64(((state >> np.uint64(32)) * np.uint64(size)) >> np.uint64(32))


@njit(inline="always")
def negative(state, noise):
    """A word from the noise distribution for a draw."""
    column = below(state, noise.shape[0])
    entry = noise[column]
    if (state & np.uint64(0xFFFFFFFF)) < (entry >> np.uint64(32)):
        return column
    return np.int64(entry & np.uint64(0xFFFFFFFF))


@njit(inline="always")
def thin(ids, first, last, keep, line, state):
    """Copy the occurrences that subsampling keeps to `line`; returns how many, and the generator's state."""
    n = 0
    for position in range(first, last):
        state = advance(state)
        line[n] = ids[position]
        n += (state >> np.uint64(32)) < keep[ids[position]]
    return n, state
