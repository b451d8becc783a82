"""The training loop: hidden = mean of the rows of a document's features, logits = hidden . output.

What is minimised. With targets t (they sum to 1 in a softmax; zeros and ones under sigmoids), probabilities p and class weights w, a
document costs -sum w t log p (softmax), or -sum w t log p + (1 - t) log(1 - p) (sigmoids). The derivative with respect to the logits
is p sum(w t) - w t, or p (w t + 1 - t) - w t. A step with rate a moves the output by a hidden x g, with g = minus that derivative,
and each feature's row by a (output . g) times / n, where the document has n features in all and this one as often as `times` says.

A document is a list of distinct rows with the times each occurs. All rows of a document are asked for at once before the first is read,
and some of the next document's with them, so that as many cache misses are under way as the core can have: that made the loop three
times as fast at 16 floats a row. The output is kept transposed, (row length, classes padded to 16): the logits of sixteen classes are
then one vector, and no sum over lanes is needed on the way forward.

Threads share the rows and write them without locks (Hogwild, Niu et al. 2011): an update can be lost when two threads meet in a row. The
output, which every document writes as a whole, is private to a thread and merged every MERGE documents, so that its cache lines are not
passed to and fro. With one thread the result depends on the seed alone.
"""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from lexloom.compiling import compiled
from lexloom.vectors.kernels import padded, source_stamp
from lexloom.vectors.kernels.scratch import aligned
from lexloom.vectors.kernels.simd import (
    LANES,
    ONE,
    ZERO,
    Codegen,
    add,
    call,
    div,
    exp,
    fma,
    load,
    maximum,
    mul,
    prefetch,
    reduce_all,
    splat,
    store,
    sub,
)

F32 = np.float32
MERGE = 32  # documents between two merges of what is private
AHEAD = 24  # features by which rows are asked for ahead, across the end of a document
SMALLEST = F32(1e-13)  # of a probability, in a logarithm


@intrinsic
def lane_sum(typing: Any, a: Any) -> tuple[Any, Codegen]:
    """The sum of the lanes, a float32."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.extract_element(reduce_all(builder, [arguments[0]]), ir.Constant(ir.IntType(32), 0))

    return types.float32(a), code


@intrinsic
def lane_max(typing: Any, a: Any) -> tuple[Any, Codegen]:
    """The largest lane, a float32."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return call(builder, "llvm.vector.reduce.fmax.v16f32", ir.FloatType(), [arguments[0]])

    return types.float32(a), code


class Answers(NamedTuple):
    """The labels of documents: those of document d are `codes[starts[d] : starts[d + 1]]`."""

    codes: np.ndarray  # int64
    starts: np.ndarray  # int64 (n + 1,)


class Work(NamedTuple):
    """What one thread works in; C is the number of classes padded to 16, D the row length."""

    where: np.ndarray  # int64: where the rows of the document begin
    hidden: np.ndarray  # float32 (D,)
    change: np.ndarray  # float32 (D,): the step of hidden
    scores: np.ndarray  # float32 (C,): logits, then probabilities, then steps
    goal: np.ndarray  # float32 (C,): weight * target
    rest: np.ndarray  # float32 (C,): weight * target + 1 - target
    real: np.ndarray  # float32 (C,): 1 where there is a class
    output: np.ndarray  # float32 (D * C,): the private copy
    before: np.ndarray  # float32 (D * C,): the same as it was when it was copied


def work_for(dim: int, classes: int, longest: int) -> Work:
    """Allocate what one thread needs for documents of at most `longest` distinct features."""
    row, width = padded(dim), padded(classes)
    real = aligned(width)
    real[:classes] = 1
    hidden, change, scores, goal, rest = (aligned(size) for size in (row, row, width, width, width))
    return Work(np.zeros(longest + 1, np.int64), hidden, change, scores, goal, rest, real, aligned(row * width), aligned(row * width))


@njit(forceinline=True)
def _merge(shared, work):
    """Add what became of the private output to the shared one, and copy that anew."""
    for d in range(0, len(work.output), LANES):
        now = add(load(shared, d), sub(load(work.output, d), load(work.before, d)))
        store(shared, d, now)
        store(work.output, d, now)
        store(work.before, d, now)


