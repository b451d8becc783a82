"""The processes of a run: launched by Lightning Fabric; only the first one writes and reports."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from lightning.fabric import Fabric
from lightning.fabric.loggers.logger import Logger
from lightning.fabric.loggers.tensorboard import TensorBoardLogger
from lightning.fabric.strategies.ddp import DDPStrategy

from lexloom.errors import ConfigError
from lexloom.training.config import TrainingConfig
from lexloom.training.processor import precision_of, threads_of

TENSORBOARD = "tensorboard"


def launch(config: TrainingConfig, folder: Path | None = None, loggers: Sequence[Logger] = ()) -> Fabric:
    """Start the processes of a run. Each of them returns from here.

    Args:
        config: resolved.
        folder: for the log of TensorBoard.
        loggers: further loggers.

    Raises:
        ConfigError: Lightning cannot train with these options.
    """
    if config.tensorboard:
        if folder is None:
            raise ConfigError("tensorboard needs an output folder; give --out, or leave out --tensorboard")
        try:
            loggers = [*loggers, TensorBoardLogger(folder, name=TENSORBOARD, version="")]
        except ModuleNotFoundError:
            raise ConfigError("tensorboard is not installed; install it (pip install tensorboard), or leave out --tensorboard") from None
    # buffers are the same in all processes, and their number changes when frozen rows begin to train
    alone = config.devices * config.num_nodes == 1
    strategy = config.strategy if alone else DDPStrategy(forward_sync_buffers=False)
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        fabric = Fabric(
            accelerator=config.accelerator,
            devices=config.devices,
            num_nodes=config.num_nodes,
            strategy=strategy,
            precision=precision_of(config),
            loggers=list(loggers),
        )
        fabric.launch()
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"cannot train with these options: {error}") from None
    torch.set_num_threads(threads_of(config))  # which launching several processes sets to 1
    return fabric
