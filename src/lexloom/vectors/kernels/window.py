"""The window kernel: all contexts of a centre share its negatives, and input rows are private while a window can reach them."""

import functools
from typing import Any

import numpy as np
from numba import njit

from lexloom.compiled.jit import compiled
from lexloom.compiled.memory import LANES
from lexloom.compiled.simd import ONE, ZERO, add, div, exp, exponent, load, mantissa, mul, prefetch, splat, store, sub
from lexloom.vectors.kernels.draws import below, negative, next_state, subsample
from lexloom.vectors.kernels.tiles import tile_scores, tile_update, tiling

F32 = np.float32
FLUSH = 1 << 16  # scores between two readings of the loss product; the sums of exponents stay exact in float32
AHEAD = 3  # an input row is prefetched this many words before it enters the ring


@njit(forceinline=True)
def _enter(input, row, work, slot, D):
    """Copy an input row into the ring, twice: the row to train, and the row as it was."""
    for d in range(0, D, LANES):
        v = load(input, row + d)
        store(work.rows, slot + d, v)
        store(work.copied, slot + d, v)


@njit(forceinline=True)
def _leave(input, row, work, slot, D):
    """Add the change of a private row to the matrix."""
    for d in range(0, D, LANES):
        store(input, row + d, add(load(input, row + d), sub(load(work.rows, slot + d), load(work.copied, slot + d))))


@njit(forceinline=True)
def _slide(work, input, trainable, line, n, i, window, counts, ring, D):
    """Move the window to centre i: words that come into reach enter the ring, words out of reach leave it.

    `counts` holds how many words of the line have entered and left so far; returns both, updated.
    """
    entered, left = counts
    while entered < min(n, i + window + 1):
        if entered + AHEAD < n:
            for d in range(0, D, LANES):
                prefetch(input, line[entered + AHEAD] * D + d)
        _enter(input, line[entered] * D, work, (entered & (ring - 1)) * D, D)
        entered += 1
    while left < i - window:
        if trainable[line[left]]:
            _leave(input, line[left] * D, work, (left & (ring - 1)) * D, D)
        left += 1
    return entered, left


@njit(forceinline=True)
def _list_contexts(work, n, i, radius, ring, D):
    """List where the contexts of centre i begin in the ring. Returns how many there are."""
    m = 0
    for j in range(max(0, i - radius), min(n, i + radius + 1)):
        if j != i:
            work.slots[m] = (j & (ring - 1)) * D
            m += 1
    return m


@njit(forceinline=True)
def _combine(work, m, scale, hidden, D):
    """Compute CBOW's hidden row, the sum of m context rows times `scale`; it is kept twice like any private row."""
    for d in range(0, D, LANES):
        h = load(work.rows, work.contexts[0] + d)
        for c in range(1, m):
            h = add(h, load(work.rows, work.contexts[c] + d))
        h = mul(h, splat(scale))
        store(work.rows, hidden + d, h)
        store(work.copied, hidden + d, h)


@njit(forceinline=True)
def _spread(work, m, scale, hidden, D):
    """Add the change of CBOW's hidden row, times `scale`, to each of m context rows."""
    for d in range(0, D, LANES):
        change = mul(sub(load(work.rows, hidden + d), load(work.copied, hidden + d)), splat(scale))
        for c in range(m):
            store(work.rows, work.contexts[c] + d, add(load(work.rows, work.contexts[c] + d), change))


@njit(forceinline=True)
def _draw_ahead(work, noise, output, outputs, D, state):
    """Draw the negatives of the next centre and prefetch their rows."""
    for k in range(1, outputs):
        state = next_state(state)
        work.coming[k] = negative(state, noise)
        for d in range(0, D, LANES):
            prefetch(output, work.coming[k] * D + d)
    return state


@njit(forceinline=True)
def _choose(work, centre, outputs, height, D):
    """Take the negatives drawn ahead; one that equals the centre gets weight 0. Returns how many those are."""
    work.chosen[0] = centre * D
    skipped = 0
    for k in range(1, outputs):
        work.chosen[k] = work.coming[k] * D
        if work.coming[k] == centre:
            skipped += 1
            _weigh(work, k, height, ZERO)
    return skipped


