"""What an embedding layer can be told: one frozen dataclass; the command line and TOML files mirror it. It needs no torch."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from lexloom.errors import ConfigError
from lexloom.options import check_above_zero, check_at_least, check_choices, check_share, check_whole

Missing = Literal["random", "mean", "zero"]


@dataclass(frozen=True)
class EmbeddingConfig:
    """How tokens become vectors at a model's entrance."""

    embedding: Literal["lookup", "one-hot"] = "lookup"
    """lookup: a row of a matrix that learns; one-hot: a vector as long as the vocabulary with a single 1."""
    embedding_dim: int | None = None
    """Length of a row; that of the vectors where there are any, otherwise the model's choice unless given."""
    vectors: str | None = None
    """Pre-trained vectors to start from (any format), matched to the vocabulary by token."""
    vectors_std: float | None = None
    """Stretch the vectors until their numbers have this standard deviation (random rows have 1); left as they are unless given."""
    freeze: bool = False
    """Hold the rows that came from the vectors fixed."""
    unfreeze_epoch: int | None = None
    """The epoch, counted from 1, from which frozen rows learn too; never unless given."""
    missing: Missing = "random"
    """Rows of tokens that the vectors lack: random (normal, as wide as the vectors), mean (of those found) or zero."""
    initialization: Literal["normal", "uniform", "xavier"] = "normal"
    """How rows begin where there are no vectors."""
    initialization_scale: float = 1.0
    """Standard deviation of normal, half the width of uniform, gain of xavier."""
    max_norm: float | None = None
    """Shorten rows to this length when they are looked up; any length unless given."""
    norm_type: float = 2.0
    """The p of the p-norm by which max_norm measures; inf is allowed."""
    scale_grad_by_freq: bool = False
    """Divide a row's gradient by how often its token occurs in the batch."""
    sparse: bool = False
    """Sparse gradients, for optimizers that take them (SGD, Adagrad, SparseAdam)."""
    word_dropout: float = 0.0
    """Share of input tokens that become `<unk>` in training."""
    embedding_dropout: float = 0.0
    """Share of rows left out of each training batch wherever their token occurs; the others are scaled up to make good for it."""

    def __post_init__(self) -> None:
        check_choices(self)
        check_whole("embedding_dim", self.embedding_dim, 1)
        check_whole("unfreeze_epoch", self.unfreeze_epoch, 1)
        check_at_least("initialization_scale", self.initialization_scale, 0.0)
        check_above_zero("vectors_std", self.vectors_std)
        if self.vectors_std is not None and self.vectors is None:
            raise ConfigError(f"vectors_std is {self.vectors_std} but there is nothing to stretch: give vectors, or leave vectors_std out")
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
        """What the vectors are stretched to; None where they are left as they are."""
        return self.vectors_std

    def _check_one_hot(self) -> None:
        allowed = {"embedding", "embedding_dim", "word_dropout"}  # a wrong embedding_dim shows when V is known
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name not in allowed and value != field.default:
                raise ConfigError(f"{field.name} is {value!r}, but one-hot input has no rows that it could be about; leave out one of them")


def check_rows(max_norm: float | None, norm_type: float, scale_grad_by_freq: bool, sparse: bool, embedding_dropout: float) -> None:
    """Refuse options of the rows that are out of range or at odds with each other.

    Raises:
        ConfigError: they are.
    """
    check_above_zero("max_norm", max_norm)
    if not norm_type > 0:
        raise ConfigError(f"norm_type is {norm_type}: expected a number above 0, or inf")
    check_share("embedding_dropout", embedding_dropout)
    if sparse and scale_grad_by_freq:
        raise ConfigError("sparse and scale_grad_by_freq are both set: torch scales dense gradients only; leave out one of them")
    if sparse and embedding_dropout:
        raise ConfigError(f"sparse is set and embedding_dropout is {embedding_dropout}: they do not go together; leave out one of them")


def saved_embedding(options: dict[str, Any]) -> EmbeddingConfig:
    """Make the configuration of a layer that gets its rows from saved weights: they are what vectors have become, and short enough."""
    if options["embedding"] == "one-hot":  # which knows nothing of the options of rows, whatever their defaults were
        options = {name: options[name] for name in ("embedding", "embedding_dim", "word_dropout")}
    else:
        options = options | {"vectors": None, "vectors_std": None, "freeze": False, "unfreeze_epoch": None, "max_norm": None}
    return EmbeddingConfig(**options)
