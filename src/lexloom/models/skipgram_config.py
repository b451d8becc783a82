"""What the PyTorch skip-gram can be told besides a `VectorConfig`: one frozen dataclass, which imports no torch."""

from dataclasses import dataclass

from lexloom.errors import ConfigError


@dataclass(frozen=True)
class SkipGramConfig:
    """How the engine torch goes through the text."""

    batch_size: int = 512
    """Centres in a batch of the engine torch."""

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"batch_size is {self.batch_size}: expected a whole number of at least 1")
