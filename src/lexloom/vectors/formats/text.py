"""Read and write vectors as text: word2vec, GloVe, fastText .vec; and write TensorBoard's embedding projector.

Blocks of whole lines go to polars' CSV reader, which rounds every decimal directly to the nearest float32. If a line of a block is
not `TOKEN SPACE NUMBERS`, its lines are split again from the right, one by one, and an error names the damaged line.
"""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lexloom.errors import FormatError
from lexloom.files import ByteStream, open_target
from lexloom.vectors.formats.recognize import Header, trailing_numbers
from lexloom.vectors.formats.rows import TOKEN_ERRORS, Gatherer, Loaded, Request, encode_tokens, row_blocks
from lexloom.vectors.table import Vectors

_BLOCK = 1 << 22  # fits the caches: reading with 16 MB took a third longer
_LONGEST_LINE = 1 << 26


# ---- reading ---------------------------------------------------------------------------------------------------------------------------


def read_text(stream: ByteStream, header: Header, request: Request) -> Loaded:
    """Read vectors from text.

    Raises:
        FormatError: a line is not a row (the message names file and line), or there are fewer rows than the header promises.
    """
    gatherer = Gatherer(header.dim, request, header.rows)
    reader = _RowReader(stream.name, header, gatherer)
    stream.read(header.size)
    first = 2 if header.size else 1
    for lines in _blocks_of_lines(stream):
        taken = 0
        while taken < len(lines) and not gatherer.done:
            piece = lines[taken:] if gatherer.room is None else lines[taken : taken + gatherer.room]
            reader.add(piece, range(first + taken, first + taken + len(piece)))
            taken += len(piece)
        if gatherer.done:
            return gatherer.finish()
        first += len(lines)
    if header.rows is not None and gatherer.rows < header.rows:
        raise FormatError(
            f"{stream.name}: cut short: it ends after row {gatherer.rows:,} of the {header.rows:,} that its header promises; "
            "download or copy it again"
        )
    return gatherer.finish()


class _RowReader:
    """Parses lines and adds them as rows to a gatherer."""

    def __init__(self, name: str, header: Header, gatherer: Gatherer) -> None:
        self._name, self._dim, self._gatherer = name, header.dim, gatherer
        self._may_contain_spaces = header.rows is None
        # a token may contain spaces, so a line is preselected by the first word of its token
        self._first_words = None if gatherer.only is None else {token.partition(" ")[0] for token in gatherer.only}

    def add(self, lines: Sequence[bytes], numbers: Sequence[int]) -> None:
        """Add n lines of the source; `numbers` are their n line numbers, for messages."""
        found = len(lines)
        if self._first_words is not None:
            chosen = [at for at, line in enumerate(lines) if _decode(line.partition(b" ")[0]) in self._first_words]
            lines, numbers = [lines[at] for at in chosen], [numbers[at] for at in chosen]
        split = [line.rstrip(b" \r").partition(b" ") for line in lines]
        rows = parse_rows([values for _, _, values in split], self._dim)
        if rows is None:
            blank, tokens, rows = self._split_from_right(lines, numbers)
            found -= blank
        else:
            tokens = [token for token, _, _ in split]
        self._gatherer.rows += found
        self._gatherer.add([_decode(token) for token in tokens], rows)

    def _split_from_right(self, lines: Sequence[bytes], numbers: Sequence[int]) -> tuple[int, list[bytes], np.ndarray]:
        """Split lines at the space before the last E fields; returns how many were blank, the tokens, and the rows (n, E)."""
        tokens, values, places = [], [], []
        for line, number in zip(lines, numbers, strict=True):
            line = line.rstrip(b" \r")
            if not line:
                continue
            token, *fields = line.rsplit(b" ", self._dim)
            extra = token.rpartition(b" ")[2] if b" " in token else b""
            if len(fields) < self._dim or (not self._may_contain_spaces and extra and trailing_numbers(extra)):
                raise FormatError(
                    f"{self._name}:{number}: expected a token and {self._dim} numbers, found {line.count(b' ') + 1} fields; "
                    "the line is damaged or the file cut short"
                )
            tokens.append(token)
            values.append(b" ".join(fields))
            places.append(number)
        rows = parse_rows(values, self._dim)
        if rows is None:
            raise self._error(values, places)
        return len(lines) - len(tokens), tokens, rows

    def _error(self, values: Sequence[bytes], places: Sequence[int]) -> FormatError:
        """Find the first number that cannot be parsed, and its line."""
        line, place = next((line, place) for line, place in zip(values, places, strict=True) if parse_rows([line], self._dim) is None)
        fields = line.split(b" ")
        position = next(position for position, field in enumerate(fields) if parse_rows([field], 1) is None)
        shown = fields[position][:40].decode("utf-8", "backslashreplace")
        return FormatError(f"{self._name}:{place}: number {position + 1} of {self._dim} is {shown!r}, which is not a number")


