"""The loops of the linear classifier: hidden = mean of the rows of a document's features, logits = hidden . output.

Objective. With targets t (summing to 1 for softmax, zeros and ones for sigmoids, smoothed where label smoothing is on), probabilities p
and class weights w, the objective of a document is -sum w t log p (softmax), or -sum w t log p + (1 - t) log(1 - p) (sigmoids). Its
derivative with respect to the logits is p sum(w t) - w t, or p (w t + 1 - t) - w t. A step with rate a adds a hidden x g to the output,
where g is minus that derivative, and a (output . g) times / n to the row of each feature, where the document has n features in all and
this one occurs `times` times. The loss that is reported has neither weights nor smoothing in it.

A document is a list of distinct rows with the number of times each occurs. All rows of a document, and some of the next document's, are
prefetched before the first one is read, so that many cache misses are served at the same time. The output matrix is stored transposed,
(row length, classes padded to 16): the logits of sixteen classes are one vector, and the forward pass needs no sum over lanes.

Threads share the rows and write them without locks (Hogwild, Niu et al. 2011): an update can be lost when two threads write a row at the
same moment. The output matrix, which every document changes as a whole, is private to a thread and merged every MERGE documents, so that
its cache lines do not move between cores. With one thread the result depends on the seed alone.
"""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from lexloom.compiled.jit import compiled, source_stamp
from lexloom.compiled.memory import LANES, aligned, padded
from lexloom.compiled.simd import ONE, ZERO, add, div, exp, fma, largest, load, maximum, mul, prefetch, splat, store, sub, total

F32 = np.float32
MERGE = 32  # documents between two merges of the private output matrix
AHEAD = 24  # features: how far ahead rows are prefetched, across the end of a document
SMALLEST = F32(1e-13)  # probability whose logarithm is still taken


class Answers(NamedTuple):
    """The labels of documents: those of document d are `codes[starts[d] : starts[d + 1]]`."""

    codes: np.ndarray  # int64
    starts: np.ndarray  # int64 (n + 1,)


class Objective(NamedTuple):
    """How the objective differs from the loss."""

    weights: np.ndarray  # float32 (classes,)
    smoothing: np.float32  # the share of the target that is spread over all classes


class Matrices(NamedTuple):
    """What is trained; D is the row length and C the number of classes padded to 16."""

    rows: np.ndarray  # float32, flat, D floats per row
    output: np.ndarray  # float32 (D * C,)


class Job(NamedTuple):
    """Which documents to train on, and the learning rate."""

    first: int
    last: int  # exclusive
    rate: float  # at the first document
    slope: float  # change of the rate per feature


class Work(NamedTuple):
    """The memory that one thread works in; C is the number of classes padded to 16, D the row length."""

    where: np.ndarray  # int64: where the rows of the document begin
    hidden: np.ndarray  # float32 (D,)
    change: np.ndarray  # float32 (D,): the step of the hidden row
    scores: np.ndarray  # float32 (C,): logits, then probabilities, then steps
    goal: np.ndarray  # float32 (C,): weight * target, smoothed
    rest: np.ndarray  # float32 (C,): weight * target + 1 - target
    real: np.ndarray  # float32 (C,): 1 for classes, 0 for padding
    output: np.ndarray  # float32 (D * C,): the private copy
    copied: np.ndarray  # float32 (D * C,): the private copy as it was when it was made


def work_for(dim: int, classes: int, longest: int) -> Work:
    """Allocate the memory of one thread for documents of at most `longest` distinct features."""
    row, width = padded(dim), padded(classes)
    real = aligned(width)
    real[:classes] = 1
    hidden, change, scores, goal, rest = (aligned(size) for size in (row, row, width, width, width))
    return Work(np.zeros(longest + 1, np.int64), hidden, change, scores, goal, rest, real, aligned(row * width), aligned(row * width))


@njit(forceinline=True)
def _merge(shared, work):
    """Add the changes of the private output matrix to the shared one, and copy the sum back."""
    for d in range(0, len(work.output), LANES):
        now = add(load(shared, d), sub(load(work.output, d), load(work.copied, d)))
        store(shared, d, now)
        store(work.output, d, now)
        store(work.copied, d, now)


