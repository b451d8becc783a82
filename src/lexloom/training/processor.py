"""Threads, precision and device. Imports no Lightning, so that prediction starts quickly."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from lexloom.compiled.threads import available_cores
from lexloom.errors import ConfigError
from lexloom.nn.recurrent import has_bfloat16
from lexloom.options import check_whole
from lexloom.training.config import TrainingConfig


def precision_of(config: TrainingConfig) -> Literal["32", "bf16-mixed", "16-mixed"]:
    """Return the precision to train in: a CPU has no 16-mixed, and many have no bfloat16."""
    on_cpu = config.accelerator == "cpu" or (config.accelerator == "auto" and not torch.accelerator.is_available())
    if config.precision == "32" or not on_cpu:
        return config.precision
    return "bf16-mixed" if has_bfloat16() else "32"


def threads_of(config: TrainingConfig) -> int:
    """Return the threads of each process. Default: an even share of the cores."""
    return config.threads or max(1, available_cores() // config.devices)


@contextmanager
def processor(threads: int | None) -> Iterator[None]:
    """Set torch's threads, and flush denormal numbers to zero, which slow recurrent layers down twentyfold.

    Enter it before torch's first parallel work: its threads keep the setting they start with.

    Args:
        threads: how many. Default: all cores.

    Raises:
        ConfigError: fewer than 1.
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


def device_of(accelerator: Literal["auto", "cpu", "gpu", "mps"]) -> torch.device:
    """Return the device to predict on.

    Raises:
        ConfigError: there is no such accelerator.
    """
    if accelerator == "cpu" or (accelerator == "auto" and not torch.accelerator.is_available()):
        return torch.device("cpu")
    found = torch.accelerator.current_accelerator()
    if found is None or ((accelerator == "mps") != (found.type == "mps") and accelerator != "auto"):
        raise ConfigError(f"accelerator is {accelerator}, which this machine does not have; give --accelerator auto or cpu")
    return found
