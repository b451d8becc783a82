"""The recurrent cells in plain tensor arithmetic: what `torch.nn.RNN`, `GRU` and `LSTM` compute, written to be read.

Each class is one layer in one direction, with its equations in the docstring. Vectors are rows and are multiplied from the left:
x_t (B, E) is the input of step t, h_t (B, D) the hidden state after it, * multiplies element by element, σ is the logistic
function. The gates of a cell are adjacent columns of one matrix, in torch's order, so that one product computes them all.

As in torch there are two biases, one for the input and one for the state. Only the GRU needs both; in the other cells only their sum
matters. Both are kept so that weights can be copied one to one (`load_torch`, `write_torch`) and training is the same: from the same
weights, or the same seed, both implementations learn the same.
"""

import math

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]
"""The state of a layer between steps: (h,), and (h, c) for an LSTM; each (B, D)."""


class RecurrentLayer(nn.Module):
    """What the cells share: the parameters, the state and the loop over time.

    A cell defines the number of its gates, the number of tensors in its state, and in `advance` how one step is computed.

    Attributes:
        W_xh: (E, gates * D), from the input.
        W_hh: (D, gates * D), from the hidden state.
        b_xh: (gates * D,), added with the input.
        b_hh: (gates * D,), added with the hidden state.
    """

    gates: int
    state_tensors: int = 1

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        columns = self.gates * hidden_size
        self.W_xh = nn.Parameter(torch.empty(input_size, columns))
        self.W_hh = nn.Parameter(torch.empty(hidden_size, columns))
        self.b_xh = nn.Parameter(torch.empty(columns))
        self.b_hh = nn.Parameter(torch.empty(columns))
        self.initialize(1 / math.sqrt(hidden_size))

    @torch.no_grad()
    def initialize(self, bound: float) -> None:
        """Draw all parameters uniformly from -bound to bound; torch's bound is 1 / sqrt(D)."""
        for parameter in self.parameters():
            # drawn in the order of torch's matrices, which are transposed: both implementations get the same weights from a seed
            drawn = parameter.new_empty(parameter.shape[::-1]).uniform_(-bound, bound)
            parameter.copy_(drawn.permute(*range(drawn.ndim)[::-1]))

    def initial_state(self, rows: int) -> State:
        """Return the state before the first step: zeros, each (rows, D)."""
        return tuple(self.b_hh.new_zeros(rows, self.hidden_size) for _ in range(self.state_tensors))

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run over sequences.

        Args:
            inputs: (B, T, E), T at least 1.
            state: the state before the first step, each (B, D); zeros by default.

        Returns:
            The hidden state after every step, (B, T, D), and the state after the last one.
        """
        state = self.initial_state(len(inputs)) if state is None else state
        from_inputs = inputs @ self.W_xh + self.b_xh  # (B, T, gates * D): independent of the state, so all at once
        outputs = []
        for from_input in from_inputs.unbind(1):
            state = self.advance(from_input, state)
            outputs.append(state[0])
        return torch.stack(outputs, 1), state

    def step(self, inputs: Tensor, state: State) -> State:
        """Take one step from inputs (B, E) and the state before it to the state after it."""
        return self.advance(inputs @ self.W_xh + self.b_xh, state)

    def advance(self, from_input: Tensor, state: State) -> State:
        """Compute the next state; each cell implements it.

        Args:
            from_input: the contribution of the input to the gates, x_t W_xh + b_xh, (B, gates * D).
            state: the state before the step, each (B, D).

        Returns:
            The state after it, the hidden state first.
        """
        raise NotImplementedError


class RNNLayer(RecurrentLayer):
    """The simple recurrent network (Elman 1990, Finding Structure in Time).

    h_t = f(x_t W_xh + b_xh + h_{t-1} W_hh + b_hh),   f = tanh or relu

    Args:
        input_size: E.
        hidden_size: D.
        relu: f is max(0, ·) instead of tanh.
    """

    gates = 1

    def __init__(self, input_size: int, hidden_size: int, *, relu: bool = False) -> None:
        super().__init__(input_size, hidden_size)
        self.activation = torch.relu if relu else torch.tanh

    def advance(self, from_input: Tensor, state: State) -> State:
        """Compute the next state from the input's contribution and the state before."""
        (h,) = state
        return (self.activation(from_input + h @ self.W_hh + self.b_hh),)


