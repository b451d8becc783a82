"""Recognise the format of a source by its first bytes, never by its name, and name what is not vectors."""

import struct
from collections import Counter
from dataclasses import dataclass

from lexloom.errors import FormatError
from lexloom.files import ByteStream

_HEAD = 1 << 20  # bytes looked at: a row of 300 numbers takes about 3 kB, and no row of vectors takes 1 MB
_SAMPLE_LINES = 100
_MOST_ROWS = 1 << 60  # NumPy cannot represent larger shapes
_CONTROL = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r")
_FASTTEXT_MAGIC = struct.pack("<i", 793712314)
_TO_WORD2VEC = "save its vectors with `KeyedVectors.save_word2vec_format` and read that file"

_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (_FASTTEXT_MAGIC, "a fastText model (.bin or .ftz), not a table of vectors; use the .vec file that fastText writes beside it"),
    (b"\x89HDF\r\n", "an HDF5 file; export the vectors as word2vec text, .npy or Parquet"),
    (b"SQLite format 3\x00", "an SQLite database, as Magnitude uses for vectors; export the vectors as word2vec text"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; fetch the file with `git lfs pull`"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
    (b"Rar!\x1a\x07", "a RAR archive; unpack it first"),
    (b"%PDF-", "a PDF document, not vectors"),
    (b"\xff\xfe", "UTF-16 text; convert it with `iconv -f UTF-16 -t UTF-8`"),
    (b"\xfe\xff", "UTF-16 text; convert it with `iconv -f UTF-16 -t UTF-8`"),
)


@dataclass(frozen=True)
class Header:
    """What the first bytes of a source say.

    Attributes:
        format: one of `FORMATS`.
        dim: E, the length of a row; 0 if the format states it elsewhere.
        rows: how many rows the header promises; None without a header.
        size: the size of the header in bytes.
    """

    format: str
    dim: int = 0
    rows: int | None = None
    size: int = 0


def recognize(stream: ByteStream) -> Header:
    """Recognise the format of a source from its first bytes, without consuming them.

    Raises:
        FormatError: lexloom does not read it; the message says what it is and what to do.
    """
    start = stream.peek(512)
    if start.startswith(b"\x93NUMPY"):
        return Header("npy")
    if start.startswith(b"PAR1"):
        return Header("parquet")
    if start[8:9] == b"{" and 0 < int.from_bytes(start[:8], "little") < 1 << 27:  # safetensors: the size of a JSON header, then it
        return Header("folder")
    if what := _foreign(start):
        raise FormatError(f"{stream.name}: {what}")
    head = stream.peek(_HEAD)
    first_line = _read_first_line(head)
    return _without_header(stream.name, head) if first_line is None else _with_header(stream.name, head, *first_line)


def _read_first_line(head: bytes) -> tuple[int, int, int] | None:
    """Read `V E` from a first line of exactly two integers: (V, E, bytes of the line), or None if the first line is another."""
    line, newline, _ = head[:128].partition(b"\n")
    fields = line.removeprefix(b"\xef\xbb\xbf").split()
    whole = newline or len(head) < 128  # a file that ends within its header has no newline
    if whole and len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit():
        return int(fields[0]), int(fields[1]), len(line) + 1
    return None


def _with_header(name: str, head: bytes, rows: int, dim: int, size: int) -> Header:
    if dim == 0:
        raise FormatError(f"{name}:1: the header promises rows of 0 numbers; expected `ROWS NUMBERS_PER_ROW`")
    if dim > _HEAD or rows > _MOST_ROWS:
        raise FormatError(f"{name}:1: the header promises {rows} rows of {dim} numbers, more than any vectors have; it is damaged")
    line, newline, _ = head[size:].partition(b"\n")
    complete = bool(newline) or len(head) < _HEAD
    if complete and 0 < dim <= trailing_numbers(line):
        return Header("fasttext-vec" if line.rstrip(b"\r").endswith(b" ") else "word2vec", dim, rows, size)
    numbers = head[size:].partition(b" ")[2][: 4 * dim]
    if numbers and (not _is_text(numbers) or _is_whole_binary(head[size:], rows, dim)):
        return Header("word2vec-binary", dim, rows, size)
    return Header("word2vec", dim, rows, size)


def _is_whole_binary(data: bytes, rows: int, dim: int) -> bool:
    """Whether bytes are exactly `rows` binary rows: the bytes of a few numbers may look like text by chance."""
    at = 0
    for _ in range(rows):
        space = data.find(b" ", at)
        if space < 0:
            return False
        at = space + 1 + 4 * dim
    return at <= len(data) < _HEAD and not data[at:].strip(b"\n")


