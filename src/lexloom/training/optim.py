"""Optimizers and learning-rate schedules."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim import ASGD, SGD, Adam, AdamW, Optimizer

from lexloom.errors import ConfigError
from lexloom.training.config import TrainingConfig
from lexloom.training.processor import precision_of
from lexloom.training.trainable import Player, Trainable

_NEVER = 1e12  # the step at which ASGD begins to average, until `begin_averaging`


def make_optimizer(model: Trainable, player: Player, config: TrainingConfig) -> Optimizer:
    """Make the optimizer of a player. Embedding layers are a parameter group with a learning rate of their own.

    Args:
        model: has the embedding layers.
        player: the parameters to train.
        config: resolved.

    Raises:
        ConfigError: an embedding has sparse gradients, which only plain SGD takes.
    """
    layers = list(model.embeddings().values())
    if any(getattr(layer, "sparse", False) for layer in layers) and (config.optimizer != "sgd" or config.weight_decay):
        raise ConfigError(
            f"sparse gradients of the embedding go with --optimizer sgd and no weight decay, not with {config.optimizer}"
            f"{f' and weight_decay {config.weight_decay}' if config.weight_decay else ''}; leave out --sparse"
        )
    embedded = {id(parameter) for layer in layers for parameter in layer.parameters()}
    rest = [parameter for parameter in player.parameters if id(parameter) not in embedded]
    embedding = [parameter for parameter in player.parameters if id(parameter) in embedded]
    groups = [
        {"params": parameters, "lr": rate, "initial_lr": rate, "embedding": first}
        for parameters, rate, first in (
            (rest, config.initial_rate, False),
            (embedding, config.embedding_learning_rate or config.initial_rate, True),
        )
        if parameters
    ]
    if config.optimizer == "sgd":
        return SGD(groups, weight_decay=config.weight_decay)
    if config.optimizer == "asgd":
        return ASGD(groups, weight_decay=config.weight_decay, lambd=0.0, t0=_NEVER)
    kind = AdamW if config.optimizer == "adamw" else Adam
    # a fused step would unscale the gradients of 16-mixed itself, after they were clipped
    fused = precision_of(config) != "16-mixed" and all(parameter.dtype == torch.float32 for parameter in player.parameters)
    return kind(groups, weight_decay=config.weight_decay, fused=fused)


def clip_gradients(parameters: Iterable[nn.Parameter], largest: float) -> None:
    """Scale the gradients, sparse ones too, so that their joint Euclidean norm is at most `largest`."""
    values = []
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()  # one row per id, as in a dense gradient
            values.append(parameter.grad._values())
        elif parameter.grad is not None:
            values.append(parameter.grad)
    if values:
        factor = largest / (nn.utils.get_total_norm(values) + 1e-6)
        torch._foreach_mul_(values, factor.clamp(max=1.0))


def scale_gradients(parameters: Iterable[nn.Parameter], factor: float) -> None:
    """Multiply all gradients by a factor."""
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.mul_(factor)


def set_highest_rates(optimizer: Optimizer, config: TrainingConfig) -> None:
    """Set the highest learning rate of every group. A checkpoint restores those of an earlier run, and a resume may change them."""
    for group in optimizer.param_groups:
        group["initial_lr"] = config.embedding_learning_rate if group["embedding"] else config.initial_rate


def set_rate(optimizer: Optimizer, factor: float) -> None:
    """Set the learning rate of every group to a multiple of its highest."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor


def schedule_factor(config: TrainingConfig, epoch: int, done: float) -> float:
    """Return the factor of the schedule on the highest learning rate; 1 for plateau, which depends on the losses.

    Args:
        config: resolved.
        epoch: from 1.
        done: share of the whole run that is done, 0 to 1.
    """
    if config.schedule == "step":
        return float(config.decay ** max(0, epoch - config.decay_after))
    if not config.spans_run:
        return 1.0
    warmup = config.warmup or 0.0
    if done < warmup:
        risen = done / warmup
        if config.schedule == "cosine":  # linear from zero (Loshchilov & Hutter 2017, with warm-up)
            return max(risen, 1e-3)
        return 0.04 + 0.96 * (1 - math.cos(math.pi * risen)) / 2  # from 1/25 (Smith & Topin 2018)
    fallen = min(1.0, (done - warmup) / max(1e-9, 1 - warmup))
    return max(1e-4, (1 + math.cos(math.pi * fallen)) / 2)


def begin_averaging(optimizer: Optimizer) -> None:
    """Make ASGD average the weights from its next step on."""
    for group in optimizer.param_groups:
        steps = [float(optimizer.state[p]["step"]) for p in group["params"] if p in optimizer.state]
        group["t0"] = max(steps, default=0.0)


def is_averaging(optimizer: Optimizer) -> bool:
    """Whether ASGD has begun to average."""
    return any(group.get("t0", _NEVER) < _NEVER for group in optimizer.param_groups)


@contextmanager
def averaged(optimizer: Optimizer) -> Iterator[None]:
    """Swap ASGD's averages into the parameters for the duration of the block. Other optimizers are left alone.

    Until the averaging begins, ASGD's averages equal the parameters.
    """
    _swap(optimizer)
    try:
        yield
    finally:
        _swap(optimizer)


@torch.no_grad()
def _swap(optimizer: Optimizer) -> None:
    for parameter, state in optimizer.state.items():
        if "ax" in state:
            now = parameter.clone()
            parameter.copy_(state["ax"])
            state["ax"].copy_(now)
