"""The one road of every training: `train(task, run)` takes a task from its folder to a saved result."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from lightning.fabric import Fabric
from lightning.fabric.loggers.logger import Logger

from lexloom.artefact import RESULT, TOKENIZER, VOCABULARY, WEIGHTS
from lexloom.errors import ConfigError, InputError, InterruptedRun, LexloomError
from lexloom.files import STDIN, read_json, remove
from lexloom.nn.embedding import Embedding
from lexloom.nn.embedding_config import check_processes
from lexloom.options import describe
from lexloom.run_folder import (
    EXTENSIBLE,
    TORCH_CHECKPOINT,
    RunConfig,
    Trained,
    claim,
    mark,
    refuse_other_text,
    run_folder,
    start_over,
)
from lexloom.training.checkpoint import kept_checkpoint
from lexloom.training.curves import plot_curves
from lexloom.training.loop import Fitted, fit
from lexloom.training.model import Model
from lexloom.training.processes import TENSORBOARD, launch
from lexloom.training.processor import precision_of, processor, threads_of
from lexloom.training.reporter import Reporter, is_first_process
from lexloom.training.task import D, M, R, Task
from lexloom.training.trainable import Trainable
from lexloom.vectors.formats import load_vectors
from lexloom.vectors.movement import movement

CURVES = "curves.png"
_FILES = (TORCH_CHECKPOINT, WEIGHTS, VOCABULARY, TOKENIZER, CURVES, TENSORBOARD)
_FREE = frozenset({"threads", "checkpoint_seconds", "keep_checkpoint", "tensorboard", "learning_rate", "embedding_learning_rate", "clip"})


def train(
    task: Task[M, D, R], run: RunConfig | None = None, reporter: Reporter | None = None, loggers: Sequence[Logger] = ()
) -> Trained[R]:
    """Train a task.

    Args:
        task: the options and the texts.
        run: the output folder. Default: nothing is kept on disk.
        reporter: called during the run.
        loggers: Lightning loggers (W&B, MLflow, ...), which get the record of each epoch.

    Raises:
        ConfigError: options that do not fit together, or a resume with other options or another text.
        InputError: a text that is missing or unusable, or an output folder in use.
        FormatError: a damaged store or checkpoint, or vectors that cannot be read.
        DivergedRun: the loss is not finite; the last checkpoint is kept.
        InterruptedRun: Ctrl-C; the last checkpoint is kept.
    """
    run, reporter, training = run or RunConfig(), reporter or Reporter(), task.options.training
    _check_options(task, run)
    described = {"run": task.kind_of_run(), **describe(task.options), "text": task.texts()}
    processes = training.devices * training.num_nodes
    with _claimed(task, run, described) as (folder, finished), processor(threads_of(training)), torch.random.fork_rng(devices=[]):
        if finished and processes == 1:
            return Trained(task.open(folder), read_json(folder / RESULT))
        kept = None if run.out is None else folder
        fabric = launch(training, kept, loggers)
        if fabric.broadcast(finished):
            return Trained(task.open(folder), read_json(folder / RESULT))
        data = _read(task, folder, fabric, reporter)
        torch.manual_seed(training.seed)
        model = task.build(data, torch.Generator().manual_seed(training.seed))
        start = _pretrained_rows(model)
        facts = _facts_before(task, data, model)
        if fabric.is_global_zero:
            remove(folder / RESULT)  # of a run that is extended
            mark(folder, described, data.checksums())
            reporter.prepared(facts | {"about": data.about, "problems": data.problems})
        fitted = fit(
            model,
            training,
            *task.batches(data),
            folder=kept,
            reporter=reporter,
            best_by=task.best_by,
            score=lambda record: task.score(record, data),
            sample=lambda epoch: task.sample(model, epoch),
            fabric=fabric,
        )
        model.cpu()
        model.use(fitted.best)
        facts |= _facts_after(fitted)
        if start is not None and isinstance(model, Model):
            end = cast(Embedding, model.embedding).matrix.detach().numpy()
            facts["movement"] = movement(start.numpy(), end, model.vocabulary.tokens, model.vocabulary.counts).as_dict()
        result = task.finish(model, data, facts["scores"], fitted.history.records)
        if fabric.is_global_zero:
            if (test := task.evaluate(result)) is not None:
                facts["test"] = test
            if kept is not None:
                result = _save(task, result, folder, facts, fitted, model.unit)
        return Trained(result, facts)


def _check_options(task: Task[M, D, R], run: RunConfig) -> None:
    """Refuse options that do not fit together."""
    training, embedding = task.options.training, task.options.embedding
    processes = training.devices * training.num_nodes
    check_processes(embedding, processes)
    if processes > 1 and run.out is None:
        raise ConfigError("several processes need a folder that all of them see; give --out")
    if processes > 1:
        task.check_shared(processes)
    if training.accumulate > 1 and embedding.scale_grad_by_freq:
        raise ConfigError("scale_grad_by_freq counts tokens per batch, but accumulate makes an update of several; leave out one of them")
    if training.optimizer == "asgd" and embedding.unfreeze_epoch is not None:
        raise ConfigError("asgd averages all rows from one epoch on, and unfreeze_epoch adds rows later; leave out one of them")
    needs = {"patience": training.patience is not None, "the plateau schedule": training.schedule == "plateau"}
    for name, needed in needs.items():
        if needed and not task.validated:
            raise ConfigError(f"{name} needs {task.remedy}")


@contextlib.contextmanager
def _claimed(task: Task[M, D, R], run: RunConfig, described: Mapping[str, dict[str, Any]]) -> Iterator[tuple[Path, bool]]:
    """Take the output folder. Yields it, and whether it holds the finished result, as the first process knows.

    Only the first process takes it. The others are silent about an error, since the first one meets it too.
    """
    training, start = task.options.training, task.options.embedding.vectors
    if training.devices * training.num_nodes > 1 and not is_first_process():
        try:
            yield Path(run.out or ""), False
        except (LexloomError, KeyboardInterrupt) as error:
            raise SystemExit(2 if isinstance(error, LexloomError) and not isinstance(error, InterruptedRun) else 130) from None
        return
    why = f"the {training.schedule} schedule spans the whole run"
    fixed = {"epochs": why, "max_minutes": why} if training.spans_run else {}
    free = (_FREE | task.free | set(EXTENSIBLE)) - set(fixed)
    with run_folder(run.out) as folder:
        finished = claim(folder, described, resume=run.resume, overwrite=run.overwrite, free=free, fixed=fixed, starting_from=start)
        if not finished:
            task.check()
            if start is not None and start != STDIN and not Path(start).is_fifo():
                load_vectors(start, limit=1)  # a missing file should show before anything is removed
            if run.overwrite:
                start_over(folder, (*_FILES, *task.files), described)
        try:
            yield folder, finished
        except KeyboardInterrupt:
            raise InterruptedRun(f"interrupted outside of the training: {kept_checkpoint(folder)}") from None


def _read(task: Task[M, D, R], folder: Path, fabric: Fabric, reporter: Reporter) -> D:
    """Read the texts, in the first process first: the others find what it keeps in the folder."""
    problem: LexloomError | None = None
    with fabric.rank_zero_first():
        try:
            data = task.read(folder, reporter.encoding)
        except LexloomError as error:
            problem = error
    if problem := fabric.broadcast(problem) or problem:  # all processes end with the error of the first
        raise problem
    checksums = dict(data.checksums())
    if fabric.broadcast(checksums) != checksums:
        raise InputError("the processes read different texts; give files that all of them see")
    refuse_other_text(folder, checksums)
    return data


def _pretrained_rows(model: Trainable) -> torch.Tensor | None:
    """Copy the embedding's rows (V, E) if they come from vectors."""
    if not isinstance(model, Model) or model.coverage is None:
        return None
    return cast(Embedding, model.embedding).matrix.detach().cpu().clone()


def _facts_before(task: Task[M, D, R], data: D, model: Trainable) -> dict[str, Any]:
    """What is known before the training, for lexloom.json."""
    return {
        "texts": task.texts(),
        "corpus": data.facts,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "coverage": model.coverage.as_dict() if isinstance(model, Model) and model.coverage is not None else None,
        "precision": precision_of(task.options.training),
    }


def _facts_after(fitted: Fitted) -> dict[str, Any]:
    """What is known after the training."""
    history = fitted.history
    best = history.best_epoch or len(history.records)
    return {"epochs": len(history.records), "best_epoch": history.best_epoch, "scores": dict(history.records[best - 1])}


def _save(task: Task[M, D, R], result: R, folder: Path, facts: dict[str, Any], fitted: Fitted, unit: str) -> R:
    """Write the result, and load it from the folder."""
    history, training = fitted.history, task.options.training
    plot_curves(history.records, folder / CURVES, title=folder.resolve().name, unit=unit, best_epoch=history.best_epoch)
    task.save(result, folder, facts)
    if not training.keep_checkpoint:
        remove(folder / TORCH_CHECKPOINT)
    return task.open(folder)
