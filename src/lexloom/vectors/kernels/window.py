"""The window kernel: negatives shared by all contexts of a centre, input rows private while a window can reach them."""

import functools
from typing import Any

import numpy as np
from numba import njit

from lexloom.compiling import compiled
from lexloom.vectors.kernels.simd import LANES, ONE, ZERO, add, div, exp, exponent, load, mantissa, mul, prefetch, splat, store, sub
from lexloom.vectors.kernels.tiles import tile_scores, tile_update, tiling
from lexloom.vectors.sampling import advance, below, negative, thin

F32 = np.float32
FLUSH = 1 << 16  # scores between two readings of the loss product; keeps its float32 sums of exponents exact
AHEAD = 3  # an input row is prefetched this many words before it enters the ring


@njit(forceinline=True)
def _enter(source, row, work, slot, D):
    """Copy an input row into the ring, twice: the row to work on, and the row as it was."""
    for d in range(0, D, LANES):
        v = load(source, row + d)
        store(work.mine, slot + d, v)
        store(work.before, slot + d, v)


@njit(forceinline=True)
def _leave(source, row, work, slot, D):
    """Add what became of a private row to the matrix."""
    for d in range(0, D, LANES):
        store(source, row + d, add(load(source, row + d), sub(load(work.mine, slot + d), load(work.before, slot + d))))


@njit(forceinline=True)
def _slide(work, source, learns, line, n, i, window, entered, left, ring, D):
    """Move the reach of the windows to centre i: words that it meets enter the ring, words that it passed leave it. Returns how many
    words of the line have entered and left so far."""
    while entered < min(n, i + window + 1):
        if entered + AHEAD < n:
            for d in range(0, D, LANES):
                prefetch(source, line[entered + AHEAD] * D + d)
        _enter(source, line[entered] * D, work, (entered & (ring - 1)) * D, D)
        entered += 1
    while left < i - window:
        if learns[line[left]]:
            _leave(source, line[left] * D, work, (left & (ring - 1)) * D, D)
        left += 1
    return entered, left


@njit(forceinline=True)
def _contexts(work, n, i, reach, ring, D):
    """List where the contexts of centre i begin in the ring; returns how many there are."""
    m = 0
    for j in range(max(0, i - reach), min(n, i + reach + 1)):
        if j != i:
            work.slots[m] = (j & (ring - 1)) * D
            m += 1
    return m


@njit(forceinline=True)
def _hide(work, m, scale, hidden, D):
    """CBOW's hidden row: the sum of m context rows times `scale`, kept twice like any private row."""
    for d in range(0, D, LANES):
        h = load(work.mine, work.around[0] + d)
        for c in range(1, m):
            h = add(h, load(work.mine, work.around[c] + d))
        h = mul(h, splat(scale))
        store(work.mine, hidden + d, h)
        store(work.before, hidden + d, h)


@njit(forceinline=True)
def _spread(work, m, scale, hidden, D):
    """Hand the change of CBOW's hidden row, times `scale`, to each of m context rows."""
    for d in range(0, D, LANES):
        change = mul(sub(load(work.mine, hidden + d), load(work.before, hidden + d)), splat(scale))
        for c in range(m):
            store(work.mine, work.around[c] + d, add(load(work.mine, work.around[c] + d), change))


@njit(forceinline=True)
def _draw_ahead(work, noise, target, outputs, D, state):
    """Draw the negatives of the next centre and ask for their rows."""
    for k in range(1, outputs):
        state = advance(state)
        work.following[k] = negative(state, noise)
        for d in range(0, D, LANES):
            prefetch(target, work.following[k] * D + d)
    return state


@njit(forceinline=True)
def _choose(work, centre, outputs, tall, D):
    """Make the drawn negatives this centre's; one that is the centre itself gets no weight. Returns how many those are."""
    work.chosen[0] = centre * D
    skipped = 0
    for k in range(1, outputs):
        work.chosen[k] = work.following[k] * D
        if work.following[k] == centre:
            skipped += 1
            _weigh(work, k, tall, ZERO)
    return skipped


