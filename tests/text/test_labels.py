import json
import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexloom.errors import ConfigError, InputError
from lexloom.text.labels import open_labelled


def pairs(corpus):
    """What a corpus holds: (labels, text) of each document."""
    return [(labels, text) for frame in corpus.blocks() for text, labels in frame.select("text", "labels").iter_rows()]


@pytest.fixture
def written(tmp_path):
    def write(data, name="data.txt"):
        (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
        return tmp_path / name

    return write


def parsed(line, separator, allow_none=False):
    """One line of label<TAB>text by the definition; None where it is bad or blank."""
    label, tab, text = line.partition("\t")
    parts = [label] if separator is None else label.split(separator)
    labels = [part.strip() for part in parts if part.strip()]
    return (labels, text) if tab and (labels or (allow_none and line.strip())) else None


# ---- label<TAB>text ----------------------------------------------------------------------------------------------------------------


def test_a_line_is_a_label_a_tab_and_a_text(written):
    corpus = open_labelled(written("pos\tgood film\nneg\tbad\ta tab\nso so\t\n"))
    assert pairs(corpus) == [(["pos"], "good film"), (["neg"], "bad\ta tab"), (["so so"], "")]
    assert not corpus.report.warnings()


@settings(max_examples=100, deadline=None)
@given(lines=st.lists(st.text("ab ,\té", max_size=8), max_size=12), separator=st.sampled_from([None, ",", " "]), allow_none=st.booleans())
def test_lines_are_read_as_by_the_definition(tmp_path_factory, lines, separator, allow_none):
    path = tmp_path_factory.mktemp("labelled") / "data"
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    corpus = open_labelled(path, separator=separator, allow_none=allow_none)
    rows = [parsed(line, separator, allow_none) for line in lines]
    assert pairs(corpus) == [row for row in rows if row is not None]
    bad = [number for number, (line, row) in enumerate(zip(lines, rows, strict=True), 1) if row is None and line.strip()]
    assert corpus.report.bad_lines == len(bad)
    if bad:
        assert corpus.report.first_bad.startswith(f"{path}:{bad[0]}: ")


@pytest.mark.parametrize("separator", [None, "|"])
@pytest.mark.parametrize("spaces", [True, False], ids=["words", "one long word"])
def test_lines_longer_than_a_block_are_whole_and_keep_their_labels(tmp_path, monkeypatch, spaces, separator):
    monkeypatch.setattr("lexloom.text.corpus.BLOCK_BYTES", 64)
    draw = random.Random(3)
    lines = []
    for _ in range(200):
        text = "".join(draw.choices("abé ," if spaces else "abé", k=draw.choice([0, 3, 30, 300])))
        lines.append(text if draw.random() < 0.2 else f"{draw.choice(['x', 'y|z', ' '])}\t{text}")
    (tmp_path / "data").write_text("\n".join(lines), encoding="utf-8")
    corpus = open_labelled(tmp_path / "data", separator=separator)
    rows = [parsed(line, separator) for line in lines]
    assert pairs(corpus) == [row for row in rows if row is not None]
    assert corpus.report.bad_lines == sum(row is None and bool(line.strip()) for line, row in zip(lines, rows, strict=True))


@pytest.mark.parametrize(
    ("data", "first_bad"),
    [
        ("a\tone\ntwo\n\n  \nb\tthree\n", "data.txt:2: expected 2 tab-separated fields (label, text), found 1"),
        ("a\tone\n \ttwo\nb\tthree\n", "data.txt:2: the label is empty"),
        ("__label__a one\n__label__ two\n__label__b three\n", "data.txt:2: expected a word that begins with __label__, found none"),
    ],
)
def test_bad_lines_are_counted_and_the_first_located(written, data, first_bad):
    corpus = open_labelled(written(data))
    assert [labels for labels, _ in pairs(corpus)] == [["a"], ["b"]]
    assert corpus.report.bad_lines == 1
    assert corpus.report.first_bad.endswith(first_bad)


def test_the_lines_of_several_files_are_one_corpus(written):
    corpus = open_labelled([written("a\tone\n", "first"), written("__label__b two\n", "second"), written("c\tthree\n", "third.tsv")])
    assert pairs(corpus) == [(["a"], "one"), (["b"], "two"), (["c"], "three")]


def test_a_second_reading_gives_the_same(written):
    corpus = open_labelled(written("a\tone\nb\ttwo\n"))
    assert pairs(corpus) == pairs(corpus) == [(["a"], "one"), (["b"], "two")]
    assert corpus.report.documents == 2


# ---- fastText ----------------------------------------------------------------------------------------------------------------------


def test_words_that_begin_with_label_are_labels_wherever_they_stand(written):
    corpus = open_labelled(written("\ufeff__label__a __label__b-c good  film\nfine __label__d too\n__label__e\n"))
    assert pairs(corpus) == [(["a", "b-c"], "good  film"), (["d"], "fine too"), (["e"], "")]


def test_a_label_within_a_word_is_none(written):
    assert pairs(open_labelled(written("__label__a not__label__b\n"))) == [(["a"], "not__label__b")]


# ---- records -----------------------------------------------------------------------------------------------------------------------

RECORDS = [{"id": 1, "text": "one, two", "stars": "a|b"}, {"id": 2, "text": "three", "stars": "c"}]
EXPECTED = [(["a", "b"], "one, two"), (["c"], "three")]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "data"])
def test_two_fields_of_records(tmp_path, name):
    frame, path = pl.DataFrame(RECORDS), tmp_path / name
    if name == "a.parquet":
        frame.write_parquet(path)
    elif name == "a.jsonl":
        frame.write_ndjson(path)
    else:
        frame.write_csv(path, separator="\t" if name == "a.tsv" else ",")
    assert pairs(open_labelled(path, text_field="text", label_field="stars", separator="|")) == EXPECTED
    whole = open_labelled(path, text_field="text", label_field="stars")
    assert pairs(whole) == [(["a|b"], "one, two"), (["c"], "three")]


