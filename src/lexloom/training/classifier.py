"""Train a text classifier: from labelled documents to a folder that is finished, or resumable (see `run_folder`)."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lexloom.errors import ConfigError, InputError
from lexloom.models.base import load_model
from lexloom.models.classification import evaluate_classifier, tune_thresholds
from lexloom.models.classifier import SPECIALS, Classifier
from lexloom.models.classifier_config import BATCH_SIZE, ClassifierOptions, ClassifierVocabularyConfig, DocumentConfig
from lexloom.options import describe
from lexloom.run_folder import RESULT, mark, refuse_other_text
from lexloom.text.documents import LengthBuckets
from lexloom.text.labels import LabelledCorpus
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig
from lexloom.training.config import ClassifierTrainingConfig
from lexloom.training.data import DocumentBatches, Share
from lexloom.training.fit import fit
from lexloom.training.labelled import Labelled, LabelledData, checks_of, corpus_facts, read_labelled
from lexloom.training.processor import processor, threads_of
from lexloom.training.reporter import Reporter, is_first_process
from lexloom.training.run import (
    await_first_process,
    best_model,
    check_together,
    following,
    keep_result,
    movement_facts,
    open_result,
    open_run,
    training_facts,
)


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
    if not is_first_process():
        return _join(plan, corpus, Path(out or ""), resume=resume)
    if out is None and plan.training.devices * plan.training.num_nodes > 1:
        raise ConfigError("several processes need a folder that all of them see; give --out")
    described, checks = plan.describe(), checks_of(corpus, valid, test)
    run = open_run(out, described, plan.training, plan.options.embedding, checks, resume=resume, overwrite=overwrite, result=("onnx",))
    with run as (folder, finished):
        if finished:
            return open_result(folder, Classifier)
        data = _read(plan, corpus, reporter)
        checksums = data.checksums()
        refuse_other_text(folder, checksums)
        trained = _make_model(plan, data)
        shares, best_by = _shares(plan, data), plan.training.best_by
        start = None if trained.coverage is None else trained.embedding_matrix().detach().clone()
        mark(folder, described, checksums)
        reporter.prepared(data.facts)
        conductor = fit(trained, plan.training, *shares, folder, keep=keep, reporter=reporter, best_by=best_by)
        model = best_model(trained, conductor)
        if model.labels.several and plan.options.model.threshold is None and data.valid is not None:
            model.thresholds = tune_thresholds(model.predictor()(data.valid.documents), data.valid.targets)
        facts = training_facts(described, plan.training, conductor, trained.coverage)
        facts["corpus"] = corpus_facts(corpus, data)
        facts |= movement_facts(model, start, model.embedding_matrix)
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

    def __post_init__(self) -> None:
        validated = self.valid is not None or self.batches.held_out > 0
        remedy = "validation documents; give --valid FILE, or a --held-out share above 0"
        check_together(self.training, self.options.embedding, validated=validated, remedy=remedy)

    def describe(self) -> dict[str, dict[str, Any]]:
        """The options in JSON values, by part."""
        parts = {name: getattr(self, name) for name in ("training", "batches", "tokenizer", "vocabulary")}
        return {**describe(**vars(self.options), **parts), "text": {"valid": self.valid and self.valid.name}}


def _read(plan: _Plan, corpus: LabelledCorpus, reporter: Reporter) -> LabelledData:
    several, seed = plan.options.model.multi_label, plan.training.seed
    how = (plan.tokenizer, plan.vocabulary, plan.batches)
    return read_labelled(corpus, plan.valid, *how, specials=SPECIALS, several=several, seed=seed, reporter=reporter)


def _make_model(plan: _Plan, data: LabelledData) -> Classifier:
    torch.manual_seed(plan.training.seed)
    generator = torch.Generator().manual_seed(plan.training.seed)
    weights = data.class_weights() if plan.options.model.class_weights == "balanced" else None
    model = Classifier(plan.options, data.labels, data.vocabulary, data.tokenizer, class_weights=weights, generator=generator)
    data.facts["parameters"] = sum(parameter.numel() for parameter in model.parameters())
    data.facts["coverage"] = model.coverage and model.coverage.as_dict()
    return model


def _shares(plan: _Plan, data: LabelledData) -> tuple[Share, Share | None]:
    """How processes share the batches, each with whole ones of its own."""
    longest, processes = plan.options.model.max_tokens, plan.training.devices * plan.training.num_nodes

    def share_of(part: Labelled, *, shuffled: bool) -> Share:
        lengths = part.documents.lengths if longest is None else np.minimum(part.documents.lengths, longest)
        size = plan.batches.training_batch_size(len(lengths)) if shuffled else plan.batches.batch_size or BATCH_SIZE
        buckets = LengthBuckets(lengths, size, plan.batches.batch_tokens, plan.training.seed)
        few = len(buckets.epoch(0)) < processes
        if shuffled and few:
            found = f"{len(part.documents)} documents make {len(buckets.epoch(0))} batches"
            raise InputError(f"{found}: too few for {processes} processes; give a lower --batch-size")
        return lambda process, processes: DocumentBatches(
            part.documents,
            part.targets,
            len(data.labels),
            buckets,
            longest=longest,
            shuffled=shuffled,
            share=(0, 1) if few else (process, processes),  # too few to validate on are measured by all, which changes no mean
        )

    return share_of(data.train, shuffled=True), None if data.valid is None else share_of(data.valid, shuffled=False)


def _join(plan: _Plan, corpus: LabelledCorpus, folder: Path, *, resume: bool) -> Classifier:
    """Train along in silence, once the first process is ready."""
    if resume and (folder / RESULT).exists():
        return load_model(folder, Classifier)
    with processor(threads_of(plan.training)):
        data = _read(plan, corpus, Reporter())
        checksums = data.checksums()
        await_first_process(folder, plan.describe(), lambda: checksums)
        trained = _make_model(plan, data)
        with following():
            fit(trained, plan.training, *_shares(plan, data), folder, keep=True, reporter=Reporter(), best_by=plan.training.best_by)
        return trained
