"""Text as one stream of tokens, and back: round trips at every level, and beside splitting by hand."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from lexloom.decoding.writer import SPACE, Writer
from lexloom.errors import InputError
from lexloom.text.corpus import iterable_corpus, open_corpus
from lexloom.text.documents import encode_lines, encode_stream, stream_of
from lexloom.text.store import build_store
from lexloom.text.tokenizers import TextTokenizer, TokenizerConfig
from lexloom.text.vocabulary import Vocabulary, VocabularyConfig

LINES = ["the cat sat on the mat", "", "猫が 座った", "naïve café, isn't it?", "", "", "the end"]
TEXT = "\n".join(LINES) + "\n"
LEVELS = {"character": "characters", "word": "whitespace", "subword": "bpe", "pieces": "unigram"}
every_level = pytest.mark.parametrize("level", LEVELS)
ANY = VocabularyConfig(min_count=1)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """The same text, encoded at every level."""
    folder = tmp_path_factory.mktemp("stores")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    config = {level: TokenizerConfig(tokenizer=name, vocab_size=80) for level, name in LEVELS.items()}
    corpus = open_corpus(folder / "text.txt")
    return {level: build_store(corpus, folder / level, config[level], ANY, specials=("unk", "eos")) for level in LEVELS}


def written(level, store, ids) -> str:
    writer = Writer(store.tokenizer, store.vocabulary, characters=level == "character")
    return writer.write_all(store.vocabulary.decode(ids)) + writer.finish()


def eos_of(store) -> int:
    return store.vocabulary.id_of("<eos>")


# ---- there and back ------------------------------------------------------------------------------------------------------------------


@every_level
def test_what_is_encoded_is_written_again(stores, level):
    store = stores[level]
    assert written(level, store, encode_lines(TEXT, store.tokenizer, store.vocabulary)) == TEXT
    assert written(level, store, stream_of(store)) == TEXT


@every_level
def test_another_reading_of_the_same_text_is_the_same_stream(stores, level, tmp_path):
    store = stores[level]
    (tmp_path / "again.txt").write_text(TEXT, encoding="utf-8")
    again = encode_stream(open_corpus(tmp_path / "again.txt"), store.tokenizer, store.vocabulary)
    assert again.dtype == np.uint32
    assert np.array_equal(again, stream_of(store))
    assert np.array_equal(again, encode_lines(TEXT, store.tokenizer, store.vocabulary))


@every_level
def test_every_line_ends_in_eos(stores, level):
    stream = stream_of(stores[level])
    assert np.count_nonzero(stream == eos_of(stores[level])) == len(LINES)
    assert stream[-1] == eos_of(stores[level])
    assert len(stream) == len(stores[level].ids) + len(LINES)


@every_level
def test_a_last_line_without_a_newline_is_a_line(stores, level, tmp_path):
    store = stores[level]
    (tmp_path / "cut.txt").write_text(TEXT.rstrip("\n"), encoding="utf-8")
    assert np.array_equal(encode_stream(open_corpus(tmp_path / "cut.txt"), store.tokenizer, store.vocabulary), stream_of(store))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n", ["<eos>"]),
        ("\n\n", ["<eos>", "<eos>"]),
        ("the", ["the"]),
        ("the cat\n", ["the", "cat", "<eos>"]),
        ("the\n\ncat", ["the", "<eos>", "<eos>", "cat"]),
        ("\nthe", ["<eos>", "the"]),
        ("  the   cat ", ["the", "cat"]),
        ("the dog", ["the", "<unk>"]),
    ],
)
def test_a_prompt_has_eos_where_it_has_newlines(stores, text, expected):
    store = stores["word"]
    assert store.vocabulary.decode(encode_lines(text, store.tokenizer, store.vocabulary)) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("the\n", ["t", "h", "e", "<eos>"]), (" a\tc", [SPACE, "a", SPACE, "c"]), ("aé☃", ["a", "é", "<unk>"])]
)
def test_a_prompt_of_characters(stores, text, expected):
    store = stores["character"]
    assert store.vocabulary.decode(encode_lines(text, store.tokenizer, store.vocabulary)) == expected


def test_words_that_the_vocabulary_lacks_are_unk(stores):
    store = stores["word"]
    stream = encode_stream(iterable_corpus(["the dog", "a cat"]), store.tokenizer, store.vocabulary)
    assert store.vocabulary.decode(stream) == ["the", "<unk>", "<eos>", "<unk>", "cat", "<eos>"]


@every_level
def test_tokens_are_taken_as_they_are(stores, level):
    store = stores[level]
    token = store.vocabulary.tokens[5]
    stream = encode_stream(iterable_corpus([[token, "no such token"], [token]]), store.tokenizer, store.vocabulary)
    assert store.vocabulary.decode(stream) == [token, "<unk>", "<eos>", token, "<eos>"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], blacklist_characters=SPACE)), min_size=1))
def test_any_characters_come_back(lines):
    text = "\n".join(" ".join(line[:3]) + line for line in lines)
    seen = sorted(set(TextTokenizer(CHARACTERS).library.normalizer.normalize_str(text)) - {"\n"})
    vocabulary = Vocabulary(["<unk>", "<eos>", *seen], np.ones(len(seen) + 2, np.int64), {"unk": "<unk>", "eos": "<eos>"})
    tokenizer = TextTokenizer(CHARACTERS)
    ids = encode_lines(text, tokenizer, vocabulary)
    writer = Writer(tokenizer, vocabulary, characters=True)
    expected = TextTokenizer(CHARACTERS).library.normalizer.normalize_str(text.replace("\n", "\0")).replace("\0", "\n").replace(SPACE, " ")
    assert writer.write_all(vocabulary.decode(ids)) == expected


# ---- long lines ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["character", "word", "subword"])
@pytest.mark.parametrize("words", [30_000, 1_100_000], ids=["cut into pieces", "cut into blocks"])
def test_a_long_line_is_one_line(stores, level, words, tmp_path):
    store = stores[level]
    begin, repeated, end = (encode_lines(text, store.tokenizer, store.vocabulary) for text in ("the cat\n", "cat cat ", "\nthe\n"))
    (tmp_path / "long.txt").write_text("the cat\n" + "cat " * words + "\nthe\n")
    stream = encode_stream(open_corpus(tmp_path / "long.txt"), store.tokenizer, store.vocabulary)
    assert np.count_nonzero(stream == eos_of(store)) == 3
    assert np.array_equal(stream[: len(begin)], begin)
    assert np.array_equal(stream[-len(end) :], end)
    assert np.isin(stream[len(begin) : -len(end)], repeated).all()


# ---- nothing to read -----------------------------------------------------------------------------------------------------------------


@every_level
@pytest.mark.parametrize(("text", "lines"), [("", 0), ("\n", 1), ("\n\n\n", 3)])
def test_a_text_without_tokens_is_refused(stores, level, text, lines, tmp_path):
    (tmp_path / "empty.txt").write_text(text)
    with pytest.raises(InputError, match=f"empty.txt is empty: no token in {lines} lines"):
        encode_stream(open_corpus(tmp_path / "empty.txt"), stores[level].tokenizer, stores[level].vocabulary)


# ---- the writer ----------------------------------------------------------------------------------------------------------------------


def byte_level(kind: str) -> TextTokenizer:
    """A tokenizer that cuts characters beyond ASCII into bytes."""
    if kind == "byte-level":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
        tokenizer.train_from_iterator(["the cat sat on the mat"], trainer)
    else:
        tokens = [f"<0x{byte:02X}>" for byte in range(256)] + ["<unk>", *"abcdefghijklmnopqrstuvwxyz", SPACE]
        tokenizer = Tokenizer(models.BPE({token: place for place, token in enumerate(tokens)}, [], unk_token="<unk>", byte_fallback=True))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(), decoders.Fuse()])
    return TextTokenizer(tokenizer.to_str())


def names(tokenizer: TextTokenizer) -> Vocabulary:
    known = sorted(tokenizer.library.get_vocab(), key=tokenizer.library.get_vocab().__getitem__)
    tokens = ["<eos>", *known] if "<unk>" in known else ["<eos>", "<unk>", *known]
    return Vocabulary(tokens, np.ones(len(tokens), np.int64), {"unk": "<unk>", "eos": "<eos>"})


@pytest.mark.parametrize("kind", ["byte-level", "byte-fallback"])
@pytest.mark.parametrize("text", ["the cat", "猫", "the 猫 sat", "né 😀😀 猫猫 a", "a\u0301 ☃"])
def test_characters_cut_into_bytes_come_out_whole(kind, text):
    tokenizer = byte_level(kind)
    tokens = tokenizer.library.encode(text).tokens
    writer = Writer(tokenizer, names(tokenizer), characters=False)
    parts = [writer.write(token) for token in tokens]
    assert "".join(parts) == tokenizer.library.decoder.decode(tokens) == text
    assert not any("\ufffd" in part for part in parts)
    assert writer.finish() == ""


@pytest.mark.parametrize("kind", ["byte-level", "byte-fallback"])
@pytest.mark.parametrize("end", ["finish", "<eos>"])
def test_a_character_that_is_never_whole_shows_at_the_end(kind, end):
    tokenizer = byte_level(kind)
    tokens = tokenizer.library.encode("at 猫").tokens[:-1]
    writer = Writer(tokenizer, names(tokenizer), characters=False)
    begun = writer.write_all(tokens)
    assert begun == "at "
    rest = writer.finish() if end == "finish" else writer.write("<eos>").removesuffix("\n")
    assert begun + rest == tokenizer.library.decoder.decode(tokens)
    assert set(rest) == {"\ufffd"}
    assert writer.finish() == ""


@every_level
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_token_by_token_is_the_whole_text(stores, level, data):
    """Of any tokens in any order, as a model may choose them."""
    store = stores[level]
    ids = data.draw(st.lists(st.integers(2, len(store.vocabulary) - 1), max_size=30))
    tokens = store.vocabulary.decode(np.array(ids, np.int64))
    decoder = store.tokenizer.library.decoder
    if level == "character":
        whole = "".join(tokens).replace(SPACE, " ")
    else:
        whole = " ".join(tokens) if decoder is None else decoder.decode(tokens)
    writer = Writer(store.tokenizer, store.vocabulary, characters=level == "character")
    assert "".join(map(writer.write, tokens)) + writer.finish() == whole


@every_level
def test_each_line_begins_anew(stores, level):
    store = stores[level]
    writer = Writer(store.tokenizer, store.vocabulary, characters=level == "character")
    tokens = store.vocabulary.decode(encode_lines("the cat", store.tokenizer, store.vocabulary))
    assert writer.write_all([*tokens, "<eos>", "<eos>", *tokens]) == "the cat\n\nthe cat"


def test_a_long_line_costs_no_more_than_its_length(stores, monkeypatch):
    store = stores["subword"]
    writer = Writer(store.tokenizer, store.vocabulary, characters=False)
    longest = 0
    decoder = writer._decoder

    class Counting:
        def decode(self, tokens):
            nonlocal longest
            longest = max(longest, len(tokens))
            return decoder.decode(tokens)

    monkeypatch.setattr(writer, "_decoder", Counting())
    tokens = store.vocabulary.decode(encode_lines("the cat sat on the mat " * 20, store.tokenizer, store.vocabulary))
    assert writer.write_all(tokens) == "the cat sat on the mat " * 20
    assert longest <= 2


CHARACTERS = json.dumps(
    {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [{"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": "\\s"}, "content": SPACE}],
        },
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "[\\s\\S]"}, "behavior": "Isolated", "invert": False},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"<unk>": 0}, "unk_token": "<unk>"},
    }
)
