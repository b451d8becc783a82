"""Recognise a vector file by its content: the first bytes say what it is, never its name."""

from collections import Counter
from dataclasses import dataclass

from lexloom.errors import FormatError
from lexloom.vectors.formats.foreign import foreign
from lexloom.vectors.formats.source import Source

_HEAD = 1 << 20  # a first row of 300 numbers takes about 3 kB; one longer than this is not a row of vectors
_SAMPLE_LINES = 100
_MOST_ROWS = 1 << 60  # beyond, NumPy has no integers for a shape
_CONTROL = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r")


@dataclass(frozen=True)
class Kind:
    """What a source was found to be.

    Attributes:
        format: one of `FORMATS`; "folder" for a file of tensors that belongs to one.
        dim: how many numbers a row has; 0 where the format itself says so later on.
        promised: how many rows the header promises; None without a header.
        header: how many bytes the header takes.
    """

    format: str
    dim: int = 0
    promised: int | None = None
    header: int = 0


def recognize(source: Source) -> Kind:
    """Tell the format of a source from its first bytes, which stay unread.

    Raises:
        FormatError: it is none that lexloom reads; the message says what it is and what to do.
    """
    start = source.peek(512)
    if start.startswith(b"\x93NUMPY"):
        return Kind("npy")
    if start.startswith(b"PAR1"):
        return Kind("parquet")
    if start[8:9] == b"{" and 0 < int.from_bytes(start[:8], "little") < 1 << 27:
        return Kind("folder")
    if what := foreign(start):
        raise FormatError(f"{source.name}: {what}")
    head = source.peek(_HEAD)
    header = _header(head)
    if header is not None:
        return _with_header(source.name, head, *header)
    return _without_header(source.name, head)


def _header(head: bytes) -> tuple[int, int, int] | None:
    """Read `V E` from a first line of exactly two integers: (V, E, bytes taken), or None where there is no such line."""
    line, newline, _ = head[:128].partition(b"\n")
    fields = line.removeprefix(b"\xef\xbb\xbf").split()
    whole = newline or len(head) < 128  # a file that ends within its header has no newline
    if whole and len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit():
        return int(fields[0]), int(fields[1]), len(line) + 1
    return None


def _with_header(name: str, head: bytes, promised: int, dim: int, size: int) -> Kind:
    if dim == 0:
        raise FormatError(f"{name}:1: the header promises rows of 0 numbers; expected `ROWS NUMBERS_PER_ROW`")
    if dim > _HEAD or promised > _MOST_ROWS:
        raise FormatError(f"{name}:1: the header promises {promised} rows of {dim} numbers, which no vectors have; it is damaged")
    line, newline, _ = head[size:].partition(b"\n")
    complete = bool(newline) or len(head) < _HEAD
    if complete and 0 < dim <= trailing_numbers(line):
        return Kind("fasttext-vec" if line.rstrip(b"\r").endswith(b" ") else "word2vec", dim, promised, size)
    numbers = head[size:].partition(b" ")[2][: 4 * dim]
    if numbers and (not is_text(numbers) or _is_whole_binary(head[size:], promised, dim)):
        return Kind("word2vec-binary", dim, promised, size)
    return Kind("word2vec", dim, promised, size)


def _is_whole_binary(rows: bytes, promised: int, dim: int) -> bool:
    """Whether bytes are exactly so many binary rows: a few numbers may happen to look like text."""
    at = 0
    for _ in range(promised):
        space = rows.find(b" ", at)
        if space < 0:
            return False
        at = space + 1 + 4 * dim
    return at <= len(rows) < _HEAD and not rows[at:].strip(b"\n")


def _without_header(name: str, head: bytes) -> Kind:
    if b"\n" not in head and len(head) == _HEAD:
        raise FormatError(f"{name}: line 1 is longer than {_HEAD >> 20} MB; this is not a file of vectors")
    if b"\n" not in head and b"\r" in head.rstrip(b"\r"):
        raise FormatError(f"{name}: its lines end in carriage returns alone; convert it with `tr '\\r' '\\n'`")
    lines = head.split(b"\n", _SAMPLE_LINES)
    if len(lines) > _SAMPLE_LINES or (len(lines) > 1 and len(head) == _HEAD):
        lines.pop()  # the last piece may be cut
    lines = [line for line in lines if line.strip()]
    # numbers at the right end of a row; the token may be a number too, hence at most one less than there are fields
    dims = Counter(min(trailing_numbers(line), line.rstrip(b" \r").count(b" ")) for line in lines)
    dim = dims.most_common(1)[0][0] if dims else 0
    spaced = sum(line.rstrip(b" \r").count(b" ") > dim for line in lines)
    # two words and a number a line is a similarity file sooner than vectors of one number
    if dim == 0 or (dim == 1 and 2 * spaced > len(lines)):
        raise FormatError(f"{name}: {_what_it_is(head)}; expected `TOKEN NUMBER NUMBER ...` a line, apart by single spaces")
    return Kind("glove", dim)


def trailing_numbers(line: bytes) -> int:
    """Count the fields at the right end of a line that are numbers."""
    count = 0
    for field in reversed(line.rstrip(b" \r").split(b" ")):
        try:
            float(field)
        except ValueError:
            break
        count += 1
    return count


def is_text(data: bytes) -> bool:
    """Whether bytes, perhaps cut inside a character, are UTF-8 text without control characters."""
    if len(data.translate(None, _CONTROL)) != len(data):
        return False
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.end == len(data) and "end of data" in error.reason
    return True


def _what_it_is(head: bytes) -> str:
    first = head.split(b"\n", 1)[0]
    if not is_text(head[:4096]):
        return "binary data of a kind that lexloom does not know"
    shown = first[:60].decode("utf-8", "replace").strip() + ("..." if len(first) > 60 else "")
    if len(first.split(b"\t")) > 2:
        return f"line 1 ({shown!r}) is apart by tabs, not a vector row; turn them into spaces with `tr '\\t' ' '`"
    return f"text, but not vectors: line 1 is {shown!r}"
