import io
import json
import types
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from tests.text.twin import split_tokens
from tokenizers import Tokenizer

from lexloom.errors import FormatError, InputError
from lexloom.tensors import checksum, write_tensors
from lexloom.text.corpus import iterable_corpus, open_corpus
from lexloom.text.store import TokenStore, build_store, encode_corpus, open_or_build_store
from lexloom.text.tokenizers import TokenizerConfig, learn
from lexloom.text.vocabulary import VocabularyConfig

ALL = VocabularyConfig(min_count=1)
TEXT = "the cat, the dog.\n\nthe cat sat\n"


@pytest.fixture
def corpus_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def documents(store):
    return [store.vocabulary.decode(store.document(number)) for number in range(len(store))]


def test_a_store_holds_the_ids_the_starts_and_the_counts(tmp_path, corpus_file):
    store = build_store(open_corpus(corpus_file), tmp_path / "store", vocabulary=ALL)
    assert documents(store) == [["the", "cat", ",", "the", "dog", "."], [], ["the", "cat", "sat"]]
    assert store.vocabulary.tokens == ["<unk>", "the", "cat", ",", "dog", ".", "sat"]
    assert store.vocabulary.counts.tolist() == [0, 3, 2, 1, 1, 1, 1]
    assert (store.ids.dtype, store.starts.dtype, store.starts.tolist()) == (np.uint32, np.int64, [0, 6, 6, 9])
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == [
        "store.json",
        "tokenizer.json",
        "tokens.safetensors",
        "vocabulary.json",
    ]


def test_the_arrays_are_plain_safetensors_and_the_tokenizer_loads(tmp_path, corpus_file):
    store = build_store(open_corpus(corpus_file), tmp_path / "store", vocabulary=ALL)
    arrays = load_file(tmp_path / "store" / "tokens.safetensors")
    assert (arrays["ids"] == store.ids).all() and (arrays["starts"] == store.starts).all()
    assert Tokenizer.from_file(str(tmp_path / "store" / "tokenizer.json"))


def test_rare_tokens_stay_in_the_stream_as_unk(tmp_path, corpus_file):
    store = build_store(open_corpus(corpus_file), tmp_path / "store", vocabulary=VocabularyConfig(min_count=2), specials=["pad", "unk"])
    assert documents(store)[0] == ["the", "cat", "<unk>", "the", "<unk>", "<unk>"]
    assert store.vocabulary.report["min_count"] == {"types": 4, "occurrences": 4}
    assert store.vocabulary.counts.tolist() == [0, 0, 3, 2]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.text("aAbé. \u0301", max_size=12), min_size=1, max_size=12).filter(lambda texts: "".join(texts).strip()),
    st.integers(1, 3),
    st.sampled_from(["words", "whitespace", "characters"]),
)
def test_a_store_is_what_a_plain_loop_would_make(tmp_path_factory, texts, min_count, name):
    path = tmp_path_factory.mktemp("store") / "store"
    store = build_store(iterable_corpus(texts), path, TokenizerConfig(name, lowercase=True), VocabularyConfig(min_count))
    split = [split_tokens(store.tokenizer.json, text) for text in texts]
    counted = Counter(token for tokens in split for token in tokens)
    assert store.vocabulary.tokens[1:] == [token for token, count in counted.most_common() if count >= min_count]
    assert documents(store) == [[token if counted[token] >= min_count else "<unk>" for token in tokens] for tokens in split]
    assert TokenStore.open(path).header["tokens"] == counted.total()


def test_nothing_of_a_million_token_line_is_lost(tmp_path):
    words = [f"w{number % 1000}" for number in range(1_000_000)]
    (tmp_path / "line").write_text(" ".join(words))
    store = build_store(open_corpus(tmp_path / "line"), tmp_path / "store", vocabulary=ALL)
    assert store.starts.tolist() == [0, 1_000_000]
    assert store.ids[:1000].tolist() == list(range(1, 1001))
    assert (np.asarray(store.ids).reshape(1000, 1000) == store.ids[:1000]).all()


