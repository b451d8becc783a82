"""How a model is trained, whichever it is: one frozen dataclass; the command line and TOML files mirror it."""

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
    """Passes over the text."""
    max_minutes: float | None = None
    """Stop after so much time; the schedules cosine and one-cycle then end with it."""
    optimizer: Literal["sgd", "adam", "adamw", "asgd"] = "adamw"
    """asgd: SGD whose weights are averaged once the validation loss no longer falls (NT-ASGD; Merity et al. 2018)."""
    learning_rate: float | None = None
    """The highest learning rate; 1 for sgd and asgd, 0.002 for adam and adamw unless given."""
    embedding_learning_rate: float | None = None
    """The same for the embedding alone; learning_rate unless given."""
    weight_decay: float = 0.0
    """Weight decay; decoupled in adamw, L2 in the others."""
    schedule: Literal["constant", "plateau", "step", "cosine", "one-cycle"] = "constant"
    """plateau: times decay when the validation loss has not fallen; step: times decay at each epoch after decay_after."""
    decay: float = 0.5
    """What plateau and step multiply the learning rate by."""
    decay_after: int = 4
    """The last epoch that the schedule step leaves at the full rate."""
    warmup: float | None = None
    """Share of the steps in which cosine (0.05 unless given) and one-cycle (0.3) rise to the full rate."""
    clip: float = 1.0
    """Scale gradients down to this Euclidean norm; 0 switches it off."""
    nonmonotone: int = 5
    """asgd begins to average when the validation loss is above its lowest of more than so many epochs ago."""
    patience: int | None = None
    """Stop when the validation loss has not fallen for so many epochs."""
    seed: int = 1
    """Where all random numbers start."""
    threads: int | None = None
    """Threads of the processor; its cores unless given."""
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    """Where to train; auto takes a GPU where there is one."""
    devices: int = 1
    """GPUs, or processes on the CPU."""
    num_nodes: int = 1
    """Machines."""
    strategy: Literal["auto", "ddp"] = "auto"
    """How devices work together: auto is ddp where there are several, each with a whole model and a share of each batch."""
    precision: Literal["32", "bf16-mixed", "16-mixed"] = "32"
    """bf16-mixed halves the time of the large matrix products on processors and GPUs that have bfloat16; other processors take 32."""
    checkpoint_seconds: float = 30.0
    """After the first epoch, write a checkpoint at the end of an epoch when the last one is at least so old."""
    tensorboard: bool = False
    """Write the curves for TensorBoard too (needs the extra tensorboard), in OUT/tensorboard."""

    def __post_init__(self) -> None:
        check_choices(self)
        for name in ("epochs", "nonmonotone", "devices", "num_nodes", "patience", "threads"):
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
        """The highest learning rate, the optimizer's default filled in."""
        return _RATES[self.optimizer] if self.learning_rate is None else self.learning_rate

    def resolved(self) -> Self:
        """The same with every default that depends on another option filled in."""
        warmup = _WARMUPS.get(self.schedule, 0.0) if self.warmup is None else self.warmup
        embedding = self.initial_rate if self.embedding_learning_rate is None else self.embedding_learning_rate
        return dataclasses.replace(self, learning_rate=self.initial_rate, embedding_learning_rate=embedding, warmup=warmup)


@dataclass(frozen=True)
class ClassifierTrainingConfig(TrainingConfig):
    """How a classifier is trained."""

    epochs: int = 10
    """Passes over the documents."""
    learning_rate: float | None = None
    """The highest learning rate; 1 for sgd and asgd, 0.001 for adam and adamw, 0.5 for the encoder linear unless given."""
    best_by: Literal["accuracy", "loss"] = "accuracy"
    """What on the validation documents says which epoch's model is kept: the share of right answers (then the loss), or the loss alone."""

    @property
    def initial_rate(self) -> float:
        """The highest learning rate, the optimizer's default filled in."""
        return _RATES[self.optimizer] / 2 if self.learning_rate is None and self.optimizer.startswith("adam") else super().initial_rate
