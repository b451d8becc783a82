"""Checkpoints of a training: one safetensors file with the arrays that are trained, and the state of the training in its header.

One file means one rename: a kill at any moment leaves either the previous checkpoint or the new one.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lexloom.errors import FormatError
from lexloom.files import write_atomically
from lexloom.run_folder import TORCH_CHECKPOINT
from lexloom.tensors import map_tensors, tensor_metadata, write_tensors

FORMAT_VERSION = 2
CHECKPOINT = "checkpoint.safetensors"
RESULT_FILES = (CHECKPOINT, TORCH_CHECKPOINT, "model.safetensors", "output.safetensors")
"""What a training of vectors writes to its folder, with either engine, besides the files that every training writes."""


@dataclass
class TrainingState:
    """How far a training is: everything that a resume needs besides the arrays and the options."""

    text: str = ""
    """Checksum of the encoded text, which the fields below refer to."""
    start: str = ""
    """Checksum of the tokens of the rows and of the vectors to start from."""
    epoch: int = 0
    """The epoch under way, counted from 0."""
    job: int = 0
    """The number of jobs of this epoch that are done."""
    loss: float = 0.0
    """Sum of the losses of this epoch's terms so far, in nats."""
    terms: int = 0
    words: int = 0
    """Effective words of this epoch so far: those that subsampling kept."""
    seconds: float = 0.0
    """Seconds of training in this epoch so far."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """One record per finished epoch, as in training.jsonl."""
    best_epoch: int | None = None
    """The epoch with the lowest validation loss so far, counted from 0."""


def save_checkpoint(path: Path, state: TrainingState, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a checkpoint, replacing the previous one in one step."""
    with write_atomically(path) as temporary:
        write_tensors(temporary, arrays, {"format_version": str(FORMAT_VERSION), "state": json.dumps(asdict(state))})


def load_checkpoint(path: Path, arrays: Mapping[str, np.ndarray]) -> TrainingState:
    """Read a checkpoint into the arrays, in place, and return its state.

    Raises:
        FormatError: it is damaged, of another version, or its arrays have other names or shapes.
    """
    state = read_state(path)
    tensors = map_tensors(path)
    for name, array in arrays.items():
        if name not in tensors or tensors[name].shape != array.shape:
            raise FormatError(f"{path}: checkpoint without an array {name!r} of shape {array.shape}")
        array[:] = tensors[name]
    return state


def read_state(path: Path) -> TrainingState:
    """Read the state that a checkpoint holds, without its arrays.

    Raises:
        FormatError: it is damaged or of another version.
    """
    metadata = tensor_metadata(path)
    if metadata.get("format_version") != str(FORMAT_VERSION):
        raise FormatError(f"{path}: checkpoint of format version {metadata.get('format_version')}, expected {FORMAT_VERSION}")
    return TrainingState(**json.loads(metadata["state"]))
