"""What happens around the steps of a training: the schedule, the log, the best model, checkpoints, and when to stop."""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from lexloom.errors import DivergedRun
from lexloom.run_folder import TORCH_CHECKPOINT, append_log, write_log
from lexloom.training.config import TrainingConfig
from lexloom.training.optim import averaged, begin_averaging, is_averaging, schedule_factor, set_highest_rates, set_rate
from lexloom.training.processor import threads_of
from lexloom.training.reporter import Reporter, Working, cost_of
from lexloom.training.task import Task

_TICK = 0.1  # seconds between looks at the loss
_CLOCK = 10  # steps between looks at the first process's clock, and at the loss where there are several processes
_HOPELESS = 700.0  # nats; the perplexity of a higher loss is beyond a float


Score = Callable[[dict[str, Any]], dict[str, Any]]
"""Says more of an epoch, from its `train_loss` and `valid_loss` in nats (None without validation)."""


@dataclass
class History:
    """What a resumed run needs besides the weights.

    Attributes:
        records: a line of training.jsonl for each finished epoch.
        best_epoch: the one that did best on what is validated on, from 1; None without validation.
        plateau: what the schedule plateau multiplies the rate by.
        minutes: of training so far.
        finished: nothing is left to train.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None
    plateau: float = 1.0
    minutes: float = 0.0
    finished: bool = False


class Conductor(Callback):
    """Sets the learning rate, records every epoch, keeps the best weights and checkpoints, and stops in time.

    Attributes:
        history: of all epochs, those before a resume included.
        best: the weights to keep where they are not those that the training ends with: of the best epoch where there was validation, and
            averaged where the optimizer averages.
    """

    def __init__(self, config: TrainingConfig, folder: Path, reporter: Reporter, score: Score, *, keep: bool, best_by: str) -> None:
        """Begin.

        Args:
            config: resolved.
            folder: where log and checkpoint go.
            reporter: told what happens.
            score: what else to record of an epoch.
            keep: whether checkpoints are written.
            best_by: what says which epoch did best, see `cost_of`.
        """
        self.history = History()
        self.best: dict[str, Tensor] | None = None
        self._config, self._folder, self._reporter, self._score, self._keep = config, folder, reporter, score, keep
        self._best_by = best_by
        self._started = time.monotonic()
        self._saved = -math.inf  # the first epoch is kept in any case, for a second one that diverges
        self._ticked = 0.0
        self._rate = self._clock = 0.0

    # ---- resume -----------------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint keeps of this."""
        return {"history": vars(self.history) | {"minutes": self._minutes()}, "best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint kept."""
        self.history = History(**state_dict["history"])
        self.best = state_dict["best"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set what a checkpoint or Lightning's own start has set otherwise."""
        self._started = time.monotonic()
        trainer.should_stop = self.history.finished
        if trainer.is_global_zero:
            write_log(self._folder, self.history.records)
        set_highest_rates(trainer.optimizers[0], self._config)
        torch.set_num_threads(threads_of(self._config))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the random numbers anew: of an epoch and a process, so that a resume needs none of the epochs before."""
        draws = np.random.SeedSequence([self._config.seed, trainer.current_epoch, trainer.global_rank])
        torch.manual_seed(int(draws.generate_state(1)[0]))

    def _minutes(self) -> float:
        return self.history.minutes + (time.monotonic() - self._started) / 60

    # ---- each step --------------------------------------------------------------------------------------------------------------

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Set the learning rate, tell where the training is, notice a loss that is no number, and stop when the time is up."""
        task, alone = _task(pl_module), trainer.world_size == 1
        steps, whole = task.steps, task.steps_an_epoch()
        done = (trainer.current_epoch + (steps - 1) / whole) / self._config.epochs
        if self._config.max_minutes is not None:
            if alone or steps % _CLOCK == 1:
                self._clock = trainer.strategy.broadcast(self._minutes())  # one clock for all processes
            done = max(done, self._clock / self._config.max_minutes)
            trainer.should_stop |= self._clock >= self._config.max_minutes
        self._rate = schedule_factor(self._config, trainer.current_epoch + 1, done) * self.history.plateau
        set_rate(optimizer, self._rate)
        now = time.monotonic()
        # several processes have to look at the same time
        due = (now - self._ticked >= _TICK or trainer.global_step <= 10) if alone else steps % _CLOCK == 0
        if due or steps == whole:
            self._ticked = now
            self._tell(trainer, task, steps / whole, done)

    def _tell(self, trainer: Trainer, task: Task, fraction: float, done: float) -> None:
        loss = task.train_sums.means(_adder(trainer))["loss"]
        self._refuse_divergence("training", loss, trainer)
        speed = task.train_sums.count("loss") * trainer.world_size / max(1e-9, task.seconds_so_far())
        rate = self._rate * self._config.initial_rate
        self._reporter.working(Working(trainer.current_epoch + 1, fraction, loss, speed, rate, done))

    def _refuse_divergence(self, what: str, loss: float, trainer: Trainer) -> None:
        if loss <= _HOPELESS:  # which NaN is not
            return
        change = "a lower --learning-rate, or --clip 1" if not self._config.clip else "a lower --learning-rate or --clip"
        kept = (
            "; the last checkpoint is kept, and --resume goes on from it with these changed"
            if (self._folder / TORCH_CHECKPOINT).exists()
            else ""
        )
        epoch = trainer.current_epoch + 1
        raise DivergedRun(f"the {what} loss is {loss:.6g} in epoch {epoch}: the training diverged; give {change}{kept}")

    # ---- each epoch -------------------------------------------------------------------------------------------------------------

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record the epoch, keep what is best, and decide how to go on."""
        task, history, config = _task(pl_module), self.history, self._config
        record = self._record(trainer, task)
        history.records.append(record)
        self._judge(trainer, task, [cost_of(past, self._best_by) for past in history.records])
        losses = [past["valid_loss"] for past in history.records]
        if config.optimizer == "asgd" and not is_averaging(trainer.optimizers[0]) and _stalls(losses, config.nonmonotone):
            begin_averaging(trainer.optimizers[0])
        for logger in trainer.loggers:
            logger.log_metrics({name: value for name, value in record.items() if value is not None}, step=record["epoch"])
        if trainer.is_global_zero:
            append_log(self._folder, record)
            self._reporter.epoch(record)
        history.finished = trainer.should_stop or record["epoch"] == config.epochs
        due = time.monotonic() - self._saved >= config.checkpoint_seconds
        if self._keep and trainer.strategy.broadcast(history.finished or due):
            self._save(trainer)

    def _judge(self, trainer: Trainer, task: Task, costs: list[tuple[float, float] | None]) -> None:
        """Keep the best weights, and draw the conclusions from what the validation says of all epochs up to this."""
        config, history, cost, epoch = self._config, self.history, costs[-1], len(costs)
        if cost is None:
            if not all(bool(parameter.isfinite().all()) for parameter in task.model.parameters()):
                self._refuse_divergence("training", math.nan, trainer)  # that of the next step, after the last one of this epoch
            if config.optimizer == "asgd":
                self._keep_weights(trainer, task)
            return
        self._refuse_divergence("validation", cost[1], trainer)
        if cost < min((past for past in costs[:-1] if past is not None), default=(math.inf, math.inf)):
            history.best_epoch = epoch
            self._keep_weights(trainer, task)
        elif config.schedule == "plateau":
            history.plateau *= config.decay
        if config.patience is not None and epoch - (history.best_epoch or 0) >= config.patience:
            trainer.should_stop = True

    def _keep_weights(self, trainer: Trainer, task: Task) -> None:
        with averaged(trainer.optimizers[0]):
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in task.model.weights().items()}

    def _record(self, trainer: Trainer, task: Task) -> dict[str, Any]:
        gather = _adder(trainer)
        train, valid = task.train_sums.means(gather), task.valid_sums.means(gather)
        done, unit = task.train_sums.count("loss", gather), task.model.unit
        seconds = task.train_seconds or task.seconds_so_far()
        record = {
            "epoch": trainer.current_epoch + 1,
            **{f"train_{name}": value for name, value in train.items()},
            **{f"valid_{name}": valid.get(name) for name in train},
            f"{unit}_per_second": round(done / seconds, 1) if seconds else None,
            "learning_rate": self._rate * self._config.initial_rate,
            unit: done,
            "seconds": round(seconds, 3),
            "minutes": round(self._minutes(), 3),
        }
        return record | self._score(record)

    def _save(self, trainer: Trainer) -> None:
        temporary = self._folder / f".{TORCH_CHECKPOINT}.{os.getpid()}.tmp"
        trainer.save_checkpoint(temporary)
        if trainer.is_global_zero:
            temporary.replace(self._folder / TORCH_CHECKPOINT)
        self._saved = time.monotonic()


def _adder(trainer: Trainer) -> Callable[[Tensor], Tensor]:
    """Give what adds a tensor up over all processes."""
    return lambda tensor: trainer.strategy.reduce(tensor, reduce_op="sum")


def _stalls(losses: list[float | None], nonmonotone: int) -> bool:
    """Say whether the last loss is above the lowest of more than `nonmonotone` epochs ago; without losses, from the second epoch on."""
    known = [loss for loss in losses if loss is not None]
    if not known:
        return True
    return len(known) > nonmonotone and known[-1] > min(known[:-nonmonotone])


def _task(module: LightningModule) -> Task:
    assert isinstance(module, Task)
    return module
