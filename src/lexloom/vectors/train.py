"""Train word vectors: from a corpus to a folder that is finished, or resumable at any moment before (see `run_folder`)."""

import dataclasses
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lexloom.errors import ConfigError, FormatError, InputError, InterruptedRun
from lexloom.files import remove
from lexloom.run_folder import BEST, STORE, TORCH_CHECKPOINT, VALID, begin_anew, is_finished, mark, run_folder, write_log
from lexloom.text.readers import Corpus, CorpusSource, as_corpus, open_corpus
from lexloom.text.store import TokenStore, encode_corpus, open_or_build_store
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import Vocabulary, VocabularyConfig
from lexloom.vectors.checkpoint import Progress, load_checkpoint, save_checkpoint
from lexloom.vectors.config import VectorConfig
from lexloom.vectors.formats import load_vectors, write_folder
from lexloom.vectors.loop import Loop, Text, allocate, cut, describe_epoch, hold_out
from lexloom.vectors.table import Vectors
from lexloom.version import __version__

CHECKPOINT = "checkpoint.safetensors"
_RESULT = (CHECKPOINT, TORCH_CHECKPOINT, "model.safetensors", "output.safetensors")
_FREE = frozenset({"threads", "checkpoint_minutes"})

Source = CorpusSource | TokenStore


@dataclass(frozen=True)
class Reporter:
    """What a training tells while it runs; each part does nothing unless given."""

    encoding: Callable[[int], None] = lambda _size: None
    """Bytes of text encoded so far."""
    encoded: Callable[[TokenStore, bool], None] = lambda _store, _reused: None
    """The store, and whether it was there already."""
    working: Callable[[Progress, float, Loop], None] = lambda _progress, _fraction, _loop: None
    """Some ten times a second: how far the epoch has come."""
    epoch: Callable[[dict[str, Any]], None] = lambda _record: None
    """A finished epoch: its line of training.jsonl."""


