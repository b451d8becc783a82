"""A task: what a run is asked for, and how its text becomes data, a model, batches and a result."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

import torch

from lexloom.errors import ConfigError
from lexloom.model_folder import read_folder
from lexloom.nn.embedding_config import EmbeddingConfig
from lexloom.text.blocks import ReadProgress
from lexloom.text.corpus import Readable
from lexloom.training.batches import Batches
from lexloom.training.config import TrainingConfig
from lexloom.training.model import Model, save_model
from lexloom.training.trainable import Trainable


class Options(Protocol):
    """All options of a task: a frozen dataclass of frozen dataclasses, these two among them."""

    @property
    def training(self) -> TrainingConfig:
        """How to train."""

    @property
    def embedding(self) -> EmbeddingConfig:
        """How tokens become vectors."""


class Data(Protocol):
    """The encoded text of a task."""

    @property
    def facts(self) -> dict[str, Any]:
        """What lexloom.json says of it, in JSON values."""

    @property
    def about(self) -> list[str]:
        """Lines for the user before the training."""

    @property
    def problems(self) -> list[str]:
        """What was wrong with the text, for warnings."""

    def checksums(self) -> Mapping[str, str]:
        """Identify the data: a resume and all processes must read the same."""


M = TypeVar("M", bound=Trainable)
D = TypeVar("D", bound=Data)
R = TypeVar("R")
Md = TypeVar("Md", bound=Model)


class Task(ABC, Generic[M, D, R]):
    """What a run is asked for: options and texts. A frozen dataclass per task, with the network M, the data D and the result R.

    Attributes:
        options: all options, with the defaults of the training filled in.
        remedy: how to get validation data, for messages.
        free: options that may change on a resume, besides those of the training.
        files: names of the files of a result, besides those of every model folder.
    """

    options: Options
    remedy: ClassVar[str] = "validation data"
    free: ClassVar[frozenset[str]] = frozenset()
    files: ClassVar[tuple[str, ...]] = ()

    @property
    def best_by(self) -> str:
        """The metric that chooses the best epoch, see `cost_of`."""
        return "loss"

    @abstractmethod
    def kind_of_run(self) -> dict[str, str]:
        """Return what the run trains, for run.json, so that a resume refuses a run of another kind."""

    @property
    @abstractmethod
    def validated(self) -> bool:
        """Whether there is data to validate on."""

    @abstractmethod
    def texts(self) -> dict[str, Any]:
        """Return the names of the texts, for run.json."""

    @abstractmethod
    def check(self) -> None:
        """Raise if a text is missing or unusable, before anything is removed or trained."""

    def check_shared(self, processes: int) -> None:
        """Raise if several processes cannot read the texts or share the batches."""

    @abstractmethod
    def read(self, folder: Path, progress: ReadProgress) -> D:
        """Read and encode the texts; called in every process, in the first one first. The folder may keep the encoded text."""

    @abstractmethod
    def build(self, data: D, generator: torch.Generator) -> M:
        """Make the untrained network."""

    @abstractmethod
    def batches(self, data: D) -> tuple[Batches, Batches | None]:
        """Return the batches to train on and those to validate on."""

    def score(self, record: dict[str, Any], data: D) -> dict[str, Any]:
        """Return further values for the record of an epoch, such as the perplexity."""
        return {}

    def sample(self, model: M, epoch: int) -> str | None:
        """Return a sample of what the model has learnt after an epoch, counted from 1."""
        return None

    @abstractmethod
    def finish(self, model: M, data: D, scores: dict[str, Any], records: list[dict[str, Any]]) -> R:
        """Make the result of the best weights.

        Args:
            model: with these weights, ready to predict.
            data: the encoded texts.
            scores: the record of the best epoch, which may be changed, for example after tuning thresholds.
            records: those of all epochs.
        """

    def evaluate(self, result: R) -> dict[str, Any] | None:
        """Score the test text, in JSON values; None if there is none."""
        return None

    @abstractmethod
    def save(self, result: R, folder: Path, facts: Mapping[str, Any]) -> None:
        """Write the result."""

    @abstractmethod
    def open(self, folder: Path) -> R:
        """Load a finished result."""


def refuse_single_use(texts: Iterable[Readable[Any] | None], processes: int) -> None:
    """Refuse texts that can be read only once, such as standard input, where several processes read them.

    Raises:
        ConfigError: there is such a text.
    """
    for text in texts:
        if text is not None and text.files is not None and not text.files.can_be_read_again:
            raise ConfigError(f"{text.name} can be read only once, but {processes} processes read it; give a file")


class ModelTask(Task[Md, D, Md]):
    """A task whose result is a model folder.

    Attributes:
        kind: the class of the model.
    """

    kind: ClassVar[type[Model]]

    def kind_of_run(self) -> dict[str, str]:
        """Return the kind of the model."""
        return {"kind": self.kind.kind}

    def finish(self, model: Md, data: D, scores: dict[str, Any], records: list[dict[str, Any]]) -> Md:
        """Return the model."""
        return model

    def save(self, result: Md, folder: Path, facts: Mapping[str, Any]) -> None:
        """Write a model folder."""
        save_model(result, folder, facts)

    def open(self, folder: Path) -> Md:
        """Load a model folder."""
        return cast(Md, read_folder(folder, self.kind.load, self.kind.kind))
