"""Compiled loops that find the features of documents: words, n-grams of words, n-grams of characters."""

import numpy as np
from numba import njit

from lexloom.compiled.jit import compiled

UNKNOWN = np.uint32(0xFFFFFFFF)
"""The row number of an out-of-vocabulary token."""
_U8, _U32, _U64 = np.uint8, np.uint32, np.uint64
_MOST = 255  # occurrences that one entry can count


@njit(forceinline=True)
def _signed(h):
    """Widen a hash to 64 bits as fastText does, with its sign."""
    return _U64(np.int64(np.int32(h)))


@compiled
def find_features(ids, starts, types, order, words, buckets, rows, times):
    """List the distinct features of each document.

    Args:
        ids: uint32 (N,), the tokens of all documents.
        starts: int64 (documents + 1,), where each document begins.
        types: `Types`, what is known of each token.
        order: words of the longest word n-gram.
        words: how many rows belong to words; n-grams have the rows `words` + bucket.
        buckets: how many buckets there are.
        rows, times: uint32 and uint8, large enough for all features; filled.

    Returns:
        The fields of `Features`.
    """
    ranks, hashes, grams, gram_starts = types.ranks, types.hashes, types.grams, types.gram_starts
    ends, lengths = np.zeros(len(starts), np.int64), np.zeros(len(starts) - 1, np.int64)
    seen, before = np.full(len(ranks), -1, np.int64), 0  # the entry of a token's last occurrence, counted over all documents
    longest = 0
    for document in range(len(starts) - 1):
        longest = max(longest, starts[document + 1] - starts[document])
    kinds, often = np.empty(longest, np.int64), np.empty(longest, _U8)  # distinct tokens of a document, and their counts
    n = 0
    for document in range(len(starts) - 1):
        begin, end, different = starts[document], starts[document + 1], 0
        for i in range(begin, end):
            here = seen[ids[i]] - before
            if here >= 0 and often[here] < _MOST:
                often[here] += 1
            else:
                seen[ids[i]] = before + different
                kinds[different], often[different] = ids[i], 1
                different += 1
        before += different
        for k in range(different):
            if ranks[kinds[k]] != UNKNOWN:
                rows[n], times[n] = ranks[kinds[k]], often[k]
                n += 1
                lengths[document] += often[k]
        for k in range(different if len(grams) > 0 else 0):
            for g in range(gram_starts[kinds[k]], gram_starts[kinds[k] + 1]):
                rows[n], times[n] = words + grams[g], often[k]
                n += 1
                lengths[document] += often[k]
        for i in range(begin, end if order > 1 else begin):
            if ranks[ids[i]] == UNKNOWN:
                continue
            h = _signed(hashes[ids[i]])
            for j in range(i + 1, min(i + order, end)):
                if ranks[ids[j]] == UNKNOWN:
                    break
                h = h * _U64(116049371) + _signed(hashes[ids[j]])
                rows[n], times[n] = words + h % _U64(buckets), 1
                n += 1
                lengths[document] += 1
        ends[document + 1] = n
    return rows[:n], times[:n], ends, lengths


@compiled
def number_buckets(rows, words, row_of, used):
    """Replace words + bucket by words + the rank of the bucket in order of first use, in place. Returns how many buckets are used."""
    for j in range(len(rows)):
        if rows[j] >= words:
            bucket = rows[j] - words
            if row_of[bucket] < 0:
                row_of[bucket] = used
                used += 1
            rows[j] = words + row_of[bucket]
    return used


@compiled
def keep_known(rows, times, starts, words, row_of):
    """Replace words + bucket by words + row_of[bucket], in place, and drop buckets without a row. Returns rows, times and starts."""
    ends, n = np.zeros(len(starts), np.int64), 0
    for document in range(len(starts) - 1):
        for j in range(starts[document], starts[document + 1]):
            number = np.int64(0) if rows[j] < words else np.int64(row_of[rows[j] - words])
            if number >= 0:
                rows[n], times[n] = rows[j] if rows[j] < words else words + number, times[j]
                n += 1
        ends[document + 1] = n
    return rows[:n], times[:n], ends