@njit(forceinline=True)
def _find(matrix, rows, begin, n, where, D):
    """List where the rows of a document begin, and prefetch the rows AHEAD features further on."""
    last = len(rows)
    for j in range(n):
        where[j] = np.int64(rows[begin + j]) * D
        if begin + j + AHEAD < last:
            coming = np.int64(rows[begin + j + AHEAD]) * D
            for d in range(0, D, LANES):
                prefetch(matrix, coming + d)


@njit(forceinline=True)
def _gather(matrix, where, times, first, n, scale, hidden, D):
    """hidden = scale * sum of times * row. Four independent sums hide the latency of an addition."""
    for d in range(0, D - 3 * LANES, 4 * LANES):
        a = b = c = e = splat(ZERO)
        for j in range(n):
            at, t = where[j] + d, splat(F32(times[first + j]))
            a = fma(load(matrix, at), t, a)
            b = fma(load(matrix, at + LANES), t, b)
            c = fma(load(matrix, at + 2 * LANES), t, c)
            e = fma(load(matrix, at + 3 * LANES), t, e)
        store(hidden, d, mul(a, splat(scale)))
        store(hidden, d + LANES, mul(b, splat(scale)))
        store(hidden, d + 2 * LANES, mul(c, splat(scale)))
        store(hidden, d + 3 * LANES, mul(e, splat(scale)))
    for d in range(D // (4 * LANES) * 4 * LANES, D, LANES):
        a = b = splat(ZERO)
        for j in range(0, n - 1, 2):
            a = fma(load(matrix, where[j] + d), splat(F32(times[first + j])), a)
            b = fma(load(matrix, where[j + 1] + d), splat(F32(times[first + j + 1])), b)
        if n & 1:
            a = fma(load(matrix, where[n - 1] + d), splat(F32(times[first + n - 1])), a)
        store(hidden, d, mul(add(a, b), splat(scale)))


@njit(forceinline=True)
def _scatter(matrix, where, times, first, n, change, D):
    """row += times * change, for each row of a document."""
    for d in range(0, D, LANES):
        a = load(change, d)
        for j in range(n):
            store(matrix, where[j] + d, fma(a, splat(F32(times[first + j])), load(matrix, where[j] + d)))


@njit(forceinline=True)
def _probabilities(hidden, output, scores, real, DIM, C, SIGMOID):
    """scores = the probabilities of the logits hidden . output; zero in the padding."""
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
    top = load(scores, 0)  # the padding has logit 0, which may be the largest: exp is accurate down to -30
    for c in range(LANES, C, LANES):
        top = maximum(top, load(scores, c))
    highest, mass = splat(largest(top)), splat(ZERO)
    for c in range(0, C, LANES):
        e = mul(exp(sub(load(scores, c), highest)), load(real, c))
        store(scores, c, e)
        mass = add(mass, e)
    scale = splat(ONE / total(mass))
    for c in range(0, C, LANES):
        store(scores, c, mul(load(scores, c), scale))


@njit(forceinline=True)
def _aim(work, codes, first, last, objective, CLASSES, SIGMOID):
    """Fill goal and rest from a document's labels. Returns the loss of the probabilities in scores, and the sum of goal."""
    spread = objective.smoothing / F32(2) if SIGMOID else objective.smoothing / F32(CLASSES)
    labels = F32(1 if SIGMOID else last - first)
    for c in range(CLASSES):
        work.goal[c] = spread
        work.rest[c] = ZERO
    for i in range(first, last):
        work.goal[codes[i]] += (ONE - objective.smoothing) / labels
        work.rest[codes[i]] += ONE / labels
    loss, mass = 0.0, ZERO
    for c in range(CLASSES):
        plain, t, p = work.rest[c], work.goal[c], work.scores[c]
        work.goal[c] = t * objective.weights[c]
        work.rest[c] = work.goal[c] + ONE - t
        mass += work.goal[c]
        if plain > ZERO:
            loss -= plain * np.log(max(p, SMALLEST))
        if SIGMOID:
            loss -= (ONE - plain) * np.log(max(ONE - p, SMALLEST))
    return loss, mass


@njit(forceinline=True)
def _back(work, C, DIM, scale):
    """With the steps g in scores: change = scale * output . g, with the output before its update, and output += hidden x g."""
    for d in range(DIM):
        h, s = splat(work.hidden[d]), splat(ZERO)
        for c in range(0, C, LANES):
            g, at = load(work.scores, c), d * C + c
            w = load(work.output, at)
            s = fma(w, g, s)
            store(work.output, at, fma(h, g, w))
        work.change[d] = total(s) * scale


@functools.cache
def train_kernel(dim: int, classes: int, sigmoid: bool) -> Any:
    """Compile the kernel that trains on some documents.

    Returns:
        A function of: work (`Work`, the thread's own), features (`Features`), targets (`Answers`), objective (`Objective`), matrices
        (`Matrices`) and job (`Job`). It returns the sum of the documents' losses, in nats. It releases the GIL.
    """
    D, C, DIM, CLASSES, SIGMOID, STAMP = padded(dim), padded(classes), -(-dim // 2) * 2, classes, sigmoid, _stamp()

    @compiled
    def train(work, features, targets, objective, matrices, job):
        rows, output = matrices.rows, matrices.output
        loss, since, done = 0.0, 0, 0
        _merge(output, work)
        for document in range(job.first, job.last):
            begin, n = features.starts[document], features.starts[document + 1] - features.starts[document]
            labels, end = targets.starts[document], targets.starts[document + 1]
            if n == 0 or (labels == end and not SIGMOID):
                continue
            _find(rows, features.rows, begin, n, work.where, D)
            scale = ONE / F32(features.lengths[document])
            _gather(rows, work.where, features.times, begin, n, scale, work.hidden, D)
            _probabilities(work.hidden, work.output, work.scores, work.real, DIM, C, SIGMOID)
            own, mass = _aim(work, targets.codes, labels, end, objective, CLASSES, SIGMOID)
            loss += own
            step = splat(F32(job.rate + job.slope * done))
            done += features.lengths[document]
            for c in range(0, C, LANES):
                p = mul(load(work.scores, c), load(work.rest, c) if SIGMOID else splat(mass))
                store(work.scores, c, mul(sub(load(work.goal, c), p), step))
            _back(work, C, DIM, scale)
            _scatter(rows, work.where, features.times, begin, n, work.change, D)
            since += 1
            if since == MERGE:
                since = 0
                _merge(output, work)
        _merge(output, work)
        return loss + 0 * STAMP

    return train


@functools.cache
def predict_kernel(dim: int, classes: int, sigmoid: bool) -> Any:
    """Compile the kernel that writes the probabilities of documents first to last (exclusive) to `out`, float32 (n, classes)."""
    D, C, DIM, CLASSES, SIGMOID, STAMP = padded(dim), padded(classes), -(-dim // 2) * 2, classes, sigmoid, _stamp()

    @compiled
    def predict(work, features, first, last, rows, output, out):
        for document in range(first, last):
            begin, n = features.starts[document], features.starts[document + 1] - features.starts[document]
            _find(rows, features.rows, begin, n, work.where, D)
            _gather(rows, work.where, features.times, begin, n, ONE / F32(max(1, features.lengths[document])), work.hidden, D)
            _probabilities(work.hidden, output, work.scores, work.real, DIM, C, SIGMOID)
            for c in range(CLASSES):
                out[document, c] = work.scores[c]
        return 0 * STAMP

    return predict


def _stamp() -> int:
    return source_stamp(Path(__file__).parent)


@compiled
def draw_rows(rows, keys, first, last, dim, width, seed):
    """Initialise rows first to last (exclusive) uniformly in +-1/dim. A value depends on seed, key and column alone.

    So neither the numbering of the rows nor the number of threads changes the initial row of a feature.
    """
    scale = F32(2.0 / 4294967296.0 / dim)
    for r in range(first, last):
        key = np.uint32(keys[r] * np.uint32(0x9E3779B1)) ^ np.uint32(seed)
        for d in range(dim):
            x = np.uint32(key + np.uint32(d) * np.uint32(0x85EBCA77))
            x = np.uint32((x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D))
            x = np.uint32((x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B))
            x = x ^ (x >> np.uint32(16))
            rows[r * width + d] = F32(np.int32(x)) * scale
