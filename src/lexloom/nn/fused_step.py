"""One step of torch's cells in as few operations as possible: for writing token by token, where a step is all there is to do.

`torch.nn.LSTM` on a sequence of one costs several times the arithmetic. Here the weights are laid out once so that a step reads them
from front to back, with one tanh for all gates of an LSTM: those of logistic gates are halved, for 1 / (1 + exp(-x)) is
(1 + tanh(x / 2)) / 2. It takes tensors, or arrays of NumPy, which needs a microsecond for what costs torch five.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

Array = Any
"""A tensor of torch or an array of NumPy."""
State = Sequence[Array]
"""What one layer carries: (h,), and (h, c) for an LSTM; each (B, D)."""
Tanh = Callable[[Array], Array]
Take = Callable[[Array, State], State]
"""Takes one step of a layer: from inputs and the state before it to the state after it."""


class _Weights(NamedTuple):
    """A cell's weights, laid out for steps.

    Attributes:
        w_ih: (E, G).
        b_ih: (G,), the input's bias, and the state's where the two are only ever added up.
        w_hh: (D, G).
        b_hh: (G,), the state's bias where it is not in b_ih.
    """

    w_ih: Array
    b_ih: Array
    w_hh: Array
    b_hh: Array | None = None


def make_step(mode: str, parameters: Sequence[Tensor], rows: Tensor | None = None) -> Take:
    """Lay out the weights of one layer, and give what takes a step with them.

    Args:
        mode: of torch's module: LSTM, GRU, RNN_TANH or RNN_RELU.
        parameters: weight_ih (G, E), weight_hh (G, D), bias_ih (G,) and bias_hh (G,); they are copied.
        rows: (V, E), where every input is one of these.

    Returns:
        A function from inputs, (B, E) or, where there are rows, their numbers, int64 (B,), and a state to the next state. To be called
        without gradients. Tensors and arrays are not mixed; arrays are of one row, and of weights that `can_be_arrays`. It raises
        IndexError where a number is not from 0 to V - 1.
    """
    order, advance = _CELLS[mode]
    weights = order(*parameters)
    known = None if rows is None else torch.addmm(weights.b_ih, rows, weights.w_ih).to(weights.w_hh.dtype)  # autocast may have rounded it
    arrays = _Weights(*(part if part is None else part.numpy() for part in weights)) if can_be_arrays(weights.w_hh) else None
    known_array = None if known is None or arrays is None else known.numpy()

    def step(inputs: Array, state: State) -> State:
        if arrays is not None and isinstance(inputs, np.ndarray):
            if known_array is None:
                from_input = inputs @ arrays.w_ih + arrays.b_ih
            else:
                (number,) = inputs.tolist()
                if not 0 <= number < len(known_array):
                    raise IndexError(f"row {number}: expected a number from 0 to {len(known_array) - 1}")
                from_input = known_array[number : number + 1]
            return advance(arrays, from_input, state, np.tanh)
        from_input = torch.addmm(weights.b_ih, inputs, weights.w_ih) if known is None else known.index_select(0, inputs)
        return advance(weights, from_input.to(weights.w_hh.dtype), state, torch.tanh)

    return step


def can_be_arrays(weight: Tensor) -> bool:
    """Say whether NumPy can take steps with such weights."""
    return weight.device.type == "cpu" and weight.dtype in (torch.float32, torch.float64)


def _lstm_weights(w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> _Weights:
    def ordered(weight: Tensor) -> Tensor:
        i, f, g, o = weight.chunk(4)
        return torch.cat((i / 2, f / 2, o / 2, g))

    return _Weights(ordered(w_ih).T.contiguous(), ordered(b_ih + b_hh), ordered(w_hh).T.contiguous())


def _lstm(weights: _Weights, from_input: Array, state: State, tanh: Tanh) -> State:
    (h, c), size = state, len(weights.w_hh)
    gates = tanh(from_input + h @ weights.w_hh)
    logistic = gates[:, : 3 * size] * 0.5 + 0.5
    i, f, o, g = logistic[:, :size], logistic[:, size : 2 * size], logistic[:, 2 * size :], gates[:, 3 * size :]
    c = f * c + i * g
    return o * tanh(c), c


def _gru_weights(w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> _Weights:
    def halved(weight: Tensor) -> Tensor:
        r, z, n = weight.chunk(3)
        return torch.cat((r / 2, z / 2, n))

    return _Weights(halved(w_ih).T.contiguous(), halved(b_ih), halved(w_hh).T.contiguous(), halved(b_hh))


def _gru(weights: _Weights, from_input: Array, state: State, tanh: Tanh) -> State:
    (h,), size = state, len(weights.w_hh)
    from_state = h @ weights.w_hh + weights.b_hh
    logistic = tanh(from_input[:, : 2 * size] + from_state[:, : 2 * size]) * 0.5 + 0.5
    r, z = logistic[:, :size], logistic[:, size:]
    n = tanh(from_input[:, 2 * size :] + r * from_state[:, 2 * size :])
    return (n + z * (h - n),)


def _rnn_weights(w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> _Weights:
    w_ih, w_hh = (weight.T.clone(memory_format=torch.contiguous_format) for weight in (w_ih, w_hh))
    return _Weights(w_ih, b_ih + b_hh, w_hh)


def _rnn(weights: _Weights, from_input: Array, state: State, tanh: Tanh) -> State:
    return (tanh(from_input + state[0] @ weights.w_hh),)


def _rnn_relu(weights: _Weights, from_input: Array, state: State, tanh: Tanh) -> State:
    return ((from_input + state[0] @ weights.w_hh).clip(0),)


_CELLS: dict[str, tuple[Callable[..., _Weights], Callable[..., State]]] = {
    "LSTM": (_lstm_weights, _lstm),
    "GRU": (_gru_weights, _gru),
    "RNN_TANH": (_rnn_weights, _rnn),
    "RNN_RELU": (_rnn_weights, _rnn_relu),
}
"""For each mode what lays the weights out, and what takes a step with them."""
