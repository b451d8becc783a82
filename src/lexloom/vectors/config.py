"""What a training of word vectors can be told: one frozen dataclass; the command line and TOML files mirror it."""

import dataclasses
import math
import os
from dataclasses import dataclass
from typing import Literal

from lexloom.errors import ConfigError
from lexloom.options import check_above_zero, check_at_least, check_choices, check_whole


@dataclass(frozen=True)
class VectorConfig:
    """How word vectors are trained. The names are word2vec's and gensim's, the defaults word2vec's."""

    model: Literal["skipgram", "cbow"] = "skipgram"
    """Predict a word from each of its contexts (skipgram) or from all of them together (cbow)."""
    dim: int = 100
    """Length of a vector."""
    window: int = 5
    """Contexts on either side of a word."""
    negative: int = 5
    """Negatives for each word (kernel window) or for each pair (kernel pair)."""
    sample: float = 1e-3
    """Frequency above which occurrences are thinned out; 0 keeps all."""
    ns_exponent: float = 0.75
    """Negatives are drawn in proportion to count ** ns_exponent."""
    epochs: int = 5
    """Passes over the text."""
    learning_rate: float | None = None
    """Where the learning rate starts; 0.025 for skipgram and 0.05 for cbow unless given."""
    min_learning_rate: float = 1e-4
    """Where the learning rate ends; it falls in a straight line."""
    shrink_windows: bool = True
    """Let each word draw its own reach between 1 and window, so that near contexts count more."""
    cbow_mean: bool = True
    """Average the contexts in cbow; otherwise sum them."""
    kernel: Literal["window", "pair"] = "window"
    """window: negatives shared by a window, fast; pair: fresh ones for each pair, word2vec.c's order of work."""
    seed: int = 1
    """Where all random numbers start; with one thread the same seed gives the same bits."""
    threads: int | None = None
    """Threads that train at once; the processor's cores unless given."""
    valid: str | float | None = None
    """Held-out text for a loss that is not trained on: a fraction of the text, or a file."""
    patience: int | None = None
    """Stop when the held-out loss has not fallen for this many epochs, and keep the best epoch's vectors; needs valid."""
    init: str | None = None
    """Vectors to start from (any format); their words are kept, new ones added."""
    freeze_init: bool = False
    """Hold the rows that came from init fixed."""
    keep_output: bool = False
    """Keep the output matrix too, so that a later training can go on from it."""
    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints, beside the one at the end of each epoch."""

    def __post_init__(self) -> None:
        check_choices(self)
        check_whole("dim", self.dim, 1)
        check_whole("window", self.window, 1, at_most=100_000)
        check_whole("negative", self.negative, 1, at_most=1000)
        check_whole("epochs", self.epochs, 1)
        check_whole("seed", self.seed, 0)
        check_at_least("sample", self.sample, 0.0)
        check_at_least("min_learning_rate", self.min_learning_rate, 0.0)
        check_at_least("checkpoint_minutes", self.checkpoint_minutes, 0.0)
        check_whole("threads", self.threads, 1, at_most=1024)
        check_whole("patience", self.patience, 1)
        check_above_zero("learning_rate", self.learning_rate)
        if not math.isfinite(self.ns_exponent):
            raise ConfigError(f"ns_exponent is {self.ns_exponent}: expected a finite number")
        if self.min_learning_rate > self.initial_rate:
            raise ConfigError(f"min_learning_rate is {self.min_learning_rate}: expected at most the learning rate, {self.initial_rate}")
        if self.patience is not None and self.valid is None:
            raise ConfigError(f"patience is {self.patience} but nothing is held out: give valid, a fraction of the text or a file")
        if self.freeze_init and self.init is None:
            raise ConfigError("freeze_init is set but there is nothing to freeze: give init, the vectors to start from")
        if self.valid_fraction is not None and not 0 < self.valid_fraction < 1:
            raise ConfigError(f"valid is {self.valid}: expected a fraction between 0 and 1, or a file")

    @property
    def initial_rate(self) -> float:
        """The learning rate at the start, the model's default filled in."""
        if self.learning_rate is not None:
            return self.learning_rate
        return 0.025 if self.model == "skipgram" else 0.05

    @property
    def valid_fraction(self) -> float | None:
        """The fraction of the text that is held out, or None where `valid` is a file or nothing."""
        try:
            return None if self.valid is None else float(self.valid)
        except ValueError:
            return None

    def resolved(self) -> "VectorConfig":
        """The same with every default that depends on something filled in."""
        return dataclasses.replace(self, learning_rate=self.initial_rate, threads=self.threads or available_cores())


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
