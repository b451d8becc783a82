import numpy as np
import pytest

from lexloom.errors import ConfigError, UnknownWordError
from lexloom.vectors.search.words import WordPolicy, find_words, match_case, nearest_spellings, tokens_by_fold
from lexloom.vectors.table import Vectors


def table(*tokens):
    return Vectors(tokens, np.arange(1, len(tokens) + 1, dtype=np.float32)[:, None])


def test_words_come_with_tokens_rows_and_numbers():
    found = find_words(table("a", "b"), ["b", "x", "b"], WordPolicy(unknown="skip"))
    assert found.tokens == ["b", "x", "b"]
    assert found.indices.tolist() == [1, -1, 1]
    assert found.rows.tolist() == [[2], [0], [2]]
    assert found.known.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("word", "spelled"),
    [
        ("us", "us"),  # exact, though US is more frequent
        ("Us", "US"),  # no exact match: the most frequent
        ("STRASSE", "straße"),
        ("nowhere", "nowhere"),
        ("", ""),
    ],
)
def test_case_is_exact_first_then_the_most_frequent(word, spelled):
    assert match_case(table("US", "us", "straße"), [word]) == [spelled]


def test_case_is_not_folded_unless_asked():
    assert not find_words(table("Paris"), ["paris"], WordPolicy(unknown="skip")).known.any()
    assert find_words(table("Paris"), ["paris"], WordPolicy(unknown="skip", ignore_case=True)).known.all()


def test_tokens_by_fold_lists_every_spelling_lowest_row_first():
    assert tokens_by_fold(table("It", "the", "IT", "it"), ["iT", "no"]) == {"it": [0, 2, 3]}


def test_an_unknown_word_is_one_line_with_the_nearest_spellings():
    with pytest.raises(UnknownWordError) as caught:
        find_words(table("king", "queen", "kings", "banana"), ["kng"])
    assert str(caught.value) == "unknown word 'kng': not among the 4 tokens of these vectors; did you mean 'king' or 'kings'?"


def test_several_unknown_words_are_counted_once_each():
    with pytest.raises(UnknownWordError, match=r"unknown word 'x' \(and 1 more\)"):
        find_words(table("king"), ["x", "king", "y", "x"])


@pytest.mark.parametrize("word", ["", "\n", "a\nb\u2028c", "\udcff"])
def test_any_unknown_word_makes_a_single_line(word):
    with pytest.raises(UnknownWordError) as caught:
        find_words(table("king"), [word])
    assert len(str(caught.value).splitlines()) == 1


def test_another_case_of_the_word_is_offered_first():
    assert nearest_spellings(table("berlins", "merlin", "Berlin"), "berlin")[0] == "Berlin"


def test_spellings_are_sought_among_the_most_frequent_only():
    tokens = [f"w{number}" for number in range(30_000)]
    assert nearest_spellings(table(*tokens, "weasel"), "weasle") == []


def test_an_unknown_policy_is_refused():
    with pytest.raises(ConfigError, match="unknown is 'ignore': expected one of error, skip, zero"):
        WordPolicy(unknown="ignore")
