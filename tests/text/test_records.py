import csv
import gzip
import io
import json
import types

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexloom.errors import InputError
from lexloom.text.corpus import open_corpus

field_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=30)


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(field_text, min_size=1, max_size=10))
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_field_comes_back_whatever_its_text(tmp_path_factory, read, kind, texts):
    path = tmp_path_factory.mktemp("records") / f"records.{kind}"
    if kind == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerows([["id", "text"], *([number, text] for number, text in enumerate(texts))])
    elif kind == "jsonl":
        path.write_text("".join(json.dumps({"id": 1, "text": text}) + "\n" for text in texts))
    else:
        pl.DataFrame({"id": range(len(texts)), "text": texts}, schema_overrides={"text": pl.String}).write_parquet(path)
    corpus = open_corpus(path, field="text")
    assert read(corpus) == texts
    assert corpus.report.bad_lines == 0


def test_a_quoted_newline_stays_inside_a_csv_document(read_bytes):
    assert read_bytes(b'text,n\n"one\ntwo, ""x""",1\nthree,2\n', "a.csv", "text") == ['one\ntwo, "x"', "three"]


def test_quotes_mean_nothing_in_tsv(read_bytes):
    assert read_bytes(b'n\ttext\n1\t"open\n2\tshut"\n', "a.tsv", "text") == ['"open', 'shut"']


def test_a_csv_document_may_be_long(read_bytes):
    long = b"word " * 100_000
    assert read_bytes(b"text\n" + long + b"\n", "a.csv", "text") == [long.decode()]


@pytest.mark.parametrize(
    ("name", "data", "documents", "first_bad"),
    [
        ("a.csv", b"text,n\none,1\ntwo\n\nthree,3\n", ["one", "three"], "a.csv:3: expected 2 fields, found 1"),
        ("a.csv", b'text,n\n"one" x,1\ntwo,2\n', ["two"], "a.csv:2: ',' expected after '\"'"),
        ("a.csv", b'text,n\none,1\n"never shut,1\ntwo,2\n', ["one"], "a.csv:3: unexpected end of data"),
        ("a.tsv", b"n\ttext\n1\tone\t!\n2\ttwo\n", ["two"], "a.tsv:2: expected 2 fields, found 3"),
        ("a.jsonl", b'{"text": "one"}\n{"text": \n\n{"text": "two"}\n', ["one", "two"], "a.jsonl:2: not valid JSON"),
        ("a.jsonl", b'{"text": "one"}\n{"text": null}\n', ["one"], "a.jsonl:2: field 'text' is NoneType, expected a string"),
        ("a.jsonl", b'{"text": "one"}\n{"n": 1}\n', ["one"], "a.jsonl:2: field 'text' is missing"),
        ("a.jsonl", b'{"text": "one"}\n[1]\n', ["one"], "a.jsonl:2: expected a JSON object, found list"),
    ],
)
def test_bad_records_are_counted_and_the_first_located(tmp_path, read, name, data, documents, first_bad):
    (tmp_path / name).write_bytes(data)
    corpus = open_corpus(tmp_path / name, field="text")
    assert read(corpus) == documents
    assert corpus.report.bad_lines == 1
    assert corpus.report.first_bad.startswith(f"{tmp_path}/{first_bad}")
    assert first_bad in corpus.report.warnings()[0]
    kept = open_corpus(tmp_path / name, field="text", keep_bad=True)
    place = int(first_bad.split(":")[1]) - (1 if name.endswith("jsonl") else 2)
    assert read(kept) == [*documents[:place], "", *documents[place:]]
    assert kept.report.warnings()[0].startswith("1 bad record was read as an empty text; the first: ")


def test_nulls_in_parquet_are_bad_records(tmp_path, read):
    pl.DataFrame({"text": ["one", None, "two"]}).write_parquet(tmp_path / "a.parquet")
    corpus = open_corpus(tmp_path / "a.parquet", field="text")
    assert read(corpus) == ["one", "two"]
    assert corpus.report.first_bad == f"{tmp_path}/a.parquet: row 2: field 'text' is null, expected a string"
    assert read(open_corpus(tmp_path / "a.parquet", field="text", keep_bad=True)) == ["one", "", "two"]


def table(kind):
    frame = pl.DataFrame({"id": [1, 2], "text": ["one", "two"]})
    if kind == "tsv":
        return frame.write_csv(separator="\t").encode()
    if kind == "csv":
        return frame.write_csv().encode()
    if kind == "jsonl":
        return frame.write_ndjson().encode()
    frame.write_parquet(file := io.BytesIO())
    return file.getvalue()


KINDS = ["csv", "tsv", "jsonl", "parquet"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_records_come_from_standard_input_too(monkeypatch, read, kind, compress):
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(compress(table(kind)))))
    assert read(open_corpus("-", field="text")) == ["one", "two"]


@pytest.mark.parametrize("kind", KINDS)
def test_records_are_known_without_their_suffix(read_bytes, kind):
    assert read_bytes(table(kind), "data", "text") == ["one", "two"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_field_is_an_error_that_lists_the_fields(read_bytes, kind):
    with pytest.raises(InputError, match=rf"a\.{kind}: no field 'body'; fields: id, text"):
        read_bytes(table(kind), f"a.{kind}", "body")


@pytest.mark.parametrize("kind", KINDS)
def test_records_without_a_field_named_are_an_error(read_bytes, kind):
    with pytest.raises(InputError, match=rf"a\.{kind}: .*--text-field \(fields: id, text\)"):
        read_bytes(table(kind), f"a.{kind}")


def test_a_misspelt_json_field_is_found_out_early(tmp_path, read):
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n' * 5000)
    corpus = open_corpus(tmp_path / "a.jsonl", field="txt")
    with pytest.raises(InputError, match="no field 'txt'"):
        read(corpus)
    assert corpus.report.bad_lines < 2000


@pytest.mark.parametrize("data", [b"PAR1 and nothing more", b"text\n"])
def test_a_damaged_parquet_file_is_an_error(read_bytes, data):
    with pytest.raises(InputError, match=r"a\.parquet: .*Parquet"):
        read_bytes(data, "a.parquet", "text")


def test_a_parquet_field_of_numbers_is_an_error(read_bytes):
    with pytest.raises(InputError, match="field 'id' is Int64, expected strings"):
        read_bytes(table("parquet"), "a.parquet", "id")


def test_broken_bytes_in_records_are_counted(tmp_path, read):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbftext\nfine\nbad \xff\n")
    corpus = open_corpus(tmp_path / "a.csv", field="text")
    assert read(corpus) == ["fine", "bad \ufffd"]
    assert corpus.report.first_broken == f"{tmp_path}/a.csv:3"
