"""One step of torch's cells in as few operations as possible, for decoding.

`torch.nn.LSTM` on length-1 sequences takes several times as long. Here the weights are copied once so that a step reads them from front to
back. G is the number of gates times D.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

LayerState = Sequence[Tensor]
"""What one layer carries: (h,), and (h, c) for an LSTM; each (B, D)."""
LayerStep = Callable[[Tensor, LayerState], LayerState]
"""One step of a layer: from its inputs and the state before it to the state after it."""


class _Weights(NamedTuple):
    """A cell's weights.

    Attributes:
        w_ih: (E, G).
        b_ih: (G,), plus the state's bias where the cell only needs their sum.
        w_hh: (D, G).
        b_hh: (G,).
    """

    w_ih: Tensor
    b_ih: Tensor
    w_hh: Tensor
    b_hh: Tensor


def make_step(mode: str, parameters: Sequence[Tensor], rows: Tensor | None = None) -> LayerStep:
    """Copy the weights of one layer and return a function that takes one step with them.

    Args:
        mode: the mode of torch's module: LSTM, GRU, RNN_TANH or RNN_RELU.
        parameters: weight_ih (G, E), weight_hh (G, D), bias_ih (G,) and bias_hh (G,).
        rows: (V, E), if every input is one of these rows.

    Returns:
        A function from inputs, (B, E), or if there are rows their ids, int64 (B,), and a state to the next state. Call it without
        gradients. It raises IndexError if an id is not from 0 to V - 1.
    """
    w_ih, w_hh, b_ih, b_hh = parameters
    bias = b_ih.clone() if mode == "GRU" else b_ih + b_hh
    weights = _Weights(_transposed(w_ih), bias, _transposed(w_hh), b_hh.clone())
    advance, dtype = _ADVANCE[mode], w_hh.dtype
    table = None if rows is None else torch.addmm(bias, rows, weights.w_ih).to(dtype)  # autocast may have rounded it

    def step(inputs: Tensor, state: LayerState) -> LayerState:
        if table is not None:
            return advance(weights, table.index_select(0, inputs), state)
        return advance(weights, torch.addmm(bias, inputs, weights.w_ih).to(dtype), state)

    return step


def _transposed(weight: Tensor) -> Tensor:
    return weight.T.clone(memory_format=torch.contiguous_format)


def _lstm(weights: _Weights, from_input: Tensor, state: LayerState) -> LayerState:
    h, c = state
    i, f, g, o = _gates(weights, from_input, h).chunk(4, 1)
    c = (f.sigmoid_() * c).addcmul_(i.sigmoid_(), g.tanh_())
    return c.tanh().mul_(o.sigmoid_()), c


def _gru(weights: _Weights, from_input: Tensor, state: LayerState) -> LayerState:
    (h,), dtype = state, from_input.dtype
    x_r, x_z, x_n = from_input.chunk(3, 1)
    h_r, h_z, h_n = torch.addmm(weights.b_hh, h, weights.w_hh).to(dtype).chunk(3, 1)
    r, z = (x_r + h_r).sigmoid_(), (x_z + h_z).sigmoid_()
    return (torch.addcmul(x_n, r, h_n).tanh_().lerp_(h, z),)


def _rnn(weights: _Weights, from_input: Tensor, state: LayerState) -> LayerState:
    return (_gates(weights, from_input, state[0]).tanh_(),)


def _rnn_relu(weights: _Weights, from_input: Tensor, state: LayerState) -> LayerState:
    return (_gates(weights, from_input, state[0]).relu_(),)


def _gates(weights: _Weights, from_input: Tensor, h: Tensor) -> Tensor:
    return torch.addmm(from_input, h, weights.w_hh).to(from_input.dtype)


_ADVANCE: dict[str, Callable[[_Weights, Tensor, LayerState], LayerState]] = {
    "LSTM": _lstm,
    "GRU": _gru,
    "RNN_TANH": _rnn,
    "RNN_RELU": _rnn_relu,
}
"""For each mode, how a step is computed from what its input contributes to the gates, (B, G)."""
