"""The training loops: skip-gram and CBOW with negative sampling, with negatives shared by a window or fresh for each pair.

What is minimised (Mikolov et al. 2013). For an input row h and an output row w with label y (1 for the word itself, 0 for a negative),
the term is -log s(w.h) where y = 1 and -log(1 - s(w.h)) where y = 0, with s(z) = 1 / (1 + e^-z). Its derivative with respect to w.h is
s(w.h) - y, so a step of gradient descent with learning rate a moves h by g w and w by g h, with g = a (y - s(w.h)).
Skip-gram: h is the row of one context word, as in word2vec.c (the centre is predicted from each of its contexts). CBOW: h is the mean
(or sum) of the rows of all contexts, and the step of h goes to each of them (undivided where h is the mean, as word2vec.c and gensim do;
divided by their number where h is the sum, as gensim does).

`window` kernel. One set of negatives serves all contexts of a centre (Ji et al. 2016), and all its steps are computed from the rows
as they were before (a small batch). A context word's input row is copied into a ring when it enters the reach of the window and lives
there until it leaves; only its change is added to the matrix then. So shared memory is written about ten times less often than in
word2vec.c, which is what lets a second thread help. The negatives are drawn one centre ahead and their rows prefetched.

`pair` kernel. word2vec.c's order of work: fresh negatives for each (context, centre) pair, every output row updated at once.

Both are Hogwild (Niu et al. 2011): threads read and write the two matrices without locks, and an update of a row can be lost when two
threads meet in it. With one thread the result depends on the seed alone.

A kernel is compiled for its row length and number of negatives, which LLVM then knows; the functions are cached on disk by Numba.
In the assembly of the window kernel at dim 100 and 5 negatives on AVX-512 both inner loops are fused multiply-adds on zmm registers
with no spills inside; `inspect_asm()` of a compiled kernel shows it.
"""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from lexloom.vectors.sampling import advance, below, negative
from lexloom.vectors.simd import LANES, add, div, exp, exponent, fma, load, mantissa, mul, prefetch, splat, store, sub, total
from lexloom.vectors.tiles import tile_scores, tile_update, tiling

F32 = np.float32
U32 = np.uint64(32)
ZERO, ONE = F32(0), F32(1)
FLUSH = 1 << 16  # scores between two readings of the loss product; keeps its float32 sums of exponents exact
AHEAD = 3  # an input row is prefetched this many words before it enters the ring

Kernel = Callable[..., tuple[float, int, int]]


class Plan(NamedTuple):
    """What a kernel is asked to do, apart from the data."""

    dim: int
    """The row length in floats: a multiple of 16 (see `padded`)."""
    negative: int
    """Negatives for each centre (window kernel) or pair (pair kernel), at least 1."""
    window: int
    """Contexts on either side."""
    cbow: bool


def padded(dim: int) -> int:
    """The row length that a kernel needs for `dim` columns: the next multiple of 16; the columns beyond stay zero."""
    return -(-dim // LANES) * LANES


@functools.cache
def _source_stamp() -> int:
    """A number that changes with the code that kernels are made of, for Numba's cache, which looks at this file alone."""
    here = Path(__file__).parent
    text = b"".join((here / name).read_bytes() for name in ("simd.py", "tiles.py", "sampling.py"))
    return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "little")


def aligned(size: int) -> np.ndarray:
    """A zeroed float32 array (size,) that begins on a cache line, so that no vector load straddles two."""
    raw = np.zeros(size + LANES, np.float32)
    skip = (-raw.ctypes.data % 64) // 4
    return raw[skip : skip + size]


class Scratch(NamedTuple):
    """What one thread works in. The ring has `size` rows (a power of two), then CBOW's hidden row and a row of zeros."""

    mine: np.ndarray  # float32 (size + 2, dim) flat: private rows
    before: np.ndarray  # the same rows as they were when they were copied
    slots: np.ndarray  # int64: where the contexts of a centre begin in `mine`
    around: np.ndarray  # int64: the same for CBOW, whose one context in `slots` is the hidden row
    chosen: np.ndarray  # int64 (outputs,): where the output rows of a centre begin
    following: np.ndarray  # int64 (outputs,): the negatives of the next centre, as words
    steps: np.ndarray  # float32 (pairs, tiles, 16) flat
    fresh: np.ndarray  # float32 (2 * pairs, 16) flat
    weights: np.ndarray  # float32 (tiles, 16) flat: 1 where a lane holds a score that counts
    lone: np.ndarray  # the same where there is no second context
    signs: np.ndarray  # +1 in the lanes of the word itself, -1 in those of negatives


