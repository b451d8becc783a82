"""Train a model: one Trainer, on whatever there is to train on."""

import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy, Strategy

from lexloom.errors import ConfigError, FormatError, InterruptedRun
from lexloom.models.base import Model
from lexloom.run_folder import TORCH_CHECKPOINT
from lexloom.training.callbacks import Conductor, Score
from lexloom.training.config import TrainingConfig
from lexloom.training.data import Share
from lexloom.training.processor import precision_of
from lexloom.training.reporter import Reporter
from lexloom.training.task import Task

TENSORBOARD = "tensorboard"


def fit(
    model: Model,
    config: TrainingConfig,
    train: Share,
    valid: Share | None,
    folder: Path,
    *,
    keep: bool,
    reporter: Reporter,
    best_by: str = "loss",
    score: Score = lambda _record: {},
    callbacks: tuple[Callback, ...] = (),
) -> Conductor:
    """Train a model, from the checkpoint in the folder where there is one.

    Args:
        model: changed in place; at the end it holds the weights of the last epoch.
        config: resolved.
        train: the windows to train on, for each process.
        valid: the windows to validate on after each epoch.
        folder: where log and checkpoint go.
        keep: whether checkpoints are written.
        reporter: told what happens.
        best_by: what says which epoch did best, see `Conductor`.
        score: what else to record of an epoch.
        callbacks: more to do on the way.

    Returns:
        What the training left: its history, and the weights to keep where they are not the last ones.

    Raises:
        InterruptedRun: Ctrl-C.
        DivergedRun: the loss is no number any more.
        ConfigError: Lightning cannot train as the options say.
        FormatError: the checkpoint is damaged.
    """
    conductor = Conductor(config, folder, reporter, score, keep=keep, best_by=best_by)
    task = Task(model, config, train, valid)
    checkpoint = folder / TORCH_CHECKPOINT
    resumes = checkpoint.exists()
    if resumes:
        _require_whole(checkpoint)
    with _quiet():
        trainer = _trainer(config, folder, [conductor, *callbacks])
        try:
            trainer.fit(task, ckpt_path=checkpoint if resumes else None, weights_only=True)
        except SystemExit:  # what Lightning makes of Ctrl-C
            signal.signal(signal.SIGINT, signal.default_int_handler)
            done = len(conductor.history.records)
            how = (
                "its checkpoint is kept; the same command with --resume goes on"
                if (folder / TORCH_CHECKPOINT).exists()
                else "nothing is saved"
            )
            raise InterruptedRun(f"interrupted after {done} whole epochs: {how}") from None
    return conductor


def _require_whole(checkpoint: Path) -> None:
    try:
        torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds, by where the damage is
        raise FormatError(f"{checkpoint}: damaged, cannot go on from it: {error}; give --overwrite to begin anew") from None


def _trainer(config: TrainingConfig, folder: Path, callbacks: list[Callback]) -> Trainer:
    logger: Logger | bool = False
    if config.tensorboard:
        try:
            logger = TensorBoardLogger(folder, name=TENSORBOARD, version="")
        except ModuleNotFoundError:
            raise ConfigError("tensorboard is not installed; install it (pip install tensorboard), or leave out --tensorboard") from None
    try:
        return Trainer(
            accelerator=config.accelerator,
            devices=config.devices,
            num_nodes=config.num_nodes,
            strategy=_strategy(config),
            precision=precision_of(config),
            max_epochs=config.epochs,
            callbacks=callbacks,
            logger=logger,
            default_root_dir=folder,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            inference_mode=False,
        )
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        raise ConfigError(f"cannot train so: {error}") from None


def _strategy(config: TrainingConfig) -> str | Strategy:
    """Let several processes leave their buffers alone: they are the same everywhere, and fewer once rows are let go."""
    return config.strategy if config.devices * config.num_nodes == 1 else DDPStrategy(broadcast_buffers=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what Lightning says about itself; errors still come."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.|torch\.utils\.data|pytorch_lightning\.")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
