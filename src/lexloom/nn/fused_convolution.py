"""The largest responses of filters over documents, for prediction on a CPU, without a product a word.

A filter's response is a sum over its words of what each contributes, and that depends on the word and on its place in the filter alone. So
the contributions of the different words of many documents are computed once, as one product of matrices, and a document is additions of
rows and a maximum: with 20 words a line and 300 filters of 3 to 5 words some 30,000 additions in place of 5 million multiply-adds.
"""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from lexloom.compiling import compiled
from lexloom.vectors.kernels import padded, source_stamp
from lexloom.vectors.kernels.simd import LANES, ZERO, add, load, maximum, splat, store

_JOB = 512  # documents that a thread takes at a time


def largest_responses(
    ids: np.ndarray,
    starts: np.ndarray,
    contribute: Callable[[np.ndarray], np.ndarray],
    bias: np.ndarray,
    widths: tuple[int, ...],
    filters: int,
    threads: int,
) -> np.ndarray:
    """Give what `ConvolutionBank` gives.

    Args:
        ids: uint32 (N,), of n documents one after the other.
        starts: int64 (n + 1,).
        contribute: takes d different ids to what each adds to every filter at every place in it, float32 (d, sum of widths, filters):
            the places of the first width, then those of the second, ...
        bias: float32 (widths, filters).
        widths: words that filters span.
        filters: of each width.
        threads: how many work on it.

    Returns:
        float32 (n, widths * filters), at least 0: zeros for a document without words.
    """
    number, size = len(starts) - 1, padded(filters)
    distinct, places = np.unique(ids, return_inverse=True)
    table = np.zeros((len(distinct) + 1, sum(widths), size), np.float32)  # the last row is that of the zeros around a document
    table[:-1, :, :filters] = contribute(distinct)
    shift = np.zeros((len(widths), size), np.float32)
    shift[:, :filters] = bias
    out = np.zeros((number, len(widths), size), np.float32)
    kernel = _kernel(widths, size)
    longest = int(np.diff(starts).max(initial=0))
    arrays = places.astype(np.int64), starts, table.reshape(-1), len(distinct), shift.reshape(-1), out.reshape(-1), longest

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda first: kernel(first, min(first + _JOB, number), *arrays), range(0, number, _JOB)))
    return np.ascontiguousarray(out[:, :, :filters]).reshape(number, -1)


@functools.cache
def _kernel(widths: tuple[int, ...], F: int) -> Any:
    """Make the loop for filters of these widths, padded to F of each."""
    WIDEST, KINDS, ROW, STAMP = max(widths), len(widths), sum(widths) * F, source_stamp()

    @compiled
    def respond(first, last, places, starts, table, zeros, bias, out, longest):
        where = np.empty(longest + 2 * WIDEST, np.int64)  # where the rows of a document begin, between those of the zeros around it
        for document in range(first, last):
            begin, n = starts[document], starts[document + 1] - starts[document]
            if n == 0:
                continue
            for j in range(n + 2 * WIDEST):
                where[j] = zeros * ROW
            for j in range(n):
                where[WIDEST + j] = places[begin + j] * ROW
            tap = 0
            for kind in range(KINDS):
                width = widths[kind]
                for c in range(0, F, LANES):
                    shift, top = load(bias, kind * F + c), splat(ZERO)
                    for p in range(n + width - 1):
                        response = shift
                        for k in range(width):
                            response = add(response, load(table, where[WIDEST + p + k - width + 1] + (tap + k) * F + c))
                        top = maximum(top, response)
                    store(out, (document * KINDS + kind) * F + c, top)
                tap += width
        return 0 * STAMP

    return respond
