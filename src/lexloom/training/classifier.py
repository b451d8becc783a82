"""Train a text classifier: from labelled documents to a folder that is finished, or resumable (see `run_folder`)."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lexloom.errors import ConfigError, InputError
from lexloom.files import remove
from lexloom.models.base import TOKENIZER, VOCABULARY, WEIGHTS, load_model, save_model
from lexloom.models.classifier import SPECIALS, Classifier
from lexloom.models.classifier_config import ClassifierOptions, ClassifierVocabularyConfig, DocumentConfig
from lexloom.models.label_set import LabelSet, Targets, find_labels, hold_out
from lexloom.nn.movement import movement
from lexloom.report.curves import plot_curves
from lexloom.run_folder import TORCH_CHECKPOINT, begin_anew, is_finished, mark, refuse_other_text, run_folder
from lexloom.tensors import checksum
from lexloom.text.documents import Documents, LengthBuckets, encode_documents, number_documents, read_documents
from lexloom.text.labels import LabelledCorpus
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig
from lexloom.training.callbacks import Conductor, Reporter
from lexloom.training.config import ClassifierTrainingConfig, TrainingConfig
from lexloom.training.data import DocumentBatches, Share
from lexloom.training.fit import TENSORBOARD, fit
from lexloom.training.processor import precision_of, processor, threads_of

CURVES = "curves.png"
_RESULT = (TORCH_CHECKPOINT, WEIGHTS, VOCABULARY, TOKENIZER, CURVES, TENSORBOARD)
_FREE = frozenset({"threads", "checkpoint_seconds", "tensorboard", "learning_rate", "embedding_learning_rate", "clip"})


def train_classifier(
    corpus: LabelledCorpus,
    options: ClassifierOptions | None = None,
    training: TrainingConfig | None = None,
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
        The model of the epoch with the lowest validation loss, or of the last epoch without validation; in evaluation mode.

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
    reporter = reporter or Reporter()
    with run_folder(out) as folder, processor(threads_of(plan.training)):
        described, starting_from = plan.describe(), plan.options.embedding.vectors
        if is_finished(folder, described, resume=resume, overwrite=overwrite, free=_FREE, starting_from=starting_from):
            return _finished(folder)
        for text in (corpus, valid, test):
            if text is not None:
                text.fingerprint()  # a missing file is told of before anything is removed or read
        if overwrite:
            begin_anew(folder, _RESULT, described)
        job = _prepare(plan, corpus, reporter)
        refuse_other_text(folder, job.checksums)
        mark(folder, described, job.checksums)
        reporter.prepared(job.facts)
        conductor = fit(job.model, plan.training, *_shares(plan, job), folder, keep=out is not None, reporter=reporter)
        return _finish(job, plan, conductor, folder, corpus, keep=out is not None)


@dataclass(frozen=True)
class _Plan:
    """All that was asked for."""

    options: ClassifierOptions
    training: TrainingConfig
    batches: DocumentConfig
    tokenizer: TokenizerConfig
    vocabulary: VocabularyConfig
    valid: LabelledCorpus | None

    def describe(self) -> dict[str, dict[str, Any]]:
        """The options in JSON values, by part."""
        parts = {**vars(self.options), **{name: getattr(self, name) for name in ("training", "batches", "tokenizer", "vocabulary")}}
        return {**{name: _plain(part) for name, part in parts.items()}, "text": {"valid": self.valid and self.valid.name}}


def _plain(part: Any) -> dict[str, Any]:
    """A dataclass in values that come back from JSON as they were."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(part).items()}


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
    return (len(targets) - counts) / counts if targets.several else len(targets) / (labels * counts)


def _shares(plan: _Plan, job: _Job) -> tuple[Share, Share | None]:
    def share_of(part: _Labelled, *, shuffled: bool) -> Share:
        lengths = np.minimum(part.documents.lengths, plan.options.model.max_tokens or np.iinfo(np.int64).max)
        buckets = LengthBuckets(lengths, plan.batches.batch_size, plan.batches.batch_tokens, plan.training.seed)
        labels, longest = len(job.model.labels), plan.options.model.max_tokens
        return lambda process, processes: DocumentBatches(
            part.documents, part.targets, labels, buckets, longest=longest, shuffled=shuffled, share=(process, processes)
        )

    return share_of(job.train, shuffled=True), None if job.valid is None else share_of(job.valid, shuffled=False)


def _finish(job: _Job, plan: _Plan, conductor: Conductor, folder: Path, corpus: LabelledCorpus, *, keep: bool) -> Classifier:
    """Make the model of the best weights, and write it down."""
    trained = job.model
    model = Classifier.build(trained.options(), trained.vocabulary, trained.tokenizer)
    model.load_state_dict(conductor.best if conductor.best is not None else trained.weights())
    model.eval()
    history = conductor.history
    facts: dict[str, Any] = {
        "training": plan.describe(),
        "corpus": {"name": corpus.name, **{name: job.facts[name] for name in ("documents", "valid_documents", "held_out", "labels")}},
        "epochs": len(history.records),
        "best_epoch": history.best_epoch,
        "scores": history.records[(history.best_epoch or len(history.records)) - 1],
        "coverage": job.facts["coverage"],
        "precision": precision_of(plan.training),
    }
    if job.start is not None:
        moved = movement(job.start, model.embedding_matrix().detach(), model.vocabulary.tokens, model.vocabulary.counts)
        facts["movement"] = moved.as_dict()
    if keep:
        plot_curves(history.records, folder / CURVES, title=folder.resolve().name)
        save_model(model, folder, facts)
        return _finished(folder)
    return model


def _finished(folder: Path) -> Classifier:
    """Load a result; the checkpoint that led to it is of no more use."""
    remove(folder / TORCH_CHECKPOINT)
    return load_model(folder, Classifier)
