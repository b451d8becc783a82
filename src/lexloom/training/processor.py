"""The processor and the processes that a run has; no Lightning here, so that models which only predict start quickly."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from lexloom.nn.recurrent import has_bfloat16
from lexloom.options import check_whole
from lexloom.training.config import TrainingConfig
from lexloom.vectors.config import available_cores


def precision_of(config: TrainingConfig) -> Literal["32", "bf16-mixed", "16-mixed"]:
    """Say in which precision to train here: in 32 bits where the processor trains and has no numbers of 16."""
    on_processor = config.accelerator == "cpu" or (config.accelerator == "auto" and not torch.accelerator.is_available())
    return "32" if config.precision != "32" and on_processor and not has_bfloat16() else config.precision


def threads_of(config: TrainingConfig) -> int:
    """Say how many threads each process has: an even share of the cores unless given."""
    return config.threads or max(1, available_cores() // config.devices)


@contextmanager
def processor(threads: int | None) -> Iterator[None]:
    """Give torch its threads, and let it take denormal numbers for zero, which would slow recurrent layers down twentyfold.

    Best entered before torch's first parallel work: its threads keep what they began with.

    Args:
        threads: how many; as many as there are cores where None.

    Raises:
        ConfigError: there are fewer than 1.
    """
    check_whole("threads", threads, 1)
    before = torch.get_num_threads()
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads or available_cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(False)
