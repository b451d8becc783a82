"""Checkpoints: one safetensors file with both matrices as they lie in memory, and how far the training has come in its header.

One file means one rename, so that a kill at any moment leaves the checkpoint before or the one after. It is deleted when the training
is finished.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lexloom.errors import FormatError
from lexloom.files import write_atomically
from lexloom.tensors import map_tensors, tensor_metadata, write_tensors

FORMAT_VERSION = 1


@dataclass
class Progress:
    """How far a training has come: everything that a resumed run needs besides the matrices and the configuration."""

    text: str = ""
    """The checksum of the encoded text; the numbers below mean nothing for another."""
    epoch: int = 0
    """The epoch under way, from 0."""
    job: int = 0
    """The first piece of its work that is not done."""
    loss: float = 0.0
    """The sum of the losses of this epoch's terms so far."""
    terms: int = 0
    words: int = 0
    """Effective words of this epoch so far: those that subsampling left."""
    seconds: float = 0.0
    """Seconds of training in this epoch so far."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """A record for each finished epoch; what training.jsonl shows."""
    best_epoch: int | None = None
    """The epoch with the lowest held-out loss so far, from 0."""


def save_checkpoint(path: Path, progress: Progress, source: np.ndarray, target: np.ndarray) -> None:
    """Write a checkpoint, replacing the one before in one step.

    Args:
        path: the file.
        progress: how far the training has come.
        source: input matrix, float32 (V, D), padded as it is.
        target: output matrix, likewise.
    """
    with write_atomically(path) as temporary:
        metadata = {"format_version": str(FORMAT_VERSION), "progress": json.dumps(asdict(progress))}
        write_tensors(temporary, {"input": source, "output": target}, metadata)


def load_checkpoint(path: Path, source: np.ndarray, target: np.ndarray) -> Progress:
    """Read a checkpoint into the two matrices, and return how far it had come.

    Raises:
        FormatError: it is damaged, of another version, or of another shape.
    """
    metadata, tensors = tensor_metadata(path), map_tensors(path)
    if metadata.get("format_version") != str(FORMAT_VERSION):
        raise FormatError(f"{path}: checkpoint of format version {metadata.get('format_version')}, expected {FORMAT_VERSION}")
    for name, matrix in (("input", source), ("output", target)):
        if name not in tensors or tensors[name].shape != matrix.shape:
            raise FormatError(f"{path}: checkpoint without an {name} matrix of shape {matrix.shape}")
        matrix[:] = tensors[name]
    return Progress(**json.loads(metadata["progress"]))
