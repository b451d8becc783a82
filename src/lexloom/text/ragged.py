"""Rows of different lengths in one array: row r is `values[starts[r] : starts[r + 1]]`."""

import numpy as np

_LONG = 20  # values of a row from which on a copy of each is faster than an index of all values


def starts_of(lengths: np.ndarray) -> np.ndarray:
    """Say where rows of these lengths, int64 (n,), begin and the last one ends: int64 (n + 1,)."""
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def take_rows(values: np.ndarray, starts: np.ndarray, numbers: np.ndarray, longest: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Copy some rows.

    Args:
        values: (N,), of all rows.
        starts: int64 (n + 1,).
        numbers: int64 (m,), which rows, in their new order.
        longest: of a row so many values at most; all unless given.

    Returns:
        values (M,) and starts, int64 (m + 1,), of the copy.
    """
    lengths = np.diff(starts)[numbers]
    if longest is not None:
        lengths = np.minimum(lengths, longest)
    chosen, begins = starts_of(lengths), starts[:-1][numbers]
    if chosen[-1] > _LONG * len(numbers):
        ends = (begins + lengths).tolist()
        return np.concatenate([values[begin:end] for begin, end in zip(begins.tolist(), ends, strict=True)]), chosen
    return values[np.arange(chosen[-1]) + np.repeat(begins - chosen[:-1], lengths)], chosen
