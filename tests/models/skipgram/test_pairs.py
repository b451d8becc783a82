"""The batches of skip-gram against a brute-force enumeration, and what is drawn against its definition."""

from collections import Counter

import numpy as np
import pytest
import torch

from lexloom.errors import InputError
from lexloom.models.skipgram.pairs import PairBatches
from lexloom.vectors.config import VectorConfig
from lexloom.vectors.sampling import keep_thresholds

DOCUMENTS = [[1, 2, 3, 2, 4, 5, 1], [6], [], [7, 8], [3, 3, 3], [9, 1, 2]]
ALL = VectorConfig(window=2, sample=0, shrink_windows=False)


def pair_batches(documents=DOCUMENTS, config=ALL, batch_size=4, *, V=10, counts=None, seed=1) -> PairBatches:
    ids = np.array([word for document in documents for word in document], np.uint32)
    starts = np.concatenate([[0], np.cumsum([len(document) for document in documents])]).astype(np.int64)
    if counts is None:
        counts = np.bincount(ids, minlength=V)
        counts[1:] += 1  # so that any word but 0 may be a negative
    return PairBatches(ids, starts, counts, config, batch_size, seed)


def rows(batches: PairBatches, epoch=0) -> list[tuple[int, tuple[int, ...], tuple[int, ...]]]:
    """For each centre of an epoch its word, its contexts and its negatives."""
    found = []
    for batch in batches.epoch(epoch):
        for centre, words, labels, keep in zip(*(part.tolist() for part in batch), strict=True):
            contexts = tuple(word for word, label in zip(words, labels, strict=True) if label)
            negatives = tuple(word for word, label, real in zip(words, labels, keep, strict=True) if real and not label)
            found.append((centre[0], contexts, negatives))
    return found


def enumerated(documents, window) -> Counter:
    return Counter(
        (word, tuple(document[max(0, i - window) : i] + document[i + 1 : i + 1 + window]))
        for document in documents
        for i, word in enumerate(document)
        if len(document) > 1
    )


def text(tokens: int, V: int, seed=0) -> list[list[int]]:
    ids = (np.random.default_rng(seed).zipf(1.3, tokens) % (V - 1) + 1).tolist()
    return [ids[first : first + 20] for first in range(0, tokens, 20)]


# ---- which pairs --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [1, 2, 5, 50])
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_every_word_is_a_centre_once_an_epoch_with_all_its_contexts(window, batch_size):
    batches = pair_batches(config=VectorConfig(window=window, sample=0, shrink_windows=False), batch_size=batch_size)
    for epoch in (0, 1):
        assert Counter((centre, contexts) for centre, contexts, _ in rows(batches, epoch)) == enumerated(DOCUMENTS, window)


def test_shrunk_windows_reach_every_distance_equally_often():
    line = list(range(1, 3001))  # every word once, so that a context says how far away it is
    batches = pair_batches([line], VectorConfig(window=5, sample=0), 512, V=3001)
    reaches = Counter()
    for centre, contexts, _ in rows(batches):
        reach = max(abs(centre - word) for word in contexts)
        assert set(contexts) == set(range(max(1, centre - reach), min(3000, centre + reach) + 1)) - {centre}
        reaches[reach] += 1
    assert set(reaches) == {1, 2, 3, 4, 5}
    assert all(abs(count - 600) < 5 * 600**0.5 for count in reaches.values())


def test_words_that_are_not_trained_drop_out_before_windows_are_formed():
    counts = np.array([0, *[5] * 9])
    found = rows(pair_batches([[1, 0, 2, 0, 0, 3], [0, 4], [0, 0]], counts=counts))
    assert Counter((centre, contexts) for centre, contexts, _ in found) == enumerated([[1, 2, 3]], 2)
    assert all(0 not in negatives for _, _, negatives in found)


