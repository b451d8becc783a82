"""What happens around the steps of a training: the schedule, the log, the best model, checkpoints, and when to stop."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lexloom.errors import DivergedRun
from lexloom.files import write_atomically
from lexloom.run_folder import BEST, write_log
from lexloom.tensors import write_tensors
from lexloom.training.config import TrainingConfig
from lexloom.training.optim import averaged, begin_averaging, is_averaging, schedule_factor, set_rate
from lexloom.training.task import Task

CHECKPOINT = "checkpoint.ckpt"
_TICK = 0.1


@dataclass(frozen=True)
class Working:
    """Where a training is.

    Attributes:
        epoch: the one under way, from 1.
        fraction: how much of it is done.
        loss: mean training loss of this epoch so far, in nats.
        tokens_per_second: of this epoch so far.
        learning_rate: now.
        done: share of the whole training.
    """

    epoch: int
    fraction: float
    loss: float
    tokens_per_second: float
    learning_rate: float
    done: float


@dataclass(frozen=True)
class Reporter:
    """What a training tells while it runs; each part does nothing unless given."""

    encoding: Callable[[int], None] = lambda _size: None
    """Bytes of text encoded so far."""
    prepared: Callable[[dict[str, Any]], None] = lambda _facts: None
    """What is about to be trained, on what."""
    working: Callable[[Working], None] = lambda _working: None
    """Some ten times a second."""
    epoch: Callable[[dict[str, Any]], None] = lambda _record: None
    """A finished epoch: its line of training.jsonl."""
    sample: Callable[[int, str], None] = lambda _epoch, _text: None
    """A continuation of the sample prompt, and after which epoch it was made."""


Score = Callable[[dict[str, Any]], dict[str, Any]]
"""Says more of an epoch, from its `train_loss` and `valid_loss` in nats (None without validation)."""


@dataclass
class History:
    """What a resumed run needs besides the weights.

    Attributes:
        records: a line of training.jsonl for each finished epoch.
        best_epoch: the one with the lowest validation loss, from 1; None without validation.
        plateau: what the schedule plateau multiplies the rate by.
        minutes: of training so far.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None
    plateau: float = 1.0
    minutes: float = 0.0


