"""One step of torch's cells in as few operations as possible: for writing token by token, where a step is all there is to do.

`torch.nn.LSTM` on a sequence of one costs several times the arithmetic. Here the weights are laid out once so that a step reads
them from front to back, and the three logistic gates of an LSTM lie side by side. What the input brings to the gates comes in from
outside, since it may be known beforehand.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

State = tuple[Tensor, ...]
"""What one layer carries: (h,), and (h, c) for an LSTM; each (B, D)."""


class Weights(NamedTuple):
    """A cell's weights, laid out for steps.

    Attributes:
        w_ih: (E, G).
        b_ih: (G,), the input's bias, and the state's where the two are only ever added up.
        w_hh: (D, G).
        b_hh: (G,), the state's bias; None where it is in b_ih.
    """

    w_ih: Tensor
    b_ih: Tensor
    w_hh: Tensor
    b_hh: Tensor | None = None


class Cell(NamedTuple):
    """How one kind of cell takes a step.

    Attributes:
        lay_out: from torch's weight_ih (G, E), weight_hh (G, D), bias_ih (G,) and bias_hh (G,) to new tensors.
        step: from those, what the input brings to the gates (B, G), which may be written to, and a state to the next state.
    """

    lay_out: Callable[[Tensor, Tensor, Tensor, Tensor], Weights]
    step: Callable[[Weights, Tensor, State], State]


def _transposed(weight: Tensor) -> Tensor:
    return weight.mT.clone(memory_format=torch.contiguous_format)


def _lay_out_lstm(w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Weights:
    def ordered(weight: Tensor) -> Tensor:
        i, f, g, o = weight.chunk(4)
        return torch.cat((i, f, o, g))

    return Weights(_transposed(ordered(w_ih)), ordered(b_ih + b_hh), _transposed(ordered(w_hh)))


def _step_lstm(weights: Weights, from_input: Tensor, state: State) -> State:
    h, c = state
    gates, size = torch.addmm(from_input, h, weights.w_hh), h.shape[1]
    g = gates[:, 3 * size :].tanh_()
    i, f, o = gates[:, : 3 * size].sigmoid_().chunk(3, 1)
    c = torch.addcmul(i * g, f, c)
    return torch.tanh(c).mul_(o), c


def _lay_out_gru(w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Weights:
    return Weights(_transposed(w_ih), b_ih.clone(), _transposed(w_hh), b_hh.clone())


def _step_gru(weights: Weights, from_input: Tensor, state: State) -> State:
    (h,) = state
    assert weights.b_hh is not None
    from_state, size = torch.addmm(weights.b_hh, h, weights.w_hh), h.shape[1]
    r, z = from_input[:, : 2 * size].add_(from_state[:, : 2 * size]).sigmoid_().chunk(2, 1)
    n = from_input[:, 2 * size :].addcmul_(r, from_state[:, 2 * size :]).tanh_()
    return (n + z * (h - n),)


def _lay_out_rnn(w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Weights:
    return Weights(_transposed(w_ih), b_ih + b_hh, _transposed(w_hh))


def _step_tanh(weights: Weights, from_input: Tensor, state: State) -> State:
    return (torch.addmm(from_input, state[0], weights.w_hh).tanh_(),)


def _step_relu(weights: Weights, from_input: Tensor, state: State) -> State:
    return (torch.addmm(from_input, state[0], weights.w_hh).relu_(),)


CELLS = {
    "LSTM": Cell(_lay_out_lstm, _step_lstm),
    "GRU": Cell(_lay_out_gru, _step_gru),
    "RNN_TANH": Cell(_lay_out_rnn, _step_tanh),
    "RNN_RELU": Cell(_lay_out_rnn, _step_relu),
}
"""By the `mode` of torch's modules."""
