"""Options of a training of word vectors: two frozen dataclasses, which the command line and TOML files mirror."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

from lexloom.compiled.threads import available_cores
from lexloom.errors import ConfigError
from lexloom.options import check_above_zero, check_at_least, check_choices, check_whole


@dataclass(frozen=True)
class VectorConfig:
    """What is learnt. The names are those of word2vec and gensim, the defaults word2vec's."""

    model: Literal["skipgram", "cbow"] = "skipgram"
    """skipgram: predict a word from each of its context words. cbow: predict it from all of them together."""
    dim: int = 100
    """Length of a vector."""
    window: int = 5
    """Context words on either side of a word."""
    negative: int = 5
    """Negatives per word; all context words of a word share them."""
    sample: float = 1e-3
    """Frequency above which occurrences of a word are subsampled; 0 keeps all."""
    ns_exponent: float = 0.75
    """Negatives are drawn in proportion to count ** ns_exponent."""
    shrink_windows: bool = True
    """Draw the window of each word between 1 and window, so that near context words count more."""
    cbow_mean: bool = True
    """Average the context words in cbow; otherwise sum them."""

    def __post_init__(self) -> None:
        check_choices(self)
        check_whole("dim", self.dim, 1)
        check_whole("window", self.window, 1, at_most=100_000)
        check_whole("negative", self.negative, 1, at_most=1000)
        check_at_least("sample", self.sample, 0.0)
        if not math.isfinite(self.ns_exponent):
            raise ConfigError(f"ns_exponent is {self.ns_exponent}: expected a finite number")


@dataclass(frozen=True)
class VectorTrainingConfig:
    """How vectors are trained: epochs, learning rate, threads, validation, initial vectors, checkpoints."""

    epochs: int = 5
    """Passes over the text."""
    learning_rate: float | None = None
    """Initial learning rate. Default: 0.025 for skipgram, 0.05 for cbow."""
    min_learning_rate: float = 1e-4
    """Final learning rate; the rate falls linearly over all epochs."""
    seed: int = 1
    """Seed of all random numbers; with one thread the same seed gives the same bits."""
    threads: int | None = None
    """Threads to train with. Default: all cores of the machine."""
    valid: str | float | None = None
    """Validation text, which is not trained on: a fraction of the text, or a file."""
    patience: int | None = None
    """Stop after this many epochs without a lower validation loss, and keep the vectors of the best epoch; needs valid."""
    init: str | None = None
    """Vectors to start from, in any format; their words are kept and new words added."""
    freeze_init: bool = False
    """Do not train the vectors that came from init."""
    keep_output: bool = False
    """Save the output matrix too, so that a later training can start from it."""
    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints within an epoch; there is another one at the end of each epoch."""

    def __post_init__(self) -> None:
        check_whole("epochs", self.epochs, 1)
        check_whole("seed", self.seed, 0)
        check_at_least("min_learning_rate", self.min_learning_rate, 0.0)
        check_at_least("checkpoint_minutes", self.checkpoint_minutes, 0.0)
        check_whole("threads", self.threads, 1, at_most=1024)
        check_whole("patience", self.patience, 1)
        check_above_zero("learning_rate", self.learning_rate)
        if self.learning_rate is not None and self.min_learning_rate > self.learning_rate:
            raise ConfigError(f"min_learning_rate is {self.min_learning_rate}: expected at most the learning rate, {self.learning_rate}")
        if self.patience is not None and self.valid is None:
            raise ConfigError(f"patience is {self.patience} but there is no validation text: give valid, a fraction of the text or a file")
        if self.freeze_init and self.init is None:
            raise ConfigError("freeze_init is set without vectors to freeze: give init, the vectors to start from")
        if self.valid_fraction is not None and not 0 < self.valid_fraction < 1:
            raise ConfigError(f"valid is {self.valid}: expected a fraction between 0 and 1, or a file")

    @property
    def valid_fraction(self) -> float | None:
        """The fraction of the text that is held out, or None where `valid` is a file or not given."""
        try:
            return None if self.valid is None else float(self.valid)
        except ValueError:
            return None

    def resolved(self, model: Literal["skipgram", "cbow"]) -> "VectorTrainingConfig":
        """Fill in the defaults that depend on the model and the machine.

        Raises:
            ConfigError: `min_learning_rate` is above the model's default learning rate.
        """
        rate = self.learning_rate
        if rate is None:
            rate = 0.025 if model == "skipgram" else 0.05
        return dataclasses.replace(self, learning_rate=rate, threads=self.threads or available_cores())
