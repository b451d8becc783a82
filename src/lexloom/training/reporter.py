"""What a run reports while it goes on, and which of several processes does so. Imports no torch."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Working:
    """The state of a run.

    Attributes:
        epoch: the current one, from 1.
        fraction: share of it that is done.
        loss: mean training loss of this epoch so far, in nats.
        speed: tokens (or whatever the model counts) per second in this epoch so far.
        learning_rate: the current one.
        done: share of the whole run that is done.
    """

    epoch: int
    fraction: float
    loss: float
    speed: float
    learning_rate: float
    done: float


@dataclass(frozen=True)
class Reporter:
    """Callbacks of a run; each does nothing by default."""

    encoding: Callable[[int], None] = lambda _size: None
    """Bytes of text encoded so far."""
    prepared: Callable[[dict[str, Any]], None] = lambda _facts: None
    """Before the training: `parameters`, `coverage`, and `about` and `problems` of the data, as lines for the user."""
    working: Callable[[Working], None] = lambda _working: None
    """Up to ten times per second."""
    epoch: Callable[[dict[str, Any]], None] = lambda _record: None
    """After an epoch: its line of training.jsonl."""
    sample: Callable[[int, str], None] = lambda _epoch, _text: None
    """After an epoch: its number, and a sample of what the model has learnt."""


def cost_of(record: dict[str, Any], best_by: str) -> tuple[float, float] | None:
    """Return the cost by which epochs are compared; None without validation.

    Args:
        record: a line of training.jsonl.
        best_by: `loss`, or a metric for which higher is better and which is compared before the loss.
    """
    if record["valid_loss"] is None:
        return None
    return (0.0 if best_by == "loss" else -record[f"valid_{best_by}"]), record["valid_loss"]


def is_first_process() -> bool:
    """Whether this is the process that writes and reports, among those that a launcher started."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"))
