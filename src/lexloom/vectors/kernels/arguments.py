"""What a kernel works with: named bundles of arrays and numbers, which Numba unpacks, and the memory of a thread."""

from typing import NamedTuple

import numpy as np

from lexloom.compiled.memory import LANES, aligned
from lexloom.vectors.kernels.tiles import tiling


class Plan(NamedTuple):
    """The constants that a kernel is compiled for."""

    dim: int
    """The row length in floats: a multiple of 16 (see `padded`)."""
    negative: int
    """Negatives per centre, at least 1."""
    cbow: bool


class Text(NamedTuple):
    """An encoded text."""

    ids: np.ndarray  # uint32 (N,)
    starts: np.ndarray  # int64 (documents + 1,): where each document begins


class Tables(NamedTuple):
    """What is known of each of the V words."""

    keep: np.ndarray  # uint32 (V,): subsampling thresholds, see `keep_thresholds`
    noise: np.ndarray  # uint64 (V,): an alias table, see `noise_table`
    trainable: np.ndarray  # uint8 (V,): 0 where the input row is frozen


class Matrices(NamedTuple):
    """What is trained, float32, flat, with `Plan.dim` floats per row."""

    input: np.ndarray
    output: np.ndarray


class Options(NamedTuple):
    """Options that are not compiled in; see `VectorConfig`."""

    window: int
    shrink_windows: bool
    cbow_mean: bool


class Job(NamedTuple):
    """A range of token positions to train on."""

    document: int  # the document that contains the first position
    first: int
    last: int  # exclusive
    rate: float  # the learning rate at the first position
    slope: float  # the change of the learning rate per position
    state: np.uint64  # the initial state of the random generator, not 0


class Scratch(NamedTuple):
    """The memory that one thread works in.

    The private rows are a ring of `size` rows (a power of two), CBOW's hidden row, and a row of zeros.
    """

    rows: np.ndarray  # float32 (size + 2, dim), flat: the private rows
    copied: np.ndarray  # the same rows as they were when they were copied
    slots: np.ndarray  # int64: where the rows to train begin in `rows`: the contexts of a centre, or CBOW's hidden row
    contexts: np.ndarray  # int64: where the contexts of a centre begin, for CBOW
    chosen: np.ndarray  # int64 (outputs,): where the output rows of a centre begin
    coming: np.ndarray  # int64 (outputs,): the negatives of the next centre, as words
    steps: np.ndarray  # float32 (pairs, tiles, 16), flat
    moved: np.ndarray  # float32 (2 * pairs, 16), flat: rows between two tiles
    weights: np.ndarray  # float32 (tiles, 16), flat: 1 in the lanes that hold a score of two contexts, else 0
    single: np.ndarray  # the same where there is no second context
    signs: np.ndarray  # +1 in the lanes of the centre itself, -1 in those of negatives


def scratch(plan: Plan, window: int) -> Scratch:
    """Allocate the memory of one thread."""
    outputs = plan.negative + 1
    tiles, height = tiling(outputs)
    weights, single, signs = (np.zeros((tiles, LANES), np.float32) for _ in range(3))
    for k in range(outputs):
        for context in (0, 1):
            lane = context * height + k % height
            weights[k // height, lane] = 1
            single[k // height, lane] = 1 - context
            signs[k // height, lane] = 1 if k == 0 else -1
    rows = 1 << (2 * window + 1).bit_length()
    contexts = 2 * window + 2
    return Scratch(
        aligned((rows + 2) * plan.dim),
        aligned((rows + 2) * plan.dim),
        np.zeros(contexts, np.int64),
        np.zeros(contexts, np.int64),
        np.zeros(tiles * height, np.int64),
        np.zeros(tiles * height, np.int64),
        aligned(contexts // 2 * tiles * LANES),
        aligned(contexts * LANES),
        weights.ravel(),
        single.ravel(),
        signs.ravel(),
    )
