"""Labelled documents, ready to train on: read, numbered, and a part held out. No torch is needed here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lexloom.errors import InputError
from lexloom.models.classifier_config import DocumentConfig
from lexloom.models.label_set import LabelSet, Targets, describe_unseen, find_labels, hold_out
from lexloom.tensors import checksum
from lexloom.text.documents import Documents, encode_apart, encode_documents, number_documents, read_documents
from lexloom.text.labels import LabelledCorpus
from lexloom.text.tokenizers import TextTokenizer, TokenizerConfig
from lexloom.text.vocabulary import Vocabulary, VocabularyConfig
from lexloom.training.reporter import Reporter


@dataclass(frozen=True)
class Labelled:
    """Documents with their labels by number.

    Attributes:
        documents: n of them.
        targets: their labels.
        others: tokens outside of the vocabulary whose numbers come after its, where these are told apart.
    """

    documents: Documents
    targets: Targets
    others: list[str] = field(default_factory=list)

    def take(self, numbers: np.ndarray) -> "Labelled":
        """Copy some, in the order of their numbers, int64 (m,)."""
        return Labelled(self.documents.take(numbers), self.targets.take(numbers), self.others)


@dataclass(frozen=True)
class LabelledData:
    """What a classifier is trained on.

    Attributes:
        train: documents to train on.
        valid: documents to validate on, which may have tokens and labels that are unknown.
        labels: of the documents, the held-out ones included.
        vocabulary: of the documents to train on.
        tokenizer: how they were split.
        facts: what a reporter is told, and what the model folder says.
    """

    train: Labelled
    valid: Labelled | None
    labels: LabelSet
    vocabulary: Vocabulary
    tokenizer: TextTokenizer
    facts: dict[str, Any]

    def checksums(self) -> dict[str, str]:
        """Tell these documents and labels from others."""
        parts = [self.train] if self.valid is None else [self.train, self.valid]
        return {
            "ids": checksum(*(part.documents.ids for part in parts)),
            "labels": checksum(*(part.targets.codes for part in parts)),
        }

    def class_weights(self) -> np.ndarray:
        """Give weights (C,) that make rare labels count as much as frequent ones; with several labels, having one as much as not."""
        counts = np.maximum(1, np.array(list(self.facts["labels"].values())))
        number = len(self.train.documents)
        weights: np.ndarray = np.maximum(1, number - counts) / counts if self.labels.several else number / (len(counts) * counts)
        return weights


def read_labelled(
    corpus: LabelledCorpus,
    valid: LabelledCorpus | None,
    tokenizer: TokenizerConfig,
    vocabulary: VocabularyConfig,
    batches: DocumentConfig,
    *,
    specials: tuple[str, ...],
    several: bool | None,
    seed: int,
    reporter: Reporter,
    tell_apart: bool = False,
) -> LabelledData:
    """Read documents to train on, and cut off a part of each label to validate on where no others are given.

    Args:
        corpus: documents with labels.
        valid: others to validate on.
        tokenizer: how to split.
        vocabulary: which tokens get an id.
        batches: says how much is held out.
        specials: roles of the special tokens that the model wants.
        several: whether a document may have several labels; whether one does where None.
        seed: of the choice of what is held out.
        reporter: told how far it is.
        tell_apart: whether tokens outside of the vocabulary have numbers of their own.

    Raises:
        InputError: there is no usable document, or a single label, or no token is frequent enough.
    """
    counted = read_documents(corpus, tokenizer, max_types=vocabulary.max_types, progress=reporter.encoding)
    named = corpus.labels()
    labels = find_labels(named, several, corpus.name)
    targets = labels.encode(named)
    kept, held = np.arange(len(targets)), np.empty(0, np.int64)
    if valid is None and batches.held_out:
        kept, held = hold_out(targets, batches.held_out, seed)
    documents, words, splitter, others = number_documents(counted, kept, vocabulary, specials, tell_apart=tell_apart)
    if len(words) == len(words.specials) and not splitter.closed:
        raise InputError(f"{corpus.name}: no token occurs as often as min_count asks for, {vocabulary.min_count} times; give a lower one")
    whole = Labelled(documents, targets, others)
    train, rest = (whole.take(kept), whole.take(held)) if len(held) else (whole, None)
    problems: list[str] = []
    if valid is not None:
        encoded, others = encode_apart(valid, splitter, words) if tell_apart else (encode_documents(valid, splitter, words), [])
        rest = Labelled(encoded, labels.encode(valid.labels()), others)
        if not len(encoded):
            raise InputError(f"{valid.name}: no document with a label{valid.report.excuse()}")
        problems = valid.report.warnings()
        if unseen := labels.unseen(valid.labels()):
            problems.append(f"{valid.name}: {describe_unseen(unseen)}")
    facts = {
        "documents": len(train.documents),
        "valid_documents": 0 if rest is None else len(rest.documents),
        "held_out": bool(len(held)),
        "tokens": len(train.documents.ids),
        "labels": dict(zip(labels.names, train.targets.counts(len(labels)).tolist(), strict=True)),
        "vocabulary": len(words),
        "left_out": words.report,
        "problems": problems,
    }
    return LabelledData(train, rest, labels, words, splitter, facts)


def checks_of(corpus: LabelledCorpus, valid: LabelledCorpus | None, test: LabelledCorpus | None) -> list[Callable[[], None]]:
    """Give what tells of documents that cannot be used before anything is done with the others; each raises an InputError."""
    return [corpus.check, *(text.check_documents for text in (valid, test) if text is not None)]


def corpus_facts(corpus: LabelledCorpus, data: LabelledData) -> dict[str, Any]:
    """Say what lexloom.json is to say of the documents."""
    return {"name": corpus.name, **{name: data.facts[name] for name in ("documents", "valid_documents", "held_out", "labels")}}
