"""What Lightning's Trainer drives: a model, its optimizer and its batches."""

import time
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.optim import Optimizer

from lexloom.models.base import Model, State
from lexloom.training.config import TrainingConfig
from lexloom.training.data import Loader, Share
from lexloom.training.metrics import Sums
from lexloom.training.optim import averaged, clip_gradients, make_optimizer

_TOGETHER = 8  # batches that Lightning sees as one where there is one process; gradients of several meet after each


class Task(LightningModule):
    """One model in training. Lightning gives it some batches at a time, and each is a step of its own.

    Attributes:
        model: the model.
        config: the resolved configuration.
        steps: how many the epoch under way has taken.
        train_sums: what the epoch under way has summed.
        valid_sums: what its validation has; empty without one.
        train_seconds: seconds of training in the epoch under way, validation not counted.
    """

    def __init__(self, model: Model, config: TrainingConfig, train: Share, valid: Share | None) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model, self.config = model, config
        self.steps = 0
        self._train, self._valid = train, valid
        self._loader: Loader | None = None
        self._state: State | None = None
        self._valid_state: State | None = None
        self.train_sums, self.valid_sums = Sums(), Sums()
        self.train_seconds, self._since = 0.0, 0.0

    # ---- data -------------------------------------------------------------------------------------------------------------------

    def _loader_of(self, share: Share) -> Loader:
        return Loader(share(self.trainer.global_rank, self.trainer.world_size), _TOGETHER if self.trainer.world_size == 1 else 1)

    def train_dataloader(self) -> Loader:
        """Give this process's batches."""
        self._loader = self._loader_of(self._train)
        return self._loader

    def val_dataloader(self) -> Loader | list[Any]:
        """Give this process's batches of the validation text."""
        return [] if self._valid is None else self._loader_of(self._valid)

    def steps_an_epoch(self) -> int:
        """Say how many batches this process goes through in an epoch."""
        assert self._loader is not None
        return self._loader.batches()

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move batches; on the CPU they are there already."""
        return batch if device.type == "cpu" else super().transfer_batch_to_device(batch, device, dataloader_idx)

    # ---- training ---------------------------------------------------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        """Begin an epoch with a new state."""
        assert self._loader is not None
        self._loader.number = self.current_epoch
        self._state, self.steps = None, 0
        self.train_sums, self.valid_sums = Sums(), Sums()
        self.train_seconds, self._since = 0.0, time.monotonic()
        self.model.start_epoch(self.current_epoch + 1)

    def training_step(self, batches: list[Any], index: int) -> None:
        """Take a step for each batch, until the conductor says stop."""
        for batch in batches:
            self._step(batch)
            if self.trainer.received_sigterm:
                raise SIGTERMException
            if self.trainer.should_stop:
                return

    def _step(self, batch: Any) -> None:
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        outcome = self.model.measure(batch, self._state)
        self._state = outcome.state
        self.train_sums.add(outcome.sums)
        optimizer.zero_grad()
        with torch.autocast(self.device.type, enabled=False):  # which Lightning has on around a whole training_step
            self.manual_backward(outcome.objective)
        self.steps += 1
        optimizer.step()

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
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

    def validation_step(self, batches: list[Any], index: int) -> None:
        """Measure some batches."""
        for batch in batches:
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
