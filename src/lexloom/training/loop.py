"""The training loop: epochs, updates, validation, the best weights, checkpoints. It knows no model and no text."""

import contextlib
import json
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from lightning.fabric import Fabric
from lightning.fabric.loggers.logger import Logger
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lexloom.errors import ConfigError, DivergedRun, InterruptedRun
from lexloom.run_folder import TORCH_CHECKPOINT, append_log, write_log
from lexloom.training.batches import Batches
from lexloom.training.checkpoint import History, Position, kept_checkpoint, load_checkpoint, save_checkpoint
from lexloom.training.config import TrainingConfig
from lexloom.training.metrics import Sums, means_of
from lexloom.training.optim import (
    averaged,
    begin_averaging,
    clip_gradients,
    is_averaging,
    make_optimizer,
    scale_gradients,
    schedule_factor,
    set_highest_rates,
    set_rate,
)
from lexloom.training.processes import launch
from lexloom.training.processor import processor, threads_of
from lexloom.training.reporter import Reporter, Working, cost_of
from lexloom.training.trainable import Outcome, State, Trainable

_TICK = 0.1  # seconds between reports of the loss
_CLOCK = 10  # updates between looks at the clock and the loss if there are several processes
_HOPELESS = 700.0  # nats; the perplexity of a higher loss is beyond a float


class Fitted(NamedTuple):
    """The result of `fit`.

    Attributes:
        history: all epochs, those before a resume included.
        best: the weights of the best epoch with validation, averaged weights with ASGD; None if the last weights are the ones to keep.
    """

    history: History
    best: dict[str, Tensor] | None


def fit(
    model: Trainable,
    config: TrainingConfig,
    train: Batches,
    valid: Batches | None = None,
    *,
    folder: Path | None = None,
    reporter: Reporter | None = None,
    best_by: str = "loss",
    score: Callable[[dict[str, Any]], dict[str, Any]] = lambda _record: {},
    sample: Callable[[int], str | None] = lambda _epoch: None,
    loggers: Sequence[Logger] = (),
    fabric: Fabric | None = None,
) -> Fitted:
    """Train a model, resuming from the checkpoint in the folder if there is one.

    Args:
        model: changed in place; holds the weights of the last epoch at the end.
        config: how to train.
        train: the batches to train on.
        valid: the batches to validate on after each epoch.
        folder: where the log and checkpoints go; nothing is written if None.
        reporter: called during the run.
        best_by: the metric that chooses the best epoch, see `cost_of`.
        score: returns further values for the record of an epoch, from the record.
        sample: returns a text to report after an epoch, counted from 1. Called with averaged weights, in the first process.
        loggers: Lightning loggers, which get the record of each epoch.
        fabric: what `launch` returned; launched here if None.

    Raises:
        InterruptedRun: Ctrl-C; the last checkpoint is kept.
        DivergedRun: the loss is not finite; the last checkpoint is kept.
        ConfigError: options that Lightning refuses.
        FormatError: the checkpoint is damaged.
    """
    config = config.resolved()
    with contextlib.ExitStack() as stack:
        if fabric is None:
            stack.enter_context(processor(threads_of(config)))
            stack.enter_context(torch.random.fork_rng(devices=[]))
            fabric = launch(config, folder, loggers)
        return _Loop(model, config, fabric, folder, reporter or Reporter(), best_by, score, sample).run(train, valid)


