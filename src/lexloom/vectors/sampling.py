"""The distributions that training draws from: which occurrences are kept, and which words are negatives."""

import numpy as np

_MASK = (1 << 64) - 1


def keep_thresholds(counts: np.ndarray, sample: float) -> np.ndarray:
    """Compute the probability of keeping an occurrence of each word, as a threshold for a 32-bit draw.

    The rule of word2vec.c's code, which differs from the paper's (Mikolov et al. 2013): with f = count / total the probability is
    sqrt(sample / f) + sample / f, at most 1. A word with a count of zero is never kept, so unknown words drop out of the text before
    windows are formed.

    Args:
        counts: int64 (V,).
        sample: roughly the frequency above which words are subsampled; 0 keeps everything.

    Returns:
        uint32 (V,): an occurrence is kept if a uniform 32-bit draw is below its threshold.
    """
    frequency = counts / max(1, int(counts.sum()))
    chance = np.ones(len(counts))
    if sample > 0:
        ratio = sample / np.maximum(frequency, np.finfo(float).tiny)
        chance = np.minimum(1.0, np.sqrt(ratio) + ratio)
    chance[counts == 0] = 0.0
    return np.minimum(chance * 2.0**32, 2.0**32 - 1).astype(np.uint32)


def noise_table(counts: np.ndarray, ns_exponent: float) -> np.ndarray:
    """Build the noise distribution, count ** ns_exponent, as an alias table (Walker 1974, built with the method of Vose 1991).

    A draw takes one random 64-bit number and one look-up: the upper half picks a column, the lower half decides between the column's
    own word and its alias. The distribution is exact to 2^-32, while word2vec.c rounds it to a table of 10^8 entries; for 70,000 words
    the alias table takes 0.5 MB instead of 400.

    Args:
        counts: int64 (V,), V >= 1; a word with a count of zero is never drawn.
        ns_exponent: 0.75 in word2vec; 0 is uniform over the words that occur, negative values favour rare words.

    Returns:
        uint64 (V,): threshold << 32 | alias.
    """
    seen = counts > 0
    weights = np.zeros(len(counts))
    logarithms = ns_exponent * np.log(counts[seen])
    weights[seen] = np.exp(logarithms - logarithms.max())  # the largest is 1: no overflow
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
    for word in small:  # left over by rounding; the column of a word that is never drawn goes to the most frequent word
        if not seen[word]:
            threshold[word], alias[word] = 0.0, most
    bits = np.minimum(threshold * 2.0**32, 2.0**32 - 1).astype(np.uint64)
    return (bits << np.uint64(32)) | alias.astype(np.uint64)


def stream_seed(seed: int, epoch: int, job: int) -> int:
    """Compute the initial state of a job's random stream. It depends on seed, epoch and job, not on the thread that runs the job.

    Three rounds of SplitMix64 (Steele, Lea and Flood 2014); never zero, the only state that xorshift cannot leave.
    """
    state = 0
    for part in (seed, epoch, job):
        state = (state + part + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state or 1
