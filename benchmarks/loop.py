"""One description of a small language model and its training, for lexloom and for the bare PyTorch loop beside it."""

import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

LAST = 10  # a training perplexity is the mean over the last epochs, because on a small text it fluctuates
_IMPLIED = {"optimizer": "sgd", "valid": "none"}  # further options that a recipe may have: they hold for every `Loop`


@dataclass(frozen=True)
class Loop:
    """A model and its training; the names are those of the options of `lexloom lm train`. The optimizer is plain SGD.

    All else, such as the initialization of the weights, has PyTorch's defaults on both sides.

    Attributes:
        level: character or word; words are separated by white space.
        cell: rnn, gru or lstm.
        hidden_size: features of the cell and of the embedding.
        learning_rate: constant; the loss is a mean over tokens.
        clip: maximum norm of the gradient.
        batch_size: rows per batch.
        bptt: tokens per row and window.
        num_layers: recurrent layers.
        embedding: lookup or one-hot.
        windows: sequential or random.
        random_offset: begin each epoch at a random one of the first bptt tokens.
        epochs: passes over the text.
        max_minutes: stop after this time.
        seed: of all random numbers.
    """

    level: str
    cell: str
    hidden_size: int
    learning_rate: float
    clip: float
    batch_size: int
    bptt: int
    num_layers: int = 1
    embedding: str = "lookup"
    windows: str = "sequential"
    random_offset: bool = True
    epochs: int = 1
    max_minutes: float | None = None
    seed: int = 1

    @classmethod
    def of_recipe(cls, path: Path) -> "Loop":
        """Read a recipe, a file for `--config`.

        Raises:
            ValueError: it has an option that the bare loop does not have.
        """
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        names = {field.name for field in fields(cls)}
        if odd := {name: value for name, value in values.items() if name not in names and _IMPLIED.get(name) != value}:
            raise ValueError(f"{path}: the bare loop does not have these options: {odd}")
        return cls(**{name: value for name, value in values.items() if name in names})

    def options(self) -> list[object]:
        """Return the options of `lexloom lm train`."""
        values = {**asdict(self), "optimizer": "sgd"} | ({"tokenizer": "whitespace"} if self.level == "word" else {})
        given: list[object] = []
        for name, value in values.items():
            option = name.replace("_", "-")
            if isinstance(value, bool):
                given.append(f"--{option}" if value else f"--no-{option}")
            elif value is not None:
                given += [f"--{option}", value]
        return given
