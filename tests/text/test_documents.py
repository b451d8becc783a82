import itertools
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexloom.text import blocks
from lexloom.text.corpus import iterable_corpus, open_corpus
from lexloom.text.documents import (
    Documents,
    encode_blocks,
    encode_documents,
    encode_text,
    number_documents,
    read_documents,
    starts_of,
    take_rows,
)
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig

few = settings(max_examples=30, deadline=None)
ALL = VocabularyConfig(min_count=1)
SPECIALS = ("pad", "unk")
TEXTS = ["the cat sat on the mat", "", "the dog, the  end", "猫 sat\ton a Käse", "mat"]
every_tokenizer = pytest.mark.parametrize("tokenizer", ["words", "whitespace", "characters", "bpe", "unigram"])


def documents_of(rows):
    """Documents of these ids."""
    return Documents(np.array(list(itertools.chain(*rows)), np.uint32), starts_of(np.array([len(row) for row in rows], np.int64)))


def plain(documents):
    """The ids of each document as lists."""
    return [documents.ids[begin:end].tolist() for begin, end in itertools.pairwise(documents.starts)]


def decoded(documents, vocabulary):
    """The tokens of each document."""
    return [vocabulary.decode(ids) for ids in plain(documents)]


def read(documents, tokenizer="whitespace", **options):
    return read_documents(iterable_corpus(documents).blocks(), TokenizerConfig(tokenizer=tokenizer, vocab_size=40), **options)