def train_vectors(
    corpus: Source,
    config: VectorConfig | None = None,
    *,
    tokenizer: TokenizerConfig | None = None,
    vocabulary: VocabularyConfig | None = None,
    out: str | os.PathLike[str] | None = None,
    store: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> Vectors:
    """Train word vectors on a corpus.

    Args:
        corpus: a path, glob, folder or URL of text; what `open_corpus` returns; a `TokenStore`; or an iterable of strings (split by the
            tokenizer) or of token lists (taken as they are), which is read once.
        config: how to train.
        tokenizer: how the text is split.
        vocabulary: which tokens get a vector.
        out: the folder to write; without it nothing is kept on disk.
        store: where the encoded corpus is kept; `out`/store unless given.
        resume: go on from the checkpoint in `out`, or begin if there is none; a finished result is returned as it is.
        overwrite: replace a result or an unfinished run in `out`.
        reporter: what to call while it runs.

    Returns:
        The vectors; memory-mapped from `out` where it is given.

    Raises:
        ConfigError: options that do not fit together, or a resume with other options.
        InputError: a corpus that is missing or empty, or an `out` that is in use.
        FormatError: a damaged store, checkpoint or `init`.
        InterruptedRun: Ctrl-C; the state is saved where `out` is given.
    """
    config = (config or VectorConfig()).resolved()
    text = tokenizer or TokenizerConfig(), vocabulary or VocabularyConfig()
    reporter = reporter or Reporter()
    with run_folder(out) as folder:
        keep = out is not None
        options: dict[str, Any] = {
            "vectors": dataclasses.asdict(config),
            "tokenizer": dataclasses.asdict(text[0]),
            "vocabulary": dataclasses.asdict(text[1]),
        }
        if is_finished(folder, options, resume=resume, overwrite=overwrite, free=_FREE, starting_from=config.init):
            return _finished(folder)
        corpus = corpus if isinstance(corpus, TokenStore) else as_corpus(corpus)
        if overwrite:
            if isinstance(corpus, Corpus):
                corpus.check()  # a missing file is told of before anything is removed
            begin_anew(folder, _RESULT, options)
        encoded = encode_text(corpus, folder / STORE if store is None else Path(store), *text, resume=resume, reporter=reporter)
        training = _prepare(config, encoded, folder)
        mark(folder, options)
        progress = Progress(text=encoded.header["checksums"]["ids"])
        if (folder / CHECKPOINT).exists():
            progress = _continue(folder / CHECKPOINT, training.loop, progress.text)
        progress = _run(training, progress, folder, reporter, keep)
        vectors = _result(training, encoded, progress, options)
        if not keep:
            return vectors
        write_folder(vectors, folder)
        return _finished(folder)


def _finished(folder: Path) -> Vectors:
    """Load a result; the checkpoints that led to it, which a kill just before may have left, are of no more use."""
    for name in (CHECKPOINT, BEST):
        remove(folder / name)
    return load_vectors(folder)


# ---- text and matrices --------------------------------------------------------------------------------------------------------------


def encode_text(
    corpus: Corpus | TokenStore, path: Path, tokenizer: TokenizerConfig, vocabulary: VocabularyConfig, *, resume: bool, reporter: Reporter
) -> TokenStore:
    """Encode the corpus, or take the store that is there: of the same text, or of text that can be read only once and was."""
    if isinstance(corpus, TokenStore):
        store, reused = corpus, True
    elif resume and corpus.fingerprint() is None and (path / "store.json").exists():
        store, reused = TokenStore.open(path), True
    else:
        store, reused = open_or_build_store(corpus, path, tokenizer, vocabulary, progress=reporter.encoding)
    reporter.encoded(store, reused)
    return store


@dataclass(frozen=True)
class _Training:
    """A loop with what is needed around it."""

    loop: Loop
    held: Text | None
    tokens: list[str]
    counts: np.ndarray
    shown: slice | np.ndarray  # the rows of words, in the order in which they are shown


def _prepare(config: VectorConfig, store: TokenStore, folder: Path) -> _Training:
    seen = trained_counts(store)
    tokens, counts = list(store.vocabulary.tokens), seen
    learns = np.ones(len(tokens), np.uint8)
    init = _load_init(config)
    if init is not None:
        known = set(tokens)
        extra = [row for row, token in enumerate(init.tokens) if token not in known]
        tokens += [init.tokens[row] for row in extra]
        counts = np.concatenate([counts, init.counts[extra]])
    source, target = allocate(len(tokens), config.dim), allocate(len(tokens), config.dim)
    _initialise(source, config)
    if init is not None:
        known_rows = _copy_rows(init, tokens, source, target, config.dim)
        if config.freeze_init:
            learns[known_rows[: len(learns)]] = 0
    text, held = _split(config, store, folder)
    return _Training(Loop(config, seen, text, source, target, learns), held, tokens, counts, shown_rows(store.vocabulary, counts))


def trained_counts(store: TokenStore) -> np.ndarray:
    """The count of each id, int64 (V,), 0 for those that are not trained: special tokens, unless the text itself has them often enough."""
    words, options = store.vocabulary, store.header["options"]["vocabulary"]
    counts: np.ndarray = words.counts.copy()
    specials = counts[: len(words.specials)]
    specials[specials < options["min_count"]] = 0  # or one stray <unk> would make a word of all that are unknown
    if not counts.any():
        raise InputError(
            f"{store.header['corpus']}: no word occurs {options['min_count']} times among {len(store.ids)} tokens; give a lower min_count"
            + (" or a higher max_types, which leaves out rare words too" if options["max_types"] is not None else "")
        )
    return counts


def _load_init(config: VectorConfig) -> Vectors | None:
    """The vectors to start from, checked."""
    if config.init is None:
        return None
    init = load_vectors(config.init)
    if not np.isfinite(init.matrix).all():
        row = int(np.flatnonzero(~np.isfinite(init.matrix).all(axis=1))[0])
        raise FormatError(f"{config.init}: the row of {init.tokens[row]!r} holds NaN or infinity; leave such rows out")
    if init.dim != config.dim:
        raise ConfigError(f"{config.init}: vectors of {init.dim} dimensions, but dim is {config.dim}; give dim {init.dim}")
    return init


def shown_rows(words: Vocabulary, counts: np.ndarray) -> slice | np.ndarray:
    """The rows that are words, most frequent first: all but the special tokens that never occur, which nobody trains.

    Args:
        words: the store's vocabulary.
        counts: int64 (V,), of its tokens and then of those that only `init` has.

    Returns:
        A slice where the rows lie in that order already, so that a view will do.
    """
    rows = np.array([row for row in range(len(counts)) if row >= len(words.specials) or counts[row] > 0], np.int64)
    rows = rows[np.argsort(-counts[rows], kind="stable")]
    return slice(int(rows[0]), len(counts)) if (np.diff(rows) == 1).all() and rows[-1] == len(counts) - 1 else rows


def _initialise(source: np.ndarray, config: VectorConfig) -> None:
    """word2vec's start: inputs uniform in +-0.5 / dim, outputs zero."""
    random = np.random.default_rng(config.seed)
    step = 1 << 14
    for first in range(0, len(source), step):
        rows = source[first : first + step]
        rows[:, : config.dim] = (random.random((len(rows), config.dim), np.float32) - np.float32(0.5)) / np.float32(config.dim)


def _copy_rows(init: Vectors, tokens: list[str], source: np.ndarray, target: np.ndarray, dim: int) -> np.ndarray:
    """Copy the rows that `init` has; returns bool (V,), which those are."""
    rows = np.array([init.index.get(token, -1) for token in tokens], np.int64)
    known = rows >= 0
    source[known, :dim] = init.matrix[rows[known]]
    if init.output is not None:
        target[known, :dim] = init.output[rows[known]]
    return known


def _split(config: VectorConfig, store: TokenStore, folder: Path) -> tuple[Text, Text | None]:
    """The text to train on, and the text held out."""
    ids, starts = _readonly(store.ids), _readonly(store.starts)
    if config.valid is None:
        return Text(ids, starts, cut(0, len(ids))), None
    if config.valid_fraction is not None:
        trained, held = hold_out(len(ids), config.valid_fraction, config.seed)
        if not trained or not held:
            raise ConfigError(f"valid is {config.valid}: nothing is left to train on or to hold out in a text of {len(ids)} tokens")
        return Text(ids, starts, trained), Text(ids, starts, held)
    other = encode_corpus(open_corpus(str(config.valid)), store, folder / VALID)
    return Text(ids, starts, cut(0, len(ids))), Text(_readonly(other.ids), _readonly(other.starts), cut(0, len(other.ids)))


def _readonly(array: np.ndarray) -> np.ndarray:
    """A plain read-only view, so that kernels are compiled for one kind of array, memory-mapped or not."""
    view = np.asarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view


# ---- epochs -------------------------------------------------------------------------------------------------------------------------


def _continue(checkpoint: Path, loop: Loop, text: str) -> Progress:
    """Take up a checkpoint, but for one of another text: the jobs that it counts would be others."""
    progress = load_checkpoint(checkpoint, loop.source, loop.target)
    if progress.text != text:
        raise ConfigError(f"{checkpoint}: was made with another text; give the same one to resume, or --overwrite to begin anew")
    return progress


def _run(training: _Training, progress: Progress, folder: Path, reporter: Reporter, keep: bool) -> Progress:
    """Train to the end, with a checkpoint on a timer, at every epoch, and at Ctrl-C."""
    loop, config = training.loop, training.loop.config

    def save() -> None:
        if keep:
            save_checkpoint(folder / CHECKPOINT, progress, loop.source, loop.target)

    def tick(now: Progress, fraction: float) -> None:
        reporter.working(now, fraction, loop)

    write_log(folder, progress.history)
    try:
        while progress.epoch < config.epochs and not _out_of_patience(progress, config):
            loop.advance(progress, time.monotonic() + 60 * config.checkpoint_minutes, tick)
            if progress.job < len(loop.text.jobs):
                save()
                continue
            loop.check(progress)
            record = describe_epoch(progress, loop, loop.evaluate(training.held) if training.held else None)
            history = [*progress.history, record]
            if config.patience is not None and min(history, key=lambda past: past["valid_loss"]) is record:
                progress.best_epoch = progress.epoch
                save_checkpoint(folder / BEST, progress, loop.source, loop.target)
            progress = Progress(progress.text, epoch=progress.epoch + 1, history=history, best_epoch=progress.best_epoch)
            save()
            write_log(folder, progress.history)
            reporter.epoch(record)
    except KeyboardInterrupt:  # no job is half done now
        save()
        where = f"epoch {progress.epoch + 1}, {progress.job} of {len(loop.text.jobs)} pieces done"
        how = "saved; the same command with --resume goes on" if keep else "nothing is saved, since no output folder was given"
        raise InterruptedRun(f"interrupted in {where}: {how}") from None
    if progress.best_epoch is not None and progress.best_epoch != progress.epoch - 1:
        load_checkpoint(folder / BEST, loop.source, loop.target)
    return progress


def _out_of_patience(progress: Progress, config: VectorConfig) -> bool:
    return config.patience is not None and progress.best_epoch is not None and progress.epoch - 1 - progress.best_epoch >= config.patience


def _result(training: _Training, store: TokenStore, progress: Progress, options: dict[str, Any]) -> Vectors:
    """The trained rows as `Vectors`, most frequent first; views of the matrices, not copies."""
    loop, config, shown = training.loop, training.loop.config, training.shown
    metadata = {
        "corpus": {name: store.header[name] for name in ("fingerprint", "documents", "tokens", "checksums", "tokenizer", "vocabulary")},
        "segmenter": None if store.tokenizer.segmenter is None else dataclasses.asdict(store.tokenizer.segmenter),
        "options": options,
        "loss": [record["loss"] for record in progress.history],
        "valid_loss": [record["valid_loss"] for record in progress.history if "valid_loss" in record],
        "best_epoch": None if progress.best_epoch is None else progress.best_epoch + 1,
        "versions": {"lexloom": __version__, "numpy": np.__version__},
    }
    return Vectors(
        [training.tokens[row] for row in np.arange(len(training.tokens))[shown]],
        loop.source[shown, : config.dim],
        training.counts[shown],
        output=loop.target[shown, : config.dim] if config.keep_output else None,
        tokenizer=store.tokenizer.json,
        metadata=metadata,
    )
