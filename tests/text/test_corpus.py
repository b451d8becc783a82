import io
import itertools
import threading
import time
import types

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lexloom.errors import InputError
from lexloom.text import blocks as blocks_module
from lexloom.text.blocks import ahead
from lexloom.text.corpus import iterable_corpus, open_corpus


def lines_of(data):
    """What plain text means, in the plainest Python."""
    lines = data.decode("utf-8", "replace").removeprefix("\ufeff").split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


@pytest.mark.parametrize(
    "data",
    [
        b"one\ntwo\n",
        b"one\ntwo",
        b"\n\nx\n\n",
        b"a\r\nb\r\r\nc\rd\r",
        b"",
        b"\n",
        b"one\x0ctwo\x85\n\xe2\x80\xa8x\n",
        b"\xef\xbb\xbfmark\nx\n",
    ],
)
def test_only_a_newline_ends_a_document(read_bytes, data):
    assert read_bytes(data) == lines_of(data)


@settings(max_examples=50, deadline=None)
@example(data=b" \t\ra", size=4)  # a piece that ends with a carriage return is not the end of a line
@given(
    data=st.lists(
        st.sampled_from([b"a", b"bcd", b" ", b"\n", b"\r\n", b"\r", b"\xc3\xa9", b"\xff", b"\xe4\xb8\xad", b"\t"]), max_size=80
    ).map(b"".join),
    size=st.integers(4, 30),
)
def test_the_size_of_blocks_makes_no_difference(tmp_path_factory, read, data, size):
    path = tmp_path_factory.mktemp("blocks") / "text"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lexloom.text.corpus.BLOCK_BYTES", size)
        found = read(open_corpus(path))
    assert found == lines_of(data)


def test_broken_bytes_are_replaced_counted_and_located(tmp_path, read):
    path = tmp_path / "broken.txt"
    path.write_bytes("fine \ufffd\nfine\n".encode() + b"bad \xff\xfe here\nbad \xe4\xb8\n")
    corpus = open_corpus(path)
    assert read(corpus) == ["fine \ufffd", "fine", "bad \ufffd\ufffd here", "bad \ufffd"]
    assert (corpus.report.broken, corpus.report.first_broken) == (3, f"{path}:3")
    assert corpus.report.warnings() == [f"{path}:3: not valid UTF-8; 3 broken places in all were replaced by U+FFFD"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_named(read_bytes, encoding):
    with pytest.raises(InputError, match="UTF-16"):
        read_bytes("\ufefftext\n".encode(encoding))


def test_a_line_of_a_million_tokens_comes_in_pieces(tmp_path):
    path = tmp_path / "line.txt"
    path.write_bytes(b"token " * 1_000_000)
    corpus = open_corpus(path)
    found = list(corpus.blocks())
    assert max(block.size for block in found) <= 2 * blocks_module.BLOCK_BYTES
    assert max(block.texts.str.len_bytes().max() for block in found) <= blocks_module.PIECE_BYTES
    assert "".join(piece for block in found for piece in block.texts) == "token " * 1_000_000
    assert corpus.report.documents == 1


def test_standard_input_is_read_once(monkeypatch, read):
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(b"one\ntwo\n")))
    corpus = open_corpus("-")
    assert corpus.fingerprint() is None
    assert read(corpus) == ["one", "two"]
    with pytest.raises(InputError, match="only once"):
        read(corpus)


def test_a_corpus_of_files_is_read_as_often_as_one_likes(tmp_path, read):
    (tmp_path / "a").write_text("x\ny")
    corpus = open_corpus(tmp_path / "a")
    assert read(corpus) == read(corpus) == ["x", "y"]
    assert corpus.report.documents == 2


def test_files_follow_each_other_and_do_not_run_together(tmp_path, read):
    (tmp_path / "a").write_text("one\ntwo")
    (tmp_path / "b").write_text("three\n")
    assert read(open_corpus([tmp_path / "b", tmp_path / "a", tmp_path / "b"])) == ["three", "one", "two", "three"]


# ---- reading ahead -----------------------------------------------------------------------------------------------------------------


def reader_threads():
    return [thread for thread in threading.enumerate() if thread.name == "lexloom-ahead"]


def test_an_error_of_the_reading_thread_reaches_the_caller():
    def blocks():
        yield 1
        raise InputError("in the middle")

    coming = ahead(blocks(), 3)
    assert next(coming) == 1
    with pytest.raises(InputError, match="in the middle"):
        next(coming)
    assert not reader_threads()


def test_stopping_early_ends_the_thread_and_closes_the_source():
    closed = []

    def blocks():
        try:
            yield from itertools.count()
        finally:
            closed.append(True)

    coming = ahead(blocks(), 3)
    next(coming)
    coming.close()
    deadline = time.monotonic() + 5
    while not closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert closed and not reader_threads()


def test_a_corpus_closed_early_leaves_no_thread(tmp_path):
    (tmp_path / "a").write_text("line of text\n" * 1_000_000)
    blocks = open_corpus(tmp_path / "a").blocks()
    next(blocks)
    blocks.close()
    assert not reader_threads()


# ---- Python iterables --------------------------------------------------------------------------------------------------------------


def test_strings_are_documents_whatever_they_hold(read):
    documents = ["one\ntwo", "", " x "]
    assert read(iterable_corpus(documents)) == documents
    assert read(iterable_corpus(iter(documents))) == documents


def test_token_lists_are_taken_as_they_are(read):
    documents = [["New York", "a\nb", ""], [], ("x",)]
    assert read(iterable_corpus(documents)) == [list(document) for document in documents]


def test_a_long_token_list_is_cut_and_stays_one_document(read):
    tokens = [str(number) for number in range(20_000)]
    corpus = iterable_corpus([tokens, ["end"]])
    assert max(block.texts.list.len().max() for block in corpus.blocks()) < len(tokens)
    assert read(corpus) == [tokens, ["end"]]
    assert corpus.report.documents == 2


def test_a_generator_is_read_once(read):
    corpus = iterable_corpus(text for text in ["a", "b"])
    assert read(corpus) == ["a", "b"]
    with pytest.raises(InputError, match="generator"):
        read(corpus)


def test_lone_surrogates_are_replaced_and_counted(read):
    corpus = iterable_corpus(["ok", "bad \udce9", "pair \ud83d\ude00"])
    assert read(corpus) == ["ok", "bad \ufffd", "pair \U0001f600"]
    assert (corpus.report.broken, corpus.report.first_broken) == (1, "the iterable: document 1")
    tokens = iterable_corpus([["a", "\ud800"]])
    assert read(tokens) == [["a", "\ufffd"]] and tokens.report.broken == 1


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        (["a", ["b"]], "document 1 is list, expected str"),
        ([["a"], "b"], "document 1 is str, expected a list"),
        ([["a"], ["b", 3]], "token 1 of document 1 is int"),
        ([None], "document 0 is NoneType, expected a string or a list"),
        ([b"bytes"], "document 0 is bytes"),
    ],
)
def test_other_types_are_named_with_their_position(read, documents, message):
    with pytest.raises(InputError, match=message):
        read(iterable_corpus(documents))


def test_a_single_string_is_not_taken_for_a_list_of_letters():
    with pytest.raises(InputError, match=r"pass \[text\]"):
        iterable_corpus("text")


def test_no_documents_are_no_blocks(read):
    assert read(iterable_corpus([])) == []
