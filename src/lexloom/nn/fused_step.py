"""One step of torch's cells in as few operations as possible: for writing token by token, where a step is all there is to do.

`torch.nn.LSTM` on a sequence of one costs several times the arithmetic. Here the weights are laid out once so that a step reads
them from front to back, with one product for all gates of an LSTM, whose three logistic gates lie side by side.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

State = tuple[Tensor, ...]
"""What one layer carries: (h,), and (h, c) for an LSTM; each (B, D)."""


class Cell(NamedTuple):
    """How one kind of cell takes a step.

    Attributes:
        fuse: from torch's weight_ih (G, E), weight_hh (G, D), bias_ih (G,) and bias_hh (G,) to new tensors, laid out for `step`.
        step: from those, inputs (B, E) and a state to the next state.
    """

    fuse: Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, ...]]
    step: Callable[[tuple[Tensor, ...], Tensor, State], State]


def _fuse_lstm(w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> tuple[Tensor, ...]:
    i, f, g, o = torch.cat((w_ih, w_hh), 1).chunk(4)
    b_i, b_f, b_g, b_o = (b_ih + b_hh).chunk(4)
    return torch.cat((i, f, o, g)).mT.contiguous(), torch.cat((b_i, b_f, b_o, b_g))  # (E + D, 4D), (4D,)


def _step_lstm(fused: tuple[Tensor, ...], inputs: Tensor, state: State) -> State:
    h, c = state
    weight, bias = fused
    gates, size = torch.addmm(bias, torch.cat((inputs, h), 1), weight), h.shape[1]
    g = gates[:, 3 * size :].tanh_()
    i, f, o = gates[:, : 3 * size].sigmoid_().chunk(3, 1)
    c = torch.addcmul(i * g, f, c)
    return torch.tanh(c).mul_(o), c


def _fuse_gru(w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> tuple[Tensor, ...]:
    return w_ih.mT.contiguous(), w_hh.mT.contiguous(), b_ih.clone(), b_hh.clone()  # (E, 3D), (D, 3D), (3D,), (3D,)


def _step_gru(fused: tuple[Tensor, ...], inputs: Tensor, state: State) -> State:
    (h,) = state
    w_ih, w_hh, b_ih, b_hh = fused
    x_gates, h_gates, size = torch.addmm(b_ih, inputs, w_ih), torch.addmm(b_hh, h, w_hh), h.shape[1]
    r, z = x_gates[:, : 2 * size].add_(h_gates[:, : 2 * size]).sigmoid_().chunk(2, 1)
    n = x_gates[:, 2 * size :].addcmul_(r, h_gates[:, 2 * size :]).tanh_()
    return (n + z * (h - n),)


def _fuse_rnn(w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> tuple[Tensor, ...]:
    return torch.cat((w_ih, w_hh), 1).mT.contiguous(), b_ih + b_hh  # (E + D, D), (D,)


def _step_tanh(fused: tuple[Tensor, ...], inputs: Tensor, state: State) -> State:
    weight, bias = fused
    return (torch.addmm(bias, torch.cat((inputs, state[0]), 1), weight).tanh_(),)


def _step_relu(fused: tuple[Tensor, ...], inputs: Tensor, state: State) -> State:
    weight, bias = fused
    return (torch.addmm(bias, torch.cat((inputs, state[0]), 1), weight).relu_(),)


CELLS = {
    "LSTM": Cell(_fuse_lstm, _step_lstm),
    "GRU": Cell(_fuse_gru, _step_gru),
    "RNN_TANH": Cell(_fuse_rnn, _step_tanh),
    "RNN_RELU": Cell(_fuse_rnn, _step_relu),
}
"""By the `mode` of torch's modules."""
