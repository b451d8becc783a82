"""Text as one stream of tokens, every line ended by `<eos>`, and back again: what language models read and write."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from lexloom.errors import InputError
from lexloom.text.blocks import block_of
from lexloom.text.encode import fixed_encoder
from lexloom.text.readers import Corpus
from lexloom.text.store import TokenStore
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary

SPACE = "\u2581"
"""What the tokenizer `characters` shows for a space."""
_BROKEN = "\ufffd"  # what decoders show for bytes that are no whole character


def stream_of(store: TokenStore) -> np.ndarray:
    """Give the ids of all documents one after the other, each followed by that of eos: uint32 (N + documents,)."""
    return np.insert(np.asarray(store.ids), np.asarray(store.starts[1:]), np.uint32(store.vocabulary.eos_id))


def encode_stream(corpus: Corpus, tokenizer: TextTokenizer, vocabulary: Vocabulary) -> np.ndarray:
    """Encode another text with a tokenizer and a vocabulary that there are, as `stream_of` gives it: uint32 (N + documents,).

    Raises:
        InputError: the corpus is empty or cannot be read.
    """
    encoder, eos = None, np.uint32(vocabulary.eos_id)
    parts = [np.empty(0, np.uint32)]
    tokens = 0
    for block in corpus.blocks():
        encoder = encoder or fixed_encoder(tokenizer, vocabulary, split=block.split)
        ids, lengths = encoder.encode(block)
        tokens += len(ids)
        parts.append(np.insert(ids, np.cumsum(lengths)[block.ends], eos))
    if not tokens:
        raise InputError(f"{corpus.name} is empty: no token in {corpus.report.documents} lines")
    return np.concatenate(parts)


def encode_lines(text: str, tokenizer: TextTokenizer, vocabulary: Vocabulary) -> np.ndarray:
    r"""Encode a text with eos at each `\n`, uint32 (n,); there is none at the end unless the text ends in `\n`."""
    block = block_of(pl.Series(text.split("\n"), dtype=pl.String))
    ids, lengths = fixed_encoder(tokenizer, vocabulary).encode(block)
    return np.insert(ids, np.cumsum(lengths)[block.ends][:-1], np.uint32(vocabulary.eos_id))


class Writer:
    """Turns tokens into text, one by one; what comes out is the text of them all together, however long it is."""

    def __init__(self, tokenizer: TextTokenizer, vocabulary: Vocabulary, *, characters: bool) -> None:
        """Begin with an empty text.

        Args:
            tokenizer: whose tokens they are; its decoder joins them where it has one, spaces do otherwise.
            vocabulary: names the special tokens.
            characters: whether each token is a character.
        """
        self._decoder = tokenizer.library.decoder
        self._eos, self._characters = vocabulary.specials["eos"], characters
        self._shown: list[str] = []  # the last tokens of the line that were written: what a decoder makes of one depends on its neighbour
        self._held: list[str] = []  # those that came since, bytes of a character that is not whole yet

    def write(self, token: str) -> str:
        """Give the text that a token adds; none where it ends amid a character."""
        if token == self._eos:
            rest, self._shown = self.finish(), []
            return rest + "\n"
        if self._characters:
            return " " if token == SPACE else token
        if self._decoder is None:
            added = " " + token if self._shown else token
            self._shown = [token]
            return added
        self._held.append(token)
        whole = self._decoder.decode(self._shown + self._held)
        return "" if whole.endswith(_BROKEN) else self._release(whole)

    def finish(self) -> str:
        """Give what is left at the end: a character that was never whole."""
        return self._release(self._decoder.decode(self._shown + self._held)) if self._held else ""

    def _release(self, whole: str) -> str:
        added = whole[len(self._decoder.decode(self._shown)) :]
        self._shown, self._held = self._held, []
        return added

    def write_all(self, tokens: Sequence[str]) -> str:
        """Give the text that tokens add, but for a character that is not whole yet."""
        return "".join(map(self.write, tokens))
