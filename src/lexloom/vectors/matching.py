"""Pre-trained vectors for a vocabulary: matched by token, gaps filled, and a warning if few tokens match."""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lexloom.errors import FormatError
from lexloom.files import STDIN
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary
from lexloom.vectors.formats import load_vectors
from lexloom.vectors.table import Vectors

Normal = Callable[[tuple[int, int]], np.ndarray]
"""Draws standard normal numbers, float (n, E), from a shape."""
Spellings = Mapping[str, Sequence[tuple[str, ...]]]
"""From an advice to the tokens that each of n tokens would become if it were followed."""

_LIKELY = 0.5
_GAIN = 0.1  # an advice must cover that much more of the text
_MARKS = ("\u2581", "\u0120", "##")  # of SentencePiece, of byte-level BPE, of WordPiece
_ROWS_FOR_SCALE = 10_000


@dataclass(frozen=True)
class Coverage:
    """How much of a vocabulary has a pre-trained vector. Special tokens count only if they occur in the text itself.

    Attributes:
        types: distinct tokens.
        known_types: those of them that have a vector.
        tokens: tokens of the text, from the vocabulary's counts.
        known_tokens: those of them that have a vector.
        warning: what may be wrong and what to try, if few tokens have a vector.
    """

    types: int
    known_types: int
    tokens: int
    known_tokens: int
    warning: str | None = None

    @property
    def share(self) -> float:
        """The known share, 0 to 1: of the tokens, or of the types if nothing was counted."""
        return self.known_tokens / self.tokens if self.tokens else self.known_types / max(1, self.types)

    @property
    def likely(self) -> bool:
        """Whether the vectors seem to be made for such a text."""
        return not self.types or self.share >= _LIKELY

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return asdict(self)


def load_matching(source: str, vocabulary: Vocabulary, *, missing: str, normal: Normal) -> tuple[np.ndarray, np.ndarray, Coverage]:
    """Load the vectors of a vocabulary's tokens; other vectors are never held in memory.

    A row of zeros carries no information about its token, which then counts as missing.

    Args:
        source: anything that `load_vectors` reads. It is read a second time if few tokens match, to find out why.
        vocabulary: V tokens.
        missing: how the other rows are filled: `random` (normal with mean 0 and the standard deviation of the vectors found), `mean` (their
            mean) or `zero`.
        normal: where random rows come from.

    Returns:
        Rows, float32 (V, E); which came from the vectors, bool (V,); and how much of the vocabulary that is.

    Raises:
        InputError, FormatError: the vectors cannot be read, or a row has a number that is not finite.
    """
    once = source == STDIN or Path(source).is_fifo()  # can be read only once
    vectors = load_vectors(source, only=None if once else vocabulary.tokens)
    rows, known = _lookup(vectors, vocabulary, source)
    counted = _count(vocabulary, known)
    if not counted.likely:
        spellings = _spellings(_real_tokens(vocabulary)[0], vectors.tokenizer)
        wanted = {piece for pieces in spellings.values() for token in pieces for piece in token}
        wider = vectors if once else load_vectors(source, only=wanted)
        counted = replace(counted, warning=_warning(counted, vocabulary, known, spellings, wider))
    if known.any():
        sample = rows[known]
    else:
        sample = np.asarray((vectors if once else load_vectors(source, limit=_ROWS_FOR_SCALE)).matrix)
    _fill(rows, ~known, sample, missing, normal)
    return rows, known, counted


def _lookup(vectors: Vectors, vocabulary: Vocabulary, source: str) -> tuple[np.ndarray, np.ndarray]:
    rows, known = vectors.lookup(vocabulary.tokens)
    broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(broken):
        raise FormatError(
            f"{source}: the vector of {vocabulary.tokens[broken[0]]!r} has a number that is not finite ({len(broken)} such vectors); "
            "remove that vector, or train the vectors again"
        )
    return rows, known & rows.any(axis=1)


def _fill(rows: np.ndarray, gaps: np.ndarray, sample: np.ndarray, missing: str, normal: Normal) -> None:
    """Fill the rows, float32 (V, E), at the gaps, bool (V,); their scale is that of the sample (n, E)."""
    if missing == "random":
        scale = float(sample.std(dtype=np.float64)) if sample.size else 1.0
        rows[gaps] = normal((int(gaps.sum()), rows.shape[1])).astype(np.float32) * scale
    else:
        rows[gaps] = sample.mean(axis=0, dtype=np.float64) if missing == "mean" and sample.size else 0


# ---- coverage ----------------------------------------------------------------------------------------------------------------------


def _real_tokens(vocabulary: Vocabulary) -> tuple[list[str], np.ndarray]:
    """Return the tokens without special ones that do not occur, and their ids, int64 (n,)."""
    specials = set(vocabulary.specials.values())
    real = [number for number, token in enumerate(vocabulary.tokens) if token not in specials or vocabulary.counts[number]]
    return [vocabulary.tokens[number] for number in real], np.array(real, np.int64)


