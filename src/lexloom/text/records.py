"""Records with fields, in CSV, TSV, JSONL and Parquet: one field as blocks of text, or several as rows."""

import csv
import io
import itertools
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from lexloom.errors import InputError
from lexloom.files import ByteStream
from lexloom.text.blocks import BLOCK_BYTES, Block, CorpusReport, block_of, decode, strip_mark, without_surrogates
from lexloom.text.sources import RecordFormat, record_format

Row = tuple[str, list[Any]]
"""The place of a record, `file:line`, and the values of the fields asked for."""

_PARQUET_MAGIC = b"PAR1"
_PATIENCE = 1000
"""After this many JSON records without the field asked for, it is considered misspelt."""


def find_format(stream: ByteStream, *, sniff: bool) -> RecordFormat | None:
    """The format of a file's records by its magic bytes or name, or by its first line if `sniff` is set; None for plain text."""
    if stream.peek().startswith(_PARQUET_MAGIC):
        return "parquet"
    named = record_format(stream.name)
    if named == "parquet":
        raise InputError(f"{stream.name}: named .parquet but does not begin with PAR1: not a Parquet file")
    if named or not sniff:
        return named
    first_line = strip_mark(stream.peek(), stream.name).lstrip().partition(b"\n")[0]
    if first_line.startswith(b"{"):
        return "jsonl"
    return "tsv" if b"\t" in first_line else "csv"


def record_blocks(stream: ByteStream, kind: RecordFormat, field: str | None, report: CorpusReport) -> Iterator[Block]:
    """Read one field of every record.

    Args:
        stream: the open file.
        kind: the format of its records.
        field: the field's name; None raises the error that lists the fields.
        report: counts bad records and broken bytes; it also says whether bad records are kept as empty texts.

    Yields:
        Blocks of documents, a record a document.

    Raises:
        InputError: the field is missing, or was not named.
    """
    chosen = [] if field is None else [field]
    if kind == "parquet":
        with _seekable(stream) as path:
            yield from _parquet_blocks(path, stream.name, chosen, report)
    else:
        texts = _texts(stream, field, _READERS[kind](stream, chosen, report), report)
        yield from gather(_with_gaps(texts, report) if report.keep_bad else texts)


def record_rows(stream: ByteStream, kind: RecordFormat, fields: Sequence[str], report: CorpusReport) -> Iterator[Row]:
    """Read some fields of every record: strings from CSV and TSV, any values from JSONL and Parquet.

    Args:
        stream: the open file.
        kind: the format of its records.
        fields: their names.
        report: counts broken bytes, and records that lack a field or cannot be understood.

    Raises:
        InputError: a field is missing.
    """
    if kind == "parquet":
        with _seekable(stream) as path:
            yield from _parquet_rows(path, stream.name, fields)
    else:
        yield from _READERS[kind](stream, fields, report)


def _with_gaps(texts: Iterator[str], report: CorpusReport) -> Iterator[str]:
    """Yield an empty text for each bad record."""
    seen = report.bad_lines
    for text in texts:
        yield from itertools.repeat("", report.bad_lines - seen)
        seen = report.bad_lines
        yield text
    yield from itertools.repeat("", report.bad_lines - seen)


def _texts(stream: ByteStream, field: str | None, rows: Iterator[Row], report: CorpusReport) -> Iterator[str]:
    for where, (text,) in rows:
        if isinstance(text, str):
            yield without_surrogates(text, stream.name, report)
        else:
            report.add_bad(where, f"field {field!r} is {type(text).__name__}, expected a string")


def gather(texts: Iterable[str]) -> Iterator[Block]:
    """Gather documents into blocks of about `BLOCK_BYTES`."""
    waiting: list[str] = []
    size = 0
    for text in texts:
        waiting.append(text)
        size += len(text)
        if size >= BLOCK_BYTES or len(waiting) >= BLOCK_BYTES >> 4:
            yield block_of(pl.Series(waiting, dtype=pl.String))
            waiting, size = [], 0
    if waiting:
        yield block_of(pl.Series(waiting, dtype=pl.String))


def _require(name: str, wanted: Sequence[str], fields: Sequence[str]) -> None:
    """Refuse records that lack a field asked for, or if none was asked for."""
    shown = [field if len(field) <= 40 else f"{field[:37]}..." for field in fields[:20]]
    there = ", ".join(shown) + (", ..." if len(fields) > 20 else "") if fields else "none"
    if not wanted:
        raise InputError(f"{name}: holds records; say which field is the text with --field or --text-field (fields: {there})")
    for field in wanted:
        if field not in fields:
            raise InputError(f"{name}: no field {field!r}; fields: {there}")


def _lines(stream: ByteStream, report: CorpusReport) -> Iterator[str]:
    """Decode a file line by line; the lines keep their newline."""
    carry, number = b"", 1
    beginning = True
    while chunk := stream.read(BLOCK_BYTES):
        data = carry + (strip_mark(chunk, stream.name) if beginning else chunk)
        beginning = False
        cut = data.rfind(b"\n") + 1
        yield from io.StringIO(decode(data[:cut], stream.name, number, report), newline="\n")
        number += data.count(b"\n", 0, cut)
        carry = data[cut:]
    if carry:
        yield decode(carry, stream.name, number, report)


