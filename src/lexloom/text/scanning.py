"""The compiled loops of the word table: one pass over the bytes of a text splits it into tokens and looks them up.

The cost is branch mispredictions, because token lengths are unpredictable. So run boundaries are stored unconditionally and the write
index advances by 0 or 1, and a token of up to eight bytes is compared as one 64-bit integer.

The table is a hash table with open addressing. An entry is two uint64: `tag << 32 | id + 1`, and the token's first eight bytes. The tag
is 28 bits of hash and 4 of length (9 means longer than eight bytes, and the other bytes are compared too). Zero marks an empty entry;
collisions probe linearly.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lexloom.compiled.jit import compiled, inlined

RUNS, CHARACTERS, WHOLE = 0, 1, 2
"""A token is a run of characters of one kind, a single character, or a whole piece of text."""
PADDING = 8
"""Bytes that are read beyond the end of a text."""

_U64 = np.uint64
_NONE, _ONE, _HALF = _U64(0), _U64(1), _U64(32)
_LENGTH, _ID = _U64(4), _U64(0xFFFFFFFF)  # the bits of a tag that hold the length; those of an entry that hold the id + 1
_MIX, _SPREAD = _U64(0x9FB21C651E98DF25), _U64(0x9E3779B97F4A7C15)  # odd, half of their bits set
_WORD = 8  # bytes


class Table(NamedTuple):
    """The tokens that are known.

    Attributes:
        entries: uint64 (2 m,), m a power of two; see above.
        spelled: uint8, the bytes of all tokens, one after the other.
        stops: int64 (k,): a token is `spelled[stops[id] : stops[id + 1]]`.
        counts: int64 (k,), how often each was met.
    """

    entries: np.ndarray
    spelled: np.ndarray
    stops: np.ndarray
    counts: np.ndarray


@intrinsic
def _load_word(typing: Any, array: Any, at: Any) -> tuple[Any, Callable[..., Any]]:
    """Load eight bytes of an array, at any address, as one number."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        word = builder.load(builder.bitcast(builder.gep(pointer, [arguments[1]]), ir.IntType(64).as_pointer()))
        word.align = 1
        return word

    return types.uint64(array, at), code


@inlined
def _first_bytes(text, begin, size):
    """Up to eight bytes as one number, the others zero."""
    word = _load_word(text, begin)
    return word if size >= _WORD else word & (_ONE << _U64(8 * size)) - _ONE


@inlined
def _character(text, at):
    """Decode the character that starts here; returns its code point and its length in bytes."""
    first = np.int64(text[at])
    if first < 0x80:
        return first, 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | np.int64(text[at + 1]) & 0x3F, 2
    low = (np.int64(text[at + 1]) & 0x3F) << 6 | np.int64(text[at + 2]) & 0x3F
    if first < 0xF0:
        return (first & 0x0F) << 12 | low, 3
    return (first & 0x07) << 18 | low << 6 | np.int64(text[at + 3]) & 0x3F, 4


@inlined
def _find_runs(text, begin, end, kinds, each, bounds):
    """Store where runs of characters of one kind start, or each character, and where the last one ends; returns their number."""
    n, last, at = 0, np.uint8(0), begin
    while at < end:
        kind, width = kinds[text[at]], 1
        if text[at] >= 0x80:
            point, width = _character(text, at)
            kind = kinds[point]
        bounds[n] = at
        n += each or kind != last
        last = kind
        at += width
    bounds[n] = end
    return n


@inlined
def _describe(text, begin, end):
    """Return a token's tag and its first eight bytes."""
    head = _first_bytes(text, begin, end - begin)
    h = head * _MIX
    for at in range(begin + _WORD, end, _WORD):
        h = (h ^ h >> _HALF ^ _first_bytes(text, at, end - at)) * _MIX
    h = (h ^ h >> _HALF) * _SPREAD
    return (h >> _HALF + _LENGTH) << _LENGTH | _U64(min(end - begin, _WORD + 1)), head


@inlined
def _place(tag, entries):
    """The entry at which the search for a token with this tag starts."""
    return np.int64(tag >> _LENGTH) & (len(entries) >> 1) - 1


@inlined
def _find_entry(text, begin, end, tag, head, entries, spelled, stops):
    """Find the entry of a token, or the empty one for it."""
    at, size = _place(tag, entries), end - begin
    while entries[2 * at] != _NONE:
        if entries[2 * at] >> _HALF == tag and entries[2 * at + 1] == head:
            if size <= _WORD:
                break
            number = np.int64(entries[2 * at] & _ID) - 1
            first = stops[number]
            if stops[number + 1] - first == size:
                j = _WORD
                while j < size and text[begin + j] == spelled[first + j]:
                    j += 1
                if j == size:
                    break
        at = at + 1 & (len(entries) >> 1) - 1
    return at


@compiled
def scan(text, ends, kinds, how, unknown, table, at, bounds, ids, lengths):
    """Split pieces of text into tokens, and look up their ids.

    Args:
        text: uint8 (N + PADDING,), UTF-8.
        ends: int64 (n,), where each piece ends.
        kinds: uint8 (0x110000,), the kind of each character; those of kind 0 are no tokens.
        how: RUNS, CHARACTERS or WHOLE.
        unknown: the id of unknown tokens; -1 if they get the next one.
        table: Table.
        at: int64 (4,), the progress: the piece, the run in it, the tokens found, the tokens known. Updated.
        bounds: int64, with room for one more number than the longest piece has bytes, at least 2.
        ids: uint32, with room for the ids of all tokens.
        lengths: int64 (n,), zeros; receives the number of tokens of each piece.

    Returns:
        Whether all is done; if not, the table is full.
    """
    entries, spelled, stops, counts = table
    piece, run, n, known = at[0], at[1], at[2], at[3]
    most = min(len(entries) >> 2, len(stops) - 1)  # half of the entries stay empty
    done = True
    while piece < len(ends) and done:
        begin, runs = ends[piece - 1] if piece > 0 else 0, 1
        if how == WHOLE:
            bounds[0], bounds[1] = begin, ends[piece]
        else:
            runs = _find_runs(text, begin, ends[piece], kinds, how == CHARACTERS, bounds)
        while run < runs:
            begin, end = bounds[run], bounds[run + 1]
            if how == WHOLE or kinds[_character(text, begin)[0]] != 0:
                tag, head = _describe(text, begin, end)
                entry = _find_entry(text, begin, end, tag, head, entries, spelled, stops)
                number = np.int64(entries[2 * entry] & _ID) - 1
                if number < 0 and unknown >= 0:
                    number = unknown
                elif number < 0:
                    first = stops[known]
                    if known == most or first + end - begin > len(spelled):
                        done = False
                        break
                    number = known
                    known += 1
                    entries[2 * entry], entries[2 * entry + 1] = tag << _HALF | _U64(known), head
                    for j in range(end - begin):
                        spelled[first + j] = text[begin + j]
                    stops[known] = first + end - begin
                counts[number] += 1
                ids[n] = number
                n += 1
                lengths[piece] += 1
            run += 1
        if done:
            piece, run = piece + 1, 0
    at[0], at[1], at[2], at[3] = piece, run, n, known
    return done


@compiled
def move(entries, wider):
    """Insert entries into a larger, empty array."""
    for old in range(0, len(entries), 2):
        if entries[old] != _NONE:
            at = _place(entries[old] >> _HALF, wider)
            while wider[2 * at] != _NONE:
                at = at + 1 & (len(wider) >> 1) - 1
            wider[2 * at], wider[2 * at + 1] = entries[old], entries[old + 1]
