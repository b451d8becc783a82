"""Train word vectors with PyTorch: the twin of `train_vectors`, on the training path of all models; it writes the same folder."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lexloom.errors import ConfigError
from lexloom.files import remove
from lexloom.models.skipgram import SkipGram
from lexloom.models.skipgram_config import SkipGramConfig
from lexloom.run_folder import BEST, STORE, TORCH_CHECKPOINT, begin_anew, is_finished, mark, refuse_other_text, run_folder
from lexloom.text.readers import Corpus, as_corpus
from lexloom.text.store import TokenStore
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig
from lexloom.training.config import TrainingConfig
from lexloom.training.fit import fit
from lexloom.training.pairs import PairBatches
from lexloom.training.processor import processor
from lexloom.training.reporter import Reporter
from lexloom.vectors import train as kernels
from lexloom.vectors.config import VectorConfig
from lexloom.vectors.formats import load_vectors, write_folder
from lexloom.vectors.table import Vectors
from lexloom.vectors.train import Source, encode_text, shown_rows, trained_counts
from lexloom.version import __version__

_RESULT = (TORCH_CHECKPOINT, kernels.CHECKPOINT, "model.safetensors", "output.safetensors")
_FREE = frozenset({"threads"})
_UNKNOWN = (
    "model",
    "min_learning_rate",
    "cbow_mean",
    "kernel",
    "valid",
    "patience",
    "init",
    "freeze_init",
    "checkpoint_minutes",
)


def train_skipgram(
    corpus: Source,
    config: VectorConfig | None = None,
    batches: SkipGramConfig | None = None,
    *,
    tokenizer: TokenizerConfig | None = None,
    vocabulary: VocabularyConfig | None = None,
    out: str | os.PathLike[str] | None = None,
    store: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> Vectors:
    """Train word vectors on a corpus, with Adam on batches of centres, on a GPU where there is one.

    Args:
        corpus: what `train_vectors` takes.
        config: how to train. The learning rate stays what it is at the start, and is Adam's default unless given; a checkpoint is written
            at the end of each epoch.
        batches: how large batches are.
        tokenizer: how the text is split.
        vocabulary: which tokens get a vector.
        out: the folder to write; without it nothing is kept on disk.
        store: where the encoded corpus is kept; `out`/store unless given.
        resume: go on from the checkpoint in `out`, or begin if there is none; a finished result is returned as it is.
        overwrite: replace a result or an unfinished run in `out`.
        reporter: what to call while it runs.

    Returns:
        The vectors, the rows of words as centres; memory-mapped from `out` where it is given.

    Raises:
        ConfigError: options that do not fit together or that only the kernels know, or a resume with other options or another text.
        InputError: a corpus that is missing, empty or too short, or an `out` that is in use.
        FormatError: a damaged store.
        DivergedRun: the loss is no number any more; the last checkpoint is kept.
        InterruptedRun: Ctrl-C; the last checkpoint is kept.
    """
    config, training = _resolved(config or VectorConfig())
    batches, reporter = batches or SkipGramConfig(), reporter or Reporter()
    text = tokenizer or TokenizerConfig(), vocabulary or VocabularyConfig()
    keep = out is not None
    with run_folder(out) as folder, processor(config.threads):
        options: dict[str, Any] = {
            "vectors": {**dataclasses.asdict(config), "kernel": "torch"},  # so that no kernel goes on with what this began
            "skipgram": dataclasses.asdict(batches),
            "tokenizer": dataclasses.asdict(text[0]),
            "vocabulary": dataclasses.asdict(text[1]),
        }
        if is_finished(folder, options, resume=resume, overwrite=overwrite, free=_FREE):
            return _finished(folder)
        corpus = corpus if isinstance(corpus, TokenStore) else as_corpus(corpus)
        if overwrite:
            if isinstance(corpus, Corpus):
                corpus.check()  # a missing file is told of before anything is removed
            begin_anew(folder, _RESULT, options)
        told = kernels.Reporter(encoding=reporter.encoding, encoded=lambda store, reused: reporter.prepared(_facts(store, reused)))
        encoded = encode_text(corpus, folder / STORE if store is None else Path(store), *text, resume=resume, reporter=told)
        refuse_other_text(folder, encoded.header["checksums"])
        mark(folder, options, encoded.header["checksums"])
        vectors = _train(encoded, config, batches, training, folder, reporter, options, keep=keep)
        if not keep:
            return vectors
        write_folder(vectors, folder)
        return _finished(folder)


def _resolved(config: VectorConfig) -> tuple[VectorConfig, TrainingConfig]:
    """Fill in what depends on something, and say the same for the training path; refuse what only the kernels know."""
    default = VectorConfig()
    for name in _UNKNOWN:
        value = getattr(config, name)
        if value != getattr(default, name):
            raise ConfigError(f"{name} is {value}: the engine torch does not know this option; leave it out, or take the engine kernels")
    training = TrainingConfig(
        epochs=config.epochs,
        optimizer="adam",
        learning_rate=config.learning_rate,
        clip=0,
        seed=config.seed,
        threads=config.threads,
        checkpoint_seconds=0,
    ).resolved()
    return dataclasses.replace(config, learning_rate=training.learning_rate), training


def _finished(folder: Path) -> Vectors:
    """Load a result; the checkpoints that led to it are of no more use."""
    for name in (TORCH_CHECKPOINT, BEST):
        remove(folder / name)
    return load_vectors(folder)


def _facts(store: TokenStore, reused: bool) -> dict[str, Any]:
    """What the reporter is told of the text."""
    words = store.vocabulary
    return {"tokens": len(store.ids), "words": len(words) - len(words.specials), "left_out": words.report, "reused": reused}


def _train(
    store: TokenStore,
    config: VectorConfig,
    batches: SkipGramConfig,
    training: TrainingConfig,
    folder: Path,
    reporter: Reporter,
    options: dict[str, Any],
    *,
    keep: bool,
) -> Vectors:
    """Train on an encoded text."""
    counts = trained_counts(store)
    pairs = PairBatches(store.ids, store.starts, counts, config, batches.batch_size)
    generator = torch.Generator().manual_seed(config.seed % (1 << 63))
    model = SkipGram(config.dim, store.vocabulary, store.tokenizer, generator=generator)

    def score(record: dict[str, Any]) -> dict[str, Any]:
        """What the kernels write of an epoch too, under their names."""
        return {"loss": record["train_loss"], "raw_words": len(store.ids), "effective_words": record["tokens"]}

    conductor = fit(model, training, lambda _process, _processes: pairs, None, folder, keep=keep, reporter=reporter, score=score)
    losses = [record["loss"] for record in conductor.history.records]
    return _result(model, store, counts, losses, options, keep_output=config.keep_output)


def _result(
    model: SkipGram, store: TokenStore, counts: np.ndarray, losses: list[float], options: dict[str, Any], *, keep_output: bool
) -> Vectors:
    """The trained rows as `Vectors`, most frequent first."""
    shown = shown_rows(store.vocabulary, counts)
    matrix, output = (rows.weight.detach().float().cpu().numpy()[shown] for rows in (model.centres, model.contexts))
    metadata = {
        "engine": "torch",
        "corpus": {name: store.header[name] for name in ("fingerprint", "documents", "tokens", "checksums", "tokenizer", "vocabulary")},
        "segmenter": None if store.tokenizer.segmenter is None else dataclasses.asdict(store.tokenizer.segmenter),
        "options": options,
        "loss": losses,
        "valid_loss": [],
        "best_epoch": None,
        "versions": {"lexloom": __version__, "numpy": np.__version__, "torch": str(torch.__version__)},
    }
    return Vectors(
        [store.vocabulary.tokens[row] for row in np.arange(len(counts))[shown]],
        matrix,
        counts[shown],
        output=output if keep_output else None,
        tokenizer=store.tokenizer.json,
        metadata=metadata,
    )
