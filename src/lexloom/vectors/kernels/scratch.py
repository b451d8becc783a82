"""What a kernel is asked to do, and the memory that a thread does it in."""

from typing import NamedTuple

import numpy as np

from lexloom.vectors.kernels.simd import LANES
from lexloom.vectors.kernels.tiles import tiling


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
