"""How tokens are drawn: one frozen dataclass; the command line mirrors it. It needs no torch."""

from dataclasses import dataclass

from lexloom.errors import ConfigError
from lexloom.options import check_above_zero, check_at_least, check_whole


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
        for name in ("temperature", "seed"):
            if getattr(self, name) is None:
                raise ConfigError(f"{name} is None: expected a number")
        check_at_least("temperature", self.temperature, 0)
        check_whole("top_k", self.top_k, 1)
        check_above_zero("top_p", self.top_p)
        if self.top_p is not None and self.top_p > 1:
            raise ConfigError(f"top_p is {self.top_p}: expected at most 1, which leaves nothing out")
        check_whole("seed", self.seed, 0, at_most=2**64 - 1)

    @property
    def greedy(self) -> bool:
        """Whether there is nothing to draw: the likeliest token is always taken."""
        return self.temperature == 0 or self.top_k == 1

    @property
    def nucleus(self) -> float | None:
        """Top-p where it leaves anything out."""
        return None if self.top_p == 1 else self.top_p
