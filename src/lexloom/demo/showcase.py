"""What the tour shows of vectors: words with interesting neighbours, analogies, and themes for the picture."""

from collections.abc import Iterable, Mapping

import numpy as np

from lexloom.vectors.search import neighbors
from lexloom.vectors.table import Vectors

DOCSTRING_WORDS = ("file", "matrix", "server", "thread", "mean", "image", "polynomial", "exception", "left", "datetime")
DOCSTRING_ANALOGIES = (("width", "height", "horizontal"), ("read", "write", "input"), ("compute", "computes", "return"))
DOCSTRING_PROMPT = "returns the"
DOCSTRING_SENTENCE = "Return the eigenvalues of a symmetric matrix."
DOCSTRING_THEMES = {
    "numbers": "integer integers float floats complex real signed unsigned decimal fraction",
    "linear algebra": "matrix matrices vector eigenvalues eigenvectors sparse diagonal triangular transpose inverse",
    "statistics": "mean variance median deviation quantile gaussian binomial poisson kurtosis regression",
    "files": "file files folder directory path filename archive zip gzip disk",
    "network": "http https server client socket url request response proxy host",
    "text": "string strings unicode utf ascii encoding decode character characters byte",
    "concurrency": "thread threads process lock executor worker pool async coroutine await",
    "colours": "red green blue black white yellow gray hex",
}

GENERAL_ANALOGIES = (
    ("man", "woman", "king"),
    ("he", "she", "his"),
    ("is", "was", "are"),
    ("large", "larger", "small"),
    ("one", "two", "first"),
)
"""For a text of the user's own; those whose words occur in it are shown."""

_COMMON = 1e-3  # a token with a larger share of the text counts as a function word
_CANDIDATES = 200
_MIN_LETTERS = 4
_ALIKE = 0.6  # words with a larger cosine to a chosen word are postponed


def telling_words(vectors: Vectors, n: int = 10) -> list[str]:
    """Choose frequent content words by rule, in any language.

    Of the most frequent words that are not too common, those with the longest vectors come first: among words of similar frequency,
    the length measures how specific the contexts of a word are (Schakel and Wilson 2015). Words similar to a chosen one come last.

    Args:
        vectors: the table, with counts.
        n: the number of words; fewer are returned if the text has fewer.

    Returns:
        The words, the most specific first.
    """
    total = int(vectors.counts.sum())
    words = [(row, token) for row, token in enumerate(vectors.tokens) if token.isalpha() and vectors.counts[row] <= _COMMON * total]
    long = [(row, token) for row, token in words if len(token) >= _MIN_LETTERS]  # few in scripts with short words and in tiny texts
    candidates = (long if len(long) >= n else words or list(enumerate(vectors.tokens)))[:_CANDIDATES]
    candidates.sort(key=lambda candidate: -vectors.norms[candidate[0]])
    unit = {row: np.asarray(vectors.matrix[row]) / vectors.norms[row] for row, _ in candidates}
    chosen: list[tuple[int, str]] = []
    for row, token in candidates:
        if all(unit[row] @ unit[other] < _ALIKE for other, _ in chosen):
            chosen.append((row, token))
    waiting = [candidate for candidate in candidates if candidate not in chosen]
    return [token for _, token in [*chosen, *waiting][:n]]


def themes_around(vectors: Vectors, words: Iterable[str], size: int = 7) -> dict[str, list[str]]:
    """Group each word with its nearest neighbours that are words; a token belongs to the first group that it fits."""
    taken: set[str] = set()
    themes: dict[str, list[str]] = {}
    for word in words:
        near = [word, *(found.token for found in neighbors(vectors, word, 3 * size) if found.token.isalpha())]
        themes[word] = [token for token in near if token not in taken][:size]
        taken.update(themes[word])
    return themes


def known_themes(vectors: Vectors, themes: Mapping[str, str]) -> dict[str, list[str]]:
    """Split the words of each theme at spaces, without words that have no vector and themes without a word."""
    kept = {name: [word for word in words.split() if word in vectors] for name, words in themes.items()}
    return {name: words for name, words in kept.items() if words}
