"""From anything that holds text to a `Corpus`: files, folders, URLs, standard input, records with fields, Python iterables."""

import contextlib
import itertools
import os
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from lexloom.errors import InputError
from lexloom.files import STDIN, open_raw
from lexloom.text.blocks import BLOCK_BYTES, PIECE_TOKENS, Block, block_of, find_cut
from lexloom.text.decoding import decode, strip_mark, without_surrogates
from lexloom.text.records import find_format, gather, record_blocks
from lexloom.text.report import CorpusReport
from lexloom.text.sources import Member, can_be_read_twice, expand, fingerprint, open_members

__all__ = ["Block", "Corpus", "CorpusReport", "CorpusSource", "as_corpus", "iterable_corpus", "open_corpus"]


_AHEAD = 3
"""So many blocks are read ahead: those for which there is time while compiled loops are loaded."""


class Corpus:
    """Documents that can be read as blocks of text.

    Attributes:
        name: for messages.
        report: what the latest reading met; complete once it has ended.
        check: call it to be told of a missing file, by an InputError, before anything is read.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[CorpusReport], Iterator[Block]],
        find_fingerprint: Callable[[], str | None] = lambda: None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Make a corpus of a function that reads it.

        Args:
            name: for messages.
            read: yields the blocks, counting what goes wrong in the report it is given.
            find_fingerprint: hashes what would be read.
            check: looks whether all that would be read is there.
        """
        self.name = name
        self.report = CorpusReport()
        self._read, self._find_fingerprint, self.check = read, find_fingerprint, check
        self._fingerprint: str | None = None

    def blocks(self) -> Generator[Block]:
        """Read the corpus from its beginning, with a fresh report.

        Raises:
            InputError: a source is missing, damaged or not what it was said to be, or can be read only once and was.
        """
        self.report = report = CorpusReport()
        with contextlib.closing(_as_generator(self._read(report))) as blocks:
            for block in blocks:
                report.documents += int(np.count_nonzero(block.ends))
                report.characters += block.characters
                report.bytes += block.size
                yield block

    def fingerprint(self) -> str | None:
        """Hash what the corpus is made of, without parsing it; None where that can be read only once."""
        if self._fingerprint is None:
            self._fingerprint = self._find_fingerprint()
        return self._fingerprint


def _as_generator(blocks: Iterator[Block]) -> Generator[Block]:
    """Make sure that there is a `close`, which ends the reading early."""
    yield from blocks


def open_corpus(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], *, field: str | None = None, keep_bad: bool = False
) -> Corpus:
    r"""Open files as one corpus.

    Plain text is a document a line; only `\n` ends a line, and one `\r` before it is dropped. Empty lines are documents too, so that
    document numbers are line numbers. gz, bz2, xz, zst and zip are known by their first bytes; the files of a zip are read in order.

    Args:
        sources: files, globs, folders (read through, sorted, hidden files left out), fsspec URLs, `-` for standard input.
        field: the field of CSV, TSV, JSONL or Parquet records that is the text.
        keep_bad: whether records that cannot be understood are empty documents rather than left out, so that document numbers are theirs.

    Raises:
        InputError: nothing matches. What is inside the files is looked at when they are read.
    """
    files = Files(sources, {"field": field})

    def blocks(member: Member, report: CorpusReport) -> Iterator[Block]:
        kind = find_format(member, sniff=field is not None)
        report.keep_bad = keep_bad
        return text_blocks(member, report) if kind is None else record_blocks(member, kind, field, report)

    return Corpus(files.title, lambda report: files.read(lambda member: blocks(member, report)), files.fingerprint, files.check)


def iterable_corpus(documents: Iterable[str] | Iterable[Sequence[str]], *, name: str = "the iterable") -> Corpus:
    """Make a corpus of Python strings, or of token lists, which are then not split any more and may hold any characters.

    Args:
        documents: read anew for each `blocks()`; a generator can be read once.
        name: for messages.
    """
    if isinstance(documents, str | bytes):
        raise InputError(f"{name} is a single {type(documents).__name__}, expected an iterable of documents; for one document pass [text]")
    once = _Once(f"{name} is a generator that was read already; pass a list, or an object whose __iter__ begins anew")

    def read(report: CorpusReport) -> Iterator[Block]:
        iterator = iter(documents)
        if iterator is documents:
            once.use()
        return _iterable_blocks(iterator, name, report)

    return Corpus(name, read)


