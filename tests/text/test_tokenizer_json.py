import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.text.twin import split_tokens
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors

from lexloom.text.tokenizers import TokenizerConfig, learn, make_tokenizer, with_vocabulary

TEXTS = ["the lower the newer the wider, the lowest newest widest", "low new wide"] * 10


def encode(text_of_json, text):
    return Tokenizer.from_str(text_of_json).encode(text, add_special_tokens=False).ids


def test_ids_are_the_positions_of_the_tokens():
    text = with_vocabulary(None, ["b,", "<unk>", "a"], "<unk>")
    assert encode(text, "a b, c  a") == [2, 0, 1, 2]


def test_the_splitting_of_the_original_is_kept():
    words = make_tokenizer(TokenizerConfig(lowercase=True)).json
    assert encode(with_vocabulary(words, ["<unk>", ",", "b"], "<unk>"), "B, b") == [2, 1, 2]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(), max_size=6), unique=True, max_size=12))
def test_any_tokens_make_a_tokenizer_that_loads_and_finds_them(tokens):
    text = with_vocabulary(None, ["<unk>", *tokens], "<unk>")
    text.encode()
    for row, token in enumerate(tokens, 1):
        if token != "<unk>" and token.split() == [token] and token.isprintable():
            assert encode(text, token) == [row]


def test_a_token_that_is_not_unicode_holds_its_row():
    text = with_vocabulary(None, ["<unk>", "caf\udce9", "after"], "<unk>")
    assert encode(text, "after caf\ufffd") == [2, 0]
    assert Tokenizer.from_str(text).get_vocab_size() == 3


def test_of_duplicates_the_first_wins_and_rows_stay():
    text = with_vocabulary(None, ["<unk>", "a", "a", "b"], "<unk>")
    assert encode(text, "a b") == [1, 3]
    assert Tokenizer.from_str(text).get_vocab_size() == 4


@pytest.mark.parametrize("name", ["bpe", "unigram"])
def test_the_ids_of_subword_models_are_permuted(name):
    original = learn(TokenizerConfig(name, vocab_size=40), [TEXTS]).json
    tokens = sorted(Tokenizer.from_str(original).get_vocab(), reverse=True)
    moved = with_vocabulary(original, tokens, "<unk>")
    assert [tokens[row] for row in encode(moved, TEXTS[0])] == split_tokens(original, TEXTS[0])
    assert encode(moved, "§") == [tokens.index("▁"), tokens.index("<unk>")]


def test_the_ids_of_a_word_piece_model_are_permuted():
    original = Tokenizer(models.WordPiece({"[UNK]": 0, "low": 1, "##er": 2}, unk_token="[UNK]"))
    original.pre_tokenizer = pre_tokenizers.Whitespace()
    moved = with_vocabulary(original.to_str(), ["##er", "[PAD]", "[UNK]", "low"], "[UNK]")
    assert encode(moved, "lower x low") == [3, 0, 2, 3]


@pytest.mark.parametrize("name", ["bpe", "unigram"])
def test_a_subword_model_that_lacks_rows_becomes_a_word_level_one(name):
    original = learn(TokenizerConfig(name, vocab_size=40), [TEXTS]).json
    text = with_vocabulary(original, ["<unk>", "▁the"], "<unk>")
    assert encode(text, "the other") == [1, 0]


def test_added_tokens_that_have_no_row_are_dropped_and_the_others_moved():
    original = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    original.pre_tokenizer = pre_tokenizers.Whitespace()
    original.add_special_tokens([AddedToken("[CLS]", special=True), AddedToken("[SEP]", special=True)])
    original.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    original.enable_truncation(2)
    text = with_vocabulary(original.to_str(), ["a", "[SEP]", "[UNK]"], "[UNK]")
    assert Tokenizer.from_str(text).encode("a [SEP] a [CLS] a").ids == [0, 1, 0, 2, 2, 2, 0]
    assert [token["content"] for token in json.loads(text)["added_tokens"]] == ["[SEP]"]


def test_without_an_unknown_token_the_known_ones_are_still_found():
    assert encode(with_vocabulary(None, ["a", "b"], None), "b a") == [1, 0]


def test_the_slow_twin_keeps_unknown_words():
    assert split_tokens(with_vocabulary(None, ["a"], "a"), "a new  word") == ["a", "new", "word"]