class Conductor(Callback):
    """Sets the learning rate, records every epoch, keeps the best weights and checkpoints, and stops in time.

    Attributes:
        history: of all epochs, those before a resume included.
        best: the weights of the best epoch; None where there was no validation.
    """

    def __init__(self, config: TrainingConfig, folder: Path, reporter: Reporter, score: Score, *, keep: bool) -> None:
        """Begin.

        Args:
            config: resolved.
            folder: where log, best weights and checkpoint go.
            reporter: told what happens.
            score: what else to record of an epoch.
            keep: whether checkpoints are written.
        """
        self.history = History()
        self.best: dict[str, Tensor] | None = None
        self._config, self._folder, self._reporter, self._score, self._keep = config, folder, reporter, score, keep
        self._started = self._saved = time.monotonic()
        self._ticked = 0.0
        self._rate = 0.0

    # ---- resume -----------------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint keeps of this."""
        return {"history": vars(self.history) | {"minutes": self._minutes()}, "random": torch.get_rng_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint kept."""
        self.history = History(**state_dict["history"])
        self._random = state_dict["random"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the random numbers up where the checkpoint left them; Lightning's own start has used some since."""
        self._started = time.monotonic()
        if self.history.records:
            torch.set_rng_state(self._random)

    def _minutes(self) -> float:
        return self.history.minutes + (time.monotonic() - self._started) / 60

    # ---- each step --------------------------------------------------------------------------------------------------------------

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Set the learning rate."""
        self._done = self._share(trainer, batch_idx)
        epoch = trainer.current_epoch + 1
        self._rate = schedule_factor(self._config, epoch, self._done) * self.history.plateau
        set_rate(trainer.optimizers[0], self._rate)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Tell where the training is, notice a loss that is no number, and stop when the time is up."""
        now = time.monotonic()
        last = batch_idx + 1 == trainer.num_training_batches
        if now - self._ticked < _TICK and not last and trainer.global_step > 10:
            return
        self._ticked = now
        task = _task(pl_module)
        loss = task.train_sums.means()["loss"]
        if not math.isfinite(loss):
            raise DivergedRun(self._diverged(trainer.current_epoch + 1, "training", loss))
        fraction = (batch_idx + 1) / trainer.num_training_batches
        speed = task.train_sums.count("loss") * trainer.world_size / max(1e-9, task.seconds_so_far())
        rate = self._rate * self._config.initial_rate
        self._reporter.working(Working(trainer.current_epoch + 1, fraction, loss, speed, rate, self._done))
        if self._config.max_minutes is not None:
            trainer.should_stop |= trainer.strategy.reduce_boolean_decision(self._minutes() >= self._config.max_minutes, all=False)

    def _share(self, trainer: Trainer, batch: int) -> float:
        done = (trainer.current_epoch + batch / trainer.num_training_batches) / self._config.epochs
        return done if self._config.max_minutes is None else max(done, self._minutes() / self._config.max_minutes)

    def _diverged(self, epoch: int, what: str, loss: float) -> str:
        change = "a lower --learning-rate, or --clip" if not self._config.clip else "a lower --learning-rate or --clip"
        kept = (
            "; the last checkpoint is kept, and --resume goes on from it with these changed" if (self._folder / CHECKPOINT).exists() else ""
        )
        return f"the {what} loss is {loss} in epoch {epoch}: the training diverged; give {change}{kept}"

    # ---- each epoch -------------------------------------------------------------------------------------------------------------

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record the epoch, keep what is best, and decide how to go on."""
        task, history, config = _task(pl_module), self.history, self._config
        record = self._record(trainer, task)
        history.records.append(record)
        losses = [past["valid_loss"] for past in history.records]
        if record["valid_loss"] is not None:
            if not math.isfinite(record["valid_loss"]):
                raise DivergedRun(self._diverged(record["epoch"], "validation", record["valid_loss"]))
            if record["valid_loss"] <= min(losses):
                history.best_epoch = record["epoch"]
                with averaged(trainer.optimizers[0]):
                    self.best = {name: tensor.detach().cpu().clone() for name, tensor in task.model.weights().items()}
            elif config.schedule == "plateau":
                history.plateau *= config.decay
            if config.patience is not None and record["epoch"] - (history.best_epoch or 0) >= config.patience:
                trainer.should_stop = True
        if config.optimizer == "asgd" and not is_averaging(trainer.optimizers[0]) and _stalls(losses, config.nonmonotone):
            begin_averaging(trainer.optimizers[0])
        if trainer.is_global_zero:
            write_log(self._folder, history.records)
            self._reporter.epoch(record)
        last = trainer.should_stop or record["epoch"] == config.epochs
        due = time.monotonic() - self._saved >= config.checkpoint_seconds
        if self._keep and trainer.strategy.broadcast(last or due):
            self._save(trainer)

    def _record(self, trainer: Trainer, task: Task) -> dict[str, Any]:
        def gather(tensor: Tensor) -> Tensor:
            return trainer.strategy.reduce(tensor, reduce_op="sum")

        loss, valid = task.train_sums.means(gather)["loss"], task.valid_sums.means(gather).get("loss")
        tokens = task.train_sums.count("loss") * trainer.world_size
        seconds = task.train_seconds or task.seconds_so_far()
        record = {
            "epoch": trainer.current_epoch + 1,
            "train_loss": loss,
            "valid_loss": valid,
            "tokens_per_second": round(tokens / seconds, 1) if seconds else None,
            "learning_rate": self._rate * self._config.initial_rate,
            "tokens": tokens,
            "seconds": round(seconds, 3),
            "minutes": round(self._minutes(), 3),
        }
        return record | self._score(record)

    def _save(self, trainer: Trainer) -> None:
        if self.best is not None and trainer.is_global_zero:
            with write_atomically(self._folder / BEST) as temporary:
                write_tensors(temporary, {name: tensor.float().contiguous().numpy() for name, tensor in self.best.items()})
        temporary = self._folder / f".{CHECKPOINT}.tmp"
        trainer.save_checkpoint(temporary)
        if trainer.is_global_zero:
            temporary.replace(self._folder / CHECKPOINT)
        self._saved = time.monotonic()


def _stalls(losses: list[float | None], nonmonotone: int) -> bool:
    """Say whether the last loss is above the lowest of more than `nonmonotone` epochs ago; without losses, from the second epoch on."""
    known = [loss for loss in losses if loss is not None]
    if not known:
        return True
    return len(known) > nonmonotone and known[-1] > min(known[:-nonmonotone])


def _task(module: LightningModule) -> Task:
    assert isinstance(module, Task)
    return module