@njit(forceinline=True)
def _find(source, rows, begin, n, where, D):
    """List where the rows of a document begin; ask for all of them at once, and for the first ones of the next document."""
    last = len(rows)
    for j in range(n):
        where[j] = np.int64(rows[begin + j]) * D
        if begin + j + AHEAD < last:
            coming = np.int64(rows[begin + j + AHEAD]) * D
            for d in range(0, D, LANES):
                prefetch(source, coming + d)


@njit(forceinline=True)
def _gather(source, where, times, first, n, scale, hidden, D):
    """hidden = scale * sum of times * row; four sums at once, since an addition takes longer than the begin of the next."""
    for d in range(0, D - 3 * LANES, 4 * LANES):
        a = b = c = e = splat(ZERO)
        for j in range(n):
            at, t = where[j] + d, splat(F32(times[first + j]))
            a = fma(load(source, at), t, a)
            b = fma(load(source, at + LANES), t, b)
            c = fma(load(source, at + 2 * LANES), t, c)
            e = fma(load(source, at + 3 * LANES), t, e)
        store(hidden, d, mul(a, splat(scale)))
        store(hidden, d + LANES, mul(b, splat(scale)))
        store(hidden, d + 2 * LANES, mul(c, splat(scale)))
        store(hidden, d + 3 * LANES, mul(e, splat(scale)))
    for d in range(D // (4 * LANES) * 4 * LANES, D, LANES):
        a = b = splat(ZERO)
        for j in range(0, n - 1, 2):
            a = fma(load(source, where[j] + d), splat(F32(times[first + j])), a)
            b = fma(load(source, where[j + 1] + d), splat(F32(times[first + j + 1])), b)
        if n & 1:
            a = fma(load(source, where[n - 1] + d), splat(F32(times[first + n - 1])), a)
        store(hidden, d, mul(add(a, b), splat(scale)))


@njit(forceinline=True)
def _scatter(source, where, times, first, n, change, D):
    """row += times * change, for each row of a document."""
    for d in range(0, D, LANES):
        a = load(change, d)
        for j in range(n):
            store(source, where[j] + d, fma(a, splat(F32(times[first + j])), load(source, where[j] + d)))


@njit(forceinline=True)
def _judge(hidden, output, scores, real, DIM, C, SIGMOID):
    """scores = the probabilities of hidden . output; zero where there is no class."""
    for c in range(0, C, LANES):
        a = b = splat(ZERO)
        for d in range(0, DIM, 2):
            a = fma(splat(hidden[d]), load(output, d * C + c), a)
            b = fma(splat(hidden[d + 1]), load(output, (d + 1) * C + c), b)
        store(scores, c, add(a, b))
    if SIGMOID:
        for c in range(0, C, LANES):
            e = exp(sub(splat(ZERO), load(scores, c)))
            store(scores, c, div(load(real, c), add(splat(ONE), e)))
        return
    top = load(scores, 0)  # where there is no class the logit is 0, which may be the largest: no harm, exp reaches down to -30
    for c in range(LANES, C, LANES):
        top = maximum(top, load(scores, c))
    largest, mass = splat(lane_max(top)), splat(ZERO)
    for c in range(0, C, LANES):
        e = mul(exp(sub(load(scores, c), largest)), load(real, c))
        store(scores, c, e)
        mass = add(mass, e)
    scale = splat(ONE / lane_sum(mass))
    for c in range(0, C, LANES):
        store(scores, c, mul(load(scores, c), scale))


@njit(forceinline=True)
def _aim(work, codes, first, last, weights, smoothing, CLASSES, SIGMOID):
    """Fill goal and rest from a document's labels; give the loss of the probabilities in scores, and the sum of goal."""
    spread = smoothing / F32(2) if SIGMOID else smoothing / F32(CLASSES)
    part = (ONE - smoothing) / F32(1 if SIGMOID else last - first)
    for c in range(CLASSES):
        work.goal[c] = spread
    for i in range(first, last):
        work.goal[codes[i]] += part
    loss, mass = 0.0, ZERO
    for c in range(CLASSES):
        t, p = work.goal[c], work.scores[c]
        work.goal[c] = t * weights[c]
        work.rest[c] = work.goal[c] + ONE - t
        mass += work.goal[c]
        if t > ZERO:
            loss -= work.goal[c] * np.log(max(p, SMALLEST))
        if SIGMOID:
            loss -= (ONE - t) * np.log(max(ONE - p, SMALLEST))
    return loss, mass


@njit(forceinline=True)
def _back(work, C, DIM, scale):
    """With the steps g in scores: change = scale * output . g, of the output as it was, and output += hidden x g, in one pass."""
    for d in range(DIM):
        h, s = splat(work.hidden[d]), splat(ZERO)
        for c in range(0, C, LANES):
            g, at = load(work.scores, c), d * C + c
            w = load(work.output, at)
            s = fma(w, g, s)
            store(work.output, at, fma(h, g, w))
        work.change[d] = lane_sum(s) * scale


@functools.cache
def train_kernel(dim: int, classes: int, sigmoid: bool) -> Any:
    """Make the kernel that trains documents first to last (exclusive) of some `Features`.

    Returns:
        A function of: work (`Work`, this thread's own); features; answers; first, last; source, flat float32, and target, flat float32
        (D * C,); weights float32 (classes,); smoothing, float32, the share of the target that is spread over all classes; the rate at
        the first document, and its slope a feature. It returns the sum of the losses. It holds no GIL.
    """
    D, C, DIM, CLASSES, SIGMOID, STAMP = padded(dim), padded(classes), -(-dim // 2) * 2, classes, sigmoid, _stamp()

    @compiled
    def train(work, features, answers, first, last, source, target, weights, smoothing, rate, slope):
        loss, since, done = 0.0, 0, 0
        _merge(target, work)
        for document in range(first, last):
            begin, n = features.starts[document], features.starts[document + 1] - features.starts[document]
            labels, end = answers.starts[document], answers.starts[document + 1]
            if n == 0 or (labels == end and not SIGMOID):
                continue
            _find(source, features.rows, begin, n, work.where, D)
            scale = ONE / F32(features.lengths[document])
            _gather(source, work.where, features.times, begin, n, scale, work.hidden, D)
            _judge(work.hidden, work.output, work.scores, work.real, DIM, C, SIGMOID)
            own, mass = _aim(work, answers.codes, labels, end, weights, smoothing, CLASSES, SIGMOID)
            loss += own
            step = splat(F32(rate + slope * done))
            done += features.lengths[document]
            for c in range(0, C, LANES):
                p = mul(load(work.scores, c), load(work.rest, c) if SIGMOID else splat(mass))
                store(work.scores, c, mul(sub(load(work.goal, c), p), step))
            _back(work, C, DIM, scale)
            _scatter(source, work.where, features.times, begin, n, work.change, D)
            since += 1
            if since == MERGE:
                since = 0
                _merge(target, work)
        _merge(target, work)
        return loss + 0 * STAMP

    return train


@functools.cache
def judge_kernel(dim: int, classes: int, sigmoid: bool) -> Any:
    """Make the kernel that writes the probabilities of documents first to last (exclusive) into out, float32 (n, classes)."""
    D, C, DIM, CLASSES, SIGMOID, STAMP = padded(dim), padded(classes), -(-dim // 2) * 2, classes, sigmoid, _stamp()

    @compiled
    def judge(work, features, first, last, source, target, out):
        for document in range(first, last):
            begin, n = features.starts[document], features.starts[document + 1] - features.starts[document]
            _find(source, features.rows, begin, n, work.where, D)
            _gather(source, work.where, features.times, begin, n, ONE / F32(max(1, features.lengths[document])), work.hidden, D)
            _judge(work.hidden, target, work.scores, work.real, DIM, C, SIGMOID)
            for c in range(CLASSES):
                out[document, c] = work.scores[c]
        return 0 * STAMP

    return judge


def _stamp() -> int:
    return source_stamp(Path(__file__).parent)


@compiled
def draw_rows(source, keys, first, last, dim, width, seed):
    """Fill rows first to last (exclusive) with even numbers between -1/dim and 1/dim, which depend on seed, key and column alone.

    So neither the numbering of the rows nor the number of threads changes where a feature begins.
    """
    scale = F32(2.0 / 4294967296.0 / dim)
    for r in range(first, last):
        key = np.uint32(keys[r] * np.uint32(0x9E3779B1)) ^ np.uint32(seed)
        for d in range(dim):
            x = np.uint32(key + np.uint32(d) * np.uint32(0x85EBCA77))
            x = np.uint32((x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D))
            x = np.uint32((x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B))
            x = x ^ (x >> np.uint32(16))
            source[r * width + d] = F32(np.int32(x)) * scale
