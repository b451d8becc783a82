"""What travels while text is read: blocks of a few megabytes whatever the length of the documents, and the report of what was found."""

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import polars as pl

from lexloom.errors import InputError

T = TypeVar("T")

BLOCK_BYTES = 1 << 22
"""Approximate size of a block in bytes of text."""
PIECE_BYTES = 1 << 16
"""Longer documents are cut into pieces of at most this many bytes."""
PIECE_TOKENS = 1 << 13
"""The same for documents that come as token lists."""

ReadProgress = Callable[[int], None]
"""Called now and then with the bytes of text that have been read so far."""

_SPACE = b" \t\n\v\f\r"


@dataclass(frozen=True)
class Block:
    """Consecutive documents, or pieces of long ones.

    Attributes:
        texts: n pieces: String, or List(String) if the documents came as token lists, which are not split further.
        ends: bool (n,), True for the last piece of each document. A document may continue in the next block.
    """

    texts: pl.Series
    ends: np.ndarray

    @property
    def split(self) -> bool:
        """Whether the pieces are token lists."""
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
    """Make a block of whole documents, long ones cut into pieces.

    Args:
        texts: String, a document a row.
        finished: False if the last document continues in the next block.
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
    """Cut UTF-8 text at `find_cut` into consecutive pieces of at most `limit` bytes."""
    pieces, start = [], 0
    while len(text) - start > limit:
        cut = find_cut(text, start, start + limit)
        pieces.append(text[start:cut])
        start = cut
    pieces.append(text[start:])
    return pieces


def find_cut(text: bytes, start: int, limit: int) -> int:
    """Find the last place in `text[start:limit]` at which a cut splits no token; `text` must be longer than `limit`.

    That is before a run of ASCII whitespace: splitting the two sides apart gives the tokens of the whole, in all our tokenizers.
    Without such a place it is the boundary of a character, and without that (broken UTF-8) it is `limit`.
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


def ahead(items: Iterable[T], depth: int) -> Generator[T]:
    """Let a thread make the next items, `depth` of them at most, while the caller works on this one.

    The thread ends when the items do, when making one raises (the caller gets the error), or when the caller stops early.
    """
    ready: queue.Queue[T | BaseException | None] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def hand_over(item: T | BaseException | None) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(item, timeout=0.05)
                return

    def make() -> None:
        try:
            for item in items:
                hand_over(item)
                if stopped.is_set():
                    break
            hand_over(None)
        except BaseException as error:
            hand_over(error)
        finally:
            _close(items)

    thread = threading.Thread(target=make, name="lexloom-ahead", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
            del item  # or this one would live on while the next is awaited
    finally:
        stopped.set()
        thread.join(timeout=1)  # a read from a terminal or a pipe cannot be woken: the daemon thread is then left behind


def _close(items: Any) -> None:
    if hasattr(items, "close"):
        items.close()


# ---- the report -----------------------------------------------------------------------------------------------------------------------


@dataclass
class CorpusReport:
    """What a reading found; complete once it has ended.

    Attributes:
        documents: documents read, empty ones included.
        characters: of their text, line ends not counted.
        bytes: the same in UTF-8.
        broken: sequences of bytes that were not UTF-8 (or lone surrogates), each replaced by U+FFFD.
        first_broken: where the first of them was, `file:line`.
        bad_lines: records left out because they could not be understood.
        first_bad: where the first of them was and why, `file:line: reason`.
        keep_bad: whether they are read as empty documents instead.
        skipped: folders among the sources that are left out because lexloom wrote them.
    """

    documents: int = 0
    characters: int = 0
    bytes: int = 0
    broken: int = 0
    first_broken: str | None = None
    bad_lines: int = 0
    first_bad: str | None = None
    keep_bad: bool = False
    skipped: list[str] = field(default_factory=list)

    def add_broken(self, count: int, where: str) -> None:
        """Count replaced bytes."""
        self.broken += count
        self.first_broken = self.first_broken or where

    def add_bad(self, where: str, reason: str) -> None:
        """Count a record that is left out."""
        self.bad_lines += 1
        self.first_bad = self.first_bad or f"{where}: {reason}"

    def excuse(self) -> str:
        """The end of an error that says that nothing could be read: what was left out; empty if nothing was."""
        return f"; {self._left_out}, the first: {self.first_bad}" if self.bad_lines else ""

    @property
    def _left_out(self) -> str:
        if self.bad_lines == 1:
            return f"1 bad record was {'read as an empty text' if self.keep_bad else 'left out'}"
        return f"{self.bad_lines} bad records were {'read as empty texts' if self.keep_bad else 'left out'}"

    def warnings(self) -> list[str]:
        """What a user should know, one line each; empty if all was well."""
        lines = []
        if self.skipped:
            number = f"{len(self.skipped)} folder{'' if len(self.skipped) == 1 else 's'}"
            lines.append(f"{number} that lexloom wrote itself left out of the text; the first: {self.skipped[0]}")
        if self.broken:
            lines.append(f"{self.first_broken}: not valid UTF-8; {self.broken} broken places in all were replaced by U+FFFD")
        if self.bad_lines:
            lines.append(f"{self._left_out}; the first: {self.first_bad}")
        return lines


# ---- bytes to text --------------------------------------------------------------------------------------------------------------------


def strip_mark(beginning: bytes, name: str) -> bytes:
    """Remove a UTF-8 byte order mark from the beginning of a file.

    Raises:
        InputError: the mark is that of UTF-16 (or UTF-32).
    """
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{name}: begins with a UTF-16 byte order mark, expected UTF-8; convert it: iconv -f UTF-16 -t UTF-8")
    return beginning.removeprefix(b"\xef\xbb\xbf")


def decode(data: bytes, name: str, line: int, report: CorpusReport) -> str:
    """Decode UTF-8; each broken sequence becomes U+FFFD and is counted.

    Args:
        data: whole lines.
        name: the file, for the report.
        line: the number of the first line in `data`.
        report: where broken sequences are counted.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        text = data.decode("utf-8", "replace")
        broken = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
        first = line + data.count(b"\n", 0, error.start)
        report.add_broken(broken, f"{name}:{first}")
        return text


def without_surrogates(text: str, where: str, report: CorpusReport) -> str:
    """Replace lone surrogates, which UTF-8 cannot encode, by U+FFFD; join pairs to the character that they stand for."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        mended = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        broken = mended.count("\ufffd") - text.count("\ufffd")
        if broken:
            report.add_broken(broken, where)
        return mended
