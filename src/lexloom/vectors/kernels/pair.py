"""The pair kernel: fresh negatives for each pair of words, every row moved at once, as in word2vec.c."""

import functools
from typing import Any

import numpy as np
from numba import njit

from lexloom.compiling import compiled
from lexloom.vectors.kernels.simd import LANES, ONE, ZERO, add, fma, load, mul, splat, store, total
from lexloom.vectors.sampling import advance, below, negative, thin

F32 = np.float32


@njit(forceinline=True)
def _dot(a, at, b, where, D):
    """The inner product of a[at : at + D] and b[where : where + D]."""
    sums = splat(ZERO)
    for d in range(0, D, LANES):
        sums = fma(load(a, at + d), load(b, where + d), sums)
    return total(sums)


@njit(forceinline=True)
def _pull(a, at, g, b, where, D):
    """a[at : at + D] += g * b[where : where + D]."""
    for d in range(0, D, LANES):
        store(a, at + d, fma(splat(g), load(b, where + d), load(a, at + d)))


@njit(forceinline=True)
def _push(work, x, centre, outputs, noise, target, rate, D, state):
    """One input row (in `mine` at x) against the centre and fresh negatives, each output row moved at once; the change of the input
    row is gathered in `before` at x. Returns the loss, how many terms, and the generator's state."""
    for d in range(0, D, LANES):
        store(work.before, x + d, splat(ZERO))
    loss, terms = 0.0, 0
    for k in range(outputs):
        word = centre
        if k > 0:
            state = advance(state)
            word = negative(state, noise)
            if word == centre:
                continue
        z = min(max(_dot(work.mine, x, target, word * D, D), F32(-30)), F32(30))
        right = np.float64(z) if k == 0 else -np.float64(z)
        e = np.exp(-right)
        g = rate * F32(e / (1.0 + e)) * (ONE if k == 0 else -ONE)
        loss += np.log1p(e)
        terms += 1
        _pull(work.before, x, g, target, word * D, D)
        _pull(target, word * D, g, work.mine, x, D)
    return loss, terms, state


@functools.cache
def pair_kernel(D: int, NEGATIVE: int, CBOW: int, STAMP: int) -> Any:
    """Make the kernel for a row length and a number of negatives; STAMP only tells Numba's cache which code it was made of."""
    OUTPUTS = NEGATIVE + 1

    @compiled
    def train(work, ids, starts, document, first, last, keep, noise, learns, source, target, options, rate, slope, state):
        window, shrink, mean = options
        line = np.empty(last - first, np.int64)
        loss, terms, words = 0.0, 0, 0
        position = first
        while position < last:
            while starts[document + 1] <= position:
                document += 1
            end = min(last, starts[document + 1])
            n, state = thin(ids, position, end, keep, line, state)
            words += n
            for i in range(n):
                state = advance(state)
                reach = 1 + below(state, window) if shrink else window
                step = F32(rate + slope * (position - first + i))
                low, high = max(0, i - reach), min(n, i + reach + 1)
                if high - low < 2:
                    continue
                if CBOW:
                    inverse = ONE / F32(high - low - 1)
                    for d in range(0, D, LANES):
                        h = splat(ZERO)
                        for j in range(low, high):
                            if j != i:
                                h = add(h, load(source, line[j] * D + d))
                        store(work.mine, d, mul(h, splat(inverse if mean else ONE)))
                    cost, count, state = _push(work, 0, line[i], OUTPUTS, noise, target, step, D, state)
                    loss, terms = loss + cost, terms + count
                    for j in range(low, high):
                        if j != i and learns[line[j]]:
                            _pull(source, line[j] * D, ONE if mean else inverse, work.before, 0, D)
                else:
                    for j in range(low, high):
                        if j == i:
                            continue
                        for d in range(0, D, LANES):
                            store(work.mine, d, load(source, line[j] * D + d))
                        cost, count, state = _push(work, 0, line[i], OUTPUTS, noise, target, step, D, state)
                        loss, terms = loss + cost, terms + count
                        if learns[line[j]]:
                            _pull(source, line[j] * D, ONE, work.before, 0, D)
            position = end
        return loss + 0 * STAMP, terms, words

    return train
