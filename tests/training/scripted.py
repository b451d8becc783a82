"""A model whose validation losses are given: all that shows is what a run makes of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lexloom.training.config import TrainingConfig
from lexloom.training.loop import Fitted, fit
from lexloom.training.reporter import Reporter
from lexloom.training.trainable import Outcome, Trainable


class Number(NamedTuple):
    """A batch: a number that says which."""

    value: Tensor


class Numbers:
    """Epoch e has the batches 100 e, 100 e + 1, and so on."""

    def __init__(self, batches: int = 3) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return self._batches

    def epoch(self, number: int) -> Iterator[Number]:
        return (Number(torch.tensor(float(100 * number + batch))) for batch in range(self._batches))

    def shard(self, process: int, processes: int) -> "Numbers":
        return self


class Scripted(Trainable):
    """One weight, whose gradient is always 1 (times `steepness`), and a little chance.

    Attributes:
        seen: the batches that were trained on.
        validated: for each validation, the weight it was done with.
        drawn: for each batch, a random number.
        carried: for each batch, how many of the epoch the carried state has seen.
    """

    unit = "tokens"

    def __init__(self, valid: list[float] | None = None, *, train: float | dict[int, float] = 1.0, steepness: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.script, self.train_losses, self.steepness = valid or [], train, steepness
        self.seen: list[float] = []
        self.validated: list[float] = []
        self.drawn: list[float] = []
        self.carried: list[float] = []
        self.number = 0

    def start_epoch(self, number: int) -> None:
        self.number = number

    def measure(self, batch: Any, state: Any = None) -> Outcome:
        if not self.training:
            self.validated.append(self.weight[0].item())
            return Outcome(torch.zeros(()), 1, {"loss": (torch.tensor(self.script[self.number - 1]), 1)})
        self.seen.append(batch.value.item())
        self.drawn.append(torch.rand(()).item())
        loss = self.train_losses.get(int(batch.value), 1.0) if isinstance(self.train_losses, dict) else self.train_losses
        state = (torch.ones(1) if state is None else state[0] + 1,)  # counts the batches of the epoch
        self.carried.append(state[0].item())
        return Outcome(self.weight.sum() * self.steepness, 1, {"loss": (torch.tensor(loss), 1)}, state)


def train(model: Scripted, folder: Path, *, reporter: Reporter | None = None, batches: int = 3, **options: Any) -> Fitted:
    """Train with plain steps of 1 against the gradient, unless told otherwise."""
    config = TrainingConfig(**{"optimizer": "sgd", "clip": 0.0, "epochs": 4, "threads": 1, "accelerator": "cpu", **options})
    return fit(model, config, Numbers(batches), Numbers(1) if model.script else None, folder=folder, reporter=reporter)


def rates(fitted: Fitted) -> list[float]:
    return [record["learning_rate"] for record in fitted.history.records]