def test_a_corpus_of_broken_bytes_is_encoded_and_reported(tmp_path):
    (tmp_path / "broken").write_bytes(b"ok \xff\xfe\xfd\n" * 100)
    store = build_store(open_corpus(tmp_path / "broken"), tmp_path / "store")
    assert store.vocabulary.tokens == ["<unk>", "ok", "\ufffd\ufffd\ufffd"]
    assert store.header["report"]["broken"] == 300
    assert store.header["report"]["first_broken"].endswith("broken:1")


def test_one_token_makes_a_store(tmp_path):
    store = build_store(iterable_corpus(["word"]), tmp_path / "store", vocabulary=ALL)
    assert documents(store) == [["word"]]


@pytest.mark.parametrize("text", ["", "\n\n", " \t\n"])
def test_an_empty_corpus_is_an_error_and_leaves_nothing(tmp_path, text):
    (tmp_path / "text").write_text(text)
    with pytest.raises(InputError, match="text is empty"):
        build_store(open_corpus(tmp_path / "text"), tmp_path / "out" / "store")
    assert not list((tmp_path / "out").iterdir())


def test_a_crash_leaves_no_half_store_and_the_old_one_untouched(tmp_path, corpus_file):
    def documents_then_crash():
        yield "some text"
        raise RuntimeError("crash")

    build_store(open_corpus(corpus_file), tmp_path / "out" / "store", vocabulary=ALL)
    with pytest.raises(RuntimeError, match="crash"):
        build_store(iterable_corpus(documents_then_crash()), tmp_path / "out" / "store")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["store"]
    assert len(TokenStore.open(tmp_path / "out" / "store")) == 3


def test_a_folder_that_is_no_store_is_not_replaced(tmp_path, corpus_file):
    with pytest.raises(InputError, match="not a token store"):
        build_store(open_corpus(corpus_file), tmp_path)
    assert corpus_file.exists()


@pytest.mark.parametrize("name", ["bpe", "unigram"])
def test_learnt_subwords_are_kept_whole_whatever_their_counts(tmp_path, name):
    texts = ["the lower the newer the wider, the lowest newest widest", "", "low"] * 10
    config = TokenizerConfig(name, vocab_size=40)
    store = build_store(iterable_corpus(iter(texts)), tmp_path / "store", config, VocabularyConfig(min_count=1000), specials=["pad"])
    learnt = learn(config, [texts]).json
    assert set(store.vocabulary.tokens) == {"<unk>", "<pad>", *Tokenizer.from_str(learnt).get_vocab()}
    assert documents(store) == [split_tokens(learnt, text) for text in texts]
    library = Tokenizer.from_str(store.tokenizer.json)
    assert [library.encode(text).ids for text in texts[:3]] == [store.document(number).tolist() for number in range(3)]
    assert library.get_vocab() == store.vocabulary.index


def test_a_users_subword_tokenizer_keeps_its_own_unknown_token(tmp_path):
    from tokenizers import models, pre_tokenizers

    users = Tokenizer(models.WordPiece({"[PAD]": 0, "[UNK]": 5, "low": 1, "##er": 2}, unk_token="[UNK]"))
    users.pre_tokenizer = pre_tokenizers.Whitespace()
    users.save(str(tmp_path / "t.json"))
    config = TokenizerConfig(str(tmp_path / "t.json"))
    store = build_store(iterable_corpus(["lower low strange", "lower"]), tmp_path / "store", config, specials=["unk", "pad"])
    assert store.vocabulary.tokens == ["[UNK]", "[PAD]", "low", "##er"]
    assert documents(store) == [["low", "##er", "low", "[UNK]"], ["low", "##er"]]
    assert store.vocabulary.counts.tolist() == [1, 0, 3, 2]


def test_token_lists_are_not_split_and_special_texts_are_counted(tmp_path):
    store = build_store(iterable_corpus([["New York", "<unk>"], [], ["New York"]]), tmp_path / "store", TokenizerConfig("bpe"), ALL)
    assert store.vocabulary.tokens == ["<unk>", "New York"]
    assert store.vocabulary.counts.tolist() == [1, 2]
    assert documents(store) == [["New York", "<unk>"], [], ["New York"]]
    assert json.loads(store.tokenizer.json)["pre_tokenizer"] == {"type": "WhitespaceSplit"}


