"""The options of recurrent layers, without torch."""

from dataclasses import dataclass
from typing import Literal

from lexloom.errors import ConfigError
from lexloom.options import check_above_zero, check_choices, check_share, check_whole


@dataclass(frozen=True)
class RecurrentConfig:
    """The recurrent layers of a model."""

    cell: Literal["rnn", "gru", "lstm"] = "lstm"
    """The recurrent cell: rnn (Elman 1990), gru (Cho et al. 2014) or lstm (Hochreiter & Schmidhuber 1997)."""
    nonlinearity: Literal["tanh", "relu"] = "tanh"
    """The activation of an rnn cell; other cells have no such choice."""
    implementation: Literal["torch", "scratch"] = "torch"
    """torch: torch's own cells, fast; scratch: the same cells in plain tensor arithmetic, written to be read."""
    hidden_size: int = 200
    """Size of a layer's hidden state."""
    num_layers: int = 1
    """Number of recurrent layers."""
    layer_dropout: float | None = None
    """Share of features dropped between layers, the same ones at each step (locked); by default none, or the model's own dropout."""
    weight_drop: float = 0.0
    """Share of hidden-to-hidden connections dropped in training, the same ones at each step (Merity et al. 2018)."""
    recurrent_init: float | None = None
    """Initial weights and biases are uniform between minus and plus this number; 1 / sqrt(hidden_size) by default."""

    def __post_init__(self) -> None:
        check_choices(self)
        check_whole("hidden_size", self.hidden_size, 1)
        check_whole("num_layers", self.num_layers, 1)
        check_share("weight_drop", self.weight_drop)
        check_share("layer_dropout", self.layer_dropout)
        check_above_zero("recurrent_init", self.recurrent_init)
        if self.nonlinearity != "tanh" and self.cell != "rnn":
            raise ConfigError(f"nonlinearity is {self.nonlinearity!r}, but only the rnn cell has one, not {self.cell}; leave it out")
