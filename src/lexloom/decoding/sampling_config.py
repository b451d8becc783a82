"""The options of sampling, without torch."""

from dataclasses import dataclass

from lexloom.errors import ConfigError
from lexloom.options import check_above_zero, check_at_least, check_whole


@dataclass(frozen=True)
class SamplingConfig:
    """How tokens are drawn: the temperature is applied first, then top-k, then top-p."""

    temperature: float = 1.0
    """Below 1, likely tokens become likelier; above 1, rare ones do; 0 always takes the most likely token."""
    top_k: int | None = None
    """Draw from this number of most likely tokens; by default from all."""
    top_p: float | None = None
    """Draw from the smallest set of most likely tokens whose probabilities reach this sum (nucleus sampling); by default from all."""
    seed: int = 1
    """Seed of the random numbers; the same seed draws the same tokens."""

    def __post_init__(self) -> None:
        for name in ("temperature", "seed"):
            if getattr(self, name) is None:
                raise ConfigError(f"{name} is None: expected a number")
        check_at_least("temperature", self.temperature, 0)
        check_whole("top_k", self.top_k, 1)
        check_above_zero("top_p", self.top_p)
        if self.top_p is not None and self.top_p > 1:
            raise ConfigError(f"top_p is {self.top_p}: expected at most 1, which excludes nothing")
        check_whole("seed", self.seed, 0, at_most=2**64 - 1)

    @property
    def greedy(self) -> bool:
        """Whether the most likely token is always taken."""
        return self.temperature == 0 or self.top_k == 1

    @property
    def nucleus(self) -> float | None:
        """Top-p, or None if it excludes nothing."""
        return None if self.top_p == 1 else self.top_p