def test_progress_is_told_in_bytes(tmp_path, corpus_file):
    told = []
    build_store(open_corpus(corpus_file), tmp_path / "store", progress=told.append)
    assert told == [len(TEXT.replace("\n", ""))]


# ---- opening -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def store_path(tmp_path, corpus_file):
    return build_store(open_corpus(corpus_file), tmp_path / "store", vocabulary=ALL).path


def flip_last_byte(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: flip_last_byte(path / "tokens.safetensors"), "ids: damaged or changed"),
        (lambda path: (path / "tokens.safetensors").write_bytes((path / "tokens.safetensors").read_bytes()[:-8]), "tokens.safetensors"),
        (lambda path: (path / "tokens.safetensors").unlink(), "tokens.safetensors: missing"),
        (lambda path: (path / "store.json").unlink(), "store.json: missing"),
        (lambda path: (path / "store.json").write_text("{"), "store.json: not valid JSON"),
        (lambda path: (path / "store.json").write_text("{}"), "its format is None, expected 'lexloom store'"),
        (lambda path: (path / "tokenizer.json").write_text("{}"), "tokenizer.json: damaged or changed"),
        (lambda path: (path / "tokenizer.json").unlink(), "tokenizer.json: missing"),
        (lambda path: (path / "vocabulary.json").unlink(), "vocabulary.json: missing"),
        (lambda path: edit(path / "store.json", format_version=1), "store format version 1, this lexloom reads 2"),
        (lambda path: edit(path / "store.json", tokens=3), "the header says"),
        (lambda path: drop(path / "store.json", "report"), "store.json: damaged: report missing"),
        (lambda path: edit(path / "store.json", checksums=None), "what the header says of vocabulary and tokenizer is damaged"),
        (lambda path: edit(path / "store.json", segmenter=[1]), "what the header says of vocabulary and tokenizer is damaged"),
        (lambda path: edit(path / "vocabulary.json", specials={"unk": "the"}), "vocabulary.json: damaged or changed"),
    ],
)
def test_damage_is_named(store_path, damage, message):
    damage(store_path)
    with pytest.raises(FormatError, match=message):
        TokenStore.open(store_path)


def forge(path, **changes):
    """Write other arrays, with checksums that fit."""
    arrays = load_file(path / "tokens.safetensors") | changes
    write_tensors(path / "tokens.safetensors", arrays)
    sums = {name: checksum(array) for name, array in arrays.items()}
    header = json.loads((path / "store.json").read_text())
    edit(path / "store.json", checksums=header["checksums"] | sums)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": np.array([1, 2, 3, 1, 4, 5, 1, 2, 200_000_000], np.uint32)}, "id 200000000 in a vocabulary of 7 tokens"),
        ({"starts": np.array([1, 6, 6, 9])}, "starts do not ascend from 0 to 9"),
        ({"starts": np.array([0, 6, 6, 8])}, "starts do not ascend from 0 to 9"),
        ({"starts": np.array([0, 10, 6, 9])}, "starts do not ascend from 0 to 9"),
    ],
    ids=["an id without a token", "a later beginning", "an early end", "not ascending"],
)
def test_arrays_that_would_crash_a_compiled_loop_are_refused(store_path, changes, message):
    forge(store_path, **changes)
    with pytest.raises(FormatError, match=message):
        TokenStore.open(store_path)


def test_both_arrays_are_aligned_to_their_type(store_path):
    store = TokenStore.open(store_path)
    assert len(store.ids) % 2 == 1
    assert store.starts.ctypes.data % 8 == 0 and store.ids.ctypes.data % 4 == 0


def drop(path, field):
    path.write_text(json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != field}))


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_missing_store_is_an_error(tmp_path):
    with pytest.raises(FormatError, match="missing"):
        TokenStore.open(tmp_path / "none")


