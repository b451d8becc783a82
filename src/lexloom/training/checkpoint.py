"""The checkpoint of a run: weights, optimizers, history, and the position within an epoch."""

import secrets
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.optim import Optimizer

from lexloom.errors import FormatError
from lexloom.run_folder import TORCH_CHECKPOINT
from lexloom.training.metrics import Sums
from lexloom.training.trainable import State, Trainable


@dataclass
class History:
    """What happened so far.

    Attributes:
        records: a line of training.jsonl per finished epoch.
        best_epoch: the epoch with the best validation cost, from 1; None without validation.
        plateau: factor of the plateau schedule.
        minutes: of training, over all resumes.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None
    plateau: float = 1.0
    minutes: float = 0.0


@dataclass
class Position:
    """A place within an epoch, from which a run can resume.

    Attributes:
        batch: batches done.
        sums: metrics of these.
        state: carried to the next batch.
        seconds: spent on these.
        rate: the last factor on the highest learning rate.
    """

    batch: int = 0
    sums: Sums = field(default_factory=Sums)
    state: State | None = None
    seconds: float = 0.0
    rate: float = 0.0


def save_checkpoint(
    folder: Path,
    fabric: Fabric,
    model: Trainable,
    optimizers: Sequence[Optimizer],
    history: History,
    best: dict[str, Tensor] | None,
    position: Position | None,
) -> None:
    """Write a checkpoint atomically; called in every process, written by the first.

    Args:
        folder: of the run.
        fabric: of the run.
        model: its weights are saved.
        optimizers: their states are saved.
        history: of the finished epochs.
        best: the best weights so far.
        position: within an epoch; None at its end.
    """
    state: dict[str, Any] = {
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "scaler": fabric.strategy.precision.state_dict(),
        "history": vars(history),
        "best": best,
        "positions": None if position is None else _gather(_pack(position, fabric.device), fabric.world_size),
    }
    temporary = folder / f".{TORCH_CHECKPOINT}.{secrets.token_hex(8)}.tmp"
    fabric.save(temporary, state)
    if fabric.is_global_zero:
        temporary.replace(folder / TORCH_CHECKPOINT)


def load_checkpoint(
    folder: Path, fabric: Fabric, model: Trainable, optimizers: Sequence[Optimizer]
) -> tuple[History, dict[str, Tensor] | None, Position | None]:
    """Load the checkpoint of a folder into the model, the optimizers and torch's random numbers.

    Returns:
        The history, the best weights, and the position of this process within an epoch.

    Raises:
        FormatError: the checkpoint is damaged.
    """
    path = folder / TORCH_CHECKPOINT
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load ignores the checksums
            if (name := archive.testzip()) is not None:
                raise FormatError(f"wrong checksum of {name}")
        state = fabric.load(path, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        fabric.strategy.precision.load_state_dict(state["scaler"])
        positions = state["positions"]
        position = None if positions is None else _unpack(positions[fabric.global_rank], fabric.device)
        return History(**state["history"]), state["best"], position
    except Exception as error:  # of many kinds, depending on the damage
        raise FormatError(f"{path}: damaged, cannot resume from it: {error}; give --overwrite to start over") from None


def kept_checkpoint(folder: Path | None) -> str:
    """Say what an interruption leaves, as the end of a sentence."""
    saved = folder is not None and (folder / TORCH_CHECKPOINT).exists()
    return "its checkpoint is kept; the same command with --resume continues" if saved else "nothing is saved"


def _pack(position: Position, device: torch.device) -> dict[str, Any]:
    """Add the state of the random numbers."""
    sums = {name: (value.cpu(), count) for name, (value, count) in position.sums.state_dict().items()}
    state = None if position.state is None else tuple(tensor.cpu() for tensor in position.state)
    packed = vars(position) | {"sums": sums, "state": state, "random": torch.get_rng_state()}
    if device.type == "cuda":
        packed["device_random"] = torch.cuda.get_rng_state(device)
    return packed


def _unpack(packed: dict[str, Any], device: torch.device) -> Position:
    torch.set_rng_state(packed.pop("random"))
    if "device_random" in packed:
        torch.cuda.set_rng_state(packed.pop("device_random"), device)
    sums = Sums()
    sums.load_state_dict(packed.pop("sums"))
    state: State | None = packed.pop("state")
    on_device = None if state is None else tuple(tensor.to(device) for tensor in state)
    return Position(**packed, state=on_device, sums=sums)


def _gather(value: Any, processes: int) -> list[Any]:
    """Gather a value of every process."""
    values = [value] * processes
    if processes > 1:
        torch.distributed.all_gather_object(values, value)
    return values
