"""Documents as ids, each for itself: read into memory, encoded, and put into batches of documents of like length."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from lexloom.errors import InputError
from lexloom.options import check_whole
from lexloom.text.blocks import Block, block_of
from lexloom.text.encode import Encoder, ModelEncoder, OpenEncoder, fixed_encoder
from lexloom.text.ragged import starts_of, take_rows
from lexloom.text.readers import Corpus
from lexloom.text.store import Progress, tokenizer_for
from lexloom.text.tokenizers import TextTokenizer, TokenizerConfig, with_vocabulary
from lexloom.text.vocabulary import TypeCounts, Vocabulary, VocabularyConfig, choose_vocabulary, special_tokens

_POOL = 64  # batches whose documents are sorted by length together


@dataclass(frozen=True)
class Documents:
    """Some documents as ids.

    Attributes:
        ids: uint32 (N,), the tokens of all documents, one after the other.
        starts: int64 (n + 1,): document d is `ids[starts[d] : starts[d + 1]]`, which may be empty.
    """

    ids: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        """The number of documents, n."""
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each document, int64 (n,)."""
        return np.diff(self.starts)

    def take(self, numbers: np.ndarray) -> "Documents":
        """Copy some documents, in the order of their numbers, int64 (m,)."""
        return Documents(*take_rows(self.ids, self.starts, numbers))

    def truncated(self, longest: int | None) -> "Documents":
        """Keep so many tokens of each document at most; all where None."""
        if longest is None or self.lengths.max(initial=0) <= longest:
            return self
        return Documents(*take_rows(self.ids, self.starts, np.arange(len(self)), longest))

    def rows(self, numbers: np.ndarray, longest: int | None = None, multiple: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Write documents in rows of one length.

        Args:
            numbers: int64 (B,), which ones.
            longest: how many tokens of a document are taken at most; all unless given.
            multiple: of what the number of columns is a multiple.

        Returns:
            ids, int64 (B, T) with zeros after a document's end, T at least 1; and how many are the document's, int64 (B,).
        """
        ids, starts = take_rows(self.ids, self.starts, numbers, longest)
        lengths = np.diff(starts)
        columns = -(-int(lengths.max(initial=1)) // multiple) * multiple
        rows = np.zeros((len(numbers), columns), np.int64)
        rows[np.arange(columns) < lengths[:, None]] = ids
        return rows, lengths


@dataclass(frozen=True)
class Counted:
    """A corpus read into memory, before it is chosen which tokens get an id.

    Attributes:
        documents: with provisional ids.
        types: the tokens behind these.
        tokenizer: how they were split.
    """

    documents: Documents
    types: TypeCounts
    tokenizer: TextTokenizer


def read_documents(corpus: Corpus, config: TokenizerConfig, *, max_types: int | None = None, progress: Progress | None = None) -> Counted:
    """Split and count a corpus, in 4 bytes a token.

    Args:
        corpus: what to read.
        config: how to split.
        max_types: see `VocabularyConfig`.
        progress: told how far it is.

    Raises:
        InputError: there is no token in the corpus, or it cannot be read.
        ConfigError: an option of the tokenizer is wrong.
    """
    with contextlib.closing(corpus.blocks()) as blocks:
        tokenizer, rest = tokenizer_for(config, blocks)
        encoder = ModelEncoder(tokenizer) if tokenizer.closed else OpenEncoder(tokenizer, max_types)
        documents = _joined(_whole(_told(rest, progress), encoder))
    if not len(documents.ids):
        raise InputError(f"{corpus.name}: no token in {corpus.report.documents} documents{corpus.report.excuse()}")
    return Counted(documents, encoder.finish(), tokenizer)


def number_documents(
    counted: Counted, trained: np.ndarray, config: VocabularyConfig, specials: Sequence[str], *, tell_apart: bool = False
) -> tuple[Documents, Vocabulary, TextTokenizer, list[str]]:
    """Choose which tokens get an id, from a part of the documents alone: what is held out may have tokens that are unknown.

    Args:
        counted: what `read_documents` gave.
        trained: int64 (m,), the numbers of the documents that count.
        config: which tokens get an id. A tokenizer with a model of its own keeps all of its tokens.
        specials: roles of special tokens that come first.
        tell_apart: whether tokens outside of the vocabulary have numbers of their own beyond it, rather than that of unk.

    Returns:
        All documents with their final ids; the vocabulary; the tokenizer, which knows it where it has a model of its own; and the tokens
        that are told apart, in the order of their numbers.
    """
    documents, types, tokenizer = counted.documents, counted.types, counted.tokenizer
    if len(trained) < len(documents):
        types = TypeCounts(types.tokens, types.ids, np.bincount(documents.take(trained).ids, minlength=len(types.counts)))
    names = special_tokens(specials, set(types.tokens) if tokenizer.closed else ())
    if tokenizer.closed:
        vocabulary, final = choose_vocabulary(types, names, min_count=0)
        tokenizer = TextTokenizer(with_vocabulary(tokenizer.json, vocabulary.tokens, names["unk"]))
    else:
        vocabulary, final = choose_vocabulary(types, names, min_count=config.min_count, max_size=config.max_size)
    others: list[str] = []
    if tell_apart and not tokenizer.closed:
        others = [token for token in types.tokens if token not in vocabulary]
        outside = types.ids[[token not in vocabulary for token in types.tokens]]
        final[outside] = len(vocabulary) + np.arange(len(others), dtype=np.uint32)
    return Documents(final[documents.ids], documents.starts), vocabulary, tokenizer, others


def encode_documents(corpus: Corpus, tokenizer: TextTokenizer, vocabulary: Vocabulary) -> Documents:
    """Encode a corpus with a tokenizer and a vocabulary that there are; it may have no documents.

    Raises:
        InputError: the corpus cannot be read.
    """
    return _joined(encode_blocks(corpus, tokenizer, vocabulary))


def encode_blocks(corpus: Corpus, tokenizer: TextTokenizer, vocabulary: Vocabulary) -> Iterator[Documents]:
    """Do what `encode_documents` does a few megabytes at a time."""
    with contextlib.closing(corpus.blocks()) as blocks:
        first = next(blocks, None)
        if first is not None:
            yield from _whole(itertools.chain([first], blocks), fixed_encoder(tokenizer, vocabulary, split=first.split))


def encode_types(corpus: Corpus, tokenizer: TextTokenizer, vocabulary: Vocabulary) -> Iterator[tuple[Documents, list[str]]]:
    """Encode a corpus a few megabytes at a time, so that tokens outside of the vocabulary are told apart.

    Yields:
        Documents whose ids are the vocabulary's, and beyond these numbers of other tokens in the order of their first appearance; and
        those others that are new.
    """
    if tokenizer.closed:
        yield from ((documents, []) for documents in encode_blocks(corpus, tokenizer, vocabulary))
        return
    with contextlib.closing(corpus.blocks()) as blocks:
        encoder, done = OpenEncoder(tokenizer, known=vocabulary.tokens), len(vocabulary)
        for documents in _whole(blocks, encoder):
            new = encoder.tokens_from(done)
            done += len(new)
            yield documents, new


def encode_text(text: str, tokenizer: TextTokenizer, vocabulary: Vocabulary) -> tuple[list[str], np.ndarray]:
    """Encode one document, and say what its n tokens are, also those without an id: strings, and uint32 (n,)."""
    block = block_of(pl.Series([text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")], dtype=pl.String))
    ids, _ = fixed_encoder(tokenizer, vocabulary).encode(block)
    tokens = vocabulary.decode(ids) if tokenizer.closed else tokenizer.split(block.texts).explode(empty_as_null=False).to_list()
    return tokens, ids


def encode_apart(corpus: Corpus, tokenizer: TextTokenizer, vocabulary: Vocabulary) -> tuple[Documents, list[str]]:
    """Do what `encode_types` does for the corpus as a whole."""
    parts, others = [], list[str]()
    for documents, new in encode_types(corpus, tokenizer, vocabulary):
        parts.append(documents)
        others += new
    return _joined(parts), others


def _told(blocks: Iterator[Block], progress: Progress | None) -> Iterator[Block]:
    done = 0
    for block in blocks:
        yield block
        if progress is not None:
            done += block.size
            progress(done)


def _whole(blocks: Iterable[Block], encoder: Encoder) -> Iterator[Documents]:
    """Encode blocks; a document that goes on in the next one waits for its end."""
    held_ids, held = [np.empty(0, np.uint32)], 0  # of the document that has not ended
    for block in blocks:
        ids, lengths = encoder.encode(block)
        ends = np.cumsum(lengths)[block.ends]  # in ids
        if len(ends):
            yield Documents(np.concatenate([*held_ids, ids[: ends[-1]]]), np.concatenate([[0], ends + held]))
            held_ids, held, ids = [np.empty(0, np.uint32)], 0, ids[ends[-1] :]
        held_ids.append(ids)
        held += len(ids)


def _joined(parts: Iterable[Documents]) -> Documents:
    found = list(parts)
    ids = np.concatenate([np.empty(0, np.uint32), *(part.ids for part in found)])
    return Documents(ids, starts_of(np.concatenate([np.empty(0, np.int64), *(part.lengths for part in found)])))


# ---- batches -----------------------------------------------------------------------------------------------------------------------


class LengthBuckets:
    """Batches of documents of like length, in an order that each epoch draws anew: little of a batch is padding.

    The documents are shuffled, sorted by length in pools of many batches, cut into batches, and these are shuffled. Which documents are
    together depends on the seed and the number of the epoch alone.

    Args:
        lengths: int64 (n,), tokens of each document.
        batch_size: documents of a batch at most.
        batch_tokens: tokens of a batch at most, padding counted; a document with more of them is alone.
        seed: where the draws begin.
    """

    def __init__(self, lengths: np.ndarray, batch_size: int, batch_tokens: int, seed: int) -> None:
        check_whole("batch_size", batch_size, 1)
        check_whole("batch_tokens", batch_tokens, 1)
        self._lengths, self._size, self._tokens, self._seed = lengths, batch_size, batch_tokens, seed
        self._drawn: tuple[int, list[np.ndarray]] = (-1, [])

    def epoch(self, number: int) -> list[np.ndarray]:
        """Give the document numbers of each batch of an epoch, int64 (B,)."""
        if self._drawn[0] != number:
            random = np.random.default_rng([self._seed, number])
            order = random.permutation(len(self._lengths))
            pools = [order[first : first + _POOL * self._size] for first in range(0, len(order), _POOL * self._size)]
            batches = [batch for pool in pools for batch in self.sorted(pool)]
            self._drawn = number, [batches[place] for place in random.permutation(len(batches))]
        return self._drawn[1]

    def sorted(self, numbers: np.ndarray) -> list[np.ndarray]:
        """Cut documents into batches by their length, the shortest first."""
        ordered = numbers[np.argsort(self._lengths[numbers], kind="stable")]
        lengths = np.maximum(1, self._lengths[ordered])
        batches, first = [], 0
        while first < len(ordered):
            last = min(first + self._size, len(ordered))
            fits = lengths[first:last] * np.arange(1, last - first + 1) <= self._tokens  # the last of so many is the longest
            last = first + max(1, int(np.argmin(fits)) if not fits.all() else len(fits))
            batches.append(ordered[first:last])
            first = last
        return batches
