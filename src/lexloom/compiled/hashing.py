"""FNV-1a hashes of tokens and of the character n-grams in them, as fastText computes them."""

import numpy as np
from numba import njit

from lexloom.compiled.jit import compiled

_U8, _U32 = np.uint8, np.uint32
_OFFSET, _PRIME = _U32(2166136261), _U32(16777619)


@njit(forceinline=True)
def _mix(h, byte):
    """Add a byte to a hash. fastText reads it as a signed character, so a byte above 127 sets the upper bits too."""
    return _U32((h ^ _U32(np.int32(np.int8(byte)))) * _PRIME)


@njit(forceinline=True)
def _fnv(text, begin, end):
    h = _OFFSET
    for i in range(begin, end):
        h = _mix(h, text[i])
    return h


@njit(forceinline=True)
def _continues(byte):
    """Whether a byte continues a UTF-8 character."""
    return byte & 0xC0 == 0x80


@njit(forceinline=True)
def _character_ngrams(text, at, size, shortest, longest, buckets, out, n):
    """Append the buckets of the character n-grams of '<word>' to out[n:]. Returns the new n."""
    stop = size + 2  # place 0 is '<', place size + 1 is '>', and place p between them is the byte at + p - 1
    for i in range(stop):
        if 0 < i <= size and _continues(text[at + i - 1]):
            continue
        h, j, length = _OFFSET, i, 0
        while j < stop and length < longest:
            length += 1
            while True:
                h = _mix(h, _U8(60) if j == 0 else _U8(62) if j == stop - 1 else text[at + j - 1])
                j += 1
                if not (0 < j <= size and _continues(text[at + j - 1])):
                    break
            if length >= shortest and not (length == 1 and (i == 0 or j == stop)):  # '<' and '>' alone say nothing
                out[n] = h % _U32(buckets)
                n += 1
    return n


@compiled
def hash_tokens(text, ends, shortest, longest, buckets, hashes, ngrams, ngram_starts):
    """Hash tokens and the n-grams of their characters.

    Args:
        text: uint8, the UTF-8 bytes of all tokens, one after the other.
        ends: int64 (t,), where each token ends.
        shortest, longest: lengths of the n-grams in characters; none are listed where `longest` is 0.
        buckets: how many values an n-gram's hash is reduced to.
        hashes: uint32 (t,), filled with the hash of each token.
        ngrams: uint32, large enough for all n-grams, filled with their buckets.
        ngram_starts: int64 (t + 1,), filled; the n-grams of token i are `ngrams[ngram_starts[i] : ngram_starts[i + 1]]`.
    """
    n = begin = 0
    for i in range(len(ends)):
        hashes[i] = _fnv(text, begin, ends[i])
        if longest > 0:
            n = _character_ngrams(text, begin, ends[i] - begin, shortest, longest, buckets, ngrams, n)
        ngram_starts[i + 1] = n
        begin = ends[i]
