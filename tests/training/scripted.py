"""A model whose validation losses are written down beforehand: what a training makes of them is all there is to see."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import torch
from tests.models.tiny import words
from torch import Tensor, nn

from lexloom.models.base import Model, Outcome
from lexloom.text.tokenizers import TokenizerConfig, make_tokenizer
from lexloom.training.callbacks import Conductor
from lexloom.training.config import TrainingConfig
from lexloom.training.fit import fit
from lexloom.training.reporter import Reporter


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


class Scripted(Model):
    """One weight, whose gradient is always 1 (times `steepness`), and a little chance.

    Attributes:
        seen: the batches that were trained on.
        validated: for each validation, the weight it was done with.
        drawn: for each batch, a random number.
    """

    kind: ClassVar[str] = "scripted"

    def __init__(self, valid: list[float] | None = None, *, train: float | dict[int, float] = 1.0, steepness: float = 1.0) -> None:
        super().__init__(words(1), make_tokenizer(TokenizerConfig()))
        self.weight = nn.Parameter(torch.zeros(2))
        self.script, self.train_losses, self.steepness = valid or [], train, steepness
        self.seen: list[float] = []
        self.validated: list[float] = []
        self.drawn: list[float] = []
        self.number = 0

    def start_epoch(self, number: int) -> None:
        self.number = number

    def measure(self, batch: Any, state: Any = None) -> Outcome:
        if not self.training:
            self.validated.append(self.weight[0].item())
            return Outcome(torch.zeros(()), {"loss": (torch.tensor(self.script[self.number - 1]), 1)})
        self.seen.append(batch.value.item())
        self.drawn.append(torch.rand(()).item())
        loss = self.train_losses.get(int(batch.value), 1.0) if isinstance(self.train_losses, dict) else self.train_losses
        return Outcome(self.weight.sum() * self.steepness, {"loss": (torch.tensor(loss), 1)})

    def options(self) -> dict[str, Any]:
        return {}

    @classmethod
    def build(cls, options: dict[str, Any], vocabulary: Any, tokenizer: Any) -> Self:
        return cls()

    def weights(self) -> dict[str, Tensor]:
        return dict(self.state_dict())


def train(model: Scripted, folder: Path, *, reporter: Reporter | None = None, batches: int = 3, **options: Any) -> Conductor:
    """Train with plain steps of 1 against the gradient, unless told otherwise."""
    config = TrainingConfig(**{"optimizer": "sgd", "clip": 0.0, "epochs": 4, "threads": 1, "accelerator": "cpu", **options}).resolved()
    valid = None if not model.script else Numbers(1)
    share = None if valid is None else lambda _process, _processes: valid
    return fit(model, config, lambda _process, _processes: Numbers(batches), share, folder, keep=True, reporter=reporter or Reporter())


def rates(conductor: Conductor) -> list[float]:
    return [record["learning_rate"] for record in conductor.history.records]
