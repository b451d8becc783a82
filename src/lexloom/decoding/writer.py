"""From tokens to text, one token at a time."""

from collections.abc import Sequence

from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary

SPACE = "\u2581"
"""What the tokenizer `characters` shows for a space."""
_BROKEN = "\ufffd"  # what decoders show for bytes that are no whole character


class Writer:
    """Turns tokens into text one by one; the parts together are the text that decoding all of them gives."""

    def __init__(self, tokenizer: TextTokenizer, vocabulary: Vocabulary, *, characters: bool) -> None:
        """Start with an empty text.

        Args:
            tokenizer: of the tokens; they are joined by its decoder, or by spaces if it has none.
            vocabulary: names the special tokens.
            characters: whether each token is a character.
        """
        self._decoder = tokenizer.library.decoder
        self._eos, self._characters = vocabulary.specials["eos"], characters
        self._shown: list[str] = []  # the last written tokens of the line: how a token is decoded depends on its neighbour
        self._held: list[str] = []  # the tokens since then, bytes of a character that is not whole yet

    def write(self, token: str) -> str:
        """The text that a token adds; empty if it ends in the middle of a character."""
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
        """The rest at the end: a character that is not whole."""
        return self._release(self._decoder.decode(self._shown + self._held)) if self._held else ""

    def _release(self, whole: str) -> str:
        added = whole[len(self._decoder.decode(self._shown)) :]
        self._shown, self._held = self._held, []
        return added

    def write_all(self, tokens: Sequence[str]) -> str:
        """The text that tokens add, without a character that is not whole yet."""
        return "".join(map(self.write, tokens))
