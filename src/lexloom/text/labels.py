"""Texts with labels: `label<TAB>text` a line, fastText's `__label__`, and records with a field for each.

The texts are a `Corpus`; their labels are gathered beside it while its blocks go by. So whatever reads a corpus reads a labelled one.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl

from lexloom.errors import ConfigError, InputError
from lexloom.text.blocks import Block, block_of
from lexloom.text.decoding import strip_mark, without_surrogates
from lexloom.text.readers import Corpus, Files, Lines, line_batches
from lexloom.text.records import find_format, gather, record_rows
from lexloom.text.report import CorpusReport
from lexloom.text.sources import Member, RecordFormat

PREFIX = "__label__"
"""What marks a label in fastText's files."""
_MARKED = rf"(?:^|\s){PREFIX}\S+"
_LABELS = pl.List(pl.String)
_LONGEST_LABEL = 1 << 16

Gathered = list[pl.Series]
"""The labels of the documents read so far, List(String) each."""


class LabelledCorpus(Corpus):
    """Documents with labels, at least one each unless none is allowed, that can be read as blocks of text."""

    def __init__(
        self,
        name: str,
        read: Callable[[CorpusReport, Gathered], Iterator[Block]],
        find_fingerprint: Callable[[], str | None] = lambda: None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Make a corpus of a function that reads it.

        Args:
            name: for messages.
            read: yields the blocks, counting what goes wrong in the report, and adding the labels to the list that it is given.
            find_fingerprint: hashes what would be read.
            check: looks whether all that would be read is there.
        """
        self._gathered: Gathered = []

        def begin(report: CorpusReport) -> Iterator[Block]:
            self._gathered = []
            return read(report, self._gathered)

        super().__init__(name, begin, find_fingerprint, check)

    def labels(self) -> pl.Series:
        """Give the labels of each document that the latest reading met, List(String) (documents,); complete once it has ended."""
        return pl.concat([pl.Series([], dtype=_LABELS), *self._gathered])

    def check_documents(self) -> None:
        """Do what `check` does, and look whether there is a document; what can be read only once is not looked at.

        Raises:
            InputError: there is none, or a file cannot be read.
        """
        self.check()
        if self.fingerprint() is not None and not any(len(block.ends) for block in self.blocks()):
            raise InputError(f"{self.name}: no document with a label{self.report.excuse()}")


def open_labelled(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    text_field: str | None = None,
    label_field: str | None = None,
    separator: str | None = None,
    allow_none: bool = False,
) -> LabelledCorpus:
    r"""Open files of labelled documents as one corpus.

    Without fields a line is a label, a tab and a text, which may hold further tabs; or, where the first line begins with `__label__`, a
    text whose words that begin so are its labels. There is no header and no quoting, and blank lines are passed over.

    Args:
        sources: as for `open_corpus`.
        text_field: the field of CSV, TSV, JSONL or Parquet records that is the text.
        label_field: the field that is the label: a string, a whole number, true or false, or in JSONL and Parquet a list of these.
        separator: what stands between several labels of one string; without it a string is one label.
        allow_none: whether a document may have no label: nothing before the tab, no word that begins with `__label__`, an empty list or
            string. It is left out otherwise.

    Raises:
        ConfigError: one field is given and the other is not, or the separator is empty.
        InputError: nothing matches. What is inside the files is looked at when they are read.
    """
    if (text_field is None) != (label_field is None):
        given, wanted = ("text_field", "label_field") if label_field is None else ("label_field", "text_field")
        raise ConfigError(f"{given} is given and {wanted} is not: records need both, and lines of label<TAB>text none")
    if separator == "":
        raise ConfigError("separator is empty: give what stands between two labels, or leave it out")
    fields = None if text_field is None or label_field is None else (text_field, label_field)
    files = Files(sources, {"text_field": text_field, "label_field": label_field, "separator": separator, "allow_none": allow_none})

    def blocks(member: Member, report: CorpusReport, gathered: Gathered) -> Iterator[Block]:
        kind = find_format(member, sniff=fields is not None)
        if kind is not None and fields is not None:
            return _record_blocks(member, kind, fields, separator, report, gathered, allow_none)
        if kind in (None, "tsv"):
            return _line_blocks(member, separator, report, gathered, allow_none)
        raise InputError(f"{member.name}: holds records; say with --text-field and --label-field which fields to read")

    def read(report: CorpusReport, gathered: Gathered) -> Iterator[Block]:
        return files.read(lambda member: blocks(member, report, gathered))

    return LabelledCorpus(files.title, read, files.fingerprint, files.check)


# ---- lines -------------------------------------------------------------------------------------------------------------------------


def _line_blocks(member: Member, separator: str | None, report: CorpusReport, gathered: Gathered, allow_none: bool) -> Iterator[Block]:
    marked = strip_mark(member.head, member.name).lstrip().startswith(PREFIX.encode())
    goes_on = kept = False  # whether the first row belongs to the line before, and whether that line is read or left out
    for texts, finished, number in _labels_joined(line_batches(member, report)):
        rest, lines = (texts[:1], texts[1:]) if goes_on else (texts[:0], texts)
        labels, contents = _marked(lines) if marked else _tabbed(lines, separator)
        blank = lines.str.strip_chars() == ""
        good = contents.is_not_null() & (~blank if allow_none else labels.list.len() > 0)
        for row in (~good & ~blank).arg_true().to_list():
            reason = _complaint(contents[row], marked=marked)
            report.add_bad(f"{member.name}:{number + len(rest) + row}", reason)
        gathered.append(labels.filter(good))
        if goes_on and not kept:
            rest = rest[:0]
        goes_on = not finished
        kept = bool(good[-1]) if len(lines) else kept
        documents = pl.concat([rest, contents.filter(good)])
        if len(documents):
            yield block_of(documents, finished=finished or not kept)


def _labels_joined(batches: Iterator[Lines]) -> Iterator[Lines]:
    """Hold a short beginning back where a line too long for a batch is cut before its tab, and join it to what follows."""
    held, begins = "", True
    for lines in batches:
        texts = pl.concat([held + lines.texts[:1], lines.texts[1:]]) if held else lines.texts
        last = texts[-1]
        held = last if begins and not lines.finished and len(last) < _LONGEST_LABEL and "\t" not in last else ""
        if not held:
            yield lines._replace(texts=texts)
            begins = lines.finished


def _tabbed(lines: pl.Series, separator: str | None) -> tuple[pl.Series, pl.Series]:
    """Split `label<TAB>text`; where there is no tab, the text is null."""
    fields = lines.str.splitn("\t", 2).struct
    labels = fields.field("field_0")
    split = labels.str.split(separator) if separator is not None else pl.select(pl.concat_list(labels)).to_series()
    return _stripped(split), fields.field("field_1")


def _marked(lines: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Take the words that begin with `__label__` out of each line."""
    marks = lines.str.extract_all(_MARKED).list.eval(pl.element().str.strip_chars().str.strip_prefix(PREFIX))
    return marks, lines.str.replace_all(_MARKED, "").str.strip_chars_start()


def _stripped(labels: pl.Series) -> pl.Series:
    stripped = labels.list.eval(pl.element().str.strip_chars())
    return stripped.list.eval(pl.element().filter(pl.element() != ""))


def _complaint(text: str | None, *, marked: bool) -> str:
    if marked:
        return f"expected a word that begins with {PREFIX}, found none"
    return "expected 2 tab-separated fields (label, text), found 1" if text is None else "the label is empty"


# ---- records -----------------------------------------------------------------------------------------------------------------------


def _record_blocks(
    member: Member,
    kind: RecordFormat,
    fields: tuple[str, str],
    separator: str | None,
    report: CorpusReport,
    gathered: Gathered,
    allow_none: bool,
) -> Iterator[Block]:
    names: list[list[str]] = []

    def texts() -> Iterator[str]:
        for where, (text, value) in record_rows(member, kind, fields, report):
            labels = _labels_of(value, separator)
            if not isinstance(text, str):
                report.add_bad(where, f"field {fields[0]!r} is {type(text).__name__}, expected a string")
            elif not labels and not (allow_none and value in ([], "")):
                report.add_bad(where, f"field {fields[1]!r} is {value!r}, expected a label")
            elif any(mark in label for label in labels for mark in "\t\n\r"):
                report.add_bad(where, f"field {fields[1]!r} is {value!r}: a label may hold no tab and no end of line")
            else:
                names.append(labels)
                yield without_surrogates(text, member.name, report)

    yield from gather(texts())
    gathered.append(pl.Series(names, dtype=_LABELS))


def _labels_of(value: Any, separator: str | None) -> list[str]:
    """Read the labels of a record; none where the value is of another kind."""
    if isinstance(value, str):
        parts = [value] if separator is None else value.split(separator)
        return [part.strip() for part in parts if part.strip()]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, int):
        return [str(value)]
    if isinstance(value, list):
        several = [_labels_of(part, None) for part in value]
        return [label for labels in several for label in labels] if all(several) else []
    return []


# ---- Python collections ------------------------------------------------------------------------------------------------------------


def labelled_texts(texts: Sequence[str], labels: Sequence[Sequence[str]], *, name: str = "the documents") -> LabelledCorpus:
    """Make a corpus of Python strings and the labels of each.

    Args:
        texts: n documents.
        labels: the labels of each of the n.
        name: for messages.

    Raises:
        InputError: there are not as many labels as texts.
    """
    if len(texts) != len(labels):
        raise InputError(f"{name}: {len(texts)} texts and labels for {len(labels)}: expected as many")

    def read(report: CorpusReport, gathered: Gathered) -> Iterator[Block]:
        gathered.append(pl.Series([list(row) for row in labels], dtype=_LABELS))
        return gather(without_surrogates(text, name, report) for text in texts)

    return LabelledCorpus(name, read)
