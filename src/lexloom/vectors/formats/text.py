"""Read vectors written as text: word2vec, GloVe and fastText .vec.

Blocks of whole lines go to polars' CSV reader, numbers only; it rounds every decimal to the nearest float32 directly. A block in
which a line is not `TOKEN SPACE NUMBERS` is split again from the right, line by line, and the line at fault is named.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from lexloom.errors import FormatError
from lexloom.vectors.formats.gather import Gatherer
from lexloom.vectors.formats.recognize import Kind, trailing_numbers
from lexloom.vectors.formats.source import TOKEN_ERRORS, Source

_BLOCK = 1 << 22  # fits the caches better than a larger one: with 16 MB reading took a third longer
_LONGEST_LINE = 1 << 26


def read_text(source: Source, kind: Kind, gatherer: Gatherer) -> None:
    """Read the rows of a text source into the gatherer.

    Raises:
        FormatError: a line is no row (the message names file and line), or rows are missing that the header promises.
    """
    reader = _RowReader(source.name, kind, gatherer)
    source.read(kind.header)
    first = 2 if kind.header else 1
    for lines in _blocks_of_lines(source):
        taken = 0
        while taken < len(lines) and not gatherer.done:
            piece = lines[taken:] if gatherer.room is None else lines[taken : taken + gatherer.room]
            reader.add(piece, range(first + taken, first + taken + len(piece)))
            taken += len(piece)
        if gatherer.done:
            return
        first += len(lines)
    if kind.promised is not None and gatherer.rows < kind.promised:
        raise FormatError(
            f"{source.name}: cut short: it ends after row {gatherer.rows:,} of the {kind.promised:,} that its header promises; "
            "download or copy it again"
        )


class _RowReader:
    """Turns lines into rows of a gatherer."""

    def __init__(self, name: str, kind: Kind, gatherer: Gatherer) -> None:
        self._name, self._dim, self._gatherer = name, kind.dim, gatherer
        self._may_hold_spaces = kind.promised is None
        # a token may hold spaces, so that its first word is all that a quick look at a line can compare
        self._first_words = None if gatherer.only is None else {token.partition(" ")[0] for token in gatherer.only}

    def add(self, lines: Sequence[bytes], numbers: Sequence[int]) -> None:
        """Add lines of the source; `numbers` (as many) are their line numbers, for messages."""
        found = len(lines)
        if self._first_words is not None:
            chosen = [at for at, line in enumerate(lines) if _text(line.partition(b" ")[0]) in self._first_words]
            lines, numbers = [lines[at] for at in chosen], [numbers[at] for at in chosen]
        split = [line.rstrip(b" \r").partition(b" ") for line in lines]
        rows = parse_rows([values for _, _, values in split], self._dim)
        if rows is None:
            skipped, tokens, rows = self._split_from_right(lines, numbers)
            found -= skipped
        else:
            tokens = [token for token, _, _ in split]
        self._gatherer.rows += found
        self._gatherer.add([_text(token) for token in tokens], rows)

    def _split_from_right(self, lines: Sequence[bytes], numbers: Sequence[int]) -> tuple[int, list[bytes], np.ndarray]:
        """Split lines that the quick way could not: blank ones are skipped, a token ends where E fields are left."""
        tokens, values, places = [], [], []
        for line, number in zip(lines, numbers, strict=True):
            line = line.rstrip(b" \r")
            if not line:
                continue
            token, *fields = line.rsplit(b" ", self._dim)
            extra = token.rpartition(b" ")[2] if b" " in token else b""
            if len(fields) < self._dim or (not self._may_hold_spaces and extra and trailing_numbers(extra)):
                raise FormatError(
                    f"{self._name}:{number}: expected a token and {self._dim} numbers, found {line.count(b' ') + 1} fields; "
                    "the line is damaged or the file cut short"
                )
            tokens.append(token)
            values.append(b" ".join(fields))
            places.append(number)
        rows = parse_rows(values, self._dim)
        if rows is None:
            raise self._fault(values, places)
        return len(lines) - len(tokens), tokens, rows

    def _fault(self, values: Sequence[bytes], places: Sequence[int]) -> FormatError:
        """Say which number of which line cannot be parsed, where the lines together could not."""
        line, place = next((line, place) for line, place in zip(values, places, strict=True) if parse_rows([line], self._dim) is None)
        fields = line.split(b" ")
        position = next(position for position, field in enumerate(fields) if parse_rows([field], 1) is None)
        shown = fields[position][:40].decode("utf-8", "backslashreplace")
        return FormatError(f"{self._name}:{place}: number {position + 1} of {self._dim} is {shown!r}, which is not a number")


def parse_rows(lines: Sequence[bytes], dim: int) -> np.ndarray | None:
    """Parse rows of decimals, each rounded to the nearest float32.

    Args:
        lines: n lines of `dim` numbers, apart by single spaces.
        dim: E.

    Returns:
        float32 (n, E), or None where any line is anything else.
    """
    if not lines:
        return np.empty((0, dim), np.float32)
    import polars as pl

    schema = {f"n{column}": pl.Float32 for column in range(dim)}
    try:
        frame = pl.read_csv(b"\n".join([*lines, b""]), has_header=False, schema=schema, separator=" ", quote_char=None)
    except pl.exceptions.PolarsError:
        return None
    if frame.height != len(lines) or any(frame.null_count().row(0)):
        return None
    return frame.to_numpy()


def _blocks_of_lines(source: Source) -> Iterator[list[bytes]]:
    """Yield the lines of a source, without their newlines, some megabytes at a time."""
    tail = b""
    while block := source.read(_BLOCK):
        whole, newline, rest = block.rpartition(b"\n")
        if newline:
            yield (tail + whole).split(b"\n")
            tail = rest
        else:
            tail += block
            if len(tail) > _LONGEST_LINE:
                raise FormatError(f"{source.name}: a line is longer than {_LONGEST_LINE >> 20} MB; this is not a file of vectors")
    if tail:
        yield [tail]


def _text(token: bytes) -> str:
    return token.decode("utf-8", TOKEN_ERRORS)
