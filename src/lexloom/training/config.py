"""How a model is trained: one frozen dataclass, mirrored by the command line and TOML files."""

import dataclasses
from dataclasses import dataclass
from typing import Literal, Self

from lexloom.errors import ConfigError
from lexloom.options import check_above_zero, check_at_least, check_choices, check_whole

_RATES = {"sgd": 1.0, "asgd": 1.0, "adam": 0.002, "adamw": 0.002}
_WARMUPS = {"cosine": 0.05, "one-cycle": 0.3}


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained."""

    epochs: int = 10
    """Passes over the training data."""
    max_minutes: float | None = None
    """Stop after this many minutes; the cosine and one-cycle schedules then end with the time."""
    optimizer: Literal["sgd", "adam", "adamw", "asgd"] = "adamw"
    """asgd: SGD whose weights are averaged once the validation loss stops falling (NT-ASGD; Merity et al. 2018)."""
    learning_rate: float | None = None
    """Highest learning rate. Default: 1 for sgd and asgd, 0.002 for adam and adamw."""
    embedding_learning_rate: float | None = None
    """Highest learning rate of the embedding. Default: learning_rate."""
    weight_decay: float = 0.0
    """Weight decay: decoupled in adamw, L2 in the other optimizers."""
    schedule: Literal["constant", "plateau", "step", "cosine", "one-cycle"] = "constant"
    """plateau: multiply the learning rate by decay after an epoch without improvement; step: multiply it by decay at each epoch after
    decay_after."""
    decay: float = 0.5
    """Factor of the plateau and step schedules."""
    decay_after: int = 4
    """Last epoch at the full rate in the step schedule."""
    warmup: float | None = None
    """Share of the run in which the rate rises. Default: 0.05 for cosine, 0.3 for one-cycle."""
    clip: float = 1.0
    """Clip gradients to this Euclidean norm; 0 disables clipping."""
    accumulate: int = 1
    """Batches per update: the gradient is that of one batch of all their items."""
    nonmonotone: int = 5
    """asgd starts averaging when the validation loss is above its lowest value of more than this many epochs ago."""
    patience: int | None = None
    """Stop after this many epochs without improvement on the validation data. Default: never."""
    seed: int = 1
    """Seed of all random numbers."""
    threads: int | None = None
    """CPU threads. Default: all cores."""
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    """Where to train; auto takes a GPU if there is one."""
    devices: int = 1
    """GPUs, or processes on the CPU."""
    num_nodes: int = 1
    """Machines."""
    strategy: Literal["auto", "ddp"] = "auto"
    """How devices work together; auto is ddp if there are several. Each has the whole model; a language model divides the rows of a
    batch among them, other tasks take one batch per device for an update."""
    precision: Literal["32", "bf16-mixed", "16-mixed"] = "32"
    """bf16-mixed halves the time of large matrix products on hardware with bfloat16; CPUs without it train in 32 bits."""
    checkpoint_seconds: float = 30.0
    """Write a checkpoint when the last one is this old, also within an epoch; always after the first epoch and the last."""
    keep_checkpoint: bool = False
    """Keep the last checkpoint beside the result, so that --resume can continue with more epochs, patience or minutes."""
    tensorboard: bool = False
    """Also log to TensorBoard, in OUT/tensorboard (needs the tensorboard extra)."""

    def __post_init__(self) -> None:
        check_choices(self)
        for name in ("epochs", "nonmonotone", "devices", "num_nodes", "patience", "threads", "accumulate"):
            check_whole(name, getattr(self, name), 1)
        check_whole("decay_after", self.decay_after, 0)
        for name in ("weight_decay", "clip", "checkpoint_seconds"):
            check_at_least(name, getattr(self, name), 0.0)
        for name in ("learning_rate", "embedding_learning_rate", "max_minutes"):
            check_above_zero(name, getattr(self, name))
        for name, value in (("decay", self.decay), ("warmup", self.warmup)):
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(f"{name} is {value}: expected a share between 0 and 1")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed is {self.seed}: expected a whole number of at least 0 and below 2 ** 63")

    @property
    def initial_rate(self) -> float:
        """The highest learning rate, with the optimizer's default filled in."""
        return _RATES[self.optimizer] if self.learning_rate is None else self.learning_rate

    @property
    def spans_run(self) -> bool:
        """Whether the schedule depends on the length of the run."""
        return self.schedule in ("cosine", "one-cycle")

    def resolved(self) -> Self:
        """Fill in the defaults that depend on other options."""
        warmup = _WARMUPS.get(self.schedule, 0.0) if self.warmup is None else self.warmup
        embedding = self.initial_rate if self.embedding_learning_rate is None else self.embedding_learning_rate
        return dataclasses.replace(self, learning_rate=self.initial_rate, embedding_learning_rate=embedding, warmup=warmup)
