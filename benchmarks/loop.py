"""One small language model and how it is trained, told to lexloom and to the bare loop beside it in the same words."""

import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

LAST = 10  # epochs at the end over which a training perplexity is the mean: with so small a text one alone goes up and down
_UNTOLD = {"optimizer": "sgd", "valid": "none"}  # what a recipe may say besides, because every loop does so


@dataclass(frozen=True)
class Loop:
    """What both sides are told; the names are those of the options of `lexloom lm train`. The optimizer is plain SGD.

    Whatever is not told, above all how weights begin, is the same on both sides: torch's own way.

    Attributes:
        level: character or word; words are split at white space.
        cell: rnn, gru or lstm.
        hidden_size: of the cell, and length of an embedding's row.
        learning_rate: constant, for the mean loss of a token.
        clip: limit of the gradient's norm.
        batch_size: rows of a batch.
        bptt: tokens of a row in a window.
        num_layers: recurrent layers.
        embedding: lookup or one-hot.
        windows: sequential or random.
        random_offset: begin each epoch at another of the first bptt tokens.
        epochs: passes over the text.
        max_minutes: stop after so much time.
        seed: where random numbers start.
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
    random_offset: bool = False
    epochs: int = 1
    max_minutes: float | None = None
    seed: int = 1

    @classmethod
    def of_recipe(cls, path: Path) -> "Loop":
        """Read a recipe, the file that `--config` takes.

        Raises:
            ValueError: it asks for something that a bare loop does not do.
        """
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        names = {field.name for field in fields(cls)}
        if odd := {name: value for name, value in told.items() if name not in names and _UNTOLD.get(name) != value}:
            raise ValueError(f"{path}: the bare loop knows nothing of {odd}")
        return cls(**{name: value for name, value in told.items() if name in names})

    def options(self) -> list[object]:
        """The options of `lexloom lm train`."""
        told = {**asdict(self), "optimizer": "sgd"} | ({"tokenizer": "whitespace"} if self.level == "word" else {})
        given = {f"--{name.replace('_', '-')}": value for name, value in told.items() if value is not None and value is not False}
        return [part for name, value in given.items() for part in ([name] if value is True else [name, value])]
