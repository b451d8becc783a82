"""`Corpus`: text from files, folders, URLs, standard input, records with fields, and Python iterables."""

import contextlib
import itertools
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, cast

import numpy as np
import polars as pl

from lexloom.errors import InputError
from lexloom.files import STDIN, ByteStream, open_raw, open_stream
from lexloom.text.blocks import (
    BLOCK_BYTES,
    PIECE_TOKENS,
    Block,
    CorpusReport,
    ahead,
    block_of,
    decode,
    find_cut,
    strip_mark,
    without_surrogates,
)
from lexloom.text.records import find_format, gather, record_blocks
from lexloom.text.sources import Fingerprint, can_be_read_twice, expand, open_members

__all__ = ["Block", "Corpus", "CorpusReport", "CorpusSource", "as_corpus", "iterable_corpus", "open_corpus"]


_AHEAD = 3
"""Blocks read ahead of the consumer; three cover the time that loading the compiled loops takes."""

B = TypeVar("B")
Sources = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""Files, globs, folders (walked through, sorted, hidden files left out), fsspec URLs, `-` for standard input."""


class Files:
    """Files that are read one after the other.

    Attributes:
        title: for messages.
        skipped: folders that are left out because lexloom wrote them.
    """

    def __init__(self, sources: Sources, options: dict[str, Any]) -> None:
        """Find the files.

        Args:
            sources: as for `open_corpus`.
            options: what else decides what is read, for the fingerprint; JSON values.

        Raises:
            InputError: nothing matches.
        """
        self._names, self.skipped = expand(sources)
        self._options, self._begun, self._fingerprint = options, False, cast(str | None, None)
        title = self._names[0] if len(self._names) == 1 else f"{self._names[0]} and {len(self._names) - 1} more"
        self.title = "standard input" if title == STDIN else title

    def read(self, blocks_of: Callable[[ByteStream], Iterator[B]]) -> Generator[B]:
        """Read the blocks of each file, some of them ahead."""
        if self._begun and STDIN in self._names:
            raise InputError("standard input was read already, and can be read only once")
        self._begun = True
        return ahead(self._blocks(blocks_of), _AHEAD)

    def _blocks(self, blocks_of: Callable[[ByteStream], Iterator[B]]) -> Iterator[B]:
        fingerprint = Fingerprint(self._options)
        for name in self._names:
            with contextlib.closing(open_members(name, fingerprint.update)) as members:
                for stream in members:
                    yield from blocks_of(stream)
            fingerprint.end(name)
        self._fingerprint = fingerprint.hexdigest()

    def check(self) -> None:
        """Open each of the files, except those that can be opened only once.

        Raises:
            InputError: one cannot be opened.
        """
        for name in filter(can_be_read_twice, self._names):
            open_raw(name).close()

    def fingerprint(self) -> str | None:
        """Hash the files and the options; None if a file can be read only once.

        After a reading it is the hash of what was read; before the first one the files are read for it.
        """
        if not self.can_be_read_again:
            return None
        if self._fingerprint is None:
            fingerprint = Fingerprint(self._options)
            for name in self._names:
                with open_stream(name, fingerprint.update) as stream:
                    while stream.read(1 << 20):
                        pass
                fingerprint.end(name)
            self._fingerprint = fingerprint.hexdigest()
        return self._fingerprint

    @property
    def can_be_read_again(self) -> bool:
        """Whether none of the files is standard input or a pipe."""
        return all(map(can_be_read_twice, self._names))


class Readable(ABC, Generic[B]):
    """Something that is read in blocks, from its beginning each time.

    Attributes:
        name: for messages.
        files: the files it is read from, if it is read from files.
        report: what the latest reading found; complete once it has ended.
    """

    def __init__(self, name: str, files: Files | None = None) -> None:
        self.name, self.files, self.report = name, files, CorpusReport()

    @abstractmethod
    def _read(self, report: CorpusReport) -> Generator[B]:
        """Read the blocks, and count in the report what goes wrong."""

    @abstractmethod
    def _count(self, block: B, report: CorpusReport) -> None:
        """Count what a block holds."""

    def blocks(self) -> Generator[B]:
        """Read from the beginning, with a fresh report.

        Raises:
            InputError: a source is missing, damaged or in another format than expected, or can be read only once and was.
        """
        self.report = report = CorpusReport(skipped=[] if self.files is None else self.files.skipped)
        with contextlib.closing(self._read(report)) as blocks:
            for block in blocks:
                self._count(block, report)
                yield block

    def check(self) -> None:
        """Check that all files are there, without reading them.

        Raises:
            InputError: one cannot be opened.
        """
        if self.files is not None:
            self.files.check()

    def fingerprint(self) -> str | None:
        """Hash what would be read, without parsing it; None where it can be read only once, and for Python objects."""
        return self.files.fingerprint() if self.files is not None else None


class Corpus(Readable[Block]):
    """Documents that are read as blocks of text."""

    def _count(self, block: Block, report: CorpusReport) -> None:
        report.documents += int(np.count_nonzero(block.ends))
        report.characters += block.characters
        report.bytes += block.size


class FileCorpus(Corpus):
    """Documents in files, see `open_corpus`."""

    def __init__(self, files: Files, field: str | None, keep_bad: bool) -> None:
        super().__init__(files.title, files)
        self._read_files, self._field, self._keep_bad = files.read, field, keep_bad

    def _read(self, report: CorpusReport) -> Generator[Block]:
        report.keep_bad = self._keep_bad
        return self._read_files(lambda stream: self._blocks(stream, report))

    def _blocks(self, stream: ByteStream, report: CorpusReport) -> Iterator[Block]:
        kind = find_format(stream, sniff=self._field is not None)
        return text_blocks(stream, report) if kind is None else record_blocks(stream, kind, self._field, report)


class IterableCorpus(Corpus):
    """Python strings or token lists, see `iterable_corpus`."""

    def __init__(self, documents: Iterable[Any], name: str) -> None:
        super().__init__(name)
        self._documents, self._begun = documents, False

    def _read(self, report: CorpusReport) -> Generator[Block]:
        iterator = iter(self._documents)
        if iterator is self._documents:
            if self._begun:
                raise InputError(f"{self.name} is a generator that was read already; pass a list, or an object whose __iter__ starts again")
            self._begun = True
        return _iterable_blocks(iterator, self.name, report)


def open_corpus(sources: Sources, *, field: str | None = None, keep_bad: bool = False) -> Corpus:
    r"""Open files as one corpus.

    Plain text is one document per line; only `\n` ends a line, and one `\r` before it is dropped. Empty lines are documents too, so that
    document numbers are line numbers. gz, bz2, xz, zst and zip are recognised by their first bytes; the files of a zip are read in order.

    Args:
        sources: files, globs, folders (walked through, sorted, hidden files left out), fsspec URLs, `-` for standard input.
        field: the field of CSV, TSV, JSONL or Parquet records that holds the text.
        keep_bad: read records that cannot be understood as empty documents instead of leaving them out, which keeps the numbering.

    Raises:
        InputError: nothing matches. The content of the files is checked when they are read.
    """
    return FileCorpus(Files(sources, {"field": field}), field, keep_bad)


def iterable_corpus(documents: Iterable[str] | Iterable[Sequence[str]], *, name: str = "the iterable") -> Corpus:
    """Make a corpus of Python strings, or of token lists, which are not split further and may hold any characters.

    Args:
        documents: iterated for each `blocks()`; a generator can be read once.
        name: for messages.
    """
    if isinstance(documents, str | bytes):
        raise InputError(f"{name} is a single {type(documents).__name__}, expected an iterable of documents; for one document pass [text]")
    return IterableCorpus(documents, name)


CorpusSource = Corpus | str | os.PathLike[str] | Iterable[str] | Iterable[Sequence[str]]
"""What a caller may pass as text: a corpus, a path, glob, folder or URL, or documents."""


def as_corpus(source: CorpusSource) -> Corpus:
    """Open what a caller passes as text.

    Raises:
        InputError: it is a path where nothing is.
    """
    if isinstance(source, Corpus):
        return source
    return open_corpus(source) if isinstance(source, str | os.PathLike) else iterable_corpus(source)


# ---- plain text -------------------------------------------------------------------------------------------------------------------


def text_blocks(stream: ByteStream, report: CorpusReport) -> Iterator[Block]:
    """Read plain text, one document per line."""
    for lines in line_batches(stream, report):
        yield block_of(lines.texts, finished=lines.finished)


class Lines(NamedTuple):
    """Consecutive lines of plain text.

    Attributes:
        texts: String, one line per row, without its end. The first continues the line before if that was not finished.
        finished: False if the last line continues in the next batch.
        number: of the first line, counted from 1.
    """

    texts: pl.Series
    finished: bool
    number: int


def line_batches(stream: ByteStream, report: CorpusReport, *, whole: bool = False) -> Iterator[Lines]:
    """Read the lines of plain text; a line longer than a block comes in pieces, unless `whole` lines are asked for."""
    carry, line = b"", 1
    beginning = finished = True
    while chunk := stream.read(BLOCK_BYTES):
        data = carry + chunk if carry else chunk
        if beginning:
            data, beginning = strip_mark(data, stream.name), False
        cut = data.rfind(b"\n")
        if cut >= 0:
            yield _lines(data[:cut], True, stream.name, line, report)
            line += data.count(b"\n", 0, cut + 1)
            carry, finished = data[cut + 1 :], True
        elif whole or len(data) < BLOCK_BYTES:
            carry = data
        else:
            cut = find_cut(data, 0, len(data) - 1)
            yield _lines(data[:cut], False, stream.name, line, report)
            carry, finished = data[cut:], False
    if carry or not finished:
        yield _lines(carry, True, stream.name, line, report)


def _lines(data: bytes, finished: bool, name: str, line: int, report: CorpusReport) -> Lines:
    """Split decoded text; `data` comes without the newline of its last line, which continues later if it is not `finished`."""
    try:
        whole = pl.Series([data], dtype=pl.Binary).cast(pl.String)
    except pl.exceptions.ComputeError:
        whole = pl.Series([decode(data, name, line, report)])
    texts = whole.str.split("\n").explode(empty_as_null=False)
    if finished and b"\r" in data:
        texts = texts.str.strip_suffix("\r")
    return Lines(texts, finished, line)


# ---- Python iterables --------------------------------------------------------------------------------------------------------------


def _iterable_blocks(documents: Iterator[Any], name: str, report: CorpusReport) -> Generator[Block]:
    """Read strings or token lists, by the type of the first document."""
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