@njit(forceinline=True)
def _weigh(work, k, tall, weight):
    """Set the weight of output k in the lanes of both contexts."""
    lane = (k // tall) * LANES + k % tall
    work.weights[lane] = weight
    work.weights[lane + tall] = weight
    work.lone[lane] = weight


@njit(forceinline=True)
def _log_of_product(product, exponents):
    """The natural logarithm of the product that lanes of mantissas and sums of exponents stand for, in float64."""
    both = np.empty(2 * LANES, np.float32)
    store(both, 0, product)
    store(both, LANES, exponents)
    result = 0.0
    for lane in range(LANES):
        result += np.log(np.float64(both[lane])) + np.float64(both[LANES + lane]) * np.log(2.0)
    return result


@njit(forceinline=True)
def _judge(score, sign, weight):
    """For each lane the probability p of the right answer, and 1 - p without cancellation; p = 1 where the weight is 0."""
    e = mul(exp(mul(sub(splat(ZERO), sign), score)), weight)
    p = div(splat(ONE), add(splat(ONE), e))
    return p, mul(e, p)


@njit(inline="always")
def _learn(work, m, target, rate, product, exponents, D, outputs, tiles, tall):
    """Score m contexts against the chosen outputs and move both; the probabilities of the right answers go into the loss product."""
    for pair in range((m + 1) >> 1):
        alone = 2 * pair + 1 == m
        for tile in range(tiles):
            lanes = tile * LANES
            score = tile_scores(work.mine, work.slots[2 * pair], work.slots[2 * pair + 1], target, work.chosen, tile * tall, D, tall)
            sign = load(work.signs, lanes)
            weight = load(work.lone, lanes) if alone else load(work.weights, lanes)
            p, missing = _judge(score, sign, weight)
            store(work.steps, (pair * tiles + tile) * LANES, mul(missing, mul(sign, splat(rate))))
            product = mul(product, p)
            exponents = add(exponents, exponent(product))
            product = mantissa(product)
    tile_update(work.mine, work.slots, (m + 1) >> 1, work.steps, work.fresh, target, work.chosen, D, outputs)
    return product, exponents


@functools.cache
def window_kernel(D: int, NEGATIVE: int, CBOW: int, STAMP: int) -> Any:
    """Make the kernel for a row length and a number of negatives; STAMP only tells Numba's cache which code it was made of."""
    OUTPUTS = NEGATIVE + 1
    TILES, TALL = tiling(OUTPUTS)

    @compiled
    def train(work, ids, starts, document, first, last, keep, noise, learns, source, target, options, rate, slope, state):
        window, shrink, mean = options
        ring = work.mine.shape[0] // D - 2
        hidden, zeros = ring * D, (ring + 1) * D
        line = np.empty(last - first, np.int64)
        product, exponents = splat(ONE), splat(ZERO)
        loss, terms, words, since = 0.0, 0, 0, 0
        position = first
        while position < last:
            while starts[document + 1] <= position:
                document += 1
            end = min(last, starts[document + 1])
            n, state = thin(ids, position, end, keep, line, state)
            words += n
            state = _draw_ahead(work, noise, target, OUTPUTS, D, state)
            entered = left = 0
            for i in range(n):
                skipped = _choose(work, line[i], OUTPUTS, TALL, D)
                state = advance(_draw_ahead(work, noise, target, OUTPUTS, D, state))
                reach = 1 + below(state, window) if shrink else window
                entered, left = _slide(work, source, learns, line, n, i, window, entered, left, ring, D)
                if i + 2 < n:
                    for d in range(0, D, LANES):
                        prefetch(target, line[i + 2] * D + d)
                m = _contexts(work, n, i, reach, ring, D)
                if m > 0:
                    if CBOW:
                        for c in range(m):
                            work.around[c] = work.slots[c]
                        _hide(work, m, ONE / F32(m) if mean else ONE, hidden, D)
                        work.slots[0], work.slots[1] = hidden, zeros
                        inputs = 1
                    else:
                        work.slots[m] = zeros
                        inputs = m
                    step = F32(rate + slope * (position - first + i))
                    product, exponents = _learn(work, inputs, target, step, product, exponents, D, OUTPUTS, TILES, TALL)
                    if CBOW:
                        _spread(work, m, ONE if mean else ONE / F32(m), hidden, D)
                    terms += inputs * (OUTPUTS - skipped)
                    since += inputs * OUTPUTS
                    if since > FLUSH:
                        loss -= _log_of_product(product, exponents)
                        product, exponents, since = splat(ONE), splat(ZERO), 0
                for k in range(1, OUTPUTS if skipped else 0):
                    _weigh(work, k, TALL, ONE)
            _slide(work, source, learns, line, n, n + window, window, entered, left, ring, D)
            position = end
        return loss - _log_of_product(product, exponents) + 0 * STAMP, terms, words

    return train
