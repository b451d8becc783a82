"""Train a linear classifier: threads without the GIL, a learning rate that falls to zero, no torch."""

import dataclasses
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lexloom.errors import ConfigError, DivergedRun, InterruptedRun
from lexloom.models.classification import evaluate_classifier, tune_thresholds
from lexloom.models.classifier_config import ClassifierOptions, ClassifierVocabularyConfig, DocumentConfig
from lexloom.models.folder import TOKENIZER, VOCABULARY, WEIGHTS, read_folder
from lexloom.models.linear.classifier import LinearClassifier
from lexloom.models.linear.features import Features, features_of, renumber, types_of_vocabulary
from lexloom.models.linear.kernel import Answers, draw_rows, train_kernel, work_for
from lexloom.options import describe
from lexloom.run_folder import append_log, begin_anew, is_finished, run_folder
from lexloom.text.labels import LabelledCorpus
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig
from lexloom.training.config import ClassifierTrainingConfig
from lexloom.training.labelled import Labelled, LabelledData, checks_of, corpus_facts, read_labelled
from lexloom.training.reporter import Reporter, Working
from lexloom.vectors.config import available_cores
from lexloom.vectors.threads import run_threads

_RESULT = (WEIGHTS, VOCABULARY, TOKENIZER)
_DIM = 16  # floats of a cache line
_RATE = 0.5
_JOB = 1 << 16  # features: a few milliseconds of work
_SHARED = ("encoder", "multi_label", "threshold", "class_weights", "label_smoothing", "max_tokens")
_USED = {"embedding": ("embedding_dim", "vectors"), "training": ("epochs", "learning_rate", "seed", "threads", "best_by"), "model": _SHARED}


def train_linear_classifier(
    corpus: LabelledCorpus,
    options: ClassifierOptions,
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
) -> LinearClassifier:
    """Train a classifier with the encoder linear. Arguments and errors are those of `train_classifier`.

    The learning rate falls to zero, so the last epoch's model is kept. A training that was interrupted begins anew: it is short.
    """
    training, batches = training or ClassifierTrainingConfig(), batches or DocumentConfig()
    tokenizer, vocabulary = tokenizer or TokenizerConfig(), vocabulary or ClassifierVocabularyConfig()
    reporter = reporter or Reporter()
    training = dataclasses.replace(training, learning_rate=_RATE if training.learning_rate is None else training.learning_rate)
    refuse_unknown(options, training)
    described = describe(**vars(options), training=training, batches=batches, tokenizer=tokenizer, vocabulary=vocabulary)
    described["text"] = {"valid": valid and valid.name}
    threads = training.threads or available_cores()
    with run_folder(out) as folder:
        start = options.embedding.vectors
        if is_finished(folder, described, resume=resume, overwrite=overwrite, free=frozenset({"threads"}), starting_from=start):
            return open_linear(folder, threads)
        for check in checks_of(corpus, valid, test):  # what is wrong is told before anything is removed, or trained in vain
            check()
        begin_anew(folder, _RESULT, described)
        try:
            asked = _Asked(options, training, batches, tokenizer, vocabulary, valid, test, described, threads)
            model, facts = _train(corpus, asked, folder, reporter)
        except KeyboardInterrupt:
            raise InterruptedRun("interrupted, and nothing is saved: with --resume or --overwrite the training begins anew") from None
        if out is not None:
            model.save(folder, facts)
        return model


@dataclass(frozen=True)
class _Asked:
    """All that was asked for."""

    options: ClassifierOptions
    training: ClassifierTrainingConfig
    batches: DocumentConfig
    tokenizer: TokenizerConfig
    vocabulary: VocabularyConfig
    valid: LabelledCorpus | None
    test: LabelledCorpus | None
    described: dict[str, dict[str, Any]]
    threads: int