def _without_header(name: str, head: bytes) -> Header:
    if b"\n" not in head and len(head) == _HEAD:
        raise FormatError(f"{name}: line 1 is longer than {_HEAD >> 20} MB; this is not a file of vectors")
    if b"\n" not in head and b"\r" in head.rstrip(b"\r"):
        raise FormatError(f"{name}: its lines end in carriage returns alone; convert it with `tr '\\r' '\\n'`")
    lines = head.split(b"\n", _SAMPLE_LINES)
    if len(lines) > _SAMPLE_LINES or (len(lines) > 1 and len(head) == _HEAD):
        lines.pop()  # the last line may be incomplete
    lines = [line for line in lines if line.strip()]
    # count the numbers at the right end of each row; the token may be a number too, so there is at most one number less than fields
    dims = Counter(min(trailing_numbers(line), line.rstrip(b" \r").count(b" ")) for line in lines)
    dim = dims.most_common(1)[0][0] if dims else 0
    spaced = sum(line.rstrip(b" \r").count(b" ") > dim for line in lines)
    # lines of two words and a number are more likely a similarity file than vectors with one number a row
    if dim == 0 or (dim == 1 and 2 * spaced > len(lines)):
        raise FormatError(f"{name}: {_describe_text(head)}; expected lines of `TOKEN NUMBER NUMBER ...`, separated by single spaces")
    return Header("glove", dim)


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


def _is_text(data: bytes) -> bool:
    """Whether bytes are UTF-8 text without control characters; the last character may be incomplete."""
    if len(data.translate(None, _CONTROL)) != len(data):
        return False
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.end == len(data) and "end of data" in error.reason
    return True


def _describe_text(head: bytes) -> str:
    first = head.split(b"\n", 1)[0]
    if not _is_text(head[:4096]):
        return "binary data of a format that lexloom does not know"
    shown = first[:60].decode("utf-8", "replace").strip() + ("..." if len(first) > 60 else "")
    if len(first.split(b"\t")) > 2:
        return f"line 1 ({shown!r}) is separated by tabs and is not a row of vectors; replace tabs by spaces with `tr '\\t' ' '`"
    return f"text, but not vectors: line 1 is {shown!r}"


# ---- what is not vectors ---------------------------------------------------------------------------------------------------------------


def _foreign(head: bytes) -> str | None:
    """Name a file of another kind by its first (decompressed) bytes and say what to do with it; None if it is not known."""
    if not head:
        return "the file is empty; perhaps a download failed"
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            return what
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return _pickle(head)
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
        return "a web page (HTML or XML), not vectors; the download was probably an error page: open it, and download again"
    if head[257:262] == b"ustar":
        return "a tar archive; unpack it first"
    if _is_old_fasttext(head):
        return "a model of an early fastText (.bin without a magic number); use the .vec file that fastText writes beside it"
    return None


def torch_archive(head: bytes) -> str | None:
    """Name a PyTorch checkpoint by the first bytes of its zip; None for any other zip."""
    length = int.from_bytes(head[26:28], "little")
    first_member = head[30 : 30 + length]
    if head.startswith(b"PK\x03\x04") and first_member.endswith((b"data.pkl", b"/.format_version", b"/.data/serialization_id")):
        return "a PyTorch checkpoint (a zip of pickles); save the weight as .npy with a vocabulary, or as safetensors, and read that"
    return None


def _pickle(head: bytes) -> str:
    if head.startswith(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9\x20j\xa8P\x19"):
        return "a PyTorch checkpoint in the old format (a pickle); save the weight as .npy with a vocabulary and read that"
    if b"gensim" in head:
        return f"a gensim model (a Python pickle); in gensim, {_TO_WORD2VEC}"
    return f"a Python pickle, which lexloom never opens (it could run code); in the tool that wrote it, {_TO_WORD2VEC}"


def _is_old_fasttext(head: bytes) -> bool:
    # twelve int32: dim, window, epochs, min_count, negatives, word n-grams, loss, model, buckets, minn, maxn, rate updates
    if len(head) < 48:
        return False
    fields = struct.unpack("<12i", head[:48])
    return (
        all(0 <= field <= 100_000_000 for field in fields) and 0 < fields[0] <= 10_000 and fields[6] in (1, 2, 3) and fields[7] in (1, 2, 3)
    )