CorpusSource = Corpus | str | os.PathLike[str] | Iterable[str] | Iterable[Sequence[str]]
"""What a caller may give as text: a corpus, a path, glob, folder or URL, or documents."""


def as_corpus(source: CorpusSource) -> Corpus:
    """Open what a caller gives as text.

    Raises:
        InputError: it is a path where nothing is.
    """
    if isinstance(source, Corpus):
        return source
    return open_corpus(source) if isinstance(source, str | os.PathLike) else iterable_corpus(source)


class _Once:
    """Lets something happen a single time, where there is a complaint to raise the second time."""

    def __init__(self, complaint: str | None) -> None:
        self._complaint, self._used = complaint, False

    def use(self) -> None:
        if self._used and self._complaint:
            raise InputError(self._complaint)
        self._used = True


# ---- files -------------------------------------------------------------------------------------------------------------------------


class Files:
    """Files that are read one after the other as one corpus.

    Attributes:
        title: for messages.
    """

    def __init__(self, sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], options: dict[str, Any]) -> None:
        """Find the files.

        Args:
            sources: as for `open_corpus`.
            options: what else decides what is read, for the fingerprint; JSON values.

        Raises:
            InputError: nothing matches.
        """
        self._names, self._options = expand(sources), options
        self._once = _Once("standard input was read already, and can be read only once" if STDIN in self._names else None)
        title = self._names[0] if len(self._names) == 1 else f"{self._names[0]} and {len(self._names) - 1} more"
        self.title = "standard input" if title == STDIN else title

    def read(self, blocks_of: Callable[[Member], Iterator[Block]]) -> Iterator[Block]:
        """Read the blocks of each file, the next of them ahead."""
        self._once.use()
        return read_ahead(self._blocks(blocks_of))

    def _blocks(self, blocks_of: Callable[[Member], Iterator[Block]]) -> Iterator[Block]:
        for name in self._names:
            with contextlib.closing(open_members(name)) as members:
                for member in members:
                    yield from blocks_of(member)

    def check(self) -> None:
        """Open each of the files, but for those that can be opened once.

        Raises:
            InputError: one cannot be opened.
        """
        for name in filter(can_be_read_twice, self._names):
            open_raw(name).close()

    def fingerprint(self) -> str | None:
        """Hash the files and the options; None where they can be read only once."""
        return fingerprint(self._names, self._options)


def text_blocks(member: Member, report: CorpusReport) -> Iterator[Block]:
    """Read plain text, a document a line."""
    for lines in line_batches(member, report):
        yield block_of(lines.texts, finished=lines.finished)


class Lines(NamedTuple):
    """Consecutive lines of plain text.

    Attributes:
        texts: String, a line a row, without its end. The first goes on with the line before where that was not finished.
        finished: False where the last row's line goes on in the next batch.
        number: of the first line, from 1.
    """

    texts: pl.Series
    finished: bool
    number: int


def line_batches(member: Member, report: CorpusReport) -> Iterator[Lines]:
    """Read the lines of plain text, without ever holding more than a block of a long line."""
    carry, line = b"", 1
    beginning = finished = True
    while chunk := member.read(BLOCK_BYTES):
        data = carry + chunk if carry else chunk
        if beginning:
            data, beginning = strip_mark(data, member.name), False
        cut = data.rfind(b"\n")
        if cut >= 0:
            yield _lines(data[:cut], True, member.name, line, report)
            line += data.count(b"\n", 0, cut + 1)
            carry, finished = data[cut + 1 :], True
        elif len(data) < BLOCK_BYTES:
            carry = data
        else:
            cut = find_cut(data, 0, len(data) - 1)
            yield _lines(data[:cut], False, member.name, line, report)
            carry, finished = data[cut:], False
    if carry or not finished:
        yield _lines(carry, True, member.name, line, report)