def _train(corpus: LabelledCorpus, asked: _Asked, folder: Path, reporter: Reporter) -> tuple[LinearClassifier, dict[str, Any]]:
    """Train a model; give it, and what lexloom.json is to say of it."""
    options, training = asked.options, asked.training
    data = read_labelled(
        corpus,
        asked.valid,
        asked.tokenizer,
        asked.vocabulary,
        asked.batches,
        specials=("unk",),
        several=options.model.multi_label,
        seed=training.seed,
        reporter=reporter,
        tell_apart=options.linear.max_char_ngram > 0,
    )
    run = _prepare(options, training, data, asked.threads)
    model = run.model
    data.facts.update(parameters=model.parameters, coverage=run.coverage)
    reporter.prepared(data.facts)
    records = list(_epochs(run, training, data, reporter, folder))
    if data.labels.several and options.model.threshold is None and data.valid is not None:
        model.thresholds = tune_thresholds(model.predictor(data.valid.others)(data.valid.documents), data.valid.targets)
    facts = {
        "parameters": model.parameters,
        "training": asked.described,
        "epochs": len(records),
        "best_epoch": None,
        "scores": records[-1],
        "coverage": run.coverage,
        "corpus": corpus_facts(corpus, data),
    }
    if asked.test is not None:
        facts["test"] = evaluate_classifier(model, asked.test).as_dict()
    return model, facts


def open_linear(folder: str | os.PathLike[str], threads: int | None = None) -> LinearClassifier:
    """Load a linear classifier.

    Raises:
        FormatError: it is missing, damaged, or something else; the message says where.
    """
    return read_folder(folder, lambda saved: LinearClassifier.build(saved, threads), LinearClassifier.kind)


def refuse_unknown(options: ClassifierOptions, training: ClassifierTrainingConfig) -> None:
    """Refuse options that are set and that only the other encoders know.

    Raises:
        ConfigError: there are such.
    """
    for part, config in (("model", options.model), ("embedding", options.embedding), ("training", training)):
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            if field.name not in _USED[part] and value != field.default:
                raise ConfigError(
                    f"{field.name} is {value!r}, which the encoder linear does not know; leave it out, or take another encoder"
                )


@dataclass(frozen=True)
class _Run:
    """A model and its features, ready to train."""

    model: LinearClassifier
    features: Features
    answers: Answers
    jobs: list[tuple[int, int]]
    weights: np.ndarray
    smoothing: np.float32
    threads: int
    coverage: dict[str, Any] | None


def _prepare(options: ClassifierOptions, training: ClassifierTrainingConfig, data: LabelledData, threads: int) -> _Run:
    config, words = options.linear, len(data.vocabulary)
    vectors = None
    if options.embedding.vectors is not None:
        from lexloom.vectors.formats import load_vectors

        vectors = load_vectors(options.embedding.vectors, only=data.vocabulary.tokens)
    dim = options.embedding.embedding_dim or (_DIM if vectors is None else vectors.dim)
    if vectors is not None and vectors.dim != dim:
        raise ConfigError(f"embedding_dim is {dim}, but the vectors have {vectors.dim} numbers a row; leave it out, or give other vectors")
    order = np.random.default_rng(training.seed).permutation(len(data.train.documents))  # files may be in the order of their labels
    train = data.train.take(order)
    features = features_of(
        train.documents.truncated(options.model.max_tokens), types_of_vocabulary(data.vocabulary, train.others, config), config, words
    )
    row_of = np.full(config.buckets, -1, np.int32)
    used = renumber(features, words, row_of, 0)
    buckets = np.empty(used, np.uint32)
    taken = np.flatnonzero(row_of >= 0)
    buckets[row_of[taken]] = taken
    model = LinearClassifier(
        config,
        data.labels,
        data.vocabulary,
        data.tokenizer,
        buckets,
        dim,
        threshold=options.model.threshold,
        max_tokens=options.model.max_tokens,
        threads=threads,
    )
    model.priors[:] = train.targets.counts(len(data.labels)) / max(1, len(train.documents))
    keys = np.concatenate([np.arange(words, dtype=np.uint32), buckets + np.uint32(words)])
    cuts = np.linspace(0, len(keys), 8 * threads + 1).astype(np.int64)
    seed = (training.seed ^ training.seed >> 32) & 0xFFFFFFFF
    with ThreadPoolExecutor(threads) as pool:
        fill = model.rows.reshape(-1), keys
        list(pool.map(lambda cut: draw_rows(*fill, *cut, dim, model.rows.shape[1], seed), pairwise(cuts)))
    coverage: dict[str, Any] | None = None
    if vectors is not None:
        rows, known = vectors.lookup(data.vocabulary.tokens)
        model.rows[:words][known, :dim] = rows[known]
        counts = data.vocabulary.counts
        coverage = {"types": words, "known_types": int(known.sum()), "tokens": int(counts.sum())}
        coverage |= {"known_tokens": int(counts[known].sum()), "warning": None}
    weights = data.class_weights() if options.model.class_weights == "balanced" else np.ones(len(data.labels))
    cuts = np.unique(np.searchsorted(features.starts, np.arange(0, len(features.rows) + _JOB, _JOB)).clip(max=len(features.lengths)))
    jobs = list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
    answers = Answers(train.targets.codes, train.targets.starts)
    smoothing = np.float32(options.model.label_smoothing)
    return _Run(model, features, answers, jobs, weights.astype(np.float32), smoothing, threads, coverage)


