"""The options of an embedding layer, without torch."""

import dataclasses
from dataclasses import dataclass
from typing import Literal, Self

from lexloom.errors import ConfigError
from lexloom.options import check_above_zero, check_at_least, check_choices, check_share, check_whole

Missing = Literal["random", "mean", "zero"]


@dataclass(frozen=True)
class EmbeddingConfig:
    """How a model turns tokens into vectors."""

    embedding: Literal["lookup", "one-hot"] = "lookup"
    """lookup: a row of a learned matrix; one-hot: a vector as long as the vocabulary with a single 1."""
    embedding_dim: int | None = None
    """Length of a row; by default that of the pre-trained vectors, or else the model's choice."""
    vectors: str | None = None
    """Pre-trained vectors to start from (in any format), matched to the vocabulary by token."""
    vectors_std: float | None = None
    """Scale the vectors so that their elements have this standard deviation (random rows have 1); not scaled by default."""
    freeze: bool = False
    """Keep the rows that came from the vectors fixed."""
    unfreeze_epoch: int | None = None
    """The epoch, counted from 1, from which frozen rows are trained too; never by default."""
    missing: Missing = "random"
    """Rows of tokens without a vector: random (normal, with the standard deviation of the vectors), mean (of the vectors found) or zero."""
    initialization: Literal["normal", "uniform", "xavier"] = "normal"
    """How rows are initialized without vectors."""
    initialization_scale: float = 1.0
    """Standard deviation of normal, bound of uniform, gain of xavier."""
    max_norm: float | None = None
    """Rescale longer rows to this norm when they are looked up; no limit by default."""
    norm_type: float = 2.0
    """The p of the p-norm that max_norm limits; inf is allowed."""
    scale_grad_by_freq: bool = False
    """Divide a row's gradient by the number of times its token occurs in the batch."""
    sparse: bool = False
    """Sparse gradients, for optimizers that support them (SGD, Adagrad, SparseAdam)."""
    word_dropout: float = 0.0
    """Share of input tokens that become `<unk>` in training."""
    embedding_dropout: float = 0.0
    """Share of rows dropped in each training batch, at all occurrences of a token; the others are scaled to compensate."""

    def __post_init__(self) -> None:
        check_choices(self)
        check_whole("embedding_dim", self.embedding_dim, 1)
        check_whole("unfreeze_epoch", self.unfreeze_epoch, 1)
        check_at_least("initialization_scale", self.initialization_scale, 0.0)
        check_above_zero("vectors_std", self.vectors_std)
        if self.vectors_std is not None and self.vectors is None:
            raise ConfigError(
                f"vectors_std is {self.vectors_std} but there are no vectors to scale: give vectors, or leave vectors_std out"
            )
        if self.freeze and self.vectors is None:
            raise ConfigError("freeze is set but there is nothing to freeze: give vectors, or leave freeze out")
        if self.unfreeze_epoch is not None and not self.freeze:
            raise ConfigError(f"unfreeze_epoch is {self.unfreeze_epoch} but nothing is frozen: give freeze too")
        check_share("word_dropout", self.word_dropout)
        check_rows(self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse, self.embedding_dropout)
        if self.embedding == "one-hot":
            self._check_one_hot()

    @property
    def chosen_vectors_std(self) -> float | None:
        """The standard deviation that vectors are scaled to; None if they are not scaled."""
        return self.vectors_std

    def settled(self) -> Self:
        """Return the configuration of a layer that gets its rows from saved weights, which are trained and short enough."""
        return dataclasses.replace(self, vectors=None, vectors_std=None, freeze=False, unfreeze_epoch=None, max_norm=None)

    def _check_one_hot(self) -> None:
        allowed = {"embedding", "embedding_dim", "word_dropout"}  # embedding_dim is checked when V is known
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name not in allowed and value not in (field.default, getattr(EmbeddingConfig, field.name)):
                raise ConfigError(f"{field.name} is {value!r}, but one-hot input has no rows to apply it to; leave out one of the two")


def check_rows(max_norm: float | None, norm_type: float, scale_grad_by_freq: bool, sparse: bool, embedding_dropout: float) -> None:
    """Check the options of the rows.

    Raises:
        ConfigError: one is out of range, or two conflict.
    """
    check_above_zero("max_norm", max_norm)
    if not norm_type > 0:
        raise ConfigError(f"norm_type is {norm_type}: expected a number above 0, or inf")
    check_share("embedding_dropout", embedding_dropout)
    if sparse and scale_grad_by_freq:
        raise ConfigError("sparse and scale_grad_by_freq are both set: torch scales dense gradients only; leave out one of the two")
    if sparse and embedding_dropout:
        raise ConfigError(f"sparse is set and embedding_dropout is {embedding_dropout}: these exclude each other; leave out one of the two")


def check_processes(config: EmbeddingConfig, processes: int) -> None:
    """Refuse options whose result would depend on how a batch is divided among processes.

    Sparse gradients cannot be averaged; `max_norm` shortens rows in place, in each process only those of its own batch, so that the copies
    of the model would drift apart; and `scale_grad_by_freq` would count tokens in a process's own batch.

    Raises:
        ConfigError: there are several processes and such an option.
    """
    for option in ("sparse", "max_norm", "scale_grad_by_freq"):
        value = getattr(config, option)
        if processes > 1 and value:
            raise ConfigError(
                f"{option} is {value}, but it does not work in {processes} processes; leave out --{option.replace('_', '-')}, "
                "or train in one process"
            )