def scratch(plan: Plan) -> Scratch:
    """Allocate what one thread needs."""
    outputs = plan.negative + 1
    tiles, tall = tiling(outputs)
    weights, lone, signs = (np.zeros((tiles, LANES), np.float32) for _ in range(3))
    for k in range(outputs):
        for context in (0, 1):
            lane = context * tall + k % tall
            weights[k // tall, lane] = 1
            lone[k // tall, lane] = 1 - context
            signs[k // tall, lane] = 1 if k == 0 else -1
    rows = 1 << (2 * plan.window + 1).bit_length()
    contexts = 2 * plan.window + 2
    return Scratch(
        aligned((rows + 2) * plan.dim),
        aligned((rows + 2) * plan.dim),
        np.zeros(contexts, np.int64),
        np.zeros(contexts, np.int64),
        np.zeros(tiles * tall, np.int64),
        np.zeros(tiles * tall, np.int64),
        aligned(contexts // 2 * tiles * LANES),
        aligned(contexts * LANES),
        weights.ravel(),
        lone.ravel(),
        signs.ravel(),
    )


# ---- pieces that the kernels share --------------------------------------------------------------------------------------------------


@njit(forceinline=True)
def _thin(ids, first, last, keep, line, state):
    """Copy the occurrences that subsampling keeps to `line`; returns how many, and the generator's state."""
    n = 0
    for position in range(first, last):
        state = advance(state)
        line[n] = ids[position]
        n += (state >> U32) < keep[ids[position]]
    return n, state


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


# ---- negatives shared by a window ---------------------------------------------------------------------------------------------------


@functools.cache
def _window_kernel(D: int, NEGATIVE: int, CBOW: int, STAMP: int) -> Any:
    OUTPUTS = NEGATIVE + 1
    TILES, TALL = tiling(OUTPUTS)

    @njit(nogil=True, error_model="numpy", boundscheck=False, cache=True)
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
            n, state = _thin(ids, position, end, keep, line, state)
            words += n
            state = _draw_ahead(work, noise, target, OUTPUTS, D, state)
            entered = left = 0
            for i in range(n):
                skipped = _choose(work, line[i], OUTPUTS, TALL, D)
                state = advance(_draw_ahead(work, noise, target, OUTPUTS, D, state))
                reach = 1 + below(state, window) if shrink else window
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
                if i + 2 < n:
                    for d in range(0, D, LANES):
                        prefetch(target, line[i + 2] * D + d)
                m = 0
                for j in range(max(0, i - reach), min(n, i + reach + 1)):
                    if j != i:
                        work.slots[m] = (j & (ring - 1)) * D
                        m += 1
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
                if skipped > 0:
                    for k in range(1, OUTPUTS):
                        _weigh(work, k, TALL, ONE)
            while left < n:
                if learns[line[left]]:
                    _leave(source, line[left] * D, work, (left & (ring - 1)) * D, D)
                left += 1
            position = end
        return loss - _log_of_product(product, exponents) + 0 * STAMP, terms, words

    return train


# ---- fresh negatives for each pair --------------------------------------------------------------------------------------------------


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
def _pair_kernel(D: int, NEGATIVE: int, CBOW: int, STAMP: int) -> Any:
    OUTPUTS = NEGATIVE + 1

    @njit(nogil=True, error_model="numpy", boundscheck=False, cache=True)
    def train(work, ids, starts, document, first, last, keep, noise, learns, source, target, options, rate, slope, state):
        window, shrink, mean = options
        line = np.empty(last - first, np.int64)
        loss, terms, words = 0.0, 0, 0
        position = first
        while position < last:
            while starts[document + 1] <= position:
                document += 1
            end = min(last, starts[document + 1])
            n, state = _thin(ids, position, end, keep, line, state)
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


def compile_kernel(name: str, plan: Plan) -> Kernel:
    """Fetch the `window` or the `pair` kernel for a plan; Numba compiles it at its first call, or takes it from its cache.

    Returns:
        A function of: work (`Scratch`, this thread's own); ids uint32 (N,), starts int64 (docs + 1,), the document in which the job
        begins, and the job's first and last position; keep uint32 (V,) thresholds; noise uint64 (V,) alias table; learns uint8 (V,),
        0 where the input row is held fixed; source and target, flat float32, row length `plan.dim`; options (window, shrink_windows,
        cbow_mean); the learning rate at the first position and its slope a position; the generator's state, uint64, not 0. It returns
        the sum of the losses, the number of terms, and the effective words. It holds no GIL.
    """
    make = {"window": _window_kernel, "pair": _pair_kernel}[name]
    kernel: Kernel = make(plan.dim, plan.negative, int(plan.cbow), _source_stamp())
    return kernel