class _Loop:
    """A run in progress."""

    def __init__(
        self,
        model: Trainable,
        config: TrainingConfig,
        fabric: Fabric,
        folder: Path | None,
        reporter: Reporter,
        best_by: str,
        score: Callable[[dict[str, Any]], dict[str, Any]],
        sample: Callable[[int], str | None],
    ) -> None:
        self.config, self.fabric, self.folder, self.reporter = config, fabric, folder, reporter
        self.best_by, self.score, self.sample = best_by, score, sample
        self.model = model
        fabric.to_device(model)
        self.players = model.players()
        if fabric.world_size > 1 and len(self.players) > 1:
            raise ConfigError(f"a model with {len(self.players)} optimizers trains in one process; leave out --devices and --num-nodes")
        self.optimizers = [make_optimizer(model, player, config) for player in self.players]
        self.module = fabric.strategy.setup_module(_Measure(model))
        self.history = History()
        self.best: dict[str, Tensor] | None = None
        self.begun = time.monotonic()
        self.saved = self.ticked = -math.inf
        self.minutes, self.is_due = 0.0, False  # the clock of the first process when it was last read, and whether a checkpoint is due
        self.updates, self.epoch = 0, 0  # the epoch counts from 1

    # ---- a run ------------------------------------------------------------------------------------------------------------------

    def run(self, train: Batches, valid: Batches | None) -> Fitted:
        """Train until the end of the run."""
        rank, processes = self.fabric.global_rank, self.fabric.world_size
        train, valid = train.shard(rank, processes), None if valid is None else valid.shard(rank, processes)
        position = self._resume()
        try:
            while position is not None or not self._is_over():
                epoch = len(self.history.records)
                self.epoch = epoch + 1
                record = self._train_epoch(epoch, train, position or self._begin_epoch(epoch))
                self._conclude(record | self._validate(record, valid))
                position = None
        except KeyboardInterrupt:
            raise InterruptedRun(f"interrupted in epoch {self.epoch}: {kept_checkpoint(self.folder)}") from None
        finally:
            done = len(self.history.records) >= self.config.epochs
            for logger in self.fabric.loggers if self.fabric.is_global_zero else ():
                logger.finalize("success" if done else "aborted")
        return Fitted(self.history, self.best)

    def _is_over(self) -> bool:
        """Whether the run has reached its last epoch, the end of its patience or of its time. A resume may have raised any of them."""
        done, patience = len(self.history.records), self.config.patience
        self._read_clock()
        if done and self._time_is_up():
            return True
        return done >= self.config.epochs or (patience is not None and done - (self.history.best_epoch or 0) >= patience)

    def _begin_epoch(self, epoch: int) -> Position:
        """Seed the random numbers of an epoch and a process, so that they depend on no epoch before."""
        seed = np.random.SeedSequence([self.config.seed, epoch, self.fabric.global_rank])
        torch.manual_seed(int(seed.generate_state(1)[0]))
        return Position()

    def _train_epoch(self, epoch: int, train: Batches, position: Position) -> dict[str, Any]:
        """Train on the rest of an epoch, counted from 0, and return its record."""
        config, size = self.config, max(1, len(train))
        self.model.start_epoch(epoch + 1)
        self.model.train()
        batches = islice(train.epoch(epoch), position.batch, None)
        since = time.monotonic() - position.seconds
        while not (position.batch and self._time_is_up()) and (group := list(islice(batches, config.accumulate))):
            if self.fabric.world_size == 1 or self.updates % _CLOCK == 0:
                self._read_clock()
            done = (epoch + min(1.0, position.batch / size)) / config.epochs
            if config.max_minutes is not None:
                done = max(done, self.minutes / config.max_minutes)
            position.rate = schedule_factor(config, epoch + 1, done) * self.history.plateau
            self._update(group, position)
            position.seconds = time.monotonic() - since
            self._report(epoch, position, size, done)
            if self.is_due or self._time_is_up():
                self._save(position)
        if not position.batch:
            raise ConfigError(f"epoch {self.epoch} has no batch to train on")
        return self._record(epoch, position)

    def _update(self, batches: list[Any], position: Position) -> None:
        """Take one step of each optimizer, down the gradient of the mean over all items of all batches and processes."""
        processes, carried = self.fabric.world_size, position.state
        for player, optimizer in zip(self.players, self.optimizers, strict=True):
            self.model.zero_grad()
            state, divisor, total = carried, 0, 0
            for number, batch in enumerate(batches):
                with self._unsynced() if number < len(batches) - 1 else contextlib.nullcontext():
                    outcome = self._measure(partial(self.module, player.measure), batch, state)
                    count = self._sum_count(outcome.count)
                    divisor = divisor or max(1, count)
                    # DDP averages the gradients of the processes, which is to divide by their number
                    self.fabric.backward(outcome.loss / (divisor / processes if processes > 1 else divisor))
                state, total = outcome.state, total + count
                position.sums.add(_metrics(outcome) if player is self.players[0] else outcome.sums)
            if len(batches) > 1:  # so far divided by the count of the first batch
                scale_gradients(player.parameters, divisor / max(1, total))
            if self.config.clip:
                self.fabric.strategy.precision.unscale_gradients(optimizer)
                clip_gradients(player.parameters, self.config.clip)
            set_rate(optimizer, position.rate)
            self.fabric.strategy.optimizer_step(optimizer)
            position.state = state
        position.batch += len(batches)
        self.updates += 1

    def _measure(self, measure: Callable[[Any, State | None], Outcome], batch: Any, state: State | None) -> Outcome:
        if self.fabric.device.type != "cpu":
            batch = self.fabric.to_device(batch)
        with self.fabric.autocast():
            return measure(batch, state)

    def _unsynced(self) -> contextlib.AbstractContextManager[None]:
        """Keep the gradients in this process for now: more batches of the same update follow."""
        return self.module.no_sync() if isinstance(self.module, DistributedDataParallel) else contextlib.nullcontext()

    @torch.no_grad()
    def _validate(self, record: dict[str, Any], valid: Batches | None) -> dict[str, Any]:
        """Measure the validation data, with averaged weights if the optimizer averages."""
        names = [name.removeprefix("train_") for name in record if name.startswith("train_")]
        if valid is None:
            return {f"valid_{name}": None for name in names}
        sums, state = Sums(), None
        self.model.eval()
        with averaged(self.optimizers[0]):
            for batch in valid.epoch(0):  # not through DDP: processes may have different numbers of validation batches
                outcome = self._measure(self.model.measure, batch, state)
                state = outcome.state
                sums.add(_metrics(outcome))
        return {f"valid_{name}": value for name, value in means_of(sums.totals(names, self._sum)).items()}

    # ---- the end of an epoch ----------------------------------------------------------------------------------------------------

    def _record(self, epoch: int, position: Position) -> dict[str, Any]:
        unit, seconds = self.model.unit, position.seconds
        totals = position.sums.totals(position.sums.names, self._sum)
        done = totals["loss"][1] if totals else 0
        return {
            "epoch": epoch + 1,
            **{f"train_{name}": value for name, value in means_of(totals).items()},
            f"{unit}_per_second": round(done / seconds, 1) if seconds else None,
            "learning_rate": position.rate * self.config.initial_rate,
            unit: done,
            "seconds": round(seconds, 3),
        }

    def _conclude(self, record: dict[str, Any]) -> None:
        """Record an epoch, keep the best weights, and write a checkpoint."""
        history, config = self.history, self.config
        record |= {"minutes": round(self._elapsed(), 3)}
        history.records.append(json.loads(json.dumps(record | self.score(record))))  # a checkpoint takes plain numbers alone
        self._judge([cost_of(past, self.best_by) for past in history.records])
        losses = [past["valid_loss"] for past in history.records]
        if config.optimizer == "asgd" and not is_averaging(self.optimizers[0]) and _stalls(losses, config.nonmonotone):
            begin_averaging(self.optimizers[0])
        timed_out = self._time_is_up()  # then the checkpoint within the epoch stays, from which a run with more time goes on
        if not timed_out and (self._is_over() or self.is_due or self.saved == -math.inf):
            self._save(None)
        self._publish(history.records[-1])

    def _judge(self, costs: list[tuple[float, float] | None]) -> None:
        """Compare the cost of the last epoch with those before it."""
        history, config, cost = self.history, self.config, costs[-1]
        if cost is None:
            self._refuse_infinite_weights()
            if config.optimizer == "asgd":
                self._keep_weights()
            return
        self._refuse_divergence("validation", cost[1])
        if cost < min((past for past in costs[:-1] if past is not None), default=(math.inf, math.inf)):
            history.best_epoch = len(costs)
            self._keep_weights()
        elif config.schedule == "plateau":
            history.plateau *= config.decay

    def _publish(self, record: dict[str, Any]) -> None:
        """Write and report the record of an epoch."""
        if not self.fabric.is_global_zero:
            return
        self.fabric.log_dict({name: value for name, value in record.items() if value is not None}, step=record["epoch"])
        if self.folder is not None:
            append_log(self.folder, record)
        self.reporter.epoch(record)
        self.model.eval()
        with averaged(self.optimizers[0]):
            text = self.sample(record["epoch"])
        if text is not None:
            self.reporter.sample(record["epoch"], text)

    def _keep_weights(self) -> None:
        with averaged(self.optimizers[0]):
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.model.weights().items()}

    def _save(self, position: Position | None) -> None:
        """Write a checkpoint: at the end of an epoch, or at a position within one."""
        self.saved, self.is_due = time.monotonic(), False
        if self.folder is not None:
            self._refuse_infinite_weights()
            self.history.minutes, self.begun = self._elapsed(), time.monotonic()
            save_checkpoint(self.folder, self.fabric, self.model, self.optimizers, self.history, self.best, position)

    def _resume(self) -> Position | None:
        """Load the checkpoint, if there is one, and return its position within an epoch."""
        if self.folder is None:
            return None
        position = None
        if (self.folder / TORCH_CHECKPOINT).exists():
            self.history, self.best, position = load_checkpoint(self.folder, self.fabric, self.model, self.optimizers)
            for optimizer in self.optimizers:
                set_highest_rates(optimizer, self.config)
        if self.fabric.is_global_zero:
            write_log(self.folder, self.history.records)
        self.minutes = self.history.minutes
        return position

    # ---- clock, loss, processes -------------------------------------------------------------------------------------------------

    def _elapsed(self) -> float:
        """Minutes of training, over all resumes."""
        return self.history.minutes + (time.monotonic() - self.begun) / 60

    def _read_clock(self) -> None:
        """Read the clock of the first process, which all of them go by."""
        due = time.monotonic() - max(self.saved, self.begun) >= self.config.checkpoint_seconds
        self.minutes, self.is_due = self.fabric.broadcast((self._elapsed(), due))

    def _time_is_up(self) -> bool:
        return self.config.max_minutes is not None and self.minutes >= self.config.max_minutes

    def _report(self, epoch: int, position: Position, size: int, done: float) -> None:
        """Report the position and check the loss: some ten times per second, or every few updates if there are several processes."""
        now, fraction = time.monotonic(), min(1.0, position.batch / size)
        alone = self.fabric.world_size == 1
        due = now - self.ticked >= _TICK or self.updates <= 10 if alone else self.updates % _CLOCK == 0
        if not (due or fraction == 1):
            return
        self.ticked = now
        loss, count = position.sums.totals(["loss"], self._sum)["loss"]
        mean = loss / count if count else math.nan
        self._refuse_divergence("training", mean)
        speed = count / max(1e-9, position.seconds)
        self.reporter.working(Working(epoch + 1, fraction, mean, speed, position.rate * self.config.initial_rate, done))

    def _refuse_infinite_weights(self) -> None:
        """The loss is that before an update, and an update may have spoiled the weights."""
        if not all(bool(parameter.isfinite().all()) for parameter in self.model.parameters()):
            self._refuse_divergence("training", math.nan)

    def _refuse_divergence(self, what: str, loss: float) -> None:
        if loss <= _HOPELESS:  # False for NaN
            return
        change = "a lower --learning-rate, or --clip 1" if not self.config.clip else "a lower --learning-rate or --clip"
        saved = self.folder is not None and (self.folder / TORCH_CHECKPOINT).exists()
        kept = "; the last checkpoint is kept, and --resume continues from it with these changed" if saved else ""
        raise DivergedRun(f"the {what} loss is {loss:.6g} in epoch {self.epoch}: the run diverged; give {change}{kept}")

    def _sum(self, tensor: Tensor) -> Tensor:
        """Sum over all processes."""
        if self.fabric.world_size == 1:
            return tensor
        return cast(Tensor, self.fabric.all_reduce(tensor.to(self.fabric.device), reduce_op="sum"))

    def _sum_count(self, count: int) -> int:
        return count if self.fabric.world_size == 1 else int(self._sum(torch.tensor(count)).item())


class _Measure(nn.Module):
    """Calls a method of a model as a forward pass, which DDP needs."""

    def __init__(self, model: Trainable) -> None:
        super().__init__()
        self.model = model

    def forward(self, name: str, batch: Any, state: State | None) -> Outcome:
        outcome: Outcome = getattr(self.model, name)(batch, state)
        return outcome


def _metrics(outcome: Outcome) -> dict[str, tuple[Tensor, int]]:
    """The metrics of a batch; `loss` is that of the outcome unless the model reports another."""
    return {"loss": (outcome.loss.detach(), outcome.count), **outcome.sums}


def _stalls(losses: list[float | None], nonmonotone: int) -> bool:
    """Whether the last loss is above the lowest one of more than `nonmonotone` epochs ago; without losses, from the first epoch on."""
    known = [loss for loss in losses if loss is not None]
    if not known:
        return True
    return len(known) > nonmonotone and known[-1] > min(known[:-nonmonotone])
