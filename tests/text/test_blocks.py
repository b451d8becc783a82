import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexloom.text.blocks import PIECE_BYTES, Block, block_of, cut_pieces
from lexloom.text.tokenizers import TokenizerConfig, make_tokenizer

mixed_text = st.text(st.sampled_from("ab é中\u0301\t\r\v.,"), max_size=200)


@settings(max_examples=50, deadline=None)
@given(mixed_text, st.integers(4, 40))
def test_pieces_are_the_text_in_valid_utf8_of_bounded_size(text, limit):
    pieces = cut_pieces(text.encode(), limit)
    assert b"".join(pieces).decode() == text
    for piece in pieces:
        piece.decode()
        assert len(piece) <= limit


@pytest.mark.parametrize("name", ["words", "whitespace", "characters"])
@settings(max_examples=50, deadline=None)
@given(words=st.lists(st.text("abcé中\u0301.,", min_size=1, max_size=8), max_size=60), gap=st.sampled_from([" ", "\t", "  ", " \r "]))
def test_splitting_the_pieces_gives_the_tokens_of_the_whole(name, words, gap):
    text = gap.join(words)
    tokenizer = make_tokenizer(TokenizerConfig(name))
    pieces = [piece.decode() for piece in cut_pieces(text.encode(), 40)]
    apart = [token for tokens in tokenizer.split(pl.Series(pieces, dtype=pl.String)) for token in tokens]
    assert apart == tokenizer.split(pl.Series([text]))[0].to_list()


def test_bytes_without_any_boundary_are_cut_at_the_limit():
    assert cut_pieces(b"\x80" * 10, 4) == [b"\x80" * 4, b"\x80" * 4, b"\x80" * 2]


def test_long_documents_become_pieces_of_which_the_last_ends():
    long = "word " * (PIECE_BYTES // 4)
    block = block_of(pl.Series(["short", long, ""]))
    assert block.texts[0] == "short" and block.texts[-1] == ""
    assert "".join(block.texts[1:-1]) == long
    assert block.ends.tolist() == [True, *[False] * (len(block.texts) - 3), True, True]


def test_an_unfinished_document_does_not_end():
    assert block_of(pl.Series(["a", "b"]), finished=False).ends.tolist() == [True, False]
    long = "x" * (PIECE_BYTES + 1)
    assert block_of(pl.Series(["a", long]), finished=False).ends.tolist() == [True, False, False]


def test_an_empty_block_is_possible():
    assert len(block_of(pl.Series([], dtype=pl.String)).ends) == 0


def test_lists_are_known_to_be_split():
    block = Block(pl.Series([["a", "é"], []], dtype=pl.List(pl.String)), None)
    assert block.split and block.size == 3