def parse_rows(lines: Sequence[bytes], dim: int) -> np.ndarray | None:
    """Parse rows of decimals, each rounded to the nearest float32.

    Args:
        lines: n lines of `dim` numbers, separated by single spaces.
        dim: E.

    Returns:
        float32 (n, E), or None if a line is anything else.
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


def _blocks_of_lines(stream: ByteStream) -> Iterator[list[bytes]]:
    """Yield the lines of a source, without their newlines, in blocks of some megabytes."""
    tail = b""
    while block := stream.read(_BLOCK):
        whole, newline, rest = block.rpartition(b"\n")
        if newline:
            yield (tail + whole).split(b"\n")
            tail = rest
        else:
            tail += block
            if len(tail) > _LONGEST_LINE:
                raise FormatError(f"{stream.name}: a line is longer than {_LONGEST_LINE >> 20} MB; this is not a file of vectors")
    if tail:
        yield [tail]


def _decode(token: bytes) -> str:
    return token.decode("utf-8", TOKEN_ERRORS)


# ---- writing ---------------------------------------------------------------------------------------------------------------------------


def write_word2vec(vectors: Vectors, target: Path) -> None:
    """Write `V E`, then lines of `TOKEN NUMBERS`.

    Raises:
        FormatError: a token contains a space or a newline.
    """
    _write(vectors, target, "word2vec", forbidden=b" \n", header=True)


def write_glove(vectors: Vectors, target: Path) -> None:
    """Write lines of `TOKEN NUMBERS`, without a header; tokens may contain spaces.

    Raises:
        FormatError: a token contains a newline.
    """
    _write(vectors, target, "glove", forbidden=b"\n")


def write_fasttext(vectors: Vectors, target: Path) -> None:
    """Write fastText's .vec: word2vec text with a space at the end of each row.

    Raises:
        FormatError: a token contains a space or a newline.
    """
    _write(vectors, target, "fasttext-vec", forbidden=b" \n", header=True, end=b" \n")


def _write(vectors: Vectors, target: Path, format: str, *, forbidden: bytes, header: bool = False, end: bytes = b"\n") -> None:
    tokens = encode_tokens(vectors.tokens, forbidden, format)
    with open_target(target) as stream:
        if header:
            stream.write(b"%d %d\n" % vectors.matrix.shape)
        for first, rows in row_blocks(vectors.matrix):
            pieces: list[bytes] = []
            for token, numbers in zip(tokens[first : first + len(rows)], decimals(rows), strict=True):
                pieces += (token, b" ", numbers, end)
            stream.write(b"".join(pieces))


def decimals(rows: np.ndarray, separator: str = " ") -> list[bytes]:
    """Format rows of float32 (n, E) as n lines of the shortest decimals that read back as the same bits (a NaN loses its payload)."""
    import polars as pl

    lines = io.BytesIO()
    frame = pl.DataFrame(rows, schema=[str(column) for column in range(rows.shape[1])], orient="row")
    frame.write_csv(lines, include_header=False, separator=separator, quote_style="never")
    return lines.getvalue().split(b"\n")[: len(rows)]


_PROJECTOR_CONFIG = b"""embeddings {
  tensor_name: "vectors"
  tensor_path: "tensors.tsv"
  metadata_path: "metadata.tsv"
}
"""


def write_projector(vectors: Vectors, folder: Path) -> None:
    """Write tensors.tsv, metadata.tsv and projector_config.pbtxt for TensorBoard's embedding projector; the folder may exist.

    Raises:
        FormatError: a token contains a tab or a newline.
    """
    tokens = encode_tokens(vectors.tokens, b"\t\n\r", "projector")
    folder.mkdir(parents=True, exist_ok=True)
    with open_target(folder / "tensors.tsv") as stream:
        for _, rows in row_blocks(vectors.matrix):
            stream.writelines(line + b"\n" for line in decimals(rows, "\t"))
    with open_target(folder / "metadata.tsv") as stream:
        if vectors.counts.any():  # the projector expects a header if and only if there is more than one column
            stream.write(b"token\tcount\n")
            stream.writelines(b"%b\t%d\n" % pair for pair in zip(tokens, vectors.counts.tolist(), strict=True))
        else:
            stream.writelines(token + b"\n" for token in tokens)
    with open_target(folder / "projector_config.pbtxt") as stream:
        stream.write(_PROJECTOR_CONFIG)
