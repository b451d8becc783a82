"""From tokens to the rows of a linear classifier: a row per word, and a row per bucket of hashed word and character n-grams.

The hashes are those of fastText (Joulin et al. 2017): FNV-1a over the bytes of a word, h * 116049371 + next for the words of an n-gram,
FNV-1a over the characters of `<word>`. Word n-grams with an out-of-vocabulary word are left out; the characters of such a word count.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from lexloom.compiled.hashing import hash_tokens
from lexloom.models.classifier.linear.hashing import UNKNOWN, find_features, keep_known, number_buckets
from lexloom.models.classifier.options import LinearConfig
from lexloom.text.documents import Documents
from lexloom.text.vocabulary import Vocabulary


class Features(NamedTuple):
    """The features of n documents.

    Attributes:
        rows: uint32 (f,), the distinct rows of each document, one document after the other.
        times: uint8 (f,), how often each row occurs; a row that occurs more than 255 times has several entries.
        starts: int64 (n + 1,): the features of document d are `rows[starts[d] : starts[d + 1]]`.
        lengths: int64 (n,), occurrences of features per document, those without a row included.
    """

    rows: np.ndarray
    times: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray


class Types(NamedTuple):
    """Rows and hashes of t distinct tokens.

    Attributes:
        ranks: uint32 (t,), the row of each token; `UNKNOWN` for an out-of-vocabulary token.
        hashes: uint32 (t,).
        grams: uint32, the buckets of the character n-grams of all tokens.
        gram_starts: int64 (t + 1,): those of token i are `grams[gram_starts[i] : gram_starts[i + 1]]`.
    """

    ranks: np.ndarray
    hashes: np.ndarray
    grams: np.ndarray
    gram_starts: np.ndarray

    def extended(self, more: "Types") -> "Types":
        """Append other tokens."""
        ranks, hashes, grams = (np.concatenate(pair) for pair in zip(self[:3], more[:3], strict=True))
        return Types(ranks, hashes, grams, np.concatenate([self.gram_starts, more.gram_starts[1:] + self.gram_starts[-1]]))


def types_of(tokens: Sequence[str], ranks: np.ndarray, config: LinearConfig) -> Types:
    """Hash tokens, and their character n-grams if the configuration has them.

    Args:
        tokens: t of them.
        ranks: see `Types`.
        config: which features there are.
    """
    series = pl.Series(tokens, dtype=pl.String)
    ends = np.cumsum(series.str.len_bytes().to_numpy(), dtype=np.int64)
    text = np.frombuffer("".join(tokens).encode(), np.uint8)
    hashes, gram_starts = np.empty(len(tokens), np.uint32), np.zeros(len(tokens) + 1, np.int64)
    longest = config.max_char_ngram
    room = (int(ends[-1]) + 2 * len(tokens)) * (longest - config.min_char_ngram + 1) if longest and len(tokens) else 0
    grams = np.empty(room, np.uint32)
    hash_tokens(text, ends, config.min_char_ngram, longest, config.buckets, hashes, grams, gram_starts)
    return Types(ranks.astype(np.uint32), hashes, grams[: gram_starts[-1]], gram_starts)


def types_of_vocabulary(vocabulary: Vocabulary, others: Sequence[str], config: LinearConfig) -> Types:
    """Hash the tokens of a vocabulary, all of which but unk have a row, followed by out-of-vocabulary tokens."""
    ranks = np.arange(len(vocabulary), dtype=np.uint32)
    ranks[vocabulary.unk_id] = UNKNOWN
    return with_others(types_of(vocabulary.tokens, ranks, config), others, config)


def with_others(types: Types, tokens: Sequence[str], config: LinearConfig) -> Types:
    """Append out-of-vocabulary tokens."""
    return types.extended(types_of(tokens, np.full(len(tokens), UNKNOWN), config)) if tokens else types


def features_of(documents: Documents, types: Types, config: LinearConfig, words: int) -> Features:
    """Find the features of documents whose ids are indices of `types`. N-grams get the rows `words` + bucket."""
    spelled = np.diff(types.gram_starts)[documents.ids].sum() if len(types.grams) else 0
    room = len(documents.ids) * config.word_ngrams + int(spelled)
    given = (documents.ids, documents.starts, types, config.word_ngrams, words, config.buckets)
    return Features(*find_features(*given, np.empty(room, np.uint32), np.empty(room, np.uint8)))


def locate_features(ids: np.ndarray, types: Types, config: LinearConfig, words: int) -> Iterator[tuple[int, int, int]]:
    """Iterate over the features of one document and their places.

    Args:
        ids: uint32 (n,), indices of `types`.
        types: rows and hashes of the tokens.
        config: which features there are.
        words: number of rows of words.

    Yields:
        The place of the first token, the place after the last one, and the row: that of a word, or `words` + bucket.
    """
    ranks = types.ranks[ids].tolist()
    hashes = [int(value) % 2**64 for value in types.hashes[ids].view(np.int32)]
    for place, number in enumerate(ids.tolist()):
        if ranks[place] != UNKNOWN:
            yield place, place + 1, ranks[place]
        for bucket in types.grams[types.gram_starts[number] : types.gram_starts[number + 1]].tolist():
            yield place, place + 1, words + bucket
        h = hashes[place]
        for last in range(place + 1, min(place + config.word_ngrams, len(ids))):
            if UNKNOWN in ranks[place : last + 1]:
                break
            h = (h * 116049371 + hashes[last]) % 2**64
            yield place, last + 1, words + h % config.buckets


def renumber(features: Features, words: int, row_of: np.ndarray, used: int) -> int:
    """Number the buckets in the order of their first use, in place.

    Args:
        features: with rows `words` + bucket.
        words: number of rows of words.
        row_of: int32 (buckets,), the number of each bucket, -1 for none yet; updated.
        used: number of buckets that have a number.

    Returns:
        The number of buckets that have a number now.
    """
    return int(number_buckets(features.rows, words, row_of, used))


def known_features(features: Features, words: int, row_of: np.ndarray) -> Features:
    """Replace buckets by their rows, and leave out buckets without a row, which still count in the length of a document."""
    rows, times, starts = keep_known(features.rows, features.times, features.starts, words, row_of)
    return Features(rows, times, starts, features.lengths)