def _lines(data: bytes, finished: bool, name: str, line: int, report: CorpusReport) -> Lines:
    """Split decoded text; `data` comes without the newline of its last line, which goes on later where it is not `finished`."""
    try:
        whole = pl.Series([data], dtype=pl.Binary).cast(pl.String)
    except pl.exceptions.ComputeError:
        whole = pl.Series([decode(data, name, line, report)])
    texts = whole.str.split("\n").explode(empty_as_null=False)
    if finished and b"\r" in data:
        texts = texts.str.strip_suffix("\r")
    return Lines(texts, finished, line)


def read_ahead(blocks: Iterator[Block]) -> Iterator[Block]:
    """Let a thread read the next block while the caller works on this one; reading and decompressing release the GIL.

    The thread ends when the blocks do, when reading raises (the caller gets the error), or when the caller stops early.
    """
    ready: queue.Queue[Block | BaseException | None] = queue.Queue(maxsize=_AHEAD)
    stopped = threading.Event()

    def hand_over(item: Block | BaseException | None) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(item, timeout=0.05)
                return

    def read() -> None:
        try:
            for block in blocks:
                hand_over(block)
                if stopped.is_set():
                    break
            hand_over(None)
        except BaseException as error:
            hand_over(error)
        finally:
            _close(blocks)

    thread = threading.Thread(target=read, name="lexloom-reader", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
            del item  # or this block would live on while the next is awaited
    finally:
        stopped.set()
        thread.join(timeout=1)  # a read from a terminal or a pipe cannot be woken: the daemon thread is then left behind


def _close(blocks: Any) -> None:
    if hasattr(blocks, "close"):
        blocks.close()


# ---- Python iterables --------------------------------------------------------------------------------------------------------------


def _iterable_blocks(documents: Iterator[Any], name: str, report: CorpusReport) -> Iterator[Block]:
    """Look at the first document to know whether strings or token lists come."""
    beginning = list(itertools.islice(documents, 1))
    everything = itertools.chain(beginning, documents)
    if beginning and isinstance(beginning[0], str):
        yield from gather(_checked_texts(everything, name, report))
    else:
        yield from _token_blocks(everything, name, report)


def _checked_texts(documents: Iterator[Any], name: str, report: CorpusReport) -> Iterator[str]:
    for number, document in enumerate(documents):
        if not isinstance(document, str):
            raise InputError(f"{name}: document {number} is {type(document).__name__}, expected str as those before it")
        yield without_surrogates(document, f"{name}: document {number}", report)


def _token_blocks(documents: Iterator[Any], name: str, report: CorpusReport) -> Iterator[Block]:
    pieces: list[list[str]] = []
    ends: list[bool] = []
    tokens = 0
    for number, document in enumerate(documents):
        checked = _checked_tokens(document, number, name, report)
        for start in range(0, max(1, len(checked)), PIECE_TOKENS):
            pieces.append(checked[start : start + PIECE_TOKENS])
            ends.append(start + PIECE_TOKENS >= len(checked))
            tokens += len(pieces[-1]) + 1
            if tokens >= BLOCK_BYTES >> 3:
                yield Block(pl.Series(pieces, dtype=pl.List(pl.String)), np.array(ends))
                pieces, ends, tokens = [], [], 0
    if pieces:
        yield Block(pl.Series(pieces, dtype=pl.List(pl.String)), np.array(ends))


def _checked_tokens(document: Any, number: int, name: str, report: CorpusReport) -> list[str]:
    if isinstance(document, str | bytes) or not hasattr(document, "__iter__"):
        expected = "a list of tokens as those before it" if number else "a string or a list of tokens"
        raise InputError(f"{name}: document {number} is {type(document).__name__}, expected {expected}")
    tokens = list(document)
    for position, token in enumerate(tokens):
        if not isinstance(token, str):
            raise InputError(f"{name}: token {position} of document {number} is {type(token).__name__}, expected str")
    try:
        "".join(tokens).encode()
    except UnicodeEncodeError:
        tokens = [without_surrogates(token, f"{name}: document {number}", report) for token in tokens]
    return tokens
