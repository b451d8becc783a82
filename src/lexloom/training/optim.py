"""Optimizers and learning-rate schedules."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim import ASGD, SGD, Adam, AdamW, Optimizer

from lexloom.errors import ConfigError
from lexloom.models.base import Model
from lexloom.training.config import TrainingConfig
from lexloom.training.processor import precision_of

_NEVER = 1e12  # the step at which ASGD begins to average, until it is told


def make_optimizer(model: Model, config: TrainingConfig) -> Optimizer:
    """Make the optimizer of a resolved configuration; the embedding is a group of its own, with its own learning rate.

    Raises:
        ConfigError: the embedding's gradients are sparse, which only plain SGD can take.
    """
    embedding = [p for name, p in model.named_parameters() if name.startswith("embedding.")]
    rest = [p for name, p in model.named_parameters() if not name.startswith("embedding.")]
    sparse = any(isinstance(module, nn.Module) and getattr(module, "sparse", False) for module in model.modules())
    if sparse and (config.optimizer != "sgd" or config.weight_decay):
        raise ConfigError(
            f"sparse gradients of the embedding go with --optimizer sgd and no weight decay, not with {config.optimizer}"
            f"{f' and weight_decay {config.weight_decay}' if config.weight_decay else ''}; leave out --sparse"
        )
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
    # with 16-mixed a fused step would take the scale out of the gradients itself, after they were clipped
    fused = precision_of(config) != "16-mixed" and all(p.dtype == torch.float32 for p in model.parameters())
    return kind(groups, weight_decay=config.weight_decay, fused=fused)


def clip_gradients(parameters: Iterable[nn.Parameter], largest: float) -> None:
    """Scale all gradients down so that their Euclidean norm, over all of them together, is not above `largest`; sparse ones too."""
    values = []
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()  # one row an id, as a dense gradient has
            values.append(parameter.grad._values())
        elif parameter.grad is not None:
            values.append(parameter.grad)
    if values:
        factor = largest / (nn.utils.get_total_norm(values) + 1e-6)
        torch._foreach_mul_(values, factor.clamp(max=1.0))


def set_highest_rates(optimizer: Optimizer, config: TrainingConfig) -> None:
    """Set every group's highest learning rate; a checkpoint brings those of the run that wrote it, which a resumed run may change."""
    for group in optimizer.param_groups:
        group["initial_lr"] = config.embedding_learning_rate if group["embedding"] else config.initial_rate


def set_rate(optimizer: Optimizer, factor: float) -> None:
    """Set every group's learning rate to a multiple of its highest."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor


def schedule_factor(config: TrainingConfig, epoch: int, done: float) -> float:
    """Give what a schedule multiplies the highest learning rate by; of plateau, which depends on the losses, 1.

    Args:
        config: a resolved configuration.
        epoch: from 1.
        done: share of the whole training that is done, 0 to 1.
    """
    if config.schedule == "step":
        return float(config.decay ** max(0, epoch - config.decay_after))
    if config.schedule not in ("cosine", "one-cycle"):
        return 1.0
    warmup = config.warmup or 0.0
    if done < warmup:
        risen = done / warmup
        if config.schedule == "cosine":  # a straight line from zero (Loshchilov & Hutter 2017, with warm-up)
            return max(risen, 1e-3)
        return 0.04 + 0.96 * (1 - math.cos(math.pi * risen)) / 2  # from a 25th (Smith & Topin 2018)
    fallen = min(1.0, (done - warmup) / max(1e-9, 1 - warmup))
    return max(1e-4, (1 + math.cos(math.pi * fallen)) / 2)


def begin_averaging(optimizer: Optimizer) -> None:
    """Let ASGD average the weights from its next step on."""
    for group in optimizer.param_groups:
        steps = [float(optimizer.state[p]["step"]) for p in group["params"] if p in optimizer.state]
        group["t0"] = max(steps, default=0.0)


def is_averaging(optimizer: Optimizer) -> bool:
    """Say whether ASGD has begun to average."""
    return any(group.get("t0", _NEVER) < _NEVER for group in optimizer.param_groups)


@contextmanager
def averaged(optimizer: Optimizer) -> Iterator[None]:
    """Let the parameters be ASGD's averages for a while; those of other optimizers stay what they are.

    Before the averaging begins ASGD's averages are the parameters themselves.
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
