"""What every model over text gives to training, and how it is kept: one page, and no more."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from textwrap import shorten
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from lexloom.errors import ConfigError, FormatError
from lexloom.files import read_json, write_atomically, write_json, write_text
from lexloom.run_folder import RESULT, RUN
from lexloom.tensors import checksum, map_tensors, write_tensors
from lexloom.text.segmenters import Segmenter
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary
from lexloom.version import __version__

FORMAT, FORMAT_VERSION = "lexloom model", 1
WEIGHTS, VOCABULARY, TOKENIZER = "model.safetensors", "vocabulary.json", "tokenizer.json"

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
    """Write all that is needed to predict; `lexloom.json` last, so that a folder which has it is whole.

    Args:
        model: what to save.
        folder: where; files of the same names are replaced.
        facts: what else lexloom.json is to say, in JSON values.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: tensor.detach().float().cpu().contiguous().numpy() for name, tensor in model.weights().items()}
    with write_atomically(folder / WEIGHTS) as temporary:
        write_tensors(temporary, arrays, {"format": "pt"})
    write_text(folder / TOKENIZER, model.tokenizer.json)
    model.vocabulary.save(folder / VOCABULARY)
    segmenter = model.tokenizer.segmenter
    head = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "lexloom": __version__,
        "kind": model.kind,
        "options": model.options(),
        "parameters": int(sum(array.size for array in arrays.values())),
        "segmenter": segmenter and asdict(segmenter),
        "checksums": {"weights": _checksum(arrays), "vocabulary": model.vocabulary.identity, "tokenizer": model.tokenizer.identity},
    }
    write_json(folder / RESULT, {**head, **facts})


def describe_model(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what lexloom.json says of a model.

    Raises:
        FormatError: there is no model, or one that this version does not read.
    """
    folder = Path(folder)
    if (folder / RUN).exists() and not (folder / RESULT).exists():
        raise FormatError(f"{folder}: holds an unfinished training; the command that began it goes on with --resume")
    if not (folder / RESULT).exists():
        problem = f"holds no model: {RESULT} is missing" if folder.is_dir() else "not a folder" if folder.exists() else "no such folder"
        raise FormatError(f"{folder}: {problem}; expected a folder that a training wrote")
    head = read_json(folder / RESULT)
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise FormatError(f"{folder}: not a model; expected a folder that `lexloom lm train` or another training of a model wrote")
    if head.get("format_version") != FORMAT_VERSION:
        raise FormatError(f"{folder}: model format version {head.get('format_version')}, this lexloom reads {FORMAT_VERSION}")
    return head


def load_model(folder: str | os.PathLike[str], kind: type[M]) -> M:
    """Load a model, ready to predict.

    Raises:
        FormatError: it is missing, damaged, of another kind or version; the message says where.
    """
    folder = Path(folder)
    head = describe_model(folder)
    if head.get("kind") != kind.kind:
        raise FormatError(f"{folder}: holds a {head.get('kind')}, expected a {kind.kind}")
    try:
        tokenizer = TextTokenizer((folder / TOKENIZER).read_text(encoding="utf-8"), head["segmenter"] and Segmenter(**head["segmenter"]))
        vocabulary = Vocabulary.load(folder / VOCABULARY)
        arrays = {name: np.array(array) for name, array in map_tensors(folder / WEIGHTS).items()}
        found = {"weights": _checksum(arrays), "vocabulary": vocabulary.identity, "tokenizer": tokenizer.identity}
        files = {"weights": WEIGHTS, "vocabulary": VOCABULARY, "tokenizer": TOKENIZER}
        for name, value in found.items():
            if head["checksums"][name] != value:
                raise FormatError(f"{folder / files[name]}: damaged or changed: its checksum is not the one in {RESULT}")
        model = kind.build(head["options"], vocabulary, tokenizer)
        model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    except FormatError:
        raise
    except (ConfigError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise FormatError(f"{folder}: the model is damaged or incomplete: {shorten(str(error), 200, placeholder=' ...')}") from None
    return model.eval()


def _checksum(arrays: Mapping[str, np.ndarray]) -> str:
    names = sorted(arrays)
    return checksum(json.dumps([(name, arrays[name].shape) for name in names]).encode(), *(arrays[name] for name in names))
