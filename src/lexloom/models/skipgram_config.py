"""What the PyTorch skip-gram can be told besides a `VectorConfig`: one frozen dataclass, which imports no torch."""

from dataclasses import dataclass

from lexloom.options import check_whole


@dataclass(frozen=True)
class SkipGramConfig:
    """How the engine torch goes through the text."""

    batch_size: int = 512
    """Centres in a batch of the engine torch."""

    def __post_init__(self) -> None:
        check_whole("batch_size", self.batch_size, 1)
