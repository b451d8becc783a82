"""Train word vectors: from a corpus to a folder that at any moment is either finished or can be resumed (see `run_folder`)."""

import dataclasses
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lexloom.compiled.memory import allocate
from lexloom.errors import ConfigError, FormatError, InterruptedRun
from lexloom.files import remove
from lexloom.run_folder import BEST, STORE, VALID, claim, mark, run_folder, start_over, write_log
from lexloom.tensors import checksum
from lexloom.text.corpus import Corpus, as_corpus, open_corpus
from lexloom.text.store import TokenStore, encode_corpus
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig
from lexloom.vectors.checkpoint import CHECKPOINT, RESULT_FILES, TrainingState, load_checkpoint, read_state, save_checkpoint
from lexloom.vectors.config import VectorConfig, VectorTrainingConfig
from lexloom.vectors.formats import load_vectors, write_folder
from lexloom.vectors.jobs import Split, cut_jobs, hold_out
from lexloom.vectors.kernels import Text
from lexloom.vectors.negative_sampling import NegativeSampling
from lexloom.vectors.table import Vectors
from lexloom.vectors.training_text import TrainingText, prepare_store, returned_rows, text_metadata, trained_counts
from lexloom.version import __version__

_FREE = frozenset({"threads", "checkpoint_minutes"})  # options that a resume may change


@dataclass(frozen=True)
class VectorProgress:
    """How far a training is, for whoever shows it."""

    epoch: int  # the epoch under way, counted from 1
    fraction: float  # of this epoch
    loss: float  # mean over the terms of this epoch so far, in nats
    speed: float  # raw words per second
    learning_rate: float
    seconds_left: float  # of the training


@dataclass(frozen=True)
class VectorReporter:
    """Functions to call during a training; by default they do nothing."""

    encoding: Callable[[int], None] = lambda _size: None
    """Called with the bytes of text encoded so far."""
    encoded: Callable[[TokenStore, bool], None] = lambda _store, _reused: None
    """Called with the store, and whether it existed already."""
    working: Callable[[VectorProgress], None] = lambda _progress: None
    """Called about ten times per second."""
    epoch: Callable[[dict[str, Any]], None] = lambda _record: None
    """Called after each epoch with its record, as in training.jsonl."""


def train_vectors(
    corpus: TrainingText,
    config: VectorConfig | None = None,
    training: VectorTrainingConfig | None = None,
    *,
    tokenizer: TokenizerConfig | None = None,
    vocabulary: VocabularyConfig | None = None,
    out: str | os.PathLike[str] | None = None,
    store: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    reporter: VectorReporter | None = None,
) -> Vectors:
    """Train word vectors on a corpus.

    Args:
        corpus: a path, glob, folder or URL of text; the result of `open_corpus`; a `TokenStore`; or an iterable of strings (split by the
            tokenizer) or of token lists (taken as they are), which is read once.
        config: what is learnt.
        training: how it is trained.
        tokenizer: how the text is split.
        vocabulary: which tokens get a vector.
        out: the folder to write; without it nothing is kept on disk.
        store: where the encoded corpus is kept. Default: `out`/store.
        resume: continue from the checkpoint in `out`, or start if there is none; a finished result is returned as it is.
        overwrite: replace a result or an unfinished run in `out`.
        reporter: functions to call during the training.

    Returns:
        The vectors; memory-mapped from `out` where it is given.

    Raises:
        ConfigError: options that contradict each other, a resume with other options, or a training that diverged.
        InputError: a corpus that is missing or empty, or an `out` that is in use.
        FormatError: a damaged store, checkpoint or `init`.
        InterruptedRun: Ctrl-C; the state is saved where `out` is given.
    """
    config = config or VectorConfig()
    training = (training or VectorTrainingConfig()).resolved(config.model)
    tokenizer, vocabulary = tokenizer or TokenizerConfig(), vocabulary or VocabularyConfig()
    reporter = reporter or VectorReporter()
    with run_folder(out) as folder:
        options: dict[str, Any] = {
            "run": {"kind": "vectors", "engine": "kernels"},
            "vectors": dataclasses.asdict(config),
            "training": dataclasses.asdict(training),
            "tokenizer": dataclasses.asdict(tokenizer),
            "vocabulary": dataclasses.asdict(vocabulary),
        }
        if claim(folder, options, resume=resume, overwrite=overwrite, free=_FREE, starting_from=training.init):
            return _finished(folder)
        corpus = corpus if isinstance(corpus, TokenStore) else as_corpus(corpus)
        if overwrite:
            if isinstance(corpus, Corpus):
                corpus.check()  # before anything is removed
            start_over(folder, RESULT_FILES, options)
        place = folder / STORE if store is None else Path(store)
        encoded, reused = prepare_store(corpus, place, tokenizer, vocabulary, resume=resume, progress=reporter.encoding)
        reporter.encoded(encoded, reused)
        run = _prepare(config, training, encoded, folder)
        mark(folder, options)
        state = TrainingState(encoded.header["checksums"]["ids"], run.start)
        if (folder / CHECKPOINT).exists():
            state = _resume(folder / CHECKPOINT, run.trainer, state)
        state = _train(run, state, folder, reporter, keep=out is not None)
        vectors = _result(run, encoded, state, options)
        if out is None:
            return vectors
        write_folder(vectors, folder)
        return _finished(folder)


