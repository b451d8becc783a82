"""Records with fields: the texts of one field of CSV, TSV, JSONL and Parquet, as blocks."""

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from lexloom.errors import InputError
from lexloom.text.blocks import BLOCK_BYTES, Block, block_of
from lexloom.text.decoding import decode, strip_mark, without_surrogates
from lexloom.text.report import CorpusReport
from lexloom.text.sources import Member, RecordFormat, record_format

_PARQUET_MAGIC = b"PAR1"
_PATIENCE = 1000
"""After this many JSON records without the field asked for, it is taken to be misspelt."""


def find_format(member: Member, *, sniff: bool) -> RecordFormat | None:
    """Tell the form of a member's records by its magic bytes or name, or by its first line where `sniff` is asked for."""
    if member.head.startswith(_PARQUET_MAGIC):
        return "parquet"
    named = record_format(member.name)
    if named == "parquet":
        raise InputError(f"{member.name}: named .parquet but does not begin with PAR1: not a Parquet file")
    if named or not sniff:
        return named
    first_line = strip_mark(member.head, member.name).lstrip().partition(b"\n")[0]
    if first_line.startswith(b"{"):
        return "jsonl"
    return "tsv" if b"\t" in first_line else "csv"


def record_blocks(member: Member, kind: RecordFormat, field: str | None, report: CorpusReport) -> Iterator[Block]:
    """Read one field of every record.

    Args:
        member: the open file.
        kind: its form.
        field: the field's name; None raises the error that lists the fields.
        report: where bad records and broken bytes are counted.

    Yields:
        Blocks of documents, a record a document.

    Raises:
        InputError: the field is missing, or was not named.
    """
    if kind == "parquet":
        yield from _parquet_blocks(member, field, report)
        return
    read: Callable[[Member, str | None, CorpusReport], Iterator[str]] = _READERS[kind]
    yield from gather(without_surrogates(text, member.name, report) for text in read(member, field, report))


def gather(texts: Iterable[str]) -> Iterator[Block]:
    """Gather documents to blocks of about `BLOCK_BYTES`."""
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


def _choose(name: str, field: str | None, fields: Sequence[str]) -> str:
    there = ", ".join(fields) if fields else "none"
    if field is None:
        raise InputError(f"{name}: holds records; say which field is the text with --field (fields: {there})")
    if field not in fields:
        raise InputError(f"{name}: no field {field!r}; fields: {there}")
    return field


def _lines(member: Member, report: CorpusReport) -> Iterator[str]:
    """Decode a member line by line; the lines keep their newline."""
    carry, number = b"", 1
    beginning = True
    while chunk := member.read(BLOCK_BYTES):
        data = carry + (strip_mark(chunk, member.name) if beginning else chunk)
        beginning = False
        cut = data.rfind(b"\n") + 1
        yield from io.StringIO(decode(data[:cut], member.name, number, report), newline="\n")
        number += data.count(b"\n", 0, cut)
        carry = data[cut:]
    if carry:
        yield decode(carry, member.name, number, report)


# ---- CSV and TSV -------------------------------------------------------------------------------------------------------------------


def _csv_texts(member: Member, field: str | None, report: CorpusReport) -> Iterator[str]:
    return _delimited(member, csv.reader(_lines(member, report), strict=True), field, report)


def _tsv_texts(member: Member, field: str | None, report: CorpusReport) -> Iterator[str]:
    """TSV has no quoting here: a lone quotation mark is common in text, and would swallow the lines that follow it."""
    return _delimited(member, csv.reader(_lines(member, report), delimiter="\t", quoting=csv.QUOTE_NONE), field, report)


def _delimited(member: Member, rows: Any, field: str | None, report: CorpusReport) -> Iterator[str]:
    csv.field_size_limit((1 << 31) - 1)  # the module's own limit of 128 KB would refuse long documents
    header = next(rows, None) or []
    column = header.index(_choose(member.name, field, header))
    while True:
        first_line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            report.add_bad(f"{member.name}:{first_line}", str(error))
            continue
        if len(row) == len(header):
            yield row[column]
        elif row:  # the csv module makes an empty list of a blank line
            report.add_bad(f"{member.name}:{first_line}", f"expected {len(header)} fields, found {len(row)}")


# ---- JSONL -------------------------------------------------------------------------------------------------------------------------


def _jsonl_texts(member: Member, field: str | None, report: CorpusReport) -> Iterator[str]:
    without, first_fields = 0, list[str]()
    found = False
    for number, line in enumerate(_lines(member, report), 1):
        if not line.strip():
            continue
        where = f"{member.name}:{number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            report.add_bad(where, f"not valid JSON: {error}")
            continue
        if not isinstance(record, dict):
            report.add_bad(where, f"expected a JSON object, found {type(record).__name__}")
            continue
        first_fields = first_fields or list(record)
        text = record.get(field)
        if field is None or (not found and field not in record and without >= _PATIENCE):
            _choose(member.name, field, first_fields)
        elif isinstance(text, str):
            found = True
            yield text
        else:
            without += field not in record
            found |= field in record
            report.add_bad(where, f"field {field!r} is {'missing' if field not in record else type(text).__name__}, expected a string")
    if without and not found:
        _choose(member.name, field, first_fields)


_READERS: dict[RecordFormat, Callable[[Member, str | None, CorpusReport], Iterator[str]]] = {
    "csv": _csv_texts,
    "tsv": _tsv_texts,
    "jsonl": _jsonl_texts,
}


# ---- Parquet -----------------------------------------------------------------------------------------------------------------------


def _parquet_blocks(member: Member, field: str | None, report: CorpusReport) -> Iterator[Block]:
    """Read a Parquet file where it lies, or from a temporary copy: it needs seeking, and may come compressed or from a pipe."""
    if member.path is not None:
        yield from _parquet_file(member.path, member.name, field, report)
        return
    with tempfile.NamedTemporaryFile(suffix=".parquet") as spool:
        while chunk := member.read(BLOCK_BYTES):
            spool.write(chunk)
        spool.flush()
        yield from _parquet_file(Path(spool.name), member.name, field, report)


def _parquet_file(path: Path, name: str, field: str | None, report: CorpusReport) -> Iterator[Block]:
    try:
        table = pl.scan_parquet(path)
        schema = table.collect_schema()
        column = _choose(name, field, schema.names())
        if schema[column] not in (pl.String, pl.Categorical, pl.Enum):
            raise InputError(f"{name}: field {column!r} is {schema[column]}, expected strings")
        row = 0
        for batch in table.select(pl.col(column).cast(pl.String)).collect_batches(chunk_size=1 << 14):
            texts = batch.to_series()
            for empty in texts.is_null().arg_true().to_list():
                report.add_bad(f"{name}: row {row + empty + 1}", f"field {column!r} is null, expected a string")
            row += len(texts)
            yield from _slices(texts.drop_nulls())
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{name}: the Parquet data is damaged or cut short: {reason}") from None


def _slices(texts: pl.Series) -> Iterator[Block]:
    """Cut a batch, whose rows may be of any length, into blocks of about `BLOCK_BYTES`."""
    block_numbers = (texts.str.len_bytes().cast(pl.Int64).cum_sum() // BLOCK_BYTES).to_numpy()
    start = 0
    while start < len(texts):
        end = int(block_numbers.searchsorted(block_numbers[start], "right"))
        yield block_of(texts[start:end])
        start = end
