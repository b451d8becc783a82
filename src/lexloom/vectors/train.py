"""Train word vectors: from a corpus to a folder that is finished, resumable at any moment before, and never half written.

An output folder holds, while a training runs, `run.json` (the resolved configuration), `store/` (the encoded corpus),
`checkpoint.safetensors` and `training.jsonl`; when it is finished the checkpoint gives way to the vectors, `lexloom.json` last.
"""

import contextlib
import dataclasses
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lexloom.errors import ConfigError, FormatError, InputError, InterruptedRun
from lexloom.files import exclusive, read_json, remove, write_json, write_text
from lexloom.text.readers import Corpus, iterable_corpus, open_corpus
from lexloom.text.store import TokenStore, encode_corpus, open_or_build_store
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import Vocabulary, VocabularyConfig
from lexloom.vectors.checkpoint import Progress, load_checkpoint, save_checkpoint
from lexloom.vectors.config import VectorConfig
from lexloom.vectors.formats import load_vectors, write_folder
from lexloom.vectors.loop import Loop, Text, allocate, cut, describe_epoch, hold_out
from lexloom.vectors.table import Vectors
from lexloom.version import __version__

Source = str | os.PathLike[str] | Corpus | TokenStore | Iterable[str] | Iterable[Sequence[str]]

MATRICES = ("model.safetensors", "output.safetensors")
RUN, STORE, VALID, LOG, RESULT = "run.json", "store", "valid-store", "training.jsonl", "lexloom.json"
CHECKPOINT, BEST = "checkpoint.safetensors", "best.safetensors"
_LEFTOVER = re.compile(r"\..+\.\d+\.(tmp|old)")
"""What `write_atomically` leaves behind when it is killed."""


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
    with _folder(out) as folder:
        keep = out is not None
        options: dict[str, Any] = {
            "vectors": dataclasses.asdict(config),
            "tokenizer": dataclasses.asdict(text[0]),
            "vocabulary": dataclasses.asdict(text[1]),
        }
        if keep and _claim(folder, config, options, resume=resume, overwrite=overwrite):
            return _finished(folder)
        encoded = _encode(corpus, folder / STORE if store is None else Path(store), *text, resume=resume, reporter=reporter)
        training = _prepare(config, encoded, folder)
        _mark(folder, options)  # from here on there is something to resume
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


# ---- the output folder --------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _folder(out: str | os.PathLike[str] | None) -> Iterator[Path]:
    if out is None:
        with tempfile.TemporaryDirectory(prefix="lexloom-") as name:
            yield Path(name)
        return
    if not os.fspath(out):
        raise InputError("the name of the output folder is empty; give --out DIR")
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be the output folder: {error.strerror or error}") from error
    with exclusive(folder):
        yield folder


def _claim(folder: Path, config: VectorConfig, options: dict[str, Any], *, resume: bool, overwrite: bool) -> bool:
    """Make an output folder ours, or say why not. Returns whether it holds the finished result already."""
    finished, begun = (folder / RESULT).exists(), (folder / RUN).exists()
    leftovers = [path for path in folder.iterdir() if _LEFTOVER.fullmatch(path.name)]
    others = sorted(path.name for path in folder.iterdir() if path.name not in (STORE, VALID) and path not in leftovers)
    if not (finished or begun) and (found := others):
        raise InputError(
            f"{folder}: holds other files ({', '.join(found[:3])}{', ...' if len(found) > 3 else ''}); give an empty or new --out"
        )
    if resume and overwrite:
        raise ConfigError("resume and overwrite are both set: resume goes on with what is there, overwrite begins anew; give one")
    for leftover in leftovers:
        remove(leftover)
    if (finished or begun) and overwrite:
        if config.init is not None and Path(config.init).resolve().is_relative_to(folder.resolve()):
            raise ConfigError(f"init is {config.init}, in the output folder that is to be overwritten; give another --out")
        for name in (RESULT, CHECKPOINT, BEST, LOG, *MATRICES):
            remove(folder / name)
        _mark(folder, options)  # it stays ours, and resumable, while the text is encoded
    elif finished and not resume:
        raise InputError(f"{folder}: holds a finished result; give --overwrite to replace it, or another --out")
    elif begun and not resume:
        raise InputError(f"{folder}: holds an unfinished training; give --resume to go on with it, or --overwrite to begin anew")
    elif finished or begun:
        if begun:
            _refuse_differences(folder, config, options)
        return finished
    return False


def _mark(folder: Path, options: dict[str, Any]) -> None:
    """Write down that a training with these options is under way here."""
    write_json(folder / RUN, {"format_version": 1, "lexloom": __version__, **options})


def _refuse_differences(folder: Path, config: VectorConfig, options: dict[str, Any]) -> None:
    saved = read_json(folder / RUN)
    different = config.differences(saved.get("vectors", {}))
    for part in ("tokenizer", "vocabulary"):
        now, then = options[part], saved.get(part, {})
        different |= {name: (then.get(name), now[name]) for name in now if then.get(name) != now[name]}
    if different:
        listed = "; ".join(f"{name} was {was!r}, now {now!r}" for name, (was, now) in different.items())
        raise ConfigError(f"{folder}: cannot resume with other options ({listed}); give the same ones, or --overwrite to begin anew")


# ---- text and matrices --------------------------------------------------------------------------------------------------------------


def _encode(
    corpus: Source, path: Path, tokenizer: TokenizerConfig, vocabulary: VocabularyConfig, *, resume: bool, reporter: Reporter
) -> TokenStore:
    """Encode the corpus, or take the store that is there: of the same text, or of text that can be read only once and was."""
    if isinstance(corpus, TokenStore):
        reporter.encoded(corpus, True)
        return corpus
    if isinstance(corpus, str | os.PathLike):
        corpus = open_corpus(corpus)
    elif not isinstance(corpus, Corpus):
        corpus = iterable_corpus(corpus)
    if resume and corpus.fingerprint() is None and (path / "store.json").exists():
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
    words = store.vocabulary
    if not words.counts.any():
        least = store.header["options"]["vocabulary"]["min_count"]
        pruned = store.header["options"]["vocabulary"]["max_types"] is not None
        raise InputError(
            f"{store.header['corpus']}: no word occurs {least} times among {len(store.ids)} tokens; give a lower min_count"
            + (" or a higher max_types, which leaves out rare words too" if pruned else "")
        )
    tokens, counts = list(words.tokens), words.counts
    learns = np.ones(len(tokens), np.uint8)
    init = load_vectors(config.init) if config.init is not None else None
    if init is not None:
        if not np.isfinite(init.matrix).all():
            row = int(np.flatnonzero(~np.isfinite(init.matrix).all(axis=1))[0])
            raise FormatError(f"{config.init}: the row of {init.tokens[row]!r} holds NaN or infinity; leave such rows out")
        if init.dim != config.dim:
            raise ConfigError(f"{config.init}: vectors of {init.dim} dimensions, but dim is {config.dim}; give dim {init.dim}")
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
    return _Training(Loop(config, words.counts, text, source, target, learns), held, tokens, counts, _shown_rows(words, counts))


def _shown_rows(words: Vocabulary, counts: np.ndarray) -> slice | np.ndarray:
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

    _write_log(folder, progress)
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
            _write_log(folder, progress)
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


def _write_log(folder: Path, progress: Progress) -> None:
    """training.jsonl: a line an epoch, written whole each time, so that it never disagrees with the checkpoint for long."""
    write_text(folder / LOG, "".join(json.dumps(record) + "\n" for record in progress.history))


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