def _finished(folder: Path) -> Vectors:
    """Load a result, and remove checkpoints that a kill may have left beside it."""
    for name in (CHECKPOINT, BEST):
        remove(folder / name)
    return load_vectors(folder)


# ---- text and matrices --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """A trainer and what belongs to its rows."""

    trainer: NegativeSampling
    validation: Split | None
    tokens: list[str]
    counts: np.ndarray
    returned: slice | np.ndarray  # the rows to return, in the order to return them
    start: str  # checksum of what the rows mean and start from


def _prepare(config: VectorConfig, training: VectorTrainingConfig, store: TokenStore, folder: Path) -> _Run:
    """Allocate and initialise the matrices: the rows of the store's vocabulary, then those of words that only `init` has."""
    seen = trained_counts(store)
    tokens, counts = list(store.vocabulary.tokens), seen
    trainable = np.ones(len(tokens), np.uint8)
    init = None if training.init is None else _load_init(training.init, config.dim)
    if init is not None:
        known = set(tokens)
        extra = [row for row, token in enumerate(init.tokens) if token not in known]
        tokens += [init.tokens[row] for row in extra]
        counts = np.concatenate([counts, init.counts[extra]])
    arrays = {name: allocate(len(tokens), config.dim) for name in ("input", "output")}
    _initialise(arrays["input"], config.dim, training.seed)
    start = checksum(json.dumps(tokens).encode())
    if init is not None:
        copied = _copy_rows(init, tokens, arrays, config.dim)
        if training.freeze_init:
            trainable[copied[: len(trainable)]] = 0
        start = checksum(start.encode(), json.dumps(init.tokens).encode(), init.matrix, b"" if init.output is None else init.output)
    split, validation = _splits(training, store, folder)
    trainer = NegativeSampling(config, training, split, seen, trainable, arrays)
    return _Run(trainer, validation, tokens, counts, returned_rows(store.vocabulary, counts), start)


def _load_init(path: str, dim: int) -> Vectors:
    """Load the vectors to start from.

    Raises:
        FormatError: a row holds NaN or infinity.
        ConfigError: they have another number of dimensions.
    """
    init = load_vectors(path)
    if not np.isfinite(init.matrix).all():
        row = int(np.flatnonzero(~np.isfinite(init.matrix).all(axis=1))[0])
        raise FormatError(f"{path}: the row of {init.tokens[row]!r} holds NaN or infinity; leave such rows out")
    if init.dim != dim:
        raise ConfigError(f"{path}: vectors of {init.dim} dimensions, but dim is {dim}; give dim {init.dim}")
    return init


def _initialise(matrix: np.ndarray, dim: int, seed: int) -> None:
    """Fill the input matrix as word2vec does, uniformly in +-0.5 / dim; the output matrix stays zero."""
    random = np.random.default_rng(seed)
    step = 1 << 14
    for first in range(0, len(matrix), step):
        rows = matrix[first : first + step]
        rows[:, :dim] = (random.random((len(rows), dim), np.float32) - np.float32(0.5)) / np.float32(dim)


def _copy_rows(init: Vectors, tokens: list[str], arrays: dict[str, np.ndarray], dim: int) -> np.ndarray:
    """Copy the rows of the tokens that `init` has; returns which those are, bool (V,)."""
    rows = np.array([init.index.get(token, -1) for token in tokens], np.int64)
    known = rows >= 0
    arrays["input"][known, :dim] = init.matrix[rows[known]]
    if init.output is not None:
        arrays["output"][known, :dim] = init.output[rows[known]]
    return known


def _splits(training: VectorTrainingConfig, store: TokenStore, folder: Path) -> tuple[Split, Split | None]:
    """Return the training split and the validation split."""
    text, tokens = _text(store), len(store.ids)
    if training.valid is None:
        return Split(text, cut_jobs(0, tokens)), None
    if training.valid_fraction is not None:
        train, held = hold_out(tokens, training.valid_fraction, training.seed)
        if not train or not held:
            raise ConfigError(f"valid is {training.valid}: nothing is left for training or for validation in a text of {tokens} tokens")
        return Split(text, train), Split(text, held)
    other = encode_corpus(open_corpus(str(training.valid)), store, folder / VALID)
    return Split(text, cut_jobs(0, tokens)), Split(_text(other), cut_jobs(0, len(other.ids)))


def _text(store: TokenStore) -> Text:
    """View the arrays of a store as plain read-only arrays, so that memory-mapped or not the same compiled kernel fits."""
    views = [np.asarray(array).view(np.ndarray) for array in (store.ids, store.starts)]
    for view in views:
        view.flags.writeable = False
    return Text(*views)


