"""What Lightning's Trainer drives: a model, its optimizer and its batches."""

import time
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.optim import Optimizer

from lexloom.models.base import Model, State
from lexloom.training.config import TrainingConfig
from lexloom.training.data import Loader, Share
from lexloom.training.metrics import Sums
from lexloom.training.optim import averaged, clip_gradients, make_optimizer


class Task(LightningModule):
    """One model in training.

    Attributes:
        model: the model.
        config: the resolved configuration.
        train_sums: what the epoch under way has summed.
        valid_sums: what its validation has; empty without one.
        train_seconds: seconds of training in the epoch under way, validation not counted.
    """

    def __init__(self, model: Model, config: TrainingConfig, train: Share, valid: Share | None) -> None:
        super().__init__()
        self.model, self.config = model, config
        self._train, self._valid = train, valid
        self._loader: Loader | None = None
        self._state: State | None = None
        self._valid_state: State | None = None
        self.train_sums, self.valid_sums = Sums(), Sums()
        self.train_seconds, self._since = 0.0, 0.0

    # ---- data -------------------------------------------------------------------------------------------------------------------

    def _loader_of(self, share: Share) -> Loader:
        return Loader(share(self.trainer.global_rank, self.trainer.world_size))

    def train_dataloader(self) -> Loader:
        """Give this process's batches."""
        self._loader = self._loader_of(self._train)
        return self._loader

    def val_dataloader(self) -> Loader | list[Any]:
        """Give this process's batches of the validation text."""
        return [] if self._valid is None else self._loader_of(self._valid)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a batch; on the CPU it is there already."""
        return batch if device.type == "cpu" else super().transfer_batch_to_device(batch, device, dataloader_idx)

    # ---- training ---------------------------------------------------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        """Begin an epoch with a new state."""
        assert self._loader is not None
        self._loader.number = self.current_epoch
        self._state = None
        self.train_sums, self.valid_sums = Sums(), Sums()
        self.train_seconds, self._since = 0.0, time.monotonic()
        self.model.start_epoch(self.current_epoch + 1)

    def training_step(self, batch: Any, index: int) -> Tensor:
        """Measure a batch and carry the state on."""
        outcome = self.model.measure(batch, self._state)
        self._state = outcome.state
        self.train_sums.add(outcome.sums)
        return outcome.objective

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip by the norm over all parameters."""
        if self.config.clip:
            clip_gradients(self.model.parameters(), self.config.clip)

    def configure_optimizers(self) -> Optimizer:
        """Make the optimizer."""
        return make_optimizer(self.model, self.config)

    # ---- validation -------------------------------------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        """Begin with a new state, and with averaged weights where the optimizer averages."""
        self.train_seconds += time.monotonic() - self._since
        self._valid_state, self.valid_sums = None, Sums()
        self._averaged = averaged(self._optimizer())
        self._averaged.__enter__()

    def validation_step(self, batch: Any, index: int) -> None:
        """Measure a batch."""
        outcome = self.model.measure(batch, self._valid_state)
        self._valid_state = outcome.state
        self.valid_sums.add(outcome.sums)

    def on_validation_epoch_end(self) -> None:
        """Put the weights back that training goes on with."""
        self._averaged.__exit__(None, None, None)
        self._since = time.monotonic()

    def seconds_so_far(self) -> float:
        """Seconds of training in this epoch until now."""
        return self.train_seconds + time.monotonic() - self._since

    def _optimizer(self) -> Optimizer:
        return self.trainer.optimizers[0]
