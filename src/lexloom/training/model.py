"""The base of models over text, and how they are saved."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import torch

from lexloom.model_folder import Saved, write_folder
from lexloom.nn.embedding import Embedding, OneHot
from lexloom.options import describe
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary
from lexloom.training.trainable import Trainable
from lexloom.vectors.matching import Coverage

M = TypeVar("M", bound="Model")


class Model(Trainable, ABC):
    """A network with the vocabulary and the tokenizer of its ids: all that a model folder holds.

    Attributes:
        kind: its name in model folders.
        config: the options of its task, a frozen dataclass, with the defaults that depend on other options filled in.
        embedding: ids to rows.
        coverage: how much of the vocabulary the pre-trained vectors cover; None without vectors.
    """

    kind: ClassVar[str]
    unit: ClassVar[str] = "tokens"
    config: Any
    embedding: Embedding | OneHot
    coverage: Coverage | None

    def __init__(self, vocabulary: Vocabulary, tokenizer: TextTokenizer) -> None:
        super().__init__()
        self.vocabulary, self.tokenizer = vocabulary, tokenizer

    def extra(self) -> dict[str, Any]:
        """Return what the network needs besides the options, in JSON values, such as its labels."""
        return {}

    def options(self) -> dict[str, Any]:
        """Return all that `build` needs, in JSON values."""
        return describe(self.config) | self.extra()

    @classmethod
    @abstractmethod
    def build(cls, saved: Saved) -> Self:
        """Make the network of a model folder, without its weights."""

    @classmethod
    def load(cls, saved: Saved) -> Self:
        """Make the model of a model folder, ready to predict."""
        model = cls.build(saved)
        model.load_state_dict({name: torch.from_numpy(array) for name, array in saved.arrays.items()})
        return model.eval()


def save_model(model: Model, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write all that is needed to predict.

    Args:
        model: what to save.
        folder: where; files of the same names are replaced.
        facts: further content of lexloom.json, in JSON values.
    """
    arrays = {name: tensor.detach().float().cpu().contiguous().numpy() for name, tensor in model.weights().items()}
    write_folder(Saved(model.kind, model.options(), arrays, model.vocabulary, model.tokenizer), folder, facts)
