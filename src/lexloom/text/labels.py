"""Texts with labels: `label<TAB>text` lines, fastText's `__label__`, and records with a field for each."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from lexloom.errors import ConfigError, InputError
from lexloom.files import ByteStream
from lexloom.text.blocks import CorpusReport, strip_mark, without_surrogates
from lexloom.text.corpus import Files, line_batches
from lexloom.text.examples import Examples, FileExamples, IterableExamples, gather_rows
from lexloom.text.records import find_format, record_rows
from lexloom.text.sources import RecordFormat

PREFIX = "__label__"
"""What marks a label in fastText's files."""
_MARKED = rf"(?:^|\s){PREFIX}\S+"
LABELLED = {"text": pl.String, "labels": pl.List(pl.String)}
"""The columns of labelled documents. A document has at least one label, unless none is allowed."""


def open_labelled(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    text_field: str | None = None,
    label_field: str | None = None,
    separator: str | None = None,
    allow_none: bool = False,
) -> Examples:
    r"""Open files of labelled documents: examples with the columns `text` and `labels`.

    Without fields a line is a label, a tab and a text, which may hold further tabs; or, where the first line begins with `__label__`, a
    text whose words with this prefix are its labels. There is no header and no quoting, and blank lines are skipped.

    Args:
        sources: as for `open_corpus`.
        text_field: the field of CSV, TSV, JSONL or Parquet records that holds the text.
        label_field: the field that holds the label: a string, a whole number, true or false, or in JSONL and Parquet a list of these.
        separator: separates several labels in one string; without it a string is one label.
        allow_none: keep documents without a label: nothing before the tab, no word with the prefix `__label__`, an empty list or string.
            They are left out otherwise.

    Raises:
        ConfigError: only one of the fields is given, or the separator is empty.
        InputError: nothing matches. The content of the files is checked when they are read.
    """
    if (text_field is None) != (label_field is None):
        given, wanted = ("text_field", "label_field") if label_field is None else ("label_field", "text_field")
        raise ConfigError(f"{given} is given and {wanted} is not: records need both, and lines of label<TAB>text none")
    if separator == "":
        raise ConfigError("separator is empty: give what separates two labels, or leave it out")
    fields = None if text_field is None or label_field is None else (text_field, label_field)
    options = {"text_field": text_field, "label_field": label_field, "separator": separator, "allow_none": allow_none}
    return _LabelledFiles(Files(sources, options), fields, separator, allow_none=allow_none)


class _LabelledFiles(FileExamples):
    """Labelled documents in files; the options are those of `open_labelled`."""

    noun = "document with a label"

    def __init__(self, files: Files, fields: tuple[str, str] | None, separator: str | None, *, allow_none: bool) -> None:
        super().__init__(files, LABELLED)
        self._fields, self._separator, self._allow_none = fields, separator, allow_none

    def _frames(self, stream: ByteStream, report: CorpusReport) -> Iterator[pl.DataFrame]:
        kind = find_format(stream, sniff=self._fields is not None)
        if kind is not None and self._fields is not None:
            return gather_rows(self._rows(stream, kind, self._fields, report), LABELLED)
        if kind in (None, "tsv"):
            return self._lines(stream, report)
        raise InputError(f"{stream.name}: holds records; say with --text-field and --label-field which fields to read")

    def _lines(self, stream: ByteStream, report: CorpusReport) -> Iterator[pl.DataFrame]:
        marked = strip_mark(stream.peek(), stream.name).lstrip().startswith(PREFIX.encode())
        for lines, _, number in line_batches(stream, report, whole=True):
            labels, texts = _marked(lines) if marked else _tabbed(lines, self._separator)
            blank = lines.str.strip_chars() == ""
            good = texts.is_not_null() & (~blank if self._allow_none else labels.list.len() > 0)
            for row in (~good & ~blank).arg_true().to_list():
                report.add_bad(f"{stream.name}:{number + row}", _complaint(texts[row], marked=marked))
            yield pl.DataFrame({"text": texts.filter(good), "labels": labels.filter(good)})

    def _rows(
        self, stream: ByteStream, kind: RecordFormat, fields: tuple[str, str], report: CorpusReport
    ) -> Iterator[tuple[str, list[str]]]:
        for where, (text, value) in record_rows(stream, kind, fields, report):
            labels = _labels_of(value, self._separator)
            if not isinstance(text, str):
                report.add_bad(where, f"field {fields[0]!r} is {type(text).__name__}, expected a string")
            elif not labels and not (self._allow_none and value in ([], "")):
                report.add_bad(where, f"field {fields[1]!r} is {value!r}, expected a label")
            elif any(mark in label for label in labels for mark in "\t\n\r"):
                report.add_bad(where, f"field {fields[1]!r} is {value!r}: a label cannot hold a tab or a line break")
            else:
                yield without_surrogates(text, stream.name, report), labels


def _tabbed(lines: pl.Series, separator: str | None) -> tuple[pl.Series, pl.Series]:
    """Split `label<TAB>text`; without a tab the text is null."""
    fields = lines.str.splitn("\t", 2).struct
    labels = fields.field("field_0")
    split = labels.str.split(separator) if separator is not None else pl.select(pl.concat_list(labels)).to_series()
    return _stripped(split), fields.field("field_1")


def _marked(lines: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Move the words with the prefix `__label__` from each line to its labels."""
    marks = lines.str.extract_all(_MARKED).list.eval(pl.element().str.strip_chars().str.strip_prefix(PREFIX))
    return marks, lines.str.replace_all(_MARKED, "").str.strip_chars_start()


def _stripped(labels: pl.Series) -> pl.Series:
    stripped = labels.list.eval(pl.element().str.strip_chars())
    return stripped.list.eval(pl.element().filter(pl.element() != ""))


def _complaint(text: str | None, *, marked: bool) -> str:
    if marked:
        return f"expected a word that begins with {PREFIX}, found none"
    return "expected 2 tab-separated fields (label, text), found 1" if text is None else "the label is empty"


def _labels_of(value: Any, separator: str | None) -> list[str]:
    """Read the labels of a record; none if the value has another type."""
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


def labelled_texts(texts: Sequence[str], labels: Sequence[Sequence[str]], *, name: str = "the documents") -> Examples:
    """Make examples of Python strings and the labels of each.

    Args:
        texts: n documents.
        labels: the labels of each of the n.
        name: for messages.

    Raises:
        InputError: there are not as many labels as texts.
    """
    if len(texts) != len(labels):
        raise InputError(f"{name}: {len(texts)} texts and labels for {len(labels)}: expected as many")
    return IterableExamples([(text, list(row)) for text, row in zip(texts, labels, strict=True)], LABELLED, name)
