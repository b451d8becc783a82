"""Questions to word vectors, as functions on `Vectors`."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from lexloom.errors import ConfigError, InputError
from lexloom.vectors.search.topk import Combine, top_rows, unit
from lexloom.vectors.search.words import WordPolicy, find_words
from lexloom.vectors.table import Vectors

AnalogyMethod = Literal["add", "multiply"]


class Neighbor(NamedTuple):
    """A token and its score: the cosine, or for `analogy(method="multiply")` the ratio of cosines."""

    token: str
    score: float


def nearest(vectors: Vectors, rows: np.ndarray, k: int, *, exclude: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Find the k nearest rows by cosine for each of n vectors, which need not be in the table.

    Args:
        vectors: the table.
        rows: float (n, E).
        k: how many; 0 or more.
        exclude: int64 (n, x), for each vector the row numbers that may not be answers, padded with -1.

    Returns:
        indices, int64 (n, min(k, V)), nearest first, ties by row number; cosines, float64 of the same shape. If fewer rows qualify, the
        rest is -1 and -inf: rows with NaN are never found, and a vector with NaN finds nothing.

    Raises:
        ConfigError: k is negative, or the shapes do not fit.
    """
    _check_k(k)
    if rows.ndim != 2 or rows.shape[1] != vectors.dim:
        raise ConfigError(f"rows of shape {rows.shape}: expected (n, {vectors.dim}), the dimension of these vectors")
    if exclude is None:
        exclude = np.empty((len(rows), 0), np.int64)
    if exclude.ndim != 2 or len(exclude) != len(rows):
        raise ConfigError(f"exclude of shape {exclude.shape}: expected ({len(rows)}, x), one line per row")
    return top_rows(vectors, unit(rows)[None], k, exclude, _cosine)


def neighbors(vectors: Vectors, word: str, k: int = 10, *, policy: WordPolicy = WordPolicy()) -> list[Neighbor]:
    """List the k tokens with the highest cosine to a word, without the word itself.

    Args:
        vectors: the table.
        word: the word asked about.
        k: how many; fewer if there are no more tokens.
        policy: for an unknown word and for case; under `skip` an unknown word has no neighbours.

    Raises:
        UnknownWordError: the word is unknown, under `error`.
        ConfigError: k is negative.
    """
    return neighbors_batch(vectors, [word], k, policy=policy)[0]


def neighbors_batch(
    vectors: Vectors,
    words: Sequence[str],
    k: int = 10,
    *,
    policy: WordPolicy = WordPolicy(),
) -> list[list[Neighbor]]:
    """List the neighbours of many words at once, one list per word; many times faster than one by one.

    Arguments and errors are those of `neighbors`.
    """
    found = find_words(vectors, words, policy)
    indices, scores = nearest(vectors, found.rows, k, exclude=found.indices[:, None])
    indices[~found.kept] = -1
    return [_named(vectors, *answer) for answer in zip(indices, scores, strict=True)]


def similarity(vectors: Vectors, a: str, b: str, *, policy: WordPolicy = WordPolicy()) -> float:
    """Compute the cosine of two words, -1 to 1.

    Returns:
        The cosine; with an unknown word NaN under `skip` and 0 under `zero`.

    Raises:
        UnknownWordError: a word is unknown, under `error`.
    """
    found = find_words(vectors, [a, b], policy)
    return float(cosines(found.rows[:1], found.rows[1:])[0]) if found.kept.all() else float("nan")


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Compute the cosine of each row of one array (n, E) with the same row of another: float64 (n,), 0 if one of the two is zero."""
    products: np.ndarray = np.einsum("ne,ne->n", unit(left), unit(right))
    return products.clip(-1, 1)


def analogy(
    vectors: Vectors,
    a: str,
    b: str,
    c: str,
    k: int = 10,
    *,
    method: AnalogyMethod = "add",
    policy: WordPolicy = WordPolicy(),
) -> list[Neighbor]:
    """Answer "a is to b as c is to ?" with the k best tokens; the three words themselves are not answers.

    Args:
        vectors: the table.
        a: the first word, as in (man).
        b: what belongs to it (king).
        c: the word to find the same for (woman).
        k: how many.
        method: `add` (3CosAdd, Mikolov, Yih and Zweig 2013) scores by the cosine with b - a + c of unit vectors, `multiply`
            (3CosMul, Levy and Goldberg 2014) by the product of the cosines with b and c divided by that with a.
        policy: for unknown words and for case; under `skip` a question with an unknown word has no answers.

    Raises:
        UnknownWordError: a word is unknown, under `error`.
        ConfigError: k is negative, or there is no such method.
    """
    found = find_words(vectors, [a, b, c], policy)
    if not found.kept.all():
        return []
    indices, scores = answer_analogies(vectors, found.rows[:, None], k, exclude=found.indices[None], method=method)
    return _named(vectors, indices[0], scores[0])


def answer_analogies(
    vectors: Vectors, questions: np.ndarray, k: int, *, exclude: np.ndarray, method: AnalogyMethod
) -> tuple[np.ndarray, np.ndarray]:
    """Answer n analogies at once.

    Args:
        vectors: the table.
        questions: float (3, n, E), the rows of a, b and c.
        k: answers per question.
        exclude: int64 (n, x), the rows that may not be answers, padded with -1.
        method: as in `analogy`.

    Returns:
        As `nearest`.

    Raises:
        ConfigError: k is negative, or there is no such method.
    """
    _check_k(k)
    a, b, c = (unit(rows) for rows in questions)
    combine: Combine
    if method == "add":
        directions, combine = unit(b - a + c)[None], _cosine
    elif method == "multiply":
        directions, combine = np.stack([a, b, c]), _multiply
    else:
        raise ConfigError(f"method={method!r}: expected add or multiply")
    return top_rows(vectors, directions, k, exclude, combine)


def odd_one_out(vectors: Vectors, words: Sequence[str], *, policy: WordPolicy = WordPolicy()) -> str:
    """Name the word that is farthest, by cosine, from the mean of the unit vectors of all; the first of equals.

    Args:
        vectors: the table.
        words: three words or more.
        policy: for unknown words and for case; under `skip` unknown words are left out.

    Raises:
        UnknownWordError: a word is unknown, under `error`.
        InputError: fewer than three words are left.
    """
    found = find_words(vectors, words, policy)
    kept = np.flatnonzero(found.kept)
    if len(kept) < 3:
        raise InputError(f"the odd one out of {len(kept)} known words: expected three words or more")
    rows = unit(found.rows[kept])
    mean = np.broadcast_to(rows.mean(axis=0), rows.shape)
    return words[int(kept[np.argmin(cosines(rows, mean))])]


def _cosine(cosines: Sequence[np.ndarray]) -> np.ndarray:
    """Score by the cosine with the only direction."""
    return cosines[0]


def _multiply(cosines: Sequence[np.ndarray]) -> np.ndarray:
    """Score by 3CosMul (Levy and Goldberg 2014, equation 4): cosines with a, b and c moved to 0..1, epsilon 0.001."""
    a, b, c = ((cosine + 1) / 2 for cosine in cosines)
    score: np.ndarray = b * c / (np.maximum(a, 0) + 0.001)  # float32 may round a cosine to slightly below -1
    return score


def _check_k(k: int) -> None:
    if k < 0:
        raise ConfigError(f"k={k}: expected 0 or more")


def _named(vectors: Vectors, indices: np.ndarray, scores: np.ndarray) -> list[Neighbor]:
    return [Neighbor(vectors.tokens[row], float(score)) for row, score in zip(indices, scores, strict=True) if row >= 0]