# ---- CSV and TSV -------------------------------------------------------------------------------------------------------------------


def _csv_rows(stream: ByteStream, fields: Sequence[str], report: CorpusReport) -> Iterator[Row]:
    return _delimited(stream, csv.reader(_lines(stream, report), strict=True), fields, report)


def _tsv_rows(stream: ByteStream, fields: Sequence[str], report: CorpusReport) -> Iterator[Row]:
    """TSV is read without quoting: a lone quotation mark is common in text, and would swallow the lines after it."""
    return _delimited(stream, csv.reader(_lines(stream, report), delimiter="\t", quoting=csv.QUOTE_NONE), fields, report)


def _delimited(stream: ByteStream, rows: Any, fields: Sequence[str], report: CorpusReport) -> Iterator[Row]:
    csv.field_size_limit((1 << 31) - 1)  # the module's own limit of 128 KB would refuse long documents
    header = next(rows, None) or []
    _require(stream.name, fields, header)
    columns = [header.index(field) for field in fields]
    while True:
        first_line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            report.add_bad(f"{stream.name}:{first_line}", str(error))
            continue
        if len(row) == len(header):
            yield f"{stream.name}:{first_line}", [row[column] for column in columns]
        elif row:  # the csv module makes an empty list of a blank line
            report.add_bad(f"{stream.name}:{first_line}", f"expected {len(header)} fields, found {len(row)}")


# ---- JSONL -------------------------------------------------------------------------------------------------------------------------


def _jsonl_rows(stream: ByteStream, fields: Sequence[str], report: CorpusReport) -> Iterator[Row]:
    without, first_fields = 0, list[str]()
    found = set[str]()
    for number, line in enumerate(_lines(stream, report), 1):
        if not line.strip():
            continue
        where = f"{stream.name}:{number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            report.add_bad(where, f"not valid JSON: {error}")
            continue
        if not isinstance(record, dict):
            report.add_bad(where, f"expected a JSON object, found {type(record).__name__}")
            continue
        first_fields = first_fields or list(record)
        found.update(field for field in fields if field in record)
        lacking = next((field for field in fields if field not in record), None)
        if not fields or (lacking is not None and lacking not in found and without >= _PATIENCE):
            _require(stream.name, fields, first_fields)
        if lacking is None:
            yield where, [record[field] for field in fields]
        else:
            without += 1
            report.add_bad(where, f"field {lacking!r} is missing")
    if without and len(found) < len(fields):
        _require(stream.name, fields, first_fields)


_READERS: dict[RecordFormat, Callable[[ByteStream, Sequence[str], CorpusReport], Iterator[Row]]] = {
    "csv": _csv_rows,
    "tsv": _tsv_rows,
    "jsonl": _jsonl_rows,
}


# ---- Parquet -----------------------------------------------------------------------------------------------------------------------


@contextmanager
def _seekable(stream: ByteStream) -> Iterator[Path]:
    """The path of a Parquet file, or of a temporary copy if it is compressed or not a local file: reading it needs seeking."""
    if stream.path is not None:
        yield stream.path
        return
    with tempfile.NamedTemporaryFile(suffix=".parquet") as spool:
        while chunk := stream.read(BLOCK_BYTES):
            spool.write(chunk)
        spool.flush()
        yield Path(spool.name)


def _parquet_blocks(path: Path, name: str, fields: Sequence[str], report: CorpusReport) -> Iterator[Block]:
    row = 0
    for batch in _parquet_batches(path, name, fields, texts=fields):
        texts = batch.to_series()
        for empty in texts.is_null().arg_true().to_list():
            report.add_bad(f"{name}: row {row + empty + 1}", f"field {texts.name!r} is null, expected a string")
        row += len(texts)
        yield from _slices(texts.fill_null("") if report.keep_bad else texts.drop_nulls())


def _parquet_rows(path: Path, name: str, fields: Sequence[str]) -> Iterator[Row]:
    rows = (row for batch in _parquet_batches(path, name, fields) for row in batch.iter_rows())
    for number, row in enumerate(rows, 1):
        yield f"{name}: row {number}", list(row)


def _parquet_batches(path: Path, name: str, fields: Sequence[str], texts: Sequence[str] = ()) -> Iterator[pl.DataFrame]:
    """Read some columns; those of `texts` must hold strings."""
    try:
        table = pl.scan_parquet(path)
        schema = table.collect_schema()
        _require(name, fields, schema.names())
        for column in texts:
            if schema[column] not in (pl.String, pl.Categorical, pl.Enum):
                raise InputError(f"{name}: field {column!r} is {schema[column]}, expected strings")
        columns = [pl.col(field).cast(pl.String) if field in texts else pl.col(field) for field in fields]
        yield from table.select(columns).collect_batches(chunk_size=1 << 14)
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{name}: the Parquet data is damaged or cut short: {reason}") from None


def _slices(texts: pl.Series) -> Iterator[Block]:
    """Cut a batch of texts of any length into blocks of about `BLOCK_BYTES`."""
    block_numbers = (texts.str.len_bytes().cast(pl.Int64).cum_sum() // BLOCK_BYTES).to_numpy()
    start = 0
    while start < len(texts):
        end = int(block_numbers.searchsorted(block_numbers[start], "right"))
        yield block_of(texts[start:end])
        start = end
