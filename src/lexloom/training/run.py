"""What every training of a model does around its epochs: take its folder, wait for other processes, conclude, keep the result."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from lexloom.errors import ConfigError, DivergedRun, InputError, InterruptedRun
from lexloom.files import read_json, remove
from lexloom.models.base import Model, load_model, save_model
from lexloom.models.folder import TOKENIZER, VOCABULARY, WEIGHTS
from lexloom.nn.embedding_config import EmbeddingConfig
from lexloom.nn.movement import movement
from lexloom.nn.pretrained import Coverage
from lexloom.report.curves import plot_curves
from lexloom.run_folder import RUN, TORCH_CHECKPOINT, begin_anew, is_finished, run_folder
from lexloom.training.callbacks import Conductor
from lexloom.training.config import TrainingConfig
from lexloom.training.fit import TENSORBOARD
from lexloom.training.processor import precision_of, processor, threads_of

CURVES = "curves.png"
_RESULT = (TORCH_CHECKPOINT, WEIGHTS, VOCABULARY, TOKENIZER, CURVES, TENSORBOARD)
_FREE = frozenset({"threads", "checkpoint_seconds", "tensorboard", "learning_rate", "embedding_learning_rate", "clip"})

Described = Mapping[str, dict[str, Any]]
"""All options of a training in JSON values, by part; `training` and `embedding` among them."""
M = TypeVar("M", bound=Model)


def check_together(training: TrainingConfig, embedding: EmbeddingConfig, *, validated: bool, remedy: str) -> None:
    """Refuse options that do not go together.

    Args:
        training: how to train.
        embedding: what to train.
        validated: whether there is anything to validate on.
        remedy: what to give so that there is.

    Raises:
        ConfigError: there are such.
    """
    if training.devices * training.num_nodes > 1 and embedding.sparse:
        raise ConfigError("sparse gradients do not go from process to process; leave out --sparse, or train in one process")
    if training.optimizer == "asgd" and embedding.unfreeze_epoch is not None:
        raise ConfigError("asgd averages all rows from one epoch on, and unfreeze_epoch would let some in later; leave out one of them")
    needs = {"patience": training.patience is not None, "schedule plateau": training.schedule == "plateau"}
    for name, needed in needs.items():
        if needed and not validated:
            raise ConfigError(f"{name} needs {remedy}")


@contextmanager
def open_run(
    out: str | os.PathLike[str] | None,
    described: Described,
    training: TrainingConfig,
    embedding: EmbeddingConfig,
    checks: Iterable[Callable[[], None]],
    *,
    resume: bool,
    overwrite: bool,
    free: frozenset[str] = frozenset(),
    result: Sequence[str] = (),
) -> Iterator[tuple[Path, bool]]:
    """Take the folder of a training and the threads of the processor.

    Args:
        out: the folder; a temporary one where None.
        described: the options.
        training: likewise.
        embedding: likewise; its vectors may not be in a folder that is to be overwritten.
        checks: called before anything is removed, to tell of what cannot be read.
        resume: whether an unfinished training may be gone on with.
        overwrite: whether what is there may be replaced.
        free: options that a resumed training may change, besides those of every training.
        result: names of files that it writes, besides those of every training.

    Yields:
        The folder, and whether it holds the finished result already.
    """
    with run_folder(out) as folder, processor(threads_of(training)):
        start = embedding.vectors
        finished = is_finished(folder, described, resume=resume, overwrite=overwrite, free=_FREE | free, starting_from=start)
        if not finished:
            for check in checks:
                check()
            if overwrite:
                begin_anew(folder, (*_RESULT, *result), described)
        yield folder, finished


def await_first_process(folder: Path, described: Described, encoded: Callable[[], Mapping[str, str] | None], minutes: float = 30) -> None:
    """Wait until the first of several processes has marked the run as begun.

    Args:
        folder: of the run.
        described: its options.
        encoded: gives the checksums of the text, or None while they are not known.
        minutes: how long to wait.

    Raises:
        InputError: it has not in that time.
    """
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        checksums = encoded() if (folder / RUN).exists() else None
        if checksums is not None:
            saved = read_json(folder / RUN)
            if saved.get("encoded") == checksums and all(saved.get(part) == values for part, values in described.items()):
                return
        time.sleep(0.2)
    raise InputError(f"{folder}: the first process has not encoded the text in {minutes:.0f} minutes; do all processes see this folder?")


@contextmanager
def following() -> Iterator[None]:
    """Train along in silence, in a process that is not the first: what stops the training is told by that one."""
    try:
        yield
    except (DivergedRun, InterruptedRun) as error:
        raise SystemExit(130 if isinstance(error, InterruptedRun) else 2) from None


def best_model(trained: M, conductor: Conductor) -> M:
    """Make the model of the weights to keep, ready to predict."""
    model = type(trained).build(trained.options(), trained.vocabulary, trained.tokenizer)
    model.load_state_dict(conductor.best if conductor.best is not None else trained.weights())
    return model.eval()


def training_facts(described: Described, training: TrainingConfig, conductor: Conductor, coverage: Coverage | None) -> dict[str, Any]:
    """Say what lexloom.json is to say of how a model was trained."""
    history = conductor.history
    return {
        "training": described,
        "epochs": len(history.records),
        "best_epoch": history.best_epoch,
        "scores": history.records[(history.best_epoch or len(history.records)) - 1],
        "coverage": coverage and coverage.as_dict(),
        "precision": precision_of(training),
    }


def movement_facts(model: Model, start: Tensor | None, matrix: Callable[[], Tensor]) -> dict[str, Any]:
    """Say what became of rows (V, E) that came from vectors; nothing where none did."""
    if start is None:
        return {}
    return {"movement": movement(start, matrix().detach(), model.vocabulary.tokens, model.vocabulary.counts).as_dict()}


def keep_result(model: M, folder: Path, facts: Mapping[str, Any], conductor: Conductor) -> M:
    """Write a trained model, and give it back as it was written."""
    history = conductor.history
    plot_curves(history.records, folder / CURVES, title=folder.resolve().name, unit=model.unit, best_epoch=history.best_epoch)
    save_model(model, folder, facts)
    return open_result(folder, type(model))


def open_result(folder: Path, kind: type[M]) -> M:
    """Load a result; the checkpoint that led to it is of no more use."""
    remove(folder / TORCH_CHECKPOINT)
    return load_model(folder, kind)