def numbered(documents, trained=None, vocabulary=ALL, *, tokenizer="whitespace"):
    trained = range(len(documents)) if trained is None else trained
    return number_documents(read(documents, tokenizer), np.array(trained, np.int64), vocabulary, SPECIALS)[:3]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 64 bytes, and pieces of 16."""
    monkeypatch.setattr("lexloom.text.corpus.BLOCK_BYTES", 64)
    monkeypatch.setattr(blocks, "PIECE_BYTES", 16)


# ---- reading and numbering -----------------------------------------------------------------------------------------------------------


def test_every_document_has_its_tokens_in_their_order():
    documents, vocabulary, _ = numbered(TEXTS)
    assert decoded(documents, vocabulary) == [text.split() for text in TEXTS]
    assert (documents.ids.dtype, documents.starts.dtype) == (np.uint32, np.int64)
    assert vocabulary.tokens[:3] == ["<pad>", "<unk>", "the"]


def test_documents_that_come_as_tokens_are_not_split():
    documents, vocabulary, _ = numbered([["a b", "c"], [], ["c"]], tokenizer="bpe")
    assert decoded(documents, vocabulary) == [["a b", "c"], [], ["c"]]


@few
@given(texts=st.lists(st.lists(st.sampled_from("abcdef"), max_size=6), min_size=1, max_size=8), data=st.data())
def test_the_vocabulary_is_counted_on_the_trained_part_alone(texts, data):
    texts = [*texts, ["a"]]
    trained = sorted(data.draw(st.sets(st.integers(0, len(texts) - 1))))
    config = VocabularyConfig(min_count=data.draw(st.integers(1, 3)), max_size=data.draw(st.none() | st.integers(1, 4)))
    documents, vocabulary, _ = numbered([" ".join(words) for words in texts], trained, config)
    counts = Counter(word for number in trained for word in texts[number])
    seen = list(dict.fromkeys(itertools.chain(*texts)))
    kept = sorted((word for word in seen if counts[word] >= config.min_count), key=lambda word: -counts[word])[: config.max_size]
    assert vocabulary.tokens == ["<pad>", "<unk>", *kept]
    assert vocabulary.counts.tolist() == [0, 0, *(counts[word] for word in kept)]
    assert decoded(documents, vocabulary) == [[word if word in kept else "<unk>" for word in words] for words in texts]


@pytest.mark.parametrize("tokenizer", ["bpe", "unigram"])
def test_a_model_of_subwords_keeps_all_its_tokens_whatever_is_held_out(tokenizer):
    documents, vocabulary, model = numbered(["aa ab", "zz zy"], [0], VocabularyConfig(min_count=5, max_size=1), tokenizer=tokenizer)
    assert model.library.get_vocab() == vocabulary.index
    assert {"a", "b", "z", "y"} <= set("".join(vocabulary.tokens))
    assert "".join(decoded(documents, vocabulary)[1]).replace("▁", " ").strip() == "zz zy"
    trained = Counter(decoded(documents, vocabulary)[0])
    assert vocabulary.counts.tolist() == [trained[token] for token in vocabulary.tokens]


@every_tokenizer
def test_encoding_the_same_text_again_gives_the_same_ids(tokenizer):
    documents, vocabulary, model = numbered(TEXTS, [0, 2], tokenizer=tokenizer)
    assert plain(encode_documents(iterable_corpus(TEXTS).blocks(), model, vocabulary)) == plain(documents)


def test_words_of_another_text_that_have_no_id_are_unk():
    _, vocabulary, tokenizer = numbered(TEXTS)
    other = encode_documents(iterable_corpus(["the bird", "", "sat"]).blocks(), tokenizer, vocabulary)
    assert decoded(other, vocabulary) == [["the", "<unk>"], [], ["sat"]]


@pytest.mark.parametrize("tokenizer", ["whitespace", "bpe"])
def test_another_text_that_comes_as_tokens_is_not_split(tokenizer):
    _, vocabulary, model = numbered(TEXTS, tokenizer=tokenizer)
    known = vocabulary.tokens[-1]
    other = encode_documents(iterable_corpus([[known, "the cat"], [], [known]]).blocks(), model, vocabulary)
    assert decoded(other, vocabulary) == [[known, "<unk>"], [], [known]]


def test_a_corpus_without_documents_encodes_as_none():
    _, vocabulary, tokenizer = numbered(TEXTS)
    none = encode_documents(iterable_corpus([]).blocks(), tokenizer, vocabulary)
    assert len(none) == 0 and none.ids.dtype == np.uint32 and none.starts.tolist() == [0]


def test_a_document_of_100_000_tokens_is_one_document():
    words = [f"w{number % 1000}" for number in range(100_000)]
    documents, vocabulary, _ = numbered(["one two", " ".join(words), "three"])
    assert documents.lengths.tolist() == [2, 100_000, 1]
    assert decoded(documents, vocabulary)[1] == words


@every_tokenizer
def test_small_blocks_change_nothing(tmp_path, small_blocks, monkeypatch, tokenizer):
    draw = random.Random(3)
    texts = ["".join(draw.choices(["ab", "é", "cde", "  ", " ", ", "], k=3)) for _ in range(30)]
    texts += [" ".join(draw.choices(["ab", "é,", "c", "", "déf"], k=draw.choice([0, 1, 10, 100]))) for _ in range(30)]
    path = tmp_path / "text"
    path.write_text("\n".join(texts), encoding="utf-8")
    config = TokenizerConfig(tokenizer=tokenizer, vocab_size=30)
    counted = read_documents(open_corpus(path).blocks(), config)
    documents, vocabulary, model, _ = number_documents(counted, np.arange(len(texts)), ALL, SPECIALS)
    parts = list(encode_blocks(open_corpus(path).blocks(), model, vocabulary))
    monkeypatch.undo()
    whole = plain(encode_documents(iterable_corpus(texts).blocks(), model, vocabulary))
    assert len(parts) > 10
    assert [ids for part in parts for ids in plain(part)] == plain(documents) == whole


def test_a_document_of_many_blocks_comes_in_one_part(tmp_path, small_blocks):
    words = [f"w{number % 7}" for number in range(500)]
    path = tmp_path / "text"
    path.write_text("\n".join(["a b", " ".join(words), "c"]))
    _, vocabulary, tokenizer = numbered(["a b c", " ".join(words)])
    parts = [decoded(part, vocabulary) for part in encode_blocks(open_corpus(path).blocks(), tokenizer, vocabulary)]
    assert words in itertools.chain(*parts)
    assert list(itertools.chain(*parts)) == [["a", "b"], words, ["c"]]


def test_progress_is_told_to_the_last_byte(tmp_path, small_blocks):
    path = tmp_path / "text"
    path.write_text("\n".join(["ab cd"] * 50))
    told = []
    read_documents(open_corpus(path).blocks(), TokenizerConfig(), progress=told.append)
    assert len(told) > 2 and told == sorted(told) and told[-1] == 250


@pytest.mark.parametrize("documents", [[], [""], ["", " \t"], [[]], [[], []]], ids=repr)
def test_documents_without_any_token_are_counted(documents):
    assert plain(read(documents).documents) == [[]] * len(documents)


@pytest.mark.parametrize("tokenizer", ["bpe", "unigram"])
@pytest.mark.parametrize("documents", [[""], ["", ""]], ids=repr)
def test_subwords_can_be_learnt_from_nothing(tokenizer, documents):
    assert plain(read(documents, tokenizer).documents) == [[]] * len(documents)


# ---- one text --------------------------------------------------------------------------------------------------------------------------


def test_the_tokens_of_a_text_are_given_also_where_they_have_no_id():
    _, vocabulary, tokenizer = numbered(TEXTS, [0])
    tokens, ids = encode_text("the dog sat", tokenizer, vocabulary)
    assert tokens == ["the", "dog", "sat"]
    assert vocabulary.decode(ids) == ["the", "<unk>", "sat"]
    assert ids.dtype == np.uint32


@every_tokenizer
@pytest.mark.parametrize("text", [*TEXTS, "the bird sang"])
def test_a_text_is_encoded_as_in_a_corpus(tokenizer, text):
    _, vocabulary, model = numbered(TEXTS, tokenizer=tokenizer)
    tokens, ids = encode_text(text, model, vocabulary)
    assert [ids.tolist()] == plain(encode_documents(iterable_corpus([text]).blocks(), model, vocabulary))
    assert len(tokens) == len(ids)


def test_a_text_of_100_000_tokens_is_encoded_whole():
    _, vocabulary, tokenizer = numbered(["a b c"])
    tokens, ids = encode_text("a b " * 50_000, tokenizer, vocabulary)
    assert tokens == ["a", "b"] * 50_000 and ids.tolist() == [2, 3] * 50_000


# ---- Documents -------------------------------------------------------------------------------------------------------------------------

some_documents = st.lists(st.lists(st.integers(0, 99), max_size=6), min_size=1, max_size=8)


def drawn_numbers(data, rows):
    return data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10))


@few
@given(rows=some_documents, data=st.data())
def test_documents_are_taken_in_the_order_of_their_numbers(rows, data):
    numbers = drawn_numbers(data, rows)
    taken = documents_of(rows).take(np.array(numbers, np.int64))
    assert plain(taken) == [rows[number] for number in numbers]
    assert len(taken) == len(numbers) and taken.lengths.tolist() == [len(rows[number]) for number in numbers]


@few
@given(rows=some_documents, longest=st.none() | st.integers(1, 7))
def test_truncated_documents_keep_their_beginning(rows, longest):
    documents = documents_of(rows)
    assert plain(documents.truncated(longest)) == [row[:longest] for row in rows]
    assert plain(documents) == rows


@few
@given(rows=some_documents, longest=st.none() | st.integers(1, 7), multiple=st.integers(1, 4), data=st.data())
def test_rows_hold_the_documents_and_zeros_after_their_end(rows, longest, multiple, data):
    numbers = drawn_numbers(data, rows)
    ids, lengths = documents_of(rows).rows(np.array(numbers, np.int64), longest, multiple)
    chosen = [rows[number][:longest] for number in numbers]
    columns = multiple
    while columns < max(map(len, chosen), default=1):
        columns += multiple
    assert ids.shape == (len(numbers), columns)
    assert ids.tolist() == [row + [0] * (columns - len(row)) for row in chosen]
    assert lengths.tolist() == [len(row) for row in chosen]
    assert ids.dtype == lengths.dtype == np.int64


def test_empty_documents_have_one_column():
    ids, lengths = documents_of([[], []]).rows(np.arange(2))
    assert ids.tolist() == [[0], [0]] and lengths.tolist() == [0, 0]


# ---- rows of different lengths ---------------------------------------------------------------------------------------------------------

some_rows = st.lists(st.lists(st.integers(0, 99), max_size=5), max_size=8)


def ragged(rows, dtype=np.uint32):
    """Rows as values and starts."""
    return np.array(list(itertools.chain(*rows)), dtype), starts_of(np.array([len(row) for row in rows], np.int64))


def rows_of(values, starts):
    """Values and starts as rows."""
    return [values[begin:end].tolist() for begin, end in itertools.pairwise(starts)]


@few
@given(rows=some_rows)
def test_starts_say_where_rows_begin_and_the_last_one_ends(rows):
    values, starts = ragged(rows)
    assert starts.dtype == np.int64 and starts[0] == 0 and starts[-1] == len(values)
    assert rows_of(values, starts) == rows


def test_lengths_of_few_bits_do_not_overflow():
    assert starts_of(np.array([200, 200], np.uint8)).tolist() == [0, 200, 400]


@few
@given(rows=some_rows, longest=st.none() | st.integers(0, 6), data=st.data())
def test_rows_are_copied_in_any_order_as_often_as_asked_for_and_cut(rows, longest, data):
    numbers = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=12)) if rows else []
    values, starts = take_rows(*ragged(rows), np.array(numbers, np.int64), longest)
    assert rows_of(values, starts) == [rows[number][:longest] for number in numbers]
    assert starts[0] == 0 and starts[-1] == len(values)


@pytest.mark.parametrize("dtype", [np.uint32, np.int64])
def test_what_is_taken_is_a_copy_of_the_same_type(dtype):
    values, starts = ragged([[1, 2], [], [3]], dtype)
    taken, chosen = take_rows(values, starts, np.arange(3))
    assert taken.dtype == dtype and chosen.dtype == np.int64
    taken[:], chosen[:] = 0, 0
    assert rows_of(values, starts) == [[1, 2], [], [3]]
