"""The compiled table beside the one that is a dictionary."""

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from lexloom.text import encode
from lexloom.text.blocks import Block, block_of
from lexloom.text.encode import WordEncoder, fixed_encoder
from lexloom.text.tokenizers import TokenizerConfig, make_tokenizer
from lexloom.text.vocabulary import Vocabulary
from lexloom.text.word_table import kinds_of

some_text = st.text(
    st.sampled_from("aaabc zΣσς.,'_-1\u0301İßé…–中か\u00a0\u3000\u2003\u0085\u0e33\u200d\U0001d400\U00020000\U0010fffd\t\n\0"), max_size=40
)
texts_of_a_block = st.lists(some_text | st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=5)
tokenizers = [
    TokenizerConfig(name, lowercase=lower) for name, lower in itertools.product(["words", "whitespace", "characters"], [False, True])
]


def text_block(texts):
    return block_of(pl.Series(texts, dtype=pl.String))


def token_block(tokens):
    return Block(pl.Series(tokens, dtype=pl.List(pl.String)), np.ones(len(tokens), bool))


def encoded(encoder, blocks):
    pairs = [encoder.encode(block) for block in blocks]
    return [(ids.tolist(), lengths.tolist()) for ids, lengths in pairs]


def counted(encoder, blocks):
    """All that comes of counting blocks."""
    found = encoded(encoder, blocks)
    tail = encoder.tokens_from(2)
    types = encoder.finish()
    return found, tail, types.tokens, types.counts.tolist()


@pytest.mark.parametrize("config", tokenizers, ids=str)
@pytest.mark.parametrize("takes_over", [0, 1])
@settings(max_examples=40, deadline=None)
@given(blocks=st.lists(texts_of_a_block, max_size=4))
@example(blocks=[["abcdefgh abcdefghi abcdefghij abcdefgh\0", "ab\0 ab", ""], ["abcdefghi abcdefghj", " \u3000 "]])
def test_it_counts_as_the_plain_way_does(config, takes_over, blocks):
    tokenizer = make_tokenizer(config)
    plain, fast = WordEncoder(tokenizer, ["ab", "c"]), WordEncoder(tokenizer, ["ab", "c"])
    blocks = [text_block(texts) for texts in blocks]
    with pytest.MonkeyPatch.context() as patch:
        expected = counted(plain, blocks)
        first = encoded(fast, blocks[:takes_over])
        patch.setattr(encode, "_LARGE", 0)
        found, *rest = counted(fast, blocks[takes_over:])
    assert (first + found, *rest) == expected


@settings(max_examples=40, deadline=None)
@given(blocks=st.lists(st.lists(st.lists(some_text, max_size=4), max_size=4), max_size=3))
@example(blocks=[[["", "a b", ""], []], [["\0", ""]]])
def test_tokens_are_not_cut(blocks):
    tokenizer = make_tokenizer(TokenizerConfig("whitespace"))
    blocks = [token_block(tokens) for tokens in blocks]
    expected = counted(WordEncoder(tokenizer), blocks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode, "_LARGE", 0)
        assert counted(WordEncoder(tokenizer), blocks) == expected


@settings(max_examples=40, deadline=None)
@given(texts=texts_of_a_block)
def test_with_a_vocabulary_what_it_lacks_is_unknown(texts):
    tokenizer = make_tokenizer(TokenizerConfig())
    vocabulary = Vocabulary(["<pad>", "<unk>", "a", "中", "abc"], np.zeros(5), {"unk": "<unk>", "pad": "<pad>"})
    blocks = [text_block([*texts, "a zebra abc <unk>"])] * 2
    expected = encoded(fixed_encoder(tokenizer, vocabulary), blocks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode, "_LARGE", 0)
        assert encoded(fixed_encoder(tokenizer, vocabulary), blocks) == expected


@pytest.mark.parametrize("size", [1, 30])
def test_it_grows_with_its_tokens(monkeypatch, size):
    tokens = [f"{number}{'x' * size}" for number in range(70_000)]
    encoder = WordEncoder(make_tokenizer(TokenizerConfig("whitespace")))
    monkeypatch.setattr(encode, "_LARGE", 0)
    (first, lengths), (again, _) = (encoder.encode(text_block([" ".join(tokens), "a" * 50_000])) for _ in range(2))
    assert first.tolist() == again.tolist() == list(range(len(tokens) + 1)) and sum(lengths) == len(first)
    types = encoder.finish()
    assert types.tokens == [*tokens, "a" * 50_000] and set(types.counts.tolist()) == {2}


@pytest.mark.parametrize("tokenizer", ["jieba", "splitter"])
def test_what_the_loops_cannot_cut_is_split_before(tmp_path, monkeypatch, tokenizer):
    if tokenizer == "splitter":
        library = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
        library.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("-")
        library.save(str(tmp_path / "t.json"))
        tokenizer = str(tmp_path / "t.json")
    made = make_tokenizer(TokenizerConfig(tokenizer))
    assert made.by_character is None
    blocks = [text_block(["我来到北京清华大学", "", "a-b c-a"]), text_block(["北京-a"])]
    expected = counted(WordEncoder(made), blocks)
    monkeypatch.setattr(encode, "_LARGE", 0)
    assert counted(WordEncoder(made), blocks) == expected


def test_small_blocks_together_are_a_large_text(monkeypatch):
    monkeypatch.setattr(encode, "_LARGE", 20)
    encoder = WordEncoder(make_tokenizer(TokenizerConfig("whitespace")))
    kinds = []
    for _ in range(4):
        ids, _ = encoder.encode(text_block(["a b c d"]))
        assert ids.tolist() == [0, 1, 2, 3]
        kinds.append(type(encoder._table).__name__)
    assert kinds == ["DictTable", "DictTable", "WordTable", "WordTable"]
    assert encoder.finish().counts.tolist() == [4, 4, 4, 4]


@pytest.mark.parametrize("patterns", [(r"\w", r"[^\w\s]"), (r"\S",), (r"[ab\x{20000}]", r"[b-d]", r"\x{10ffff}")])
def test_each_character_is_of_the_kind_of_the_first_pattern_that_it_matches(patterns):
    points = [
        point for point in [*range(0x3100), *range(0xFF00, 0x10400), *range(0x1FFF0, 0x20010), 0x10FFFF] if not 0xD800 <= point < 0xE000
    ]
    characters = pl.Series(map(chr, points))
    expected = np.zeros(len(points), np.uint8)
    for kind, pattern in reversed(list(enumerate(patterns, 1))):
        expected[characters.str.contains(pattern).to_numpy()] = kind
    assert kinds_of(patterns)[points].tolist() == expected.tolist()
