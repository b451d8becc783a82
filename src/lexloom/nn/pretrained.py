"""Pre-trained vectors for a vocabulary: matched by token, gaps filled, and a warning where the match is an unlikely one."""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lexloom.errors import FormatError
from lexloom.files import STDIN
from lexloom.nn.embedding_config import Missing
from lexloom.options import check_choice
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary
from lexloom.vectors.formats import load_vectors
from lexloom.vectors.table import Vectors

Spellings = Mapping[str, Sequence[tuple[str, ...]]]
"""By what to do about it: for each of n tokens, the pieces that would stand for it then."""

_LIKELY = 0.5
_GAIN = 0.1  # an advice must bring that much more of the text
_MARKS = ("\u2581", "\u0120", "##")  # of SentencePiece, of byte-level BPE, of WordPiece
_ROWS_FOR_SCALE = 10_000


@dataclass(frozen=True)
class Coverage:
    """How much of a vocabulary has a pre-trained vector. Special tokens count only where the text itself has them.

    Attributes:
        types: different tokens.
        known_types: those of them that have a vector.
        tokens: tokens of the text, from the vocabulary's counts.
        known_tokens: those of them that have a vector.
        warning: what may be wrong, and what to try, where the match is an unlikely one.
    """

    types: int
    known_types: int
    tokens: int
    known_tokens: int
    warning: str | None = None

    @property
    def share(self) -> float:
        """The known part, 0 to 1: of the tokens, or of the types where nothing was counted."""
        return self.known_tokens / self.tokens if self.tokens else self.known_types / max(1, self.types)

    @property
    def likely(self) -> bool:
        """Whether the vectors seem to be made for such a text."""
        return not self.types or self.share >= _LIKELY

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return asdict(self)


def load_matching(source: str, vocabulary: Vocabulary, *, missing: Missing, generator: torch.Generator) -> tuple[Tensor, Tensor, Coverage]:
    """Load the vectors of a vocabulary's tokens; the others never take memory.

    Args:
        source: anything that `load_vectors` reads. It is read again where the match is an unlikely one, to see why.
        vocabulary: V tokens.
        missing: as for `match`.
        generator: as for `match`.

    Returns:
        Rows, float32 (V, E); which came from the vectors, bool (V,); and how much of the vocabulary that is.

    Raises:
        InputError, FormatError: the vectors cannot be read, or have a row that is not of finite numbers.
    """
    once = source == STDIN or Path(source).is_fifo()  # can be read but once
    vectors = load_vectors(source, only=None if once else vocabulary.tokens)
    found = _found(vectors, vocabulary, source)
    counted = _count(vocabulary, found[1])
    if not counted.likely:
        spellings = _spellings(_real_tokens(vocabulary)[0], vectors.tokenizer)
        wanted = {piece for pieces in spellings.values() for token in pieces for piece in token}
        wider = vectors if once else load_vectors(source, only=wanted)
        counted = replace(counted, warning=_warning(counted, vocabulary, found[1], spellings, wider))
    sample = vectors if once or found[1].any() else load_vectors(source, limit=_ROWS_FOR_SCALE)
    return *_filled(*found, sample.matrix, missing, generator), counted


def match(vectors: Vectors, vocabulary: Vocabulary, *, missing: Missing, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Give every token of a vocabulary its row. A row of zeros says nothing of its token, which then counts as missing.

    Args:
        vectors: where rows come from.
        vocabulary: V tokens.
        missing: the other rows: normal with mean 0 and the standard deviation of the numbers found, the mean row, or zeros.
        generator: where random rows come from; on the CPU.

    Returns:
        Rows, float32 (V, E), and which came from the vectors, bool (V,).

    Raises:
        FormatError: a row that was found is not of finite numbers.
        ConfigError: there is no such `missing`.
    """
    return _filled(*_found(vectors, vocabulary), vectors.matrix, missing, generator)


def coverage(vectors: Vectors, vocabulary: Vocabulary, known: Tensor) -> Coverage:
    """Say how much of a vocabulary has a vector, and where that is unlikely little, why that may be.

    Args:
        vectors: all that there are.
        vocabulary: V tokens.
        known: bool (V,), which of them have a vector.
    """
    counted, has_row = _count(vocabulary, known.numpy()), known.numpy()
    if counted.likely:
        return counted
    spellings = _spellings(_real_tokens(vocabulary)[0], vectors.tokenizer)
    return replace(counted, warning=_warning(counted, vocabulary, has_row, spellings, vectors))


def _found(vectors: Vectors, vocabulary: Vocabulary, source: str = "vectors") -> tuple[np.ndarray, np.ndarray]:
    rows, known = vectors.lookup(vocabulary.tokens)
    broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(broken):
        raise FormatError(
            f"{source}: the vector of {vocabulary.tokens[broken[0]]!r} has a number that is not finite ({len(broken)} such vectors); "
            "take that line out, or make the vectors anew"
        )
    return rows, known & rows.any(axis=1)


def _filled(rows: np.ndarray, known: np.ndarray, others: np.ndarray, missing: Missing, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Fill the rows (V, E) that are not known; their scale is that of the known ones, or of `others` (n, E) where none is."""
    check_choice("missing", missing, Missing)
    model = rows[known] if known.any() else np.asarray(others)
    gaps = int((~known).sum())
    weight, mask = torch.from_numpy(rows), torch.from_numpy(known)
    if missing == "random":
        scale = float(model.std(dtype=np.float64)) if model.size else 1.0
        weight[~mask] = torch.empty(gaps, rows.shape[1]).normal_(generator=generator) * scale
    else:
        mean = model.mean(axis=0, dtype=np.float64) if missing == "mean" and model.size else np.zeros(rows.shape[1])
        weight[~mask] = torch.from_numpy(mean.astype(np.float32))
    return weight, mask


# ---- coverage ----------------------------------------------------------------------------------------------------------------------


def _real_tokens(vocabulary: Vocabulary) -> tuple[list[str], np.ndarray]:
    """Give the tokens but for special ones that do not occur, and their ids, int64 (n,)."""
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
    """Take punctuation and symbols off both ends; a token of nothing else stays."""
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
"""What would give the tokens of a text a vector, with what to do about it, and the token as the vectors would have it."""


def _spellings(tokens: Sequence[str], tokenizer: str | None) -> Spellings:
    """Spell tokens as the vectors may have them, simple explanations first."""
    spellings: dict[str, list[tuple[str, ...]]] = {advice: [(spell(token),) for token in tokens] for advice, spell in _SPELLINGS}
    if tokenizer is not None:
        advice = "when split as the vectors' own text was: train with the tokenizer.json of the vectors as --tokenizer"
        spellings[advice] = _split(tokens, tokenizer)
    return spellings


def _split(tokens: Sequence[str], tokenizer: str) -> list[tuple[str, ...]]:
    """Split each token as a tokenizer does; into nothing where it does not know a piece."""
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
    """Weigh the tokens that are known as they are, or of which all pieces are."""
    would = known | np.array([bool(token) and all(piece in vectors for piece in token) for token in pieces], bool)
    return float(weights[would].sum() / weights.sum())