@pytest.mark.parametrize(
    ("value", "labels"),
    [(3, ["3"]), (True, ["true"]), (["a", "b"], ["a", "b"]), ([1, False], ["1", "false"]), (" a ", ["a"])],
    ids=repr,
)
def test_a_label_may_be_a_number_a_truth_or_a_list(written, value, labels):
    path = written(json.dumps({"text": "one", "label": value}), "a.jsonl")
    assert pairs(open_labelled(path, text_field="text", label_field="label")) == [(labels, "one")]


@pytest.mark.parametrize("value", [None, 1.5, [], "", " ", ["a", None], {"a": 1}], ids=repr)
def test_what_is_no_label_is_a_bad_record(written, value):
    lines = [json.dumps({"text": "one", "label": label}) for label in ("a", value)]
    corpus = open_labelled(written("\n".join(lines), "a.jsonl"), text_field="text", label_field="label")
    assert pairs(corpus) == [(["a"], "one")]
    assert corpus.report.first_bad.endswith(f"a.jsonl:2: field 'label' is {value!r}, expected a label")


def test_a_text_that_is_none_is_a_bad_record(written):
    lines = ['{"text": "one", "label": "a"}', '{"text": 2, "label": "b"}', '{"label": "b"}']
    corpus = open_labelled(written("\n".join(lines), "a.jsonl"), text_field="text", label_field="label")
    assert pairs(corpus) == [(["a"], "one")]
    assert corpus.report.bad_lines == 2
    assert corpus.report.first_bad.endswith("a.jsonl:2: field 'text' is int, expected a string")


@pytest.mark.parametrize(("text_field", "label_field"), [("body", "stars"), ("text", "label")])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_an_unknown_field_is_an_error_that_lists_the_fields(tmp_path, name, text_field, label_field):
    frame, path = pl.DataFrame(RECORDS), tmp_path / name
    {"a.csv": frame.write_csv, "a.jsonl": frame.write_ndjson, "a.parquet": frame.write_parquet}[name](path)
    with pytest.raises(InputError, match=r"no field '(body|label)'; fields: id, text, stars"):
        pairs(open_labelled(path, text_field=text_field, label_field=label_field))


# ---- options -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text_field": "text"}, "text_field is given and label_field is not"),
        ({"label_field": "label"}, "label_field is given and text_field is not"),
        ({"separator": ""}, "separator is empty"),
    ],
)
def test_options_that_make_no_sense_are_refused(written, options, message):
    with pytest.raises(ConfigError, match=message):
        open_labelled(written("a\tone\n"), **options)


def test_records_without_fields_named_are_an_error(written):
    with pytest.raises(InputError, match=r"a\.csv: holds records; say with --text-field and --label-field"):
        pairs(open_labelled(written("text,label\none,a\n", "a.csv")))


def test_the_options_are_in_the_fingerprint(written):
    path = written("a,b\tone\n")
    assert open_labelled(path).fingerprint() != open_labelled(path, separator=",").fingerprint()


@pytest.mark.parametrize(
    ("name", "data", "fields"),
    [
        ("a.txt", "x\tone\n\ttwo\n", {}),
        ("a.txt", "__label__x one\ntwo\n", {}),
        ("a.csv", 'text,label\none,x\ntwo,""\n', {"text_field": "text", "label_field": "label"}),
        ("a.jsonl", '{"text": "one", "label": ["x"]}\n{"text": "two", "label": []}\n', {"text_field": "text", "label_field": "label"}),
    ],
)
def test_documents_without_a_label_are_kept_where_that_is_allowed(written, name, data, fields):
    path = written(data, name)
    refused, kept = (open_labelled(path, allow_none=allowed, **fields) for allowed in (False, True))
    assert pairs(refused) == [(["x"], "one")] and refused.report.bad_lines == 1
    assert pairs(kept) == [(["x"], "one"), ([], "two")] and not kept.report.warnings()
