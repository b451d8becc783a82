"""Blocks: how text travels from a source to the encoder, a few megabytes at a time whatever the length of its documents."""

from dataclasses import dataclass

import numpy as np
import polars as pl

BLOCK_BYTES = 1 << 22
"""About how many bytes of text a block holds."""
PIECE_BYTES = 1 << 16
"""Longer documents are cut into pieces of at most this many bytes."""
PIECE_TOKENS = 1 << 13
"""The same for documents that come as lists of tokens."""

_SPACE = b" \t\n\v\f\r"


@dataclass(frozen=True)
class Block:
    """Consecutive documents, or pieces of long ones.

    Attributes:
        texts: n pieces: String, or List(String) where the documents came as tokens and are not to be split any more.
        ends: bool (n,), True where that piece is the last of its document. A document may go on in the next block.
    """

    texts: pl.Series
    ends: np.ndarray

    @property
    def split(self) -> bool:
        """Whether the pieces are lists of tokens already."""
        return self.texts.dtype != pl.String

    @property
    def size(self) -> int:
        """Bytes of text."""
        return int(self._flat.str.len_bytes().sum())

    @property
    def characters(self) -> int:
        """Characters of text."""
        return int(self._flat.str.len_chars().sum())

    @property
    def _flat(self) -> pl.Series:
        return self.texts.explode(empty_as_null=False) if self.split else self.texts


def block_of(texts: pl.Series, *, finished: bool = True) -> Block:
    """Make a block of whole documents, the long ones cut into pieces.

    Args:
        texts: String, a document a row.
        finished: False where the last row's document goes on in the next block.
    """
    ends = np.ones(len(texts), bool)
    ends[len(ends) - 1 :] = finished
    long = np.flatnonzero(texts.str.len_bytes().to_numpy() > PIECE_BYTES)
    if not len(long):
        return Block(texts, ends)
    parts, flags, done = [], [], 0
    for row in long.tolist():
        pieces = cut_pieces(texts[row].encode(), PIECE_BYTES)
        parts += [texts[done:row], pl.Series(pieces, dtype=pl.Binary).cast(pl.String)]
        flags += [ends[done:row], np.zeros(len(pieces) - 1, bool), ends[row : row + 1]]
        done = row + 1
    return Block(pl.concat([*parts, texts[done:]]), np.concatenate([*flags, ends[done:]]))


def cut_pieces(text: bytes, limit: int) -> list[bytes]:
    """Cut UTF-8 text into consecutive pieces of at most `limit` bytes, each cut chosen by `find_cut`."""
    pieces, start = [], 0
    while len(text) - start > limit:
        cut = find_cut(text, start, start + limit)
        pieces.append(text[start:cut])
        start = cut
    pieces.append(text[start:])
    return pieces


def find_cut(text: bytes, start: int, limit: int) -> int:
    """Find the last place in `text[start:limit]` before which no token is cut; `text` must be longer than `limit`.

    That is before a run of ASCII whitespace: splitting the two sides apart gives the tokens of the whole, in all our tokenizers.
    Where there is no such place it is the boundary of a character, and where there is not even that (broken UTF-8) it is `limit`.
    """
    space = max(text.rfind(byte, start, limit) for byte in _SPACE)
    if space >= 0:
        word_end = start + len(text[start:space].rstrip(_SPACE))
        if word_end > start:
            return word_end
    cut = limit
    while cut > start and text[cut] & 0xC0 == 0x80:
        cut -= 1
    return cut if cut > start else limit