class GRULayer(RecurrentLayer):
    """The gated recurrent unit (Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder).

    r_t = σ(x_t W_xr + b_xr + h_{t-1} W_hr + b_hr)          how much of the past the candidate sees (reset)
    z_t = σ(x_t W_xz + b_xz + h_{t-1} W_hz + b_hz)          how much of the past stays (update)
    n_t = tanh(x_t W_xn + b_xn + r_t * (h_{t-1} W_hn + b_hn))   the candidate (new)
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}

    The paper multiplies by the reset gate before the matrix product, (r_t * h_{t-1}) W_hn; torch and cuDNN after it, as here,
    which lets one product compute all three gates.
    """

    gates = 3

    def advance(self, from_input: Tensor, state: State) -> State:
        """Compute the next state from the input's contribution and the state before."""
        (h,) = state
        x_r, x_z, x_n = from_input.chunk(3, -1)
        h_r, h_z, h_n = (h @ self.W_hh + self.b_hh).chunk(3, -1)
        r = torch.sigmoid(x_r + h_r)
        z = torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * h_n)
        return ((1 - z) * n + z * h,)


class LSTMLayer(RecurrentLayer):
    """Long short-term memory (Hochreiter & Schmidhuber 1997), with the forget gate of Gers et al. 2000.

    i_t = σ(x_t W_xi + b_xi + h_{t-1} W_hi + b_hi)      how much is written (input)
    f_t = σ(x_t W_xf + b_xf + h_{t-1} W_hf + b_hf)      how much is kept (forget)
    g_t = tanh(x_t W_xg + b_xg + h_{t-1} W_hg + b_hg)   what is written
    o_t = σ(x_t W_xo + b_xo + h_{t-1} W_ho + b_ho)      how much is shown (output)
    c_t = f_t * c_{t-1} + i_t * g_t                     the memory cell
    h_t = o_t * tanh(c_t)
    """

    gates = 4
    state_tensors = 2

    def advance(self, from_input: Tensor, state: State) -> State:
        """Compute the next state from the input's contribution and the state before."""
        h, c = state
        i, f, g, o = (from_input + h @ self.W_hh + self.b_hh).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, c


@torch.no_grad()
def load_torch(layer: RecurrentLayer, torch_layer: nn.RNNBase, suffix: str = "_l0") -> None:
    """Copy one layer's weights from torch's module.

    Args:
        layer: the layer to write to.
        torch_layer: a `torch.nn.RNN`, `GRU` or `LSTM` of the same cell and sizes.
        suffix: the suffix of one of its layers: `_l0`, `_l1`, `_l0_reverse`.
    """
    for mine, theirs in _pairs(layer, torch_layer, suffix):
        mine.copy_(theirs)


@torch.no_grad()
def write_torch(layer: RecurrentLayer, torch_layer: nn.RNNBase, suffix: str = "_l0") -> None:
    """Copy one layer's weights into torch's module; the arguments are those of `load_torch`."""
    for mine, theirs in _pairs(layer, torch_layer, suffix):
        theirs.copy_(mine)


def _pairs(layer: RecurrentLayer, torch_layer: nn.RNNBase, suffix: str) -> list[tuple[Tensor, Tensor]]:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    w_ih, w_hh, b_ih, b_hh = (torch_layer.get_parameter(name + suffix) for name in names)
    return [(layer.W_xh, w_ih.mT), (layer.W_hh, w_hh.mT), (layer.b_xh, b_ih), (layer.b_hh, b_hh)]
