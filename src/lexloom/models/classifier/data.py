"""The data of a classifier: encoded documents with labels, split into training and validation. Imports no torch."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from lexloom.errors import InputError
from lexloom.models.classifier.labels import LabelSet, Targets, describe_unseen, find_labels, hold_out
from lexloom.models.classifier.options import ClassifierOptions
from lexloom.tensors import checksum
from lexloom.text.blocks import ReadProgress
from lexloom.text.documents import Documents, encode_apart, encode_documents, number_documents, read_documents
from lexloom.text.examples import Examples, column_blocks
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary, describe_left_out

_MOST_LABELS = 12  # that are listed in a line


@dataclass(frozen=True)
class Labelled:
    """Encoded documents with their labels.

    Attributes:
        documents: n of them.
        targets: their labels.
        others: out-of-vocabulary tokens with ids after those of the vocabulary, if they are kept apart.
    """

    documents: Documents
    targets: Targets
    others: list[str] = field(default_factory=list)

    def take(self, numbers: np.ndarray) -> "Labelled":
        """Copy some documents, in the order of their numbers, int64 (m,)."""
        return Labelled(self.documents.take(numbers), self.targets.take(numbers), self.others)


@dataclass(frozen=True)
class LabelledData:
    """The data of a classifier.

    Attributes:
        train: documents to train on.
        valid: documents to validate on, which may have tokens and labels that are unknown.
        labels: of all documents, held-out ones included.
        vocabulary: of the documents to train on.
        tokenizer: how they were split.
        counts: int64 (C,), training documents per label.
        facts, about, problems: see `Data`.
    """

    train: Labelled
    valid: Labelled | None
    labels: LabelSet
    vocabulary: Vocabulary
    tokenizer: TextTokenizer
    counts: np.ndarray
    facts: dict[str, Any]
    about: list[str]
    problems: list[str]

    def checksums(self) -> dict[str, str]:
        """Identify the documents and their labels."""
        parts = [self.train] if self.valid is None else [self.train, self.valid]
        return {
            "ids": checksum(*(part.documents.ids for part in parts)),
            "labels": checksum(*(part.targets.codes for part in parts)),
        }

    def class_weights(self) -> np.ndarray:
        """Return weights (C,) by which rare labels count as much as frequent ones; multi-label: having a label as much as not having it."""
        counts, documents = np.maximum(1, self.counts), len(self.train.documents)
        if self.labels.multi_label:
            return np.asarray(np.maximum(1, documents - counts) / counts)
        return np.asarray(documents / (len(counts) * counts))


def read_labelled(
    corpus: Examples,
    valid: Examples | None,
    options: ClassifierOptions,
    progress: ReadProgress | None = None,
    *,
    specials: tuple[str, ...],
    keep_others: bool = False,
) -> LabelledData:
    """Encode documents, and hold out a share of each label to validate on unless validation documents are given.

    Args:
        corpus: documents with labels.
        valid: validation documents.
        options: of the tokenizer, the vocabulary, the labels and the share.
        progress: called with the bytes read.
        specials: the special tokens of the model, by role.
        keep_others: give out-of-vocabulary tokens ids of their own.

    Raises:
        InputError: there is no usable document, a single label, or no token is frequent enough.
    """
    parts: list[pl.Series] = []
    blocks = column_blocks(corpus, "text", lambda frame: parts.append(frame["labels"]))
    counted = read_documents(blocks, options.tokenizer, progress=progress)
    if not len(counted.documents.ids):
        raise corpus.nothing(f"no token in {corpus.report.documents} documents")
    named = pl.concat(parts)
    labels = find_labels(named, options.model.multi_label, corpus.name)
    targets = labels.encode(named)
    kept, held = np.arange(len(targets)), np.empty(0, np.int64)
    if valid is None and options.batches.held_out:
        kept, held = hold_out(targets, options.batches.held_out, options.training.seed)
    documents, words, tokenizer, others = number_documents(counted, kept, options.vocabulary, specials, tell_apart=keep_others)
    if len(words) == len(words.specials) and not tokenizer.closed:
        raise InputError(f"{corpus.name}: no token occurs {options.vocabulary.min_count} times; give a lower min_count")
    whole = Labelled(documents, targets, others)
    train, rest = (whole.take(kept), whole.take(held)) if len(held) else (whole, None)
    problems = list(corpus.report.warnings())
    if valid is not None:
        rest = _read_valid(valid, labels, tokenizer, words, problems, keep_others=keep_others)
    counts = train.targets.counts(len(labels))
    facts = {
        "name": corpus.name,
        "documents": len(train.documents),
        "valid_documents": 0 if rest is None else len(rest.documents),
        "held_out": bool(len(held)),
        "tokens": len(train.documents.ids),
        "labels": dict(zip(labels.names, counts.tolist(), strict=True)),
    }
    return LabelledData(train, rest, labels, words, tokenizer, counts, facts, _describe(facts, words), problems)


def _read_valid(
    valid: Examples, labels: LabelSet, tokenizer: TextTokenizer, words: Vocabulary, problems: list[str], *, keep_others: bool
) -> Labelled:
    parts: list[pl.Series] = []
    blocks = column_blocks(valid, "text", lambda frame: parts.append(frame["labels"]))
    encoded, others = encode_apart(blocks, tokenizer, words) if keep_others else (encode_documents(blocks, tokenizer, words), [])
    if not len(encoded):
        raise valid.nothing(f"no {valid.noun}")
    problems += valid.report.warnings()
    named = pl.concat(parts)
    if unseen := labels.unseen(named):
        problems.append(f"{valid.name}: {describe_unseen(unseen)}")
    return Labelled(encoded, labels.encode(named), others)


def _describe(facts: dict[str, Any], words: Vocabulary) -> list[str]:
    labels = sorted(facts["labels"].items(), key=lambda item: -item[1])
    listed = ", ".join(f"{name} {number:,}" for name, number in labels[:_MOST_LABELS]) + (", ..." if len(labels) > _MOST_LABELS else "")
    lines = [f"{facts['documents']:,} documents to train on, {facts['tokens']:,} tokens; {len(labels)} labels: {listed}"]
    lines.append(f"vocabulary: {len(words):,} tokens{describe_left_out(words.report)}")
    if facts["held_out"]:
        lines.append(f"validation: {facts['valid_documents']:,} documents, held out from each label")
    else:
        validation = f"validation: {facts['valid_documents']:,} documents"
        lines.append(validation if facts["valid_documents"] else "no validation documents: the last epoch is kept")
    return lines


def check_documents(corpus: Examples, valid: Examples | None, test: Examples | None) -> None:
    """Raise an InputError if documents are unusable, before anything is deleted or trained."""
    corpus.check()
    for text in (valid, test):
        if text is not None:
            text.check_any()
