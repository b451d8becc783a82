"""What a training tells while it runs, and which of several processes tells it. No torch is needed here."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Working:
    """Where a training is.

    Attributes:
        epoch: the one under way, from 1.
        fraction: how much of it is done.
        loss: mean training loss of this epoch so far, in nats.
        speed: tokens a second, or whatever the model counts, of this epoch so far.
        learning_rate: now.
        done: share of the whole training.
    """

    epoch: int
    fraction: float
    loss: float
    speed: float
    learning_rate: float
    done: float


@dataclass(frozen=True)
class Reporter:
    """What a training tells while it runs; each part does nothing unless given."""

    encoding: Callable[[int], None] = lambda _size: None
    """Bytes of text encoded so far."""
    prepared: Callable[[dict[str, Any]], None] = lambda _facts: None
    """What is about to be trained, on what."""
    working: Callable[[Working], None] = lambda _working: None
    """Some ten times a second."""
    epoch: Callable[[dict[str, Any]], None] = lambda _record: None
    """A finished epoch: its line of training.jsonl."""
    sample: Callable[[int, str], None] = lambda _epoch, _text: None
    """A continuation of the sample prompt, and after which epoch it was made."""


def cost_of(record: dict[str, Any], best_by: str) -> tuple[float, float] | None:
    """Say what an epoch is judged by, less is better; None without validation.

    Args:
        record: its line of training.jsonl.
        best_by: `loss`, or another of the model's sums, of which more is better and which decides before the loss does.
    """
    if record["valid_loss"] is None:
        return None
    return (0.0 if best_by == "loss" else -record[f"valid_{best_by}"]), record["valid_loss"]


def is_first_process() -> bool:
    """Say whether this is the process that writes and tells, of those that a launcher has started."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"))