def test_frequent_words_are_thinned_out_by_their_keep_probability():
    documents = text(40_000, 30)
    counts = np.bincount(np.concatenate(documents), minlength=30)
    batches = pair_batches(documents, VectorConfig(sample=1e-2), 512, counts=counts)
    chance = keep_thresholds(counts, 1e-2) / 2**32
    found = Counter(centre for centre, _, _ in rows(batches))
    for word in range(1, 30):
        expected = counts[word] * chance[word]
        assert abs(found[word] - expected) < 6 * expected**0.5 + 10  # a word alone in its line is no centre


# ---- negatives ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("negative", [1, 5, 20])
def test_each_context_brings_so_many_negatives_none_of_them_a_context(negative):
    batches = pair_batches(text(2000, 50), VectorConfig(negative=negative, sample=0), 128, V=50)
    for _, contexts, negatives in rows(batches):
        assert len(negatives) == negative * len(contexts)
        assert not set(negatives) & set(contexts)


@pytest.mark.parametrize("exponent", [0.75, 0.0])
def test_negatives_are_drawn_by_count_to_the_exponent(exponent):
    counts = np.array([0, 1, 10, 100, 1000, 10, 10])
    config = VectorConfig(window=1, negative=20, sample=0, ns_exponent=exponent)
    found = Counter(word for _, _, negatives in rows(pair_batches([[5, 6]] * 2000, config, 512, counts=counts)) for word in negatives)
    weights = {word: float(counts[word]) ** exponent for word in range(1, 5)}  # 5 and 6 are each other's contexts
    total = sum(found[word] for word in weights)
    for word, weight in weights.items():
        expected = total * weight / sum(weights.values())
        assert abs(found[word] - expected) < 5 * expected**0.5
    assert found[0] == 0


def test_negatives_are_given_up_where_all_words_are_contexts():
    batches = pair_batches([[1, 2, 1, 2]] * 3, VectorConfig(window=3, sample=0, shrink_windows=False), 512, counts=np.array([0, 6, 6]))
    (batch,) = batches.epoch(0)
    assert not (batch.keep & (batch.labels == 0)).any()
    assert batch.labels.sum() == 36


# ---- batches ------------------------------------------------------------------------------------------------------------------------


def test_batches_are_tensors_padded_to_the_longest_row():
    batches = pair_batches(text(3000, 50), VectorConfig(sample=0, window=3), 100, V=50)
    widths = set()
    for batch in batches.epoch(0):
        B, C = batch.contexts.shape
        assert [part.dtype for part in batch] == [torch.int64, torch.int64, torch.float32, torch.bool]
        assert batch.centres.shape == (B, 1)
        assert batch.labels.shape == batch.keep.shape == (B, C)
        assert batch.keep.sum(1).max() == C
        assert not batch.contexts[~batch.keep].any()
        assert not (batch.labels.bool() & ~batch.keep).any()
        widths.add(C)
    assert widths == {6 * contexts for contexts in range(1, 7)}


@pytest.mark.parametrize("batch_size", [7, 64, 10_000])
def test_all_epochs_have_as_many_batches_of_nearly_the_same_size(batch_size):
    batches = pair_batches(text(2000, 50), VectorConfig(sample=1e-2), batch_size, V=50)
    for epoch in (0, 1):
        sizes = [len(batch.centres) for batch in batches.epoch(epoch)]
        assert len(sizes) == len(batches)
        assert max(sizes) - min(sizes) <= 1
        assert max(sizes) <= batch_size * 1.15 + 1
    assert max(len(batch.centres) for batch in batches.epoch(0)) <= batch_size


def test_an_epoch_follows_from_the_seed_and_its_number():
    def drawn(seed, epoch):
        return rows(pair_batches(text(1000, 50), VectorConfig(sample=1e-2), 64, V=50, seed=seed), epoch)

    assert drawn(1, 3) == drawn(1, 3)
    assert drawn(1, 3) != drawn(1, 4)
    assert drawn(1, 3) != drawn(2, 3)


@pytest.mark.parametrize("documents", [[[1]], [[1], [2], []], [[0, 1, 0], [0, 0]]])
def test_a_text_without_two_words_side_by_side_is_refused(documents):
    counts = np.array([0, 5, 5])
    with pytest.raises(InputError, match="no two words side by side"):
        next(pair_batches(documents, counts=counts).epoch(0))
