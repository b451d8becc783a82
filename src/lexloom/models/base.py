"""What every model over text gives to training, and how it is kept: one page, and no more."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

import torch
from torch import Tensor, nn

from lexloom.models.folder import Saved, read_folder, write_folder
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary

State = tuple[Tensor, ...]
"""What a recurrent model carries on: tensors, row first."""
M = TypeVar("M", bound="Model")


class Outcome(NamedTuple):
    """What a model says of a batch.

    Attributes:
        objective: (), to be minimised.
        sums: for each metric the sum, (), and the number of things summed; they are divided once, over batches and processes.
        state: detached; what the next batch of the same streams goes on from. None where nothing is carried.
    """

    objective: Tensor
    sums: Mapping[str, tuple[Tensor, int]]
    state: State | None = None


class Model(nn.Module, ABC):
    """A network with the vocabulary and the tokenizer that its ids come from.

    Attributes:
        kind: its name in model folders.
        unit: what its loss is a mean over.
    """

    kind: ClassVar[str]
    unit: ClassVar[str] = "tokens"

    def __init__(self, vocabulary: Vocabulary, tokenizer: TextTokenizer) -> None:
        super().__init__()
        self.vocabulary, self.tokenizer = vocabulary, tokenizer

    @abstractmethod
    def measure(self, batch: Any, state: State | None = None) -> Outcome:
        """Say how well a batch is predicted; in training mode with all that regularises."""

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Give the configuration, in JSON values, from which `build` makes the same network."""

    @classmethod
    @abstractmethod
    def build(cls, options: dict[str, Any], vocabulary: Vocabulary, tokenizer: TextTokenizer) -> Self:
        """Make an untrained network from saved options."""

    @abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """Give the tensors that a network built from `options` needs to predict the same."""

    def start_epoch(self, number: int) -> None:
        """Hear that an epoch begins, counted from 1."""


def save_model(model: Model, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write all that is needed to predict.

    Args:
        model: what to save.
        folder: where; files of the same names are replaced.
        facts: what else lexloom.json is to say, in JSON values.
    """
    arrays = {name: tensor.detach().float().cpu().contiguous().numpy() for name, tensor in model.weights().items()}
    write_folder(Saved(model.kind, model.options(), arrays, model.vocabulary, model.tokenizer), folder, facts)


def load_model(folder: str | os.PathLike[str], kind: type[M]) -> M:
    """Load a model, ready to predict.

    Raises:
        FormatError: it is missing, damaged, of another kind or version; the message says where.
    """
    return read_folder(folder, lambda saved: model_of(saved, kind), kind.kind)


def model_of(saved: Saved, kind: type[M]) -> M:
    """Make a model of what a folder holds, ready to predict."""
    model = kind.build(saved.options, saved.vocabulary, saved.tokenizer)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in saved.arrays.items()})
    return model.eval()
