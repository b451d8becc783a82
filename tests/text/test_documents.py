import itertools
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexloom.errors import ConfigError, InputError
from lexloom.text import blocks, readers
from lexloom.text.documents import (
    Documents,
    LengthBuckets,
    encode_blocks,
    encode_documents,
    encode_text,
    number_documents,
    read_documents,
)
from lexloom.text.labels import open_labelled
from lexloom.text.ragged import starts_of
from lexloom.text.readers import iterable_corpus, open_corpus
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
    return read_documents(iterable_corpus(documents), TokenizerConfig(tokenizer=tokenizer, vocab_size=40), **options)


def numbered(documents, trained=None, vocabulary=ALL, *, tokenizer="whitespace"):
    trained = range(len(documents)) if trained is None else trained
    return number_documents(read(documents, tokenizer), np.array(trained, np.int64), vocabulary, SPECIALS)[:3]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 64 bytes, and pieces of 16."""
    monkeypatch.setattr(readers, "BLOCK_BYTES", 64)
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
    assert plain(encode_documents(iterable_corpus(TEXTS), model, vocabulary)) == plain(documents)


def test_words_of_another_text_that_have_no_id_are_unk():
    _, vocabulary, tokenizer = numbered(TEXTS)
    other = encode_documents(iterable_corpus(["the bird", "", "sat"]), tokenizer, vocabulary)
    assert decoded(other, vocabulary) == [["the", "<unk>"], [], ["sat"]]


@pytest.mark.parametrize("tokenizer", ["whitespace", "bpe"])
def test_another_text_that_comes_as_tokens_is_not_split(tokenizer):
    _, vocabulary, model = numbered(TEXTS, tokenizer=tokenizer)
    known = vocabulary.tokens[-1]
    other = encode_documents(iterable_corpus([[known, "the cat"], [], [known]]), model, vocabulary)
    assert decoded(other, vocabulary) == [[known, "<unk>"], [], [known]]


def test_a_corpus_without_documents_encodes_as_none():
    _, vocabulary, tokenizer = numbered(TEXTS)
    none = encode_documents(iterable_corpus([]), tokenizer, vocabulary)
    assert len(none) == 0 and none.ids.dtype == np.uint32 and none.starts.tolist() == [0]


def test_rare_types_that_were_pruned_while_counting_are_unk():
    words = [f"w{number}" for number in range(3000)]
    counted = read([" ".join(["the"] * 3000), *words], max_types=50)
    documents, vocabulary, *_ = number_documents(counted, np.arange(3001), ALL, SPECIALS)
    assert len(vocabulary) < 3000
    assert plain(documents)[0] == [vocabulary.id_of("the")] * 3000
    assert {token for (token,) in decoded(documents, vocabulary)[1:]} <= {"<unk>", *words}


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
    counted = read_documents(open_corpus(path), config)
    documents, vocabulary, model, _ = number_documents(counted, np.arange(len(texts)), ALL, SPECIALS)
    parts = list(encode_blocks(open_corpus(path), model, vocabulary))
    monkeypatch.undo()
    whole = plain(encode_documents(iterable_corpus(texts), model, vocabulary))
    assert len(parts) > 10
    assert [ids for part in parts for ids in plain(part)] == plain(documents) == whole


def test_a_document_of_many_blocks_comes_in_one_part(tmp_path, small_blocks):
    words = [f"w{number % 7}" for number in range(500)]
    path = tmp_path / "text"
    path.write_text("\n".join(["a b", " ".join(words), "c"]))
    _, vocabulary, tokenizer = numbered(["a b c", " ".join(words)])
    parts = [decoded(part, vocabulary) for part in encode_blocks(open_corpus(path), tokenizer, vocabulary)]
    assert words in itertools.chain(*parts)
    assert list(itertools.chain(*parts)) == [["a", "b"], words, ["c"]]


def test_progress_is_told_to_the_last_byte(tmp_path, small_blocks):
    path = tmp_path / "text"
    path.write_text("\n".join(["ab cd"] * 50))
    told = []
    read_documents(open_corpus(path), TokenizerConfig(), progress=told.append)
    assert len(told) > 2 and told == sorted(told) and told[-1] == 250


@pytest.mark.parametrize("documents", [[], [""], ["", " \t"], [[]], [[], []]], ids=repr)
def test_no_token_at_all_is_an_error(documents):
    with pytest.raises(InputError, match=rf"^the iterable: no token in {len(documents)} documents$"):
        read(documents)


@pytest.mark.parametrize("tokenizer", ["bpe", "unigram"])
@pytest.mark.parametrize("documents", [[""], ["", ""]], ids=repr)
def test_no_token_to_learn_from_is_the_same_error(tokenizer, documents):
    with pytest.raises(InputError, match=f"no token in {len(documents)} documents"):
        read(documents, tokenizer)


def test_where_no_record_was_usable_the_error_names_the_first_bad_one(tmp_path):
    path = tmp_path / "data"
    path.write_text("one\ntwo\n")
    expected = r"data: no token in 0 documents; 2 bad records were left out, the first: .*data:1: expected 2 tab-separated fields"
    with pytest.raises(InputError, match=expected):
        read_documents(open_labelled(path), TokenizerConfig())


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
    assert [ids.tolist()] == plain(encode_documents(iterable_corpus([text]), model, vocabulary))
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


# ---- LengthBuckets ---------------------------------------------------------------------------------------------------------------------

some_lengths = st.lists(st.integers(0, 12) | st.sampled_from([40, 100]), max_size=60)
sizes = {"batch_size": st.integers(1, 7), "batch_tokens": st.integers(1, 50)}


def greedy(lengths, batch_size, batch_tokens):
    """Documents by length, one added to a batch after the other until it is full."""
    found = []
    for number in sorted(range(len(lengths)), key=lambda number: lengths[number]):
        columns = max(1, lengths[number])
        if found and len(found[-1]) < batch_size and (len(found[-1]) + 1) * columns <= batch_tokens:
            found[-1].append(number)
        else:
            found.append([number])
    return found


@few
@given(lengths=some_lengths, **sizes)
def test_sorted_batches_are_filled_one_after_the_other_from_the_shortest_on(lengths, batch_size, batch_tokens):
    buckets = LengthBuckets(np.array(lengths, np.int64), batch_size, batch_tokens, 0)
    found = buckets.sorted(np.arange(len(lengths)))
    assert [batch.tolist() for batch in found] == greedy(lengths, batch_size, batch_tokens)


def test_some_documents_alone_can_be_sorted():
    buckets = LengthBuckets(np.array([5, 1, 4, 2, 3]), 2, 100, 0)
    assert [batch.tolist() for batch in buckets.sorted(np.array([0, 3, 4]))] == [[3, 4], [0]]


@few
@given(lengths=some_lengths, **sizes, seed=st.integers(0, 2**40), epoch=st.integers(0, 1000))
def test_an_epoch_has_every_document_once_in_batches_within_their_bounds(lengths, batch_size, batch_tokens, seed, epoch):
    batches = LengthBuckets(np.array(lengths, np.int64), batch_size, batch_tokens, seed).epoch(epoch)
    assert sorted(number for batch in batches for number in batch.tolist()) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(1, *(lengths[number] for number in batch))
        assert 1 <= len(batch) <= batch_size
        assert len(batch) == 1 or padded <= batch_tokens


def test_empty_documents_take_a_column_too():
    batches = LengthBuckets(np.zeros(5, np.int64), 9, 2, 0).sorted(np.arange(5))
    assert [batch.tolist() for batch in batches] == [[0, 1], [2, 3], [4]]


def test_a_document_longer_than_a_batch_is_alone():
    batches = LengthBuckets(np.array([3, 100_000, 2, 60_000, 1]), 4, 1000, 7).epoch(0)
    assert sorted(sorted(batch.tolist()) for batch in batches) == [[0, 2, 4], [1], [3]]


@few
@given(lengths=some_lengths, seed=st.integers(0, 2**40), epoch=st.integers(0, 1000))
def test_the_order_depends_on_seed_and_epoch_alone(lengths, seed, epoch):
    array = np.array(lengths, np.int64)
    once = LengthBuckets(array, 3, 30, seed)
    once.epoch(epoch + 1)
    again = LengthBuckets(array, 3, 30, seed).epoch(epoch)
    assert [batch.tolist() for batch in once.epoch(epoch)] == [batch.tolist() for batch in again]


def test_epochs_and_seeds_differ_in_which_documents_are_together():
    lengths = np.arange(400) % 9
    together = set()
    for seed, epoch in itertools.product(range(3), range(3)):
        batches = LengthBuckets(lengths, 4, 1000, seed).epoch(epoch)
        together.add(frozenset(frozenset(batch.tolist()) for batch in batches))
    assert len(together) == 9


def test_the_batches_of_an_epoch_are_in_no_order_of_length():
    lengths = np.arange(1, 201)
    longest = [int(lengths[batch].max()) for batch in LengthBuckets(lengths, 4, 10_000, 1).epoch(0)]
    assert longest != sorted(longest) and longest != sorted(longest, reverse=True)


def test_little_of_a_batch_is_padding():
    lengths = np.random.default_rng(1).geometric(0.02, 3000)
    batches = LengthBuckets(lengths, 16, 10**6, 1).epoch(0)
    padded = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    assert padded < 1.06 * lengths.sum()


@pytest.mark.parametrize(
    ("batch_size", "batch_tokens", "message"), [(0, 5, "batch_size is 0"), (2, 0, "batch_tokens is 0"), (-1, 5, "batch_size is -1")]
)
def test_batches_of_nothing_are_refused(batch_size, batch_tokens, message):
    with pytest.raises(ConfigError, match=message):
        LengthBuckets(np.array([1, 2]), batch_size, batch_tokens, 0)
