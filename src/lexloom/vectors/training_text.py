"""The encoded text of a training: where it comes from, which words are trained, which rows are returned. Both engines use this."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lexloom.errors import InputError
from lexloom.text.corpus import Corpus, CorpusSource
from lexloom.text.store import TokenStore, open_or_build_store
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import Vocabulary, VocabularyConfig

TrainingText = CorpusSource | TokenStore


def prepare_store(
    corpus: Corpus | TokenStore,
    path: Path,
    tokenizer: TokenizerConfig,
    vocabulary: VocabularyConfig,
    *,
    resume: bool,
    progress: Callable[[int], None],
) -> tuple[TokenStore, bool]:
    """Encode a corpus, or reuse the store at `path` if it was made from the same text with the same options.

    On a resume a corpus that can be read only once, such as standard input, is taken from the store. A corpus that is itself a store is
    returned as it is. `progress` is called with the bytes of text encoded so far. Returns the store, and whether it existed already.
    """
    if isinstance(corpus, TokenStore):
        return corpus, True
    if resume and corpus.fingerprint() is None and (path / "store.json").exists():
        return TokenStore.open(path), True
    return open_or_build_store(corpus, path, tokenizer, vocabulary, progress=progress)


def trained_counts(store: TokenStore) -> np.ndarray:
    """Return the count of each id, int64 (V,), with 0 for ids that are not trained.

    Special tokens are not trained unless the text itself contains them at least min_count times.

    Raises:
        InputError: no word is frequent enough.
    """
    words, options = store.vocabulary, store.header["options"]["vocabulary"]
    counts: np.ndarray = words.counts.copy()
    specials = counts[: len(words.specials)]
    specials[specials < options["min_count"]] = 0  # otherwise one stray <unk> in the text would train the row of all unknown words
    if not counts.any():
        raise InputError(
            f"{store.header['corpus']}: no word occurs {options['min_count']} times among {len(store.ids)} tokens; give a lower min_count"
        )
    return counts


def returned_rows(words: Vocabulary, counts: np.ndarray) -> slice | np.ndarray:
    """Select the rows to return, by descending count: every token except special tokens that are not trained.

    Args:
        words: the store's vocabulary.
        counts: int64 (V,), of its tokens and then of those that only `init` has.

    Returns:
        A slice where the rows are in this order already, so that a view suffices; otherwise their numbers.
    """
    rows = np.array([row for row in range(len(counts)) if row >= len(words.specials) or counts[row] > 0], np.int64)
    rows = rows[np.argsort(-counts[rows], kind="stable")]
    return slice(int(rows[0]), len(counts)) if (np.diff(rows) == 1).all() and rows[-1] == len(counts) - 1 else rows


def text_metadata(store: TokenStore) -> dict[str, Any]:
    """Return what the metadata of a result says about the text."""
    return {
        "corpus": {name: store.header[name] for name in ("fingerprint", "documents", "tokens", "checksums")},
        "segmenter": None if store.tokenizer.segmenter is None else dataclasses.asdict(store.tokenizer.segmenter),
    }
