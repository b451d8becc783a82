"""Features of the linear encoder against fastText's hashes, written once more in plain Python."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lexloom.errors import ConfigError
from lexloom.models.classifier.linear.features import features_of, known_features, locate_features, renumber, types_of
from lexloom.models.classifier.linear.hashing import UNKNOWN
from lexloom.models.classifier.options import LinearConfig
from lexloom.text.documents import Documents

few = settings(max_examples=40, deadline=None)
KNOWN = ("a", "bb", "größe", "日本", "😀x", "the")
OTHER = ("zz", "né", "語")
WORDS = len(KNOWN)
configs = st.builds(
    lambda word_ngrams, chars, buckets: LinearConfig(word_ngrams, *chars, buckets),
    st.integers(1, 4),
    st.sampled_from([(3, 0), (1, 1), (1, 2), (2, 4), (3, 3), (3, 6)]),
    st.sampled_from([1, 7, 1000, 2_000_000, 2**31 - 1]),
)
texts = st.lists(st.lists(st.sampled_from(KNOWN + OTHER), max_size=12), max_size=6)


def fnv(text):
    """FNV-1a of 32 bits, over bytes with a sign as fastText has them."""
    h = 2166136261
    for byte in text.encode():
        h = ((h ^ ((byte - 256 if byte > 127 else byte) & 0xFFFFFFFF)) * 16777619) & 0xFFFFFFFF
    return h


def signed(h):
    return h - 2**32 if h >= 2**31 else h


def char_grams(token, config):
    whole, found = f"<{token}>", []
    for first in range(len(whole)):
        for last in range(first + config.min_char_ngram, min(first + config.max_char_ngram, len(whole)) + 1):
            if last - first > 1 or 0 < first < len(whole) - 1:
                found.append(fnv(whole[first:last]) % config.buckets)
    return found


def word_grams(tokens, config):
    for first in range(len(tokens)):
        for last in range(first + 2, min(first + config.word_ngrams, len(tokens)) + 1):
            gram = tokens[first:last]
            if all(token in KNOWN for token in gram):
                h = 0
                for token in gram:
                    h = (h * 116049371 + signed(fnv(token))) % 2**64
                yield h % config.buckets


def twin(tokens, config):
    """How often a document has each row."""
    found = Counter(KNOWN.index(token) for token in tokens if token in KNOWN)
    for token in tokens:
        found.update(WORDS + bucket for bucket in char_grams(token, config))
    found.update(WORDS + bucket for bucket in word_grams(tokens, config))
    return found


def numbered(documents, config):
    """Documents of strings as ids of types, and these types; those outside of the vocabulary come last."""
    tokens = [*KNOWN, *OTHER]
    ranks = np.array([*range(WORDS), *[UNKNOWN] * len(OTHER)], np.uint32)
    ids = np.array([tokens.index(token) for document in documents for token in document], np.uint32)
    starts = np.concatenate([[0], np.cumsum([len(document) for document in documents], dtype=np.int64)])
    return Documents(ids, starts), types_of(tokens, ranks, config)


def found_in(documents, config):
    return features_of(*numbered(documents, config), config, WORDS)


def multisets(features):
    counters = []
    for first, last in pairwise(features.starts.tolist()):
        found = Counter()
        for row, times in zip(features.rows[first:last].tolist(), features.times[first:last].tolist(), strict=True):
            found[row] += times
        counters.append(found)
    return counters


# ---- hashes --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("token", "value"), [("", 0x811C9DC5), ("a", 0xE40C292C), ("foobar", 0xBF9CF968)])
def test_ascii_tokens_have_the_hashes_that_the_authors_of_fnv_publish(token, value):
    assert types_of([token], np.zeros(1), LinearConfig()).hashes.tolist() == [value] == [fnv(token)]


@few
@given(tokens=st.lists(st.text(max_size=6), max_size=5), config=configs)
@example(tokens=["ÿ", "日本語映画", "😀", "", "<>", "a\x00b"], config=LinearConfig(1, 1, 6, 2_000_000))
def test_any_token_is_hashed_and_spelled_as_by_fasttext(tokens, config):
    types = types_of(tokens, np.zeros(len(tokens)), config)
    assert types.hashes.tolist() == [fnv(token) for token in tokens]
    spelled = [types.grams[first:last].tolist() for first, last in pairwise(types.gram_starts.tolist())]
    assert spelled == [char_grams(token, config) for token in tokens]


@pytest.mark.parametrize("token", ["ab", "日本", "😀é"])
def test_ngrams_count_characters_and_leave_out_lone_brackets(token):
    types = types_of([token], np.zeros(1), LinearConfig(1, 1, 4, 1_000_003))
    a, b = token
    grams = [f"<{a}", f"<{a}{b}", f"<{a}{b}>", a, f"{a}{b}", f"{a}{b}>", b, f"{b}>"]
    assert types.grams.tolist() == [fnv(gram) % 1_000_003 for gram in grams]


def test_a_very_long_token_is_spelled_to_its_end():
    config = LinearConfig(1, 3, 3)
    assert types_of(["ü" * 5000], np.zeros(1), config).grams.tolist() == char_grams("ü" * 5000, config)


def test_more_types_are_put_behind_the_first():
    config = LinearConfig(1, 2, 3)
    tokens, ranks = ["größe", "a", "", "日"], np.arange(4, dtype=np.uint32)
    parts = [types_of(tokens[cut], ranks[cut], config) for cut in (slice(0, 1), slice(1, 3), slice(3, 4), slice(4, 4))]
    joined = parts[0].extended(parts[1]).extended(parts[2]).extended(parts[3])
    for found, wanted in zip(joined, types_of(tokens, ranks, config), strict=True):
        np.testing.assert_array_equal(found, wanted)


# ---- features of documents -------------------------------------------------------------------------------------------------------------


@few
@given(documents=texts, config=configs)
@example(documents=[[], ["zz"], [], ["the", "zz", "the", "the"], []], config=LinearConfig(3))
def test_documents_have_the_features_of_the_twin(documents, config):
    features = found_in(documents, config)
    wanted = [twin(document, config) for document in documents]
    assert multisets(features) == wanted
    assert features.lengths.tolist() == [count.total() for count in wanted]
    assert features.starts[-1] == len(features.rows) == len(features.times)


@few
@given(tokens=st.lists(st.sampled_from(KNOWN + OTHER), max_size=12), config=configs)
def test_located_features_are_the_same_and_lie_where_their_tokens_are(tokens, config):
    documents, types = numbered([tokens], config)
    located = list(locate_features(documents.ids, types, config, WORDS))
    assert Counter(row for _, _, row in located) == twin(tokens, config)
    for first, last, row in located:
        part = tokens[first:last]
        if row < WORDS:
            assert part == [KNOWN[row]]
        else:
            own = char_grams(part[0], config) if len(part) == 1 else list(word_grams(part, config))
            assert row - WORDS in own


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_ngrams_of_words_have_all_lengths_up_to_the_longest(order):
    tokens = ["a", "bb", "größe", "日本", "the"]
    features = found_in([tokens], LinearConfig(order))
    assert features.lengths.tolist() == [sum(5 - length + 1 for length in range(1, order + 1))]


def test_an_unknown_token_parts_the_ngrams_and_has_no_row():
    config = LinearConfig(3)
    features = found_in([["a", "bb", "zz", "the", "a", "zz"]], config)
    assert multisets(features) == [twin(["a", "bb"], config) + twin(["the", "a"], config)]


def test_of_an_unknown_token_the_characters_count():
    config = LinearConfig(1, 3, 4)
    features = found_in([["né", "né"]], config)
    assert multisets(features) == [Counter(2 * [WORDS + bucket for bucket in char_grams("né", config)])]


@pytest.mark.parametrize("number", [255, 256, 510, 511, 1000])
@pytest.mark.parametrize("config", [LinearConfig(1), LinearConfig(2, 3, 4)], ids=["words", "all"])
def test_a_token_that_occurs_more_often_than_a_byte_counts_is_there_again(number, config):
    document = ["größe"] * number + ["a"]
    features = found_in([["größe"] * 3, document, ["größe"]], config)
    assert multisets(features) == [twin(tokens, config) for tokens in (["größe"] * 3, document, ["größe"])]
    words = features.rows[features.starts[1] : features.starts[2]] == KNOWN.index("größe")
    assert words.sum() == -(-number // 255)


def test_a_token_is_counted_in_each_document_anew():
    features = found_in([["a", "a"], ["bb"], ["bb", "a"], [], ["a"]], LinearConfig(1))
    assert multisets(features) == [Counter({0: 2}), Counter({1: 1}), Counter({0: 1, 1: 1}), Counter(), Counter({0: 1})]


def test_of_no_documents_there_are_no_features():
    features = found_in([], LinearConfig(2, 3, 4))
    assert [part.tolist() for part in features] == [[], [], [0], []]


def test_the_last_bucket_of_the_most_that_there_may_be_has_a_row():
    config = LinearConfig(4, 1, 6, 2**31 - 1)
    features = found_in([KNOWN], config)
    assert features.rows.dtype == np.uint32
    assert multisets(features) == [twin(KNOWN, config)]


# ---- rows of buckets -----------------------------------------------------------------------------------------------------------------


@few
@given(documents=texts, config=configs.filter(lambda config: config.buckets <= 2_000_000))
def test_buckets_are_numbered_in_the_order_of_their_first_use(documents, config):
    features = found_in(documents, config)
    before = features.rows.tolist()
    row_of = np.full(config.buckets, -1, np.int32)
    used = renumber(features, WORDS, row_of, 0)
    order = list(dict.fromkeys(row - WORDS for row in before if row >= WORDS))
    assert used == len(order)
    assert row_of[order].tolist() == list(range(used))
    assert (row_of >= 0).sum() == used
    assert features.rows.tolist() == [row if row < WORDS else WORDS + order.index(row - WORDS) for row in before]


def test_numbering_goes_on_where_it_ended():
    config = LinearConfig(2)
    whole = found_in([["a", "bb", "the"], ["bb", "the", "a"]], config)
    parts = [found_in([tokens], config) for tokens in (["a", "bb", "the"], ["bb", "the", "a"])]
    row_of, again = np.full((2, config.buckets), -1, np.int32)
    used = renumber(whole, WORDS, row_of, 0)
    assert renumber(parts[1], WORDS, again, renumber(parts[0], WORDS, again, 0)) == used == 3
    np.testing.assert_array_equal(np.concatenate([part.rows for part in parts]), whole.rows)
    np.testing.assert_array_equal(again, row_of)


@few
@given(documents=texts, config=configs.filter(lambda config: config.buckets <= 2_000_000), seed=st.integers(0, 99))
def test_buckets_without_a_row_are_left_out_and_still_count(documents, config, seed):
    wanted = [twin(document, config) for document in documents]
    row_of = np.full(config.buckets, -1, np.int32)
    present = sorted({row - WORDS for count in wanted for row in count if row >= WORDS})
    kept = np.random.default_rng(seed).permutation(present)[: len(present) // 2].astype(int)
    row_of[kept] = np.arange(len(kept))
    features = known_features(found_in(documents, config), WORDS, row_of)
    new = {row: row if row < WORDS else WORDS + int(row_of[row - WORDS]) for count in wanted for row in count}
    known = [Counter({new[row]: times for row, times in count.items() if new[row] >= (0 if row < WORDS else WORDS)}) for count in wanted]
    assert multisets(features) == known
    assert features.lengths.tolist() == [count.total() for count in wanted]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"word_ngrams": 0}, "word_ngrams is 0"),
        ({"buckets": 0}, "buckets is 0"),
        ({"buckets": 2**31}, "buckets is 2147483648"),
        ({"min_char_ngram": 0}, "min_char_ngram is 0"),
        ({"min_char_ngram": 4, "max_char_ngram": 3}, "max_char_ngram is 3: expected at least min_char_ngram, 4"),
    ],
)
def test_features_that_there_cannot_be_are_refused(options, complaint):
    with pytest.raises(ConfigError, match=complaint):
        LinearConfig(**options)