def _epochs(
    run: _Run, training: ClassifierTrainingConfig, data: LabelledData, reporter: Reporter, folder: Path
) -> Iterator[dict[str, Any]]:
    """Train, and give a record of each epoch."""
    begun = time.monotonic()
    held = None if data.valid is None else run.model.features(data.valid.documents, data.valid.others)
    for epoch in range(training.epochs):
        started = time.monotonic()
        loss = _train_epoch(run, training, epoch, reporter)
        seconds = time.monotonic() - started
        if not np.isfinite(loss) or not np.isfinite(run.model.output).all():
            raise DivergedRun(
                f"the weights are no finite numbers in epoch {epoch + 1}: the training diverged; give a lower --learning-rate"
            )
        documents, words = len(data.train.documents), len(data.train.documents.ids)
        record = {
            "epoch": epoch + 1,
            "train_loss": loss / max(1, documents),
            **_validate(run.model, held, data.valid),
            "documents_per_second": round(documents / seconds, 1) if seconds else None,
            "words_per_second": round(words / seconds, 1) if seconds else None,
            "learning_rate": _rate(training, epoch + 1, 0.0),
            "documents": documents,
            "seconds": round(seconds, 4),
            "minutes": round((time.monotonic() - begun) / 60, 4),
        }
        append_log(folder, record)
        reporter.epoch(record)
        yield record


def _rate(training: ClassifierTrainingConfig, epoch: int, fraction: float) -> float:
    """The learning rate where so much of an epoch, counted from 0, is done: it falls evenly to zero."""
    return (training.learning_rate or _RATE) * (1 - (epoch + fraction) / training.epochs)


def _train_epoch(run: _Run, training: ClassifierTrainingConfig, epoch: int, reporter: Reporter) -> float:
    model, lock, stopped = run.model, threading.Lock(), threading.Event()
    kernel = train_kernel(model.dim, len(model.labels), model.labels.several)
    before = np.concatenate([[0], np.cumsum(run.features.lengths)])
    total = max(1, int(before[-1]))
    slope = -(training.learning_rate or _RATE) / training.epochs / total
    longest = int(np.diff(run.features.starts).max(initial=0))
    flat, output = model.rows.reshape(-1), model.output.reshape(-1)
    queue = iter(run.jobs)
    losses: list[float] = []
    done = 0

    def work() -> None:
        nonlocal done
        mine = work_for(model.dim, len(model.labels), longest)
        while not stopped.is_set():
            with lock:
                job = next(queue, None)
            if job is None:
                return
            first, last = job
            rate = _rate(training, epoch, float(before[first]) / total)
            loss = kernel(mine, run.features, run.answers, first, last, flat, output, run.weights, run.smoothing, rate, slope)
            with lock:
                losses.append(loss)
                done = max(done, last)

    def look() -> None:
        fraction, seconds = done / len(run.features.lengths), max(1e-9, time.monotonic() - started)
        rate, loss = _rate(training, epoch, fraction), sum(losses) / max(1, done)
        reporter.working(Working(epoch + 1, fraction, loss, done / seconds, rate, (epoch + fraction) / training.epochs))

    started = time.monotonic()
    run_threads(work, run.threads, stopped, look)
    return sum(losses)


def _validate(model: LinearClassifier, held: Features | None, valid: Labelled | None) -> dict[str, float | None]:
    """Judge the features of the documents that are held out."""
    if held is None or valid is None:
        return {"valid_loss": None, "valid_accuracy": None}
    probabilities = model.judge(held).astype(np.float64).clip(1e-13, 1)
    if model.labels.several:
        true = valid.targets.matrix(len(model.labels))
        losses = -np.where(true, np.log(probabilities), np.log((1 - probabilities).clip(1e-13))).sum(1)
        right = ((probabilities >= model.thresholds) == true).all(1)
    else:
        codes = valid.targets.single
        losses = -np.log(np.where(codes >= 0, probabilities[np.arange(len(codes)), codes], probabilities.min(1)))
        right = probabilities.argmax(1) == codes
    return {"valid_loss": float(losses.mean()), "valid_accuracy": float(right.mean())}
