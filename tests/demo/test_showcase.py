import numpy as np
import pytest

from lexloom.demo.showcase import known_themes, telling_words, themes_around
from lexloom.vectors.table import Vectors


@pytest.fixture
def vectors():
    """Two function words, two pairs of near synonyms, one loner; longer vectors for the later ones."""
    tokens = ["the", "that", "ocean", "seaside", "castle", "fortress", "music", "ox"]
    directions = [[1, 0, 0], [1, 0.1, 0], [0, 1, 0], [0, 1, 0.1], [0, 0, 1], [0.1, 0, 1], [-2, 1, 1], [1, -1, 0]]
    matrix = np.array(directions, np.float32)
    matrix *= (np.arange(1, 9) / np.linalg.norm(matrix, axis=1))[:, None]
    return Vectors(tokens, matrix, np.array([90_000, 9_000, 60, 50, 40, 30, 20, 10]))


def test_long_vectors_come_first_and_their_likes_wait(vectors):
    assert telling_words(vectors, 5) == ["music", "fortress", "seaside", "castle", "ocean"]


def test_function_words_and_short_words_are_left_out_where_there_are_enough(vectors):
    assert not {"the", "that", "ox"} & set(telling_words(vectors, 5))


@pytest.mark.parametrize("counts", [None, np.array([5, 5])], ids=["no counts", "a tiny text"])
def test_a_tiny_vocabulary_still_gives_words(counts):
    tiny = Vectors(["a", "b"], np.eye(2, dtype=np.float32), counts)
    assert sorted(telling_words(tiny, 10)) == ["a", "b"]


def test_a_theme_is_a_word_and_its_neighbours_and_shares_none_with_an_earlier_one(vectors):
    themes = themes_around(vectors, ["ocean", "castle"], size=2)
    assert themes == {"ocean": ["ocean", "seaside"], "castle": ["castle", "fortress"]}


def test_themes_lose_unknown_words_and_vanish_when_empty(vectors):
    assert known_themes(vectors, {"sea": "ocean reef seaside", "space": "moon star"}) == {"sea": ["ocean", "seaside"]}
