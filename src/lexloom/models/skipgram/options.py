"""Options of the PyTorch skip-gram: frozen dataclasses. Imports no torch."""

from dataclasses import dataclass, fields
from typing import ClassVar, Literal

from lexloom.errors import ConfigError
from lexloom.nn.embedding_config import EmbeddingConfig
from lexloom.options import check_whole
from lexloom.text.tokenizers import TokenizerConfig
from lexloom.text.vocabulary import VocabularyConfig
from lexloom.training.config import TrainingConfig
from lexloom.vectors.config import VectorConfig, VectorTrainingConfig

_KERNELS_ONLY = ("model", "cbow_mean", "min_learning_rate", "valid", "patience", "init", "freeze_init", "checkpoint_minutes")


@dataclass(frozen=True)
class SkipGramConfig:
    """How the torch engine batches the text."""

    batch_size: int = 512
    """Centre words per batch of the torch engine."""

    def __post_init__(self) -> None:
        check_whole("batch_size", self.batch_size, 1)


@dataclass(frozen=True)
class SkipGramTrainingConfig(TrainingConfig):
    """How the torch engine trains."""

    epochs: int = 5
    """Passes over the text."""
    optimizer: Literal["sgd", "adam", "adamw", "asgd"] = "adam"
    """The optimizer."""
    clip: float = 0.0
    """Clip gradients to this Euclidean norm; 0 disables clipping."""
    keep_output: bool = False
    """Save the output matrix too."""


@dataclass(frozen=True)
class SkipGramOptions:
    """All options of the PyTorch skip-gram.

    Raises:
        ConfigError: an option of the vectors that only the kernels have.
    """

    embedding: ClassVar[EmbeddingConfig] = EmbeddingConfig()  # rows start at random, and all of them train
    vectors: VectorConfig = VectorConfig()
    batches: SkipGramConfig = SkipGramConfig()
    training: SkipGramTrainingConfig = SkipGramTrainingConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    vocabulary: VocabularyConfig = VocabularyConfig()

    def __post_init__(self) -> None:
        _refuse_kernel_options(self.vectors)
        if self.training.accumulate != 1:
            raise ConfigError("accumulate has no use here: the loss of the torch engine is a sum over its batch; give another batch_size")


def skipgram_training(training: VectorTrainingConfig) -> SkipGramTrainingConfig:
    """Translate the training options of the kernels; the learning rate is constant.

    Raises:
        ConfigError: an option that only the kernels have.
    """
    _refuse_kernel_options(training)
    return SkipGramTrainingConfig(
        epochs=training.epochs,
        learning_rate=training.learning_rate,
        seed=training.seed,
        threads=training.threads,
        keep_output=training.keep_output,
    )


def _refuse_kernel_options(options: VectorConfig | VectorTrainingConfig) -> None:
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name in _KERNELS_ONLY and value != field.default:
            raise ConfigError(f"{field.name} is {value}, which the torch engine does not have; leave it out, or use the kernels engine")
