"""Train a language model: from a corpus to a folder that is finished, or resumable (see `run_folder`)."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from lexloom.errors import ConfigError, InputError
from lexloom.files import read_json
from lexloom.models.base import load_model
from lexloom.models.language_model import LanguageModel
from lexloom.models.language_model_config import (
    LanguageModelOptions,
    LanguageTokenizerConfig,
    LanguageVocabularyConfig,
    WindowConfig,
    tokenizer_for,
)
from lexloom.models.scoring import evaluate_language_model
from lexloom.options import describe
from lexloom.run_folder import RESULT, STORE, mark, refuse_other_text
from lexloom.text.batches import RandomWindows, ScoredWindows, SequentialWindows, Windows, rows_of
from lexloom.text.readers import Corpus, CorpusSource, as_corpus
from lexloom.text.store import TokenStore, open_or_build_store
from lexloom.text.stream import encode_stream, stream_of
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig
from lexloom.training.callbacks import Conductor
from lexloom.training.config import TrainingConfig
from lexloom.training.data import Share, WindowBatches
from lexloom.training.fit import fit
from lexloom.training.metrics import perplexity
from lexloom.training.processor import precision_of, processor, threads_of
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
from lexloom.training.sampler import Sampler

_FREE = frozenset({"sample_prompt", "sample_every"})
_VALID_ROWS = 10
SPECIALS = ("unk", "eos")


def train_language_model(
    corpus: CorpusSource,
    options: LanguageModelOptions | None = None,
    training: TrainingConfig | None = None,
    windows: WindowConfig | None = None,
    *,
    tokenizer: TokenizerConfig | None = None,
    vocabulary: VocabularyConfig | None = None,
    valid: CorpusSource | Literal["none"] | None = None,
    test: CorpusSource | None = None,
    out: str | os.PathLike[str] | None = None,
    store: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> LanguageModel:
    """Train a language model on a corpus, whose documents are read as one stream of tokens with `<eos>` after each.

    Args:
        corpus: a path, glob, folder or URL of text, what `open_corpus` returns, or an iterable of strings (split by the tokenizer) or of
            token lists (taken as they are).
        options: the model's shape.
        training: how to train.
        windows: how the stream is cut into batches.
        tokenizer: how the text is split; by the model's level unless given.
        vocabulary: which tokens get an id; all unless given.
        valid: the validation text; the last tenth of the corpus unless given; `"none"` trains on everything.
        test: text to evaluate on at the end.
        out: the folder to write; without it nothing is kept on disk.
        store: where the encoded corpus is kept; `out`/store unless given.
        resume: go on from the checkpoint in `out`, or begin if there is none; a finished result is returned as it is.
        overwrite: replace a result or an unfinished run in `out`.
        reporter: what to call while it runs.

    Returns:
        The model of the epoch with the lowest validation loss, or of the last epoch without validation; in evaluation mode.

    Raises:
        ConfigError: options that do not fit together, or a resume with other options.
        InputError: a text that is missing, empty or too short, or an `out` that is in use.
        FormatError: a damaged store or checkpoint, or vectors that cannot be read.
        DivergedRun: the loss is no number any more; the last checkpoint is kept.
        InterruptedRun: Ctrl-C; the last checkpoint is kept.
    """
    plan = _Plan(
        options or LanguageModelOptions(),
        (training or TrainingConfig()).resolved(),
        windows or WindowConfig(),
        tokenizer or LanguageTokenizerConfig(),
        vocabulary or LanguageVocabularyConfig(),
        valid if valid == "none" or valid is None else as_corpus(valid),
        None if test is None else as_corpus(test),
    )
    reporter = reporter or Reporter()
    if not is_first_process():
        return _join(plan, as_corpus(corpus), Path(out or ""), store, resume=resume)
    if out is None and plan.training.devices * plan.training.num_nodes > 1:
        raise ConfigError("several processes need a folder that all of them see; give --out")
    described, keep = plan.describe(), out is not None
    source = as_corpus(corpus)
    checks = [text.check for text in (source, plan.valid, plan.test) if isinstance(text, Corpus)]
    run = open_run(out, described, plan.training, plan.options.embedding, checks, resume=resume, overwrite=overwrite, free=_FREE)
    with run as (folder, finished):
        if finished:
            return open_result(folder, LanguageModel)
        encoded = _encode(source, plan, folder / STORE if store is None else Path(store), reporter, resume=resume)
        refuse_other_text(folder, encoded[0].header["checksums"])
        job = _prepare(plan, encoded)
        mark(folder, described, encoded[0].header["checksums"])
        conductor = _fit(job, plan, folder, reporter, keep=keep)
        model = best_model(job.model, conductor)
        facts = training_facts(described, plan.training, conductor, job.model.coverage)
        facts["corpus"] = {"name": source.name, **{name: job.facts[name] for name in ("tokens", "valid_tokens", "held_out", "left_over")}}
        facts |= movement_facts(model, job.start, model.embedding_matrix)
        if plan.test is not None:
            facts["test"] = evaluate_language_model(model, plan.test).as_dict()
        return keep_result(model, folder, facts, conductor) if keep else model


@dataclass(frozen=True)
class _Plan:
    """All that was asked for."""

    options: LanguageModelOptions
    training: TrainingConfig
    windows: WindowConfig
    tokenizer: TokenizerConfig
    vocabulary: VocabularyConfig
    valid: Corpus | Literal["none"] | None
    test: Corpus | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokenizer", tokenizer_for(self.options.model.level, self.tokenizer))
        processes = self.training.devices * self.training.num_nodes
        rows_of(0, processes, self.windows.batch_size)  # which refuses what cannot be shared out
        remedy = "a validation text; give --valid FILE, or leave --valid out to hold out the last tenth"
        check_together(self.training, self.options.embedding, validated=self.valid != "none", remedy=remedy)

    def describe(self) -> dict[str, dict[str, Any]]:
        """The options in JSON values, by part."""
        parts = {name: getattr(self, name) for name in ("training", "windows", "tokenizer", "vocabulary")}
        return {
            **describe(**vars(self.options), **parts),
            "text": {"valid": self.valid.name if isinstance(self.valid, Corpus) else self.valid},
        }


@dataclass(frozen=True)
class _Job:
    """A model and its text, ready to train.

    Attributes:
        model: untrained.
        start: the embedding's rows before training, where they came from vectors.
        train: the stream to train on.
        valid: the stream to validate on.
        rates: characters and bytes for each token of the validation text (of the training text without one).
        facts: what the reporter is told.
    """

    model: LanguageModel
    start: torch.Tensor | None
    train: np.ndarray
    valid: np.ndarray | None
    rates: dict[str, float]
    facts: dict[str, Any]


def _encode(source: Corpus, plan: _Plan, path: Path, reporter: Reporter, *, resume: bool) -> tuple[TokenStore, bool]:
    if resume and source.fingerprint() is None and (path / "store.json").exists():
        return TokenStore.open(path), True
    return open_or_build_store(source, path, plan.tokenizer, plan.vocabulary, specials=SPECIALS, progress=reporter.encoding)


def _prepare(plan: _Plan, encoded: tuple[TokenStore, bool]) -> _Job:
    store, reused = encoded
    stream = stream_of(store)
    report = store.header["report"]
    sizes = {name: (report[name] + report["documents"]) / len(stream) for name in ("characters", "bytes")}
    valid, held_out, problems = None, False, list[str]()
    if isinstance(plan.valid, Corpus):
        valid = encode_stream(plan.valid, store.tokenizer, store.vocabulary)
        lines = plan.valid.report.documents
        sizes = {name: (getattr(plan.valid.report, name) + lines) / len(valid) for name in sizes}
        valid = np.concatenate([stream[-1:], valid])  # an end of line comes before it
        problems = plan.valid.report.warnings()
    elif plan.valid is None:
        cut = len(stream) - len(stream) // 10
        stream, valid, held_out = stream[:cut], stream[cut - 1 :], True
        if len(valid) < 2:
            raise InputError(
                f"{store.header['corpus']}: no tenth of {len(stream)} tokens can be held out; give --valid FILE or --valid none"
            )
    if plan.test is not None and plan.test.fingerprint() is not None:
        encode_stream(plan.test, store.tokenizer, store.vocabulary)  # what is wrong with it is told now rather than at the end
        problems += plan.test.report.warnings()
    if precision_of(plan.training) != plan.training.precision:
        problems.append(f"{plan.training.precision} is not for this processor, which has no bfloat16: training in 32 bits")
    torch.manual_seed(plan.training.seed)
    generator = torch.Generator().manual_seed(plan.training.seed)
    model = LanguageModel(plan.options, store.vocabulary, store.tokenizer, generator=generator)
    start = None if model.coverage is None else model.embedding_matrix().detach().clone()
    windows = _windows(plan, stream)
    facts = {
        "tokens": len(stream),
        "valid_tokens": 0 if valid is None else len(valid) - 1,
        "held_out": held_out,
        "reused": reused,
        "vocabulary": len(store.vocabulary),
        "left_out": store.vocabulary.report,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "windows": len(windows),
        "targets_per_epoch": windows.targets_per_epoch,
        "left_over": windows.left_over,
        "coverage": None if model.coverage is None else model.coverage.as_dict(),
        "sizes": sizes,
        "problems": problems,
    }
    return _Job(model, start, stream, valid, sizes, facts)


def _windows(plan: _Plan, stream: np.ndarray, rows: slice = slice(None)) -> Windows:
    size, bptt = plan.windows.batch_size, plan.windows.bptt
    if plan.windows.windows == "random":
        return RandomWindows(stream, size, bptt, plan.training.seed, rows=rows)
    return SequentialWindows(stream, size, bptt, rows=rows, offset_seed=plan.training.seed if plan.windows.random_offset else None)


def _shares(plan: _Plan, train: np.ndarray, valid: np.ndarray | None) -> tuple[Share, Share | None]:
    """How processes share the windows; one process reads the same as all of them together."""
    size, bptt = plan.windows.batch_size, plan.windows.bptt

    def training(process: int, processes: int) -> WindowBatches:
        return WindowBatches(_windows(plan, train, rows_of(process, processes, size)))

    def validation(process: int, processes: int) -> WindowBatches:
        assert valid is not None
        rows = max(1, min(_VALID_ROWS, (len(valid) - 1) // bptt) // processes) * processes
        return WindowBatches(ScoredWindows(valid, rows, bptt, rows=rows_of(process, processes, rows)))

    return training, None if valid is None else validation


def _fit(job: _Job, plan: _Plan, folder: Path, reporter: Reporter, *, keep: bool) -> Conductor:
    def score(record: dict[str, Any]) -> dict[str, Any]:
        loss = record["train_loss"] if record["valid_loss"] is None else record["valid_loss"]
        bits = {f"bits_per_{name.removesuffix('s')}": loss / math.log(2) / size for name, size in job.rates.items()}
        return {"train_perplexity": perplexity(record["train_loss"]), "valid_perplexity": perplexity(record["valid_loss"]), **bits}

    reporter.prepared(job.facts)
    callbacks = (
        () if plan.windows.sample_prompt is None else (Sampler(job.model, plan.windows.sample_prompt, plan.windows.sample_every, reporter),)
    )
    shares = _shares(plan, job.train, job.valid)
    return fit(job.model, plan.training, *shares, folder, keep=keep, reporter=reporter, score=score, callbacks=callbacks)


# ---- several processes --------------------------------------------------------------------------------------------------------------


def _join(plan: _Plan, source: Corpus, folder: Path, store: str | os.PathLike[str] | None, *, resume: bool) -> LanguageModel:
    """Train along in silence, once the first process has encoded the text."""
    if resume and (folder / RESULT).exists():
        return load_model(folder, LanguageModel)
    with processor(threads_of(plan.training)):
        path = folder / STORE if store is None else Path(store)
        await_first_process(folder, plan.describe(), lambda: _checksums(path, source))
        job = _prepare(plan, (TokenStore.open(path), True))
        with following():
            _fit(job, plan, folder, Reporter(), keep=True)
        return job.model


def _checksums(path: Path, source: Corpus) -> dict[str, str] | None:
    """Those of the store, once it is there and of this text."""
    header = read_json(path / "store.json") if (path / "store.json").exists() else None
    return header["checksums"] if header is not None and header["fingerprint"] == source.fingerprint() else None