@njit(forceinline=True)
def _weigh(work, k, height, weight):
    """Set the weight of output k in the lanes of both contexts."""
    lane = (k // height) * LANES + k % height
    work.weights[lane] = weight
    work.weights[lane + height] = weight
    work.single[lane] = weight


@njit(forceinline=True)
def _log_of_product(product, exponents):
    """Compute the natural logarithm, in float64, of a product held as mantissas and sums of exponents."""
    both = np.empty(2 * LANES, np.float32)
    store(both, 0, product)
    store(both, LANES, exponents)
    result = 0.0
    for lane in range(LANES):
        result += np.log(np.float64(both[lane])) + np.float64(both[LANES + lane]) * np.log(2.0)
    return result


@njit(forceinline=True)
def _sigmoid_and_error(score, sign, weight):
    """Compute per lane the probability p of the right answer, and 1 - p without cancellation; p = 1 where the weight is 0."""
    e = mul(exp(mul(sub(splat(ZERO), sign), score)), weight)
    p = div(splat(ONE), add(splat(ONE), e))
    return p, mul(e, p)


@njit(inline="always")
def _update(work, m, output, rate, product, exponents, D, outputs, tiles, height):
    """Score m input rows against the chosen output rows and update both; the probabilities of the right answers enter the product."""
    for pair in range((m + 1) >> 1):
        unpaired = 2 * pair + 1 == m
        for tile in range(tiles):
            lanes = tile * LANES
            slots = work.slots[2 * pair], work.slots[2 * pair + 1]
            score = tile_scores(work.rows, slots[0], slots[1], output, work.chosen, tile * height, D, height)
            sign = load(work.signs, lanes)
            weight = load(work.single, lanes) if unpaired else load(work.weights, lanes)
            p, error = _sigmoid_and_error(score, sign, weight)
            store(work.steps, (pair * tiles + tile) * LANES, mul(error, mul(sign, splat(rate))))
            product = mul(product, p)
            exponents = add(exponents, exponent(product))
            product = mantissa(product)
    tile_update(work.rows, work.slots, (m + 1) >> 1, work.steps, work.moved, output, work.chosen, D, outputs)
    return product, exponents


@functools.cache
def window_kernel(D: int, NEGATIVE: int, CBOW: int, STAMP: int) -> Any:
    """Compile the kernel for a row length and a number of negatives; STAMP identifies the source code in Numba's cache."""
    OUTPUTS = NEGATIVE + 1
    TILES, HEIGHT = tiling(OUTPUTS)

    @compiled
    def train(work, text, tables, matrices, options, job):
        window, shrink, mean = options
        input, output, line = matrices.input, matrices.output, np.empty(job.last - job.first, np.int64)
        ring = work.rows.shape[0] // D - 2
        hidden, zeros = ring * D, (ring + 1) * D
        product, exponents = splat(ONE), splat(ZERO)
        loss, terms, words, scores = 0.0, 0, 0, 0
        position, document, state = job.first, job.document, job.state
        while position < job.last:
            while text.starts[document + 1] <= position:
                document += 1
            end = min(job.last, text.starts[document + 1])
            n, state = subsample(text.ids, position, end, tables.keep, line, state)
            words += n
            state = _draw_ahead(work, tables.noise, output, OUTPUTS, D, state)
            counts = 0, 0
            for i in range(n):
                skipped = _choose(work, line[i], OUTPUTS, HEIGHT, D)
                state = next_state(_draw_ahead(work, tables.noise, output, OUTPUTS, D, state))
                radius = 1 + below(state, window) if shrink else window
                counts = _slide(work, input, tables.trainable, line, n, i, window, counts, ring, D)
                if i + 2 < n:
                    for d in range(0, D, LANES):
                        prefetch(output, line[i + 2] * D + d)
                m = _list_contexts(work, n, i, radius, ring, D)
                if m > 0:
                    if CBOW:
                        for c in range(m):
                            work.contexts[c] = work.slots[c]
                        _combine(work, m, ONE / F32(m) if mean else ONE, hidden, D)
                        work.slots[0], work.slots[1] = hidden, zeros
                        inputs = 1
                    else:
                        work.slots[m] = zeros
                        inputs = m
                    rate = F32(job.rate + job.slope * (position - job.first + i))
                    product, exponents = _update(work, inputs, output, rate, product, exponents, D, OUTPUTS, TILES, HEIGHT)
                    if CBOW:
                        _spread(work, m, ONE if mean else ONE / F32(m), hidden, D)
                    terms += inputs * (OUTPUTS - skipped)
                    scores += inputs * OUTPUTS
                    if scores > FLUSH:
                        loss -= _log_of_product(product, exponents)
                        product, exponents, scores = splat(ONE), splat(ZERO), 0
                for k in range(1, OUTPUTS if skipped else 0):
                    _weigh(work, k, HEIGHT, ONE)
            _slide(work, input, tables.trainable, line, n, n + window, window, counts, ring, D)
            position = end
        return loss - _log_of_product(product, exponents) + 0 * STAMP, terms, words

    return train
