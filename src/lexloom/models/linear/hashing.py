"""The loops behind features, compiled: hashes of words and of n-grams, and the distinct features of each document."""

import numpy as np
from numba import njit

from lexloom.compiling import compiled

UNKNOWN = np.uint32(0xFFFFFFFF)
"""The row of a token outside of the vocabulary."""
_U8, _U32, _U64 = np.uint8, np.uint32, np.uint64
_MOST = 255  # times that are counted in one entry


@njit(forceinline=True)
def _fnv(text, begin, end):
    h = _U32(2166136261)
    for i in range(begin, end):
        h = _U32((h ^ _U32(np.int32(np.int8(text[i])))) * _U32(16777619))
    return h


@njit(forceinline=True)
def _continues(byte):
    """Whether a byte goes on with a character of UTF-8."""
    return byte & 0xC0 == 0x80


@njit(forceinline=True)
def _spell(text, at, size, shortest, longest, buckets, out, n):
    """Append the buckets of the character n-grams of '<word>' to out[n:]; gives how many there are then."""
    stop = size + 2  # place 0 is '<', place size + 1 is '>', and p between them is the byte at + p - 1
    for i in range(stop):
        if 0 < i <= size and _continues(text[at + i - 1]):
            continue
        h, j, length = _U32(2166136261), i, 0
        while j < stop and length < longest:
            length += 1
            while True:
                c = _U8(60) if j == 0 else _U8(62) if j == stop - 1 else text[at + j - 1]
                h = _U32((h ^ _U32(np.int32(np.int8(c)))) * _U32(16777619))
                j += 1
                if not (0 < j <= size and _continues(text[at + j - 1])):
                    break
            if length >= shortest and not (length == 1 and (i == 0 or j == stop)):  # '<' and '>' alone say nothing
                out[n] = h % _U32(buckets)
                n += 1
    return n


@compiled
def hash_types(text, ends, shortest, longest, buckets, hashes, grams, gram_starts):
    """Hash tokens, of which each ends where `ends` says, and list the buckets of the n-grams of their characters."""
    n = begin = 0
    for i in range(len(ends)):
        hashes[i] = _fnv(text, begin, ends[i])
        if longest > 0:
            n = _spell(text, begin, ends[i] - begin, shortest, longest, buckets, grams, n)
        gram_starts[i + 1] = n
        begin = ends[i]


@njit(forceinline=True)
def _signed(h):
    """As fastText widens a hash to 64 bits: by its sign."""
    return _U64(np.int64(np.int32(h)))


@compiled
def find_features(ids, starts, ranks, hashes, grams, gram_starts, order, words, buckets, rows, times):
    """List the features of each document in rows and times, which have room enough; gives what `Features` holds."""
    ends, lengths = np.zeros(len(starts), np.int64), np.zeros(len(starts) - 1, np.int64)
    seen, before = np.full(len(ranks), -1, np.int64), 0  # where a token was entered last, counted over all documents
    longest = 0
    for document in range(len(starts) - 1):
        longest = max(longest, starts[document + 1] - starts[document])
    kinds, often = np.empty(longest, np.int64), np.empty(longest, _U8)  # different tokens of a document, and how often each occurs
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
    """Replace words + bucket by words + the bucket's number in the order of first use, in place."""
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
    """Do the same with numbers that there are, in place, and leave out what has none; gives rows, times and starts."""
    ends, n = np.zeros(len(starts), np.int64), 0
    for document in range(len(starts) - 1):
        for j in range(starts[document], starts[document + 1]):
            number = np.int64(0) if rows[j] < words else np.int64(row_of[rows[j] - words])
            if number >= 0:
                rows[n], times[n] = rows[j] if rows[j] < words else words + number, times[j]
                n += 1
        ends[document + 1] = n
    return rows[:n], times[:n], ends
