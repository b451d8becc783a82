"""Train a linear classifier: threads without the GIL, a learning rate that falls linearly to zero. Imports no torch."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lexloom.artefact import RESULT, TOKENIZER, VOCABULARY, WEIGHTS
from lexloom.compiled.threads import available_cores, run_jobs
from lexloom.errors import ConfigError, DivergedRun, InterruptedRun
from lexloom.files import read_json
from lexloom.models.classifier.data import Labelled, LabelledData, check_documents, read_labelled
from lexloom.models.classifier.linear.features import Features, features_of, renumber, types_of_vocabulary
from lexloom.models.classifier.linear.kernel import Answers, Job, Matrices, Objective, draw_rows, train_kernel, work_for
from lexloom.models.classifier.linear.model import LinearClassifier
from lexloom.models.classifier.options import ClassifierOptions, ClassifierTrainingConfig
from lexloom.models.classifier.scores import evaluate_classifier, tune_thresholds
from lexloom.models.loading import load_model
from lexloom.options import describe
from lexloom.run_folder import RunConfig, Trained, append_log, claim, run_folder, start_over
from lexloom.text.examples import Examples
from lexloom.text.vocabulary import Vocabulary
from lexloom.training.reporter import Reporter, Working

if TYPE_CHECKING:
    from lexloom.vectors.table import Vectors

_RESULT = (WEIGHTS, VOCABULARY, TOKENIZER)
_DIM = 16  # floats of a cache line
_RATE = 0.5
_JOB = 1 << 16  # features: a few milliseconds of work
_SHARED = ("encoder", "multi_label", "threshold", "class_weights", "label_smoothing", "max_tokens")
_USED = {"embedding": ("embedding_dim", "vectors"), "training": ("epochs", "learning_rate", "seed", "threads", "best_by"), "model": _SHARED}


def train_linear(
    corpus: Examples,
    options: ClassifierOptions,
    *,
    valid: Examples | None = None,
    test: Examples | None = None,
    run: RunConfig | None = None,
    reporter: Reporter | None = None,
) -> Trained[LinearClassifier]:
    """Train a classifier with the linear encoder; arguments and errors are those of `train_classifier`.

    The learning rate falls to zero, so the model of the last epoch is kept. A run is short: an interrupted one starts over.
    """
    run, reporter = run or RunConfig(), reporter or Reporter()
    rate = _RATE if options.training.learning_rate is None else options.training.learning_rate
    options = dataclasses.replace(options, training=dataclasses.replace(options.training, learning_rate=rate))
    refuse_unknown(options)
    described = {"run": {"kind": LinearClassifier.kind}, **describe(options), "text": {"valid": valid and valid.name}}
    threads = options.training.threads or available_cores()
    with run_folder(run.out) as folder:
        start = options.embedding.vectors
        finished = claim(folder, described, resume=run.resume, overwrite=run.overwrite, free=frozenset({"threads"}), starting_from=start)
        if finished:
            return Trained(_open(folder, threads), read_json(folder / RESULT))
        check_documents(corpus, valid, test)
        start_over(folder, _RESULT, described)
        try:
            data = read_labelled(
                corpus, valid, options, reporter.encoding, specials=("unk",), keep_others=options.linear.max_char_ngram > 0
            )
            model, facts = _train(options, data, threads, folder, reporter)
        except KeyboardInterrupt:
            raise InterruptedRun("interrupted, and nothing is saved: --resume or --overwrite starts over") from None
        facts = {"texts": described["text"]} | facts
        if test is not None:
            facts["test"] = evaluate_classifier(model, test).as_dict()
        if run.out is not None:
            model.save(folder, facts)
        return Trained(model, facts)


def _open(folder: Path, threads: int) -> LinearClassifier:
    model: LinearClassifier = load_model(folder, LinearClassifier.kind)
    model.threads = threads
    return model


def _train(
    options: ClassifierOptions, data: LabelledData, threads: int, folder: Path, reporter: Reporter
) -> tuple[LinearClassifier, dict[str, Any]]:
    """Train a model; returns it with the facts for lexloom.json."""
    training = options.training
    run = _prepare(options, training, data, threads)
    model = run.model
    facts = {"corpus": data.facts, "parameters": model.parameters, "coverage": run.coverage}
    reporter.prepared(facts | {"about": data.about, "problems": data.problems})
    held = None if data.valid is None else model.features(data.valid.documents, data.valid.others)
    records = list(_epochs(run, training, data, held, reporter, folder))
    scores = dict(records[-1])
    if data.labels.multi_label and options.model.threshold is None and data.valid is not None and held is not None:
        model.thresholds = tune_thresholds(model.probabilities(held), data.valid.targets)
        scores |= _validate(model, held, data.valid)  # the accuracy is optimistic: the thresholds are tuned on the same documents
    return model, facts | {"training": describe(options), "epochs": len(records), "best_epoch": None, "scores": scores}


def refuse_unknown(options: ClassifierOptions) -> None:
    """Raise a ConfigError if an option is set that only the other encoders have."""
    for part, config in (("model", options.model), ("embedding", options.embedding), ("training", options.training)):
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            if field.name not in _USED[part] and value != field.default:
                raise ConfigError(
                    f"{field.name} is {value!r}, which the linear encoder does not have; leave it out, or use another encoder"
                )


@dataclass(frozen=True)
class _Run:
    """A model and its features, ready to train."""

    model: LinearClassifier
    features: Features
    targets: Answers
    jobs: list[tuple[int, int]]
    objective: Objective
    threads: int
    coverage: dict[str, Any] | None


def _prepare(options: ClassifierOptions, training: ClassifierTrainingConfig, data: LabelledData, threads: int) -> _Run:
    config, words = options.linear, len(data.vocabulary)
    vectors = _load_vectors(options, data.vocabulary)
    dim = options.embedding.embedding_dim or (_DIM if vectors is None else vectors.dim)
    if vectors is not None and vectors.dim != dim:
        raise ConfigError(
            f"embedding_dim is {dim}, but the vectors have {vectors.dim} numbers per row; leave it out, or give other vectors"
        )
    order = np.random.default_rng(training.seed).permutation(len(data.train.documents))  # files may be sorted by label
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
    coverage = _start_rows(model, training.seed, vectors)
    weights = data.class_weights() if options.model.class_weights == "balanced" else np.ones(len(data.labels))
    cuts = np.unique(np.searchsorted(features.starts, np.arange(0, len(features.rows) + _JOB, _JOB)).clip(max=len(features.lengths)))
    jobs = list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
    targets = Answers(train.targets.codes, train.targets.starts)
    objective = Objective(weights.astype(np.float32), np.float32(options.model.label_smoothing))
    return _Run(model, features, targets, jobs, objective, threads, coverage)


def _load_vectors(options: ClassifierOptions, vocabulary: Vocabulary) -> "Vectors | None":
    if options.embedding.vectors is None:
        return None
    from lexloom.vectors.formats import load_vectors

    return load_vectors(options.embedding.vectors, only=vocabulary.tokens)


def _start_rows(model: LinearClassifier, seed: int, vectors: "Vectors | None") -> dict[str, Any] | None:
    """Draw the rows of a model, and replace those of words that have a vector. Returns how much the vectors cover."""
    words = len(model.vocabulary)
    keys = np.concatenate([np.arange(words, dtype=np.uint32), model.buckets + np.uint32(words)])
    cuts = np.linspace(0, len(keys), 8 * model.threads + 1).astype(np.int64)
    folded = (seed ^ seed >> 32) & 0xFFFFFFFF
    with ThreadPoolExecutor(model.threads) as pool:
        fill = model.rows.reshape(-1), keys
        list(pool.map(lambda cut: draw_rows(*fill, *cut, model.dim, model.rows.shape[1], folded), pairwise(cuts)))
    if vectors is None:
        return None
    rows, known = vectors.lookup(model.vocabulary.tokens)
    model.rows[:words][known, : model.dim] = rows[known]
    counts = model.vocabulary.counts
    covered = {"types": words, "known_types": int(known.sum()), "tokens": int(counts.sum()), "known_tokens": int(counts[known].sum())}
    return {**covered, "warning": None}


def _epochs(
    run: _Run, training: ClassifierTrainingConfig, data: LabelledData, held: Features | None, reporter: Reporter, folder: Path
) -> Iterator[dict[str, Any]]:
    """Train, and yield the record of each epoch.

    Args:
        run: what to train.
        training: how.
        data: the documents.
        held: features of the validation documents.
        reporter: called during the run.
        folder: for the log.
    """
    begun = time.monotonic()
    for epoch in range(training.epochs):
        started = time.monotonic()
        loss = _train_epoch(run, training, epoch, reporter)
        seconds = time.monotonic() - started
        if not np.isfinite(loss) or not np.isfinite(run.model.output).all():
            raise DivergedRun(f"the weights are not finite in epoch {epoch + 1}: the run diverged; give a lower --learning-rate")
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
    """The learning rate after a fraction of an epoch, counted from 0: it falls linearly to zero over the run."""
    return (training.learning_rate or _RATE) * (1 - (epoch + fraction) / training.epochs)


def _train_epoch(run: _Run, training: ClassifierTrainingConfig, epoch: int, reporter: Reporter) -> float:
    model, jobs = run.model, run.jobs
    kernel = train_kernel(model.dim, len(model.labels), model.labels.multi_label)
    before = np.concatenate([[0], np.cumsum(run.features.lengths)])
    total = max(1, int(before[-1]))
    slope = -(training.learning_rate or _RATE) / training.epochs / total
    longest = int(np.diff(run.features.starts).max(initial=0))
    matrices = Matrices(model.rows.reshape(-1), model.output.reshape(-1))
    losses: list[float] = []
    done = 0

    def start_worker() -> Callable[[int], float]:
        work = work_for(model.dim, len(model.labels), longest)

        def train(number: int) -> float:
            first, last = jobs[number]
            job = Job(first, last, _rate(training, epoch, float(before[first]) / total), slope)
            return float(kernel(work, run.features, run.targets, run.objective, matrices, job))

        return train

    def finished(number: int, loss: float) -> None:
        nonlocal done
        losses.append(loss)
        done = max(done, jobs[number][1])

    def tick() -> None:
        fraction, seconds = done / len(run.features.lengths), max(1e-9, time.monotonic() - started)
        rate, loss = _rate(training, epoch, fraction), sum(losses) / max(1, done)
        reporter.working(Working(epoch + 1, fraction, loss, done / seconds, rate, (epoch + fraction) / training.epochs))

    started = time.monotonic()
    run_jobs(range(len(jobs)), start_worker, finished, threads=run.threads, tick=tick)
    return sum(losses)


def _validate(model: LinearClassifier, held: Features | None, valid: Labelled | None) -> dict[str, float | None]:
    """Return loss and accuracy on the features of the validation documents."""
    if held is None or valid is None:
        return {"valid_loss": None, "valid_accuracy": None}
    probabilities = model.probabilities(held).astype(np.float64).clip(1e-13, 1)
    if model.labels.multi_label:
        true = valid.targets.matrix(len(model.labels))
        losses = -np.where(true, np.log(probabilities), np.log((1 - probabilities).clip(1e-13))).sum(1)
        right = ((probabilities >= model.thresholds) == true).all(1)
    else:
        codes = valid.targets.single
        losses = -np.log(np.where(codes >= 0, probabilities[np.arange(len(codes)), codes], probabilities.min(1)))
        right = probabilities.argmax(1) == codes
    return {"valid_loss": float(losses.mean()), "valid_accuracy": float(right.mean())}
