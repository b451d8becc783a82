"""Examples: rows with the columns that a task asks for, read in frames of a few megabytes.

A classifier asks for a text and its labels; a tagger would ask for tokens and tags, a translator for source and target. A reader for a
task is a subclass of `FileExamples` that makes frames of one file, mostly from `line_batches` or `record_rows`, and counts in the report
what it cannot use. Unlike the documents of a `Corpus`, an example is never cut: it must fit into memory.
"""

from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import polars as pl

from lexloom.errors import InputError
from lexloom.files import ByteStream
from lexloom.text.blocks import BLOCK_BYTES, Block, CorpusReport, block_of, without_surrogates
from lexloom.text.corpus import Files, Readable

Schema = Mapping[str, Any]
"""From the name of a column to its polars type."""


class Examples(Readable[pl.DataFrame]):
    """Examples that can be read in frames, any number of them in each.

    Attributes:
        name: for messages.
        schema: the columns of the frames.
        noun: what an example is called in messages.
        report: what the latest reading found; complete once it has ended.
    """

    noun: ClassVar[str] = "example"

    def __init__(self, name: str, schema: Schema, files: Files | None = None) -> None:
        super().__init__(name, files)
        self.schema = schema

    def _count(self, block: pl.DataFrame, report: CorpusReport) -> None:
        report.documents += len(block)

    def check_any(self) -> None:
        """Do what `check` does, and read up to the first example; what can be read only once is not touched.

        Raises:
            InputError: there is no example, or a file cannot be read.
        """
        self.check()
        if self.files is not None and self.files.can_be_read_again and not any(len(frame) for frame in self.blocks()):
            raise self.nothing(f"no {self.noun}")

    def nothing(self, what: str) -> InputError:
        """Make the error that says that nothing usable was found, and which bad records were left out."""
        return InputError(f"{self.name}: {what}{self.report.excuse()}")


class FileExamples(Examples):
    """Examples from files; a subclass says how a file of its task is read."""

    def __init__(self, files: Files, schema: Schema) -> None:
        super().__init__(files.title, schema, files)
        self._read_files = files.read

    @abstractmethod
    def _frames(self, stream: ByteStream, report: CorpusReport) -> Iterator[pl.DataFrame]:
        """Read one file, and count what cannot be used."""

    def _read(self, report: CorpusReport) -> Generator[pl.DataFrame]:
        return self._read_files(lambda stream: self._frames(stream, report))


class IterableExamples(Examples):
    """Examples from Python objects.

    Args:
        rows: the values of each example in the order of the columns; iterated for each reading.
        schema: the columns.
        name: for messages.
    """

    def __init__(self, rows: Iterable[tuple[Any, ...]], schema: Schema, name: str) -> None:
        super().__init__(name, schema)
        self._rows = rows

    def _read(self, report: CorpusReport) -> Generator[pl.DataFrame]:
        yield from gather_rows((clean_row(row, self.name, report) for row in self._rows), self.schema)


def clean_row(row: tuple[Any, ...], where: str, report: CorpusReport) -> tuple[Any, ...]:
    """Replace lone surrogates in the strings of an example, which are counted."""
    return tuple(without_surrogates(value, where, report) if isinstance(value, str) else value for value in row)


def gather_rows(rows: Iterable[tuple[Any, ...]], schema: Schema) -> Generator[pl.DataFrame]:
    """Gather examples to frames of about `BLOCK_BYTES` of text."""
    waiting: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        waiting.append(row)
        size += 16 + sum(len(value) for value in row if isinstance(value, str))
        if size >= BLOCK_BYTES:
            yield pl.DataFrame(waiting, dict(schema), orient="row")
            waiting, size = [], 0
    if waiting:
        yield pl.DataFrame(waiting, dict(schema), orient="row")


def column_blocks(examples: Examples, column: str, keep: Callable[[pl.DataFrame], object]) -> Generator[Block]:
    """Hand out one column of texts as blocks to encode.

    Args:
        examples: what to read.
        column: its name.
        keep: gets each frame when its block is handed out, for the other columns.
    """
    for frame in examples.blocks():
        keep(frame)
        yield block_of(frame[column])