def _count(vocabulary: Vocabulary, known: np.ndarray) -> Coverage:
    ids = _real_tokens(vocabulary)[1]
    counts, has_row = vocabulary.counts[ids], known[ids]
    return Coverage(len(ids), int(has_row.sum()), int(counts.sum()), int(counts[has_row].sum()))


def _without_accents(token: str) -> str:
    return unicodedata.normalize("NFC", "".join(mark for mark in unicodedata.normalize("NFD", token) if not unicodedata.combining(mark)))


def _bare(token: str) -> str:
    """Strip punctuation and symbols from both ends; a token of nothing else stays as it is."""
    start, end = 0, len(token)
    while start < end and unicodedata.category(token[start])[0] in "PS":
        start += 1
    while end > start and unicodedata.category(token[end - 1])[0] in "PS":
        end -= 1
    return token[start:end] or token


def _unmarked(token: str) -> str:
    for mark in _MARKS:
        token = token.removeprefix(mark)
    return token


_SUBWORDS = "so the vectors seem to be of subwords: train with the tokenizer.json that they were made with"
_SPELLINGS: Sequence[tuple[str, Callable[[str], str]]] = (
    ("in lower case: train with --lowercase", str.lower),
    ("with a capital: train without --lowercase", str.capitalize),
    ("without accents: train with --strip-accents", _without_accents),
    ("without the marks of subwords, so the vectors seem to be of whole words: train on words", _unmarked),
    (f"with {_MARKS[0]} before them, {_SUBWORDS}", lambda token: _MARKS[0] + token),
    (f"with {_MARKS[1]} before them, {_SUBWORDS}", lambda token: _MARKS[1] + token),
    ("without the punctuation on them: train with --tokenizer words", _bare),
    ("in lower case and without the punctuation on them: train with --lowercase --tokenizer words", lambda token: _bare(token.lower())),
)
"""Reasons why tokens have no vector, each with the advice to follow and the token as the vectors would have it."""


def _spellings(tokens: Sequence[str], tokenizer: str | None) -> Spellings:
    """Spell tokens as the vectors may have them; simple explanations come first."""
    spellings: dict[str, list[tuple[str, ...]]] = {advice: [(spell(token),) for token in tokens] for advice, spell in _SPELLINGS}
    if tokenizer is not None:
        advice = "if split as the text of the vectors was: train with the tokenizer.json of the vectors as --tokenizer"
        spellings[advice] = _split(tokens, tokenizer)
    return spellings


def _split(tokens: Sequence[str], tokenizer: str) -> list[tuple[str, ...]]:
    """Split each token with a tokenizer; the result is empty if it has an unknown piece."""
    splitter = TextTokenizer(tokenizer)
    if splitter.closed:
        unk = json.loads(tokenizer)["model"].get("unk_token")
        pieces = [tuple(encoding.tokens) for encoding in splitter.library.encode_batch(list(tokens), add_special_tokens=False)]
        return [() if unk in token else token for token in pieces]
    import polars as pl

    return [tuple(token) for token in splitter.split(pl.Series(tokens, dtype=pl.String)).to_list()]


def _warning(counted: Coverage, vocabulary: Vocabulary, known: np.ndarray, spellings: Spellings, vectors: Vectors) -> str:
    tokens, ids = _real_tokens(vocabulary)
    weights = vocabulary.counts[ids] if counted.tokens else np.ones(len(ids), np.int64)
    unit = "tokens of the text" if counted.tokens else "types"
    text = f"only {counted.share:.1%} of the {unit} have a vector"
    shares = {advice: _share(known[ids], pieces, weights, vectors) for advice, pieces in spellings.items()}
    best = max(shares.values(), default=0.0)
    if best >= counted.share + _GAIN:
        advice = next(advice for advice, share in shares.items() if share >= best - 0.02)
        return f"{text}; {shares[advice]:.1%} would have one {advice}"
    if weights[[len(token) == 1 for token in tokens]].sum() > 0.9 * weights.sum():
        return f"{text}: they are single characters; where the vectors are of words, train on words"
    return (
        f"{text}, and neither another case nor another tokenizer would change that: see whether the vectors are of the same language and "
        "kind of text, or train vectors on this text"
    )


def _share(known: np.ndarray, pieces: Sequence[tuple[str, ...]], weights: np.ndarray, vectors: Vectors) -> float:
    """Return the weighted share of tokens that are known as they are, or whose pieces all are."""
    would = known | np.array([bool(token) and all(piece in vectors for piece in token) for token in pieces], bool)
    return float(weights[would].sum() / weights.sum())
