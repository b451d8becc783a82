"""Train a text classifier: from labelled documents to a folder that is finished, or resumable (see `run_folder`)."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lexloom.models.classification import evaluate_classifier, tune_thresholds
from lexloom.models.classifier import SPECIALS, Classifier
from lexloom.models.classifier_config import ClassifierOptions, ClassifierVocabularyConfig, DocumentConfig
from lexloom.models.label_set import Targets, find_labels, hold_out
from lexloom.run_folder import mark, refuse_other_text
from lexloom.tensors import checksum
from lexloom.text.documents import Documents, LengthBuckets, encode_documents, number_documents, read_documents
from lexloom.text.labels import LabelledCorpus
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig
from lexloom.training.callbacks import Reporter
from lexloom.training.config import ClassifierTrainingConfig
from lexloom.training.data import DocumentBatches, Share
from lexloom.training.fit import fit
from lexloom.training.run import best_model, describe, keep_result, movement_facts, open_result, open_run, training_facts


def train_classifier(
    corpus: LabelledCorpus,
    options: ClassifierOptions | None = None,
    training: ClassifierTrainingConfig | None = None,
    batches: DocumentConfig | None = None,
    *,
    tokenizer: TokenizerConfig | None = None,
    vocabulary: VocabularyConfig | None = None,
    valid: LabelledCorpus | None = None,
    test: LabelledCorpus | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> Classifier:
    """Train a classifier.

    Args:
        corpus: documents with labels, see `open_labelled`.
        options: the model's shape.
        training: how to train.
        batches: how documents are put into batches, and how many are held out.
        tokenizer: how the text is split.
        vocabulary: which tokens get an id; all unless given.
        valid: the validation documents; a tenth of those of each label unless given.
        test: documents to evaluate on at the end.
        out: the folder to write; without it nothing is kept on disk.
        resume: go on from the checkpoint in `out`, or begin if there is none; a finished result is returned as it is.
        overwrite: replace a result or an unfinished run in `out`.
        reporter: what to call while it runs.

    Returns:
        The model of the epoch that did best on the validation documents, or of the last epoch without validation; in evaluation mode.

    Raises:
        ConfigError: options that do not fit together, or a resume with other options.
        InputError: no usable document, a single label, or an `out` that is in use.
        FormatError: a damaged checkpoint, or vectors that cannot be read.
        DivergedRun: the loss is no number any more; the last checkpoint is kept.
        InterruptedRun: Ctrl-C; the last checkpoint is kept.
    """
    plan = _Plan(
        options or ClassifierOptions(),
        (training or ClassifierTrainingConfig()).resolved(),
        batches or DocumentConfig(),
        tokenizer or TokenizerConfig(),
        vocabulary or ClassifierVocabularyConfig(),
        valid,
    )
    reporter, keep = reporter or Reporter(), out is not None
    described, texts = plan.describe(), (corpus, valid, test)
    with open_run(out, described, plan.training, plan.options.embedding, texts, resume=resume, overwrite=overwrite) as (folder, finished):
        if finished:
            return open_result(folder, Classifier)
        job = _prepare(plan, corpus, reporter)
        refuse_other_text(folder, job.checksums)
        mark(folder, described, job.checksums)
        reporter.prepared(job.facts)
        best_by = plan.training.best_by
        conductor = fit(job.model, plan.training, *_shares(plan, job), folder, keep=keep, reporter=reporter, best_by=best_by)
        model = best_model(job.model, conductor)
        if model.labels.several and plan.options.model.threshold is None and job.valid is not None:
            model.thresholds = tune_thresholds(model.predictor()(job.valid.documents), job.valid.targets)
        facts = training_facts(described, plan.training, conductor, job.model.coverage)
        told = ("documents", "valid_documents", "held_out", "labels")
        facts["corpus"] = {"name": corpus.name, **{name: job.facts[name] for name in told}}
        facts |= movement_facts(model, job.start, model.embedding_matrix)
        if test is not None:
            facts["test"] = evaluate_classifier(model, test).as_dict()
        return keep_result(model, folder, facts, conductor) if keep else model


@dataclass(frozen=True)
class _Plan:
    """All that was asked for."""

    options: ClassifierOptions
    training: ClassifierTrainingConfig
    batches: DocumentConfig
    tokenizer: TokenizerConfig
    vocabulary: VocabularyConfig
    valid: LabelledCorpus | None

    def describe(self) -> dict[str, dict[str, Any]]:
        """The options in JSON values, by part."""
        parts = {name: getattr(self, name) for name in ("training", "batches", "tokenizer", "vocabulary")}
        return {**describe(**vars(self.options), **parts), "text": {"valid": self.valid and self.valid.name}}


@dataclass(frozen=True)
class _Labelled:
    """Documents with their labels by number."""

    documents: Documents
    targets: Targets

    def take(self, numbers: np.ndarray) -> "_Labelled":
        return _Labelled(self.documents.take(numbers), self.targets.take(numbers))


@dataclass(frozen=True)
class _Job:
    """A model and its text, ready to train."""

    model: Classifier
    start: torch.Tensor | None
    train: _Labelled
    valid: _Labelled | None
    checksums: dict[str, str]
    facts: dict[str, Any]


def _prepare(plan: _Plan, corpus: LabelledCorpus, reporter: Reporter) -> _Job:
    config = plan.options.model
    counted = read_documents(corpus, plan.tokenizer, max_types=plan.vocabulary.max_types, progress=reporter.encoding)
    named = corpus.labels()
    labels = find_labels(named, config.multi_label, corpus.name)
    targets = labels.encode(named)
    chosen = np.arange(len(targets)), np.empty(0, np.int64)
    if plan.valid is None and plan.batches.held_out:
        chosen = hold_out(targets, plan.batches.held_out, plan.training.seed)
    documents, vocabulary, tokenizer = number_documents(counted, chosen[0], plan.vocabulary, SPECIALS)
    whole = _Labelled(documents, targets)
    train, valid = whole.take(chosen[0]), whole.take(chosen[1]) if len(chosen[1]) else None
    if plan.valid is not None:
        other = encode_documents(plan.valid, tokenizer, vocabulary)
        valid = _Labelled(other, labels.encode(plan.valid.labels()))
    torch.manual_seed(plan.training.seed)
    generator = torch.Generator().manual_seed(plan.training.seed)
    weights = _class_weights(train.targets, len(labels)) if config.class_weights == "balanced" else None
    model = Classifier(plan.options, labels, vocabulary, tokenizer, class_weights=weights, generator=generator)
    start = None if model.coverage is None else model.embedding_matrix().detach().clone()
    facts = {
        "documents": len(train.documents),
        "valid_documents": 0 if valid is None else len(valid.documents),
        "held_out": bool(len(chosen[1])),
        "tokens": len(train.documents.ids),
        "labels": dict(zip(labels.names, train.targets.matrix(len(labels)).sum(0).tolist(), strict=True)),
        "vocabulary": len(vocabulary),
        "left_out": vocabulary.report,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "coverage": None if model.coverage is None else model.coverage.as_dict(),
        "problems": [],
    }
    return _Job(model, start, train, valid, {"ids": checksum(documents.ids), "labels": checksum(targets.codes)}, facts)


def _class_weights(targets: Targets, labels: int) -> np.ndarray:
    """Weights that make rare labels count as much as frequent ones; with several labels, having one as much as not having it."""
    counts = np.maximum(1, targets.matrix(labels).sum(0))
    weights: np.ndarray = (len(targets) - counts) / counts if targets.several else len(targets) / (labels * counts)
    return weights


def _shares(plan: _Plan, job: _Job) -> tuple[Share, Share | None]:
    def share_of(part: _Labelled, *, shuffled: bool) -> Share:
        lengths = np.minimum(part.documents.lengths, plan.options.model.max_tokens or np.iinfo(np.int64).max)
        buckets = LengthBuckets(lengths, plan.batches.batch_size, plan.batches.batch_tokens, plan.training.seed)
        labels, longest = len(job.model.labels), plan.options.model.max_tokens
        return lambda process, processes: DocumentBatches(
            part.documents, part.targets, labels, buckets, longest=longest, shuffled=shuffled, share=(process, processes)
        )

    return share_of(job.train, shuffled=True), None if job.valid is None else share_of(job.valid, shuffled=False)
