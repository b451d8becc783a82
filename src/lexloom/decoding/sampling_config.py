"""How tokens are drawn: one frozen dataclass; the command line mirrors it. It needs no torch."""

import math
from dataclasses import dataclass

from lexloom.errors import ConfigError


@dataclass(frozen=True)
class SamplingConfig:
    """How tokens are drawn: first the temperature, then top-k, then top-p."""

    temperature: float = 1.0
    """Below 1 the likely tokens get likelier, above 1 the rare ones; 0 always takes the likeliest."""
    top_k: int | None = None
    """Draw from this many of the likeliest tokens; from all unless given."""
    top_p: float | None = None
    """Draw from the fewest likeliest tokens whose chances reach this sum (nucleus sampling); from all unless given."""
    seed: int = 1
    """Where the random numbers start; the same seed draws the same tokens again."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:  # NaN is refused too
            raise ConfigError(f"temperature is {self.temperature}: expected a number of at least 0; 0 always takes the likeliest token")
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"top_k is {self.top_k}: expected a whole number of at least 1, or nothing to draw from all tokens")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p is {self.top_p}: expected a number above 0 and at most 1, or nothing to draw from all tokens")
        if not 0 <= self.seed < 2**64:
            raise ConfigError(f"seed is {self.seed}: expected a whole number of at least 0 and below 2 ** 64")

    @property
    def greedy(self) -> bool:
        """Whether there is nothing to draw: the likeliest token is always taken."""
        return self.temperature == 0 or self.top_k == 1

    @property
    def nucleus(self) -> float | None:
        """Top-p where it leaves anything out."""
        return None if self.top_p == 1 else self.top_p