def test_the_arrays_are_mapped_and_read_only(store_path):
    store = TokenStore.open(store_path, verify=False)
    assert isinstance(store.ids, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        store.ids[0] = 1


# ---- reuse -------------------------------------------------------------------------------------------------------------------------


def test_a_store_is_reused_for_the_same_text_and_options(tmp_path, corpus_file):
    _, reused = open_or_build_store(open_corpus(corpus_file), tmp_path / "store", TokenizerConfig(), ALL)
    copy = tmp_path / "copy.txt"
    copy.write_text(TEXT)
    store, reused_again = open_or_build_store(open_corpus(copy), tmp_path / "store", TokenizerConfig(), ALL)
    assert (reused, reused_again) == (False, True)
    assert len(store) == 3


@pytest.mark.parametrize(
    ("text", "tokenizer", "vocabulary", "specials"),
    [
        (TEXT + "more", TokenizerConfig(), ALL, ["unk"]),
        (TEXT, TokenizerConfig("whitespace"), ALL, ["unk"]),
        (TEXT, TokenizerConfig(), VocabularyConfig(min_count=2), ["unk"]),
        (TEXT, TokenizerConfig(), ALL, ["pad", "unk"]),
    ],
)
def test_a_store_is_made_anew_for_another_text_or_options(store_path, corpus_file, text, tokenizer, vocabulary, specials):
    corpus_file.write_text(text)
    _, reused = open_or_build_store(open_corpus(corpus_file), store_path, tokenizer, vocabulary, specials=specials)
    assert not reused
    assert TokenStore.open(store_path).header["options"]["specials"] == specials


def test_a_damaged_store_is_not_reused_but_refused(store_path, corpus_file):
    flip_last_byte(store_path / "tokens.safetensors")
    with pytest.raises(FormatError, match="ids: damaged or changed"):
        open_or_build_store(open_corpus(corpus_file), store_path, TokenizerConfig(), ALL)


def test_standard_input_is_always_encoded_anew(monkeypatch, tmp_path):
    for words in ("one", "one two"):
        monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(words.encode())))
        store, reused = open_or_build_store(open_corpus("-"), tmp_path / "store", TokenizerConfig(), ALL)
        assert not reused
    assert documents(store) == [["one", "two"]]


# ---- other texts -------------------------------------------------------------------------------------------------------------------


def test_another_text_is_encoded_with_the_same_vocabulary(tmp_path, store_path):
    like = TokenStore.open(store_path)
    other = encode_corpus(iterable_corpus(["the new cat", "", "dog"]), like, tmp_path / "held-out")
    assert documents(other) == [["the", "<unk>", "cat"], [], ["dog"]]
    assert TokenStore.open(tmp_path / "held-out").vocabulary.identity == like.vocabulary.identity


def test_a_store_made_with_anothers_vocabulary_is_not_reused_as_ones_own(tmp_path, corpus_file, store_path):
    encode_corpus(open_corpus(corpus_file), TokenStore.open(store_path), tmp_path / "held-out")
    _, reused = open_or_build_store(open_corpus(corpus_file), tmp_path / "held-out", TokenizerConfig(), ALL)
    assert not reused


def test_a_segmented_store_opens_with_its_segmenter(tmp_path):
    store = build_store(iterable_corpus(["我来到北京清华大学"]), tmp_path / "store", TokenizerConfig("jieba"), ALL)
    like = TokenStore.open(store.path)
    assert like.tokenizer == store.tokenizer and like.header["segmenter"]["name"] == "jieba"
    assert documents(encode_corpus(iterable_corpus(["北京 大学"]), like, tmp_path / "other")) == [["北京", "<unk>"]]


def test_token_lists_are_encoded_with_the_same_vocabulary(tmp_path, store_path):
    other = encode_corpus(iterable_corpus([["the", "the cat"]]), TokenStore.open(store_path), tmp_path / "held-out")
    assert documents(other) == [["the", "<unk>"]]


def test_another_text_is_encoded_by_the_same_subwords(tmp_path):
    texts = ["the lower the newer the wider, the lowest newest widest"] * 10
    like = build_store(iterable_corpus(texts), tmp_path / "store", TokenizerConfig("bpe", vocab_size=40))
    other = encode_corpus(iterable_corpus(["the newest §"]), like, tmp_path / "held-out")
    assert documents(other) == [split_tokens(like.tokenizer.json, "the newest §")]


def test_an_empty_other_text_is_an_error(tmp_path, store_path):
    with pytest.raises(InputError, match="is empty"):
        encode_corpus(iterable_corpus([""]), TokenStore.open(store_path), tmp_path / "held-out")