# ---- epochs -------------------------------------------------------------------------------------------------------------------------


def _resume(checkpoint: Path, trainer: NegativeSampling, fresh: TrainingState) -> TrainingState:
    """Load a checkpoint into the trainer.

    Raises:
        ConfigError: it belongs to another text, other tokens or other initial vectors than the state of a fresh training.
    """
    saved = read_state(checkpoint)
    if saved.text != fresh.text:
        raise ConfigError(f"{checkpoint}: was made with another text; give the same text to resume, or --overwrite to start again")
    if saved.start != fresh.start:
        raise ConfigError(
            f"{checkpoint}: was made with another vocabulary or other initial vectors; give the same vectors as init to resume, "
            "or --overwrite to start again"
        )
    return load_checkpoint(checkpoint, trainer.arrays)


def _train(run: _Run, state: TrainingState, folder: Path, reporter: VectorReporter, *, keep: bool) -> TrainingState:
    """Train to the end, with a checkpoint on a timer, after every epoch, and at Ctrl-C."""
    trainer, training = run.trainer, run.trainer.training
    jobs = len(trainer.split.jobs)

    def save() -> None:
        if keep:
            save_checkpoint(folder / CHECKPOINT, state, trainer.arrays)

    def tick(now: TrainingState, fraction: float) -> None:
        reporter.working(_progress(trainer, now, fraction))

    write_log(folder, state.history)
    try:
        while state.epoch < training.epochs and not _out_of_patience(state, training):
            trainer.train(state, time.monotonic() + 60 * training.checkpoint_minutes, tick)
            if state.job < jobs:
                save()
                continue
            trainer.check(state)
            record = _epoch_record(trainer, state, trainer.evaluate(run.validation) if run.validation else None)
            history = [*state.history, record]
            if training.patience is not None and min(history, key=lambda past: past["valid_loss"]) is record:
                state.best_epoch = state.epoch
                save_checkpoint(folder / BEST, state, trainer.arrays)
            state = TrainingState(state.text, state.start, state.epoch + 1, history=history, best_epoch=state.best_epoch)
            save()
            write_log(folder, state.history)
            reporter.epoch(record)
    except KeyboardInterrupt:  # jobs are finished before this is raised
        save()
        where = f"epoch {state.epoch + 1}, {state.job} of {jobs} jobs done"
        how = "saved; the same command with --resume continues" if keep else "nothing is saved, since no output folder was given"
        raise InterruptedRun(f"interrupted in {where}: {how}") from None
    if state.best_epoch is not None and state.best_epoch != state.epoch - 1:
        load_checkpoint(folder / BEST, trainer.arrays)
    return state


def _out_of_patience(state: TrainingState, training: VectorTrainingConfig) -> bool:
    return training.patience is not None and state.best_epoch is not None and state.epoch - 1 - state.best_epoch >= training.patience


def _progress(trainer: NegativeSampling, state: TrainingState, fraction: float) -> VectorProgress:
    tokens, epochs = trainer.split.tokens, trainer.training.epochs
    done = fraction * tokens
    speed = done / state.seconds if state.seconds else 0.0
    left = ((epochs - state.epoch) * tokens - done) / speed if speed else 0.0
    return VectorProgress(state.epoch + 1, fraction, state.loss / max(1, state.terms), speed, trainer.rate(state.epoch, int(done)), left)


def _epoch_record(trainer: NegativeSampling, state: TrainingState, valid_loss: float | None) -> dict[str, Any]:
    """Describe a finished epoch, as training.jsonl shows it."""
    return {
        "epoch": state.epoch + 1,
        "loss": state.loss / state.terms if state.terms else None,
        **({} if valid_loss is None else {"valid_loss": valid_loss}),
        "raw_words": trainer.split.tokens,
        "effective_words": state.words,
        "terms": state.terms,
        "seconds": round(state.seconds, 3),
        "learning_rate": trainer.rate(state.epoch + 1, 0),
    }


def _result(run: _Run, store: TokenStore, state: TrainingState, options: dict[str, Any]) -> Vectors:
    """Make `Vectors` of the trained rows, by descending count; views of the matrices, not copies."""
    arrays, dim, rows = run.trainer.arrays, run.trainer.config.dim, run.returned
    metadata = {
        **text_metadata(store),
        "options": options,
        "loss": [record["loss"] for record in state.history],
        "valid_loss": [record["valid_loss"] for record in state.history if "valid_loss" in record],
        "best_epoch": None if state.best_epoch is None else state.best_epoch + 1,
        "versions": {"lexloom": __version__, "numpy": np.__version__},
    }
    return Vectors(
        [run.tokens[row] for row in np.arange(len(run.tokens))[rows]],
        arrays["input"][rows, :dim],
        run.counts[rows],
        output=arrays["output"][rows, :dim] if run.trainer.training.keep_output else None,
        tokenizer=store.tokenizer.json,
        metadata=metadata,
    )
