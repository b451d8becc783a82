"""Stacked recurrent layers: RNN, GRU and LSTM, in one or both directions, with locked dropout and weight drop."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lexloom.errors import ConfigError
from lexloom.nn.dropout import LockedDropout, WeightDrop
from lexloom.nn.recurrent_config import RecurrentConfig
from lexloom.nn.scratch import GRULayer, LSTMLayer, RecurrentLayer, RNNLayer
from lexloom.nn.stepping import LayerState, LayerStep, make_step

__all__ = ["Recurrent", "RecurrentConfig", "State", "Stepper"]

State = tuple[Tensor, ...]
"""The state between steps, row first: h (B, L, D), and for an LSTM also c (B, L, D); 2L instead of L if bidirectional."""
Stepper = Callable[[Tensor, State], tuple[Tensor, State]]
"""One step: from inputs and the state before it to the last layer's output and the state after it."""


class Recurrent(nn.Module):
    """L stacked recurrent layers.

    Args:
        input_size: E.
        config: the cell, the number of layers and their size.
        bidirectional: read each sequence in both directions; their outputs are concatenated.

    Attributes:
        output_size: D, or 2D if bidirectional.
    """

    def __init__(self, input_size: int, config: RecurrentConfig, *, bidirectional: bool = False) -> None:
        super().__init__()
        self.config = config
        self.directions = 2 if bidirectional else 1
        self.input_size = input_size
        self.output_size = config.hidden_size * self.directions
        layer = _TorchLayer if config.implementation == "torch" else _ScratchLayer
        sizes = [input_size] + [self.output_size] * (config.num_layers - 1)
        self.layers = nn.ModuleList(layer(size, config, self.directions) for size in sizes)
        self.layer_dropout = LockedDropout(config.layer_dropout or 0.0)
        self.state_tensors = 2 if config.cell == "lstm" else 1

    def initial_state(self, rows: int) -> State:
        """Return the state before the first step: zeros."""
        like = next(self.parameters())
        shape = (rows, len(self.layers) * self.directions, self.config.hidden_size)
        return tuple(like.new_zeros(shape) for _ in range(self.state_tensors))

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run over sequences from the first step to the last.

        Args:
            inputs: (B, T, E).
            state: the state before the first step; zeros by default.

        Returns:
            The last layer's outputs, (B, T, D) or (B, T, 2D), and the state after the last step. The state has the type of the
            weights, also under autocast, and is part of the graph: detach it to stop the gradient.

        Raises:
            ValueError: the shapes do not match.
        """
        state = self.initial_state(len(inputs)) if state is None else state
        self._check_shapes(inputs, state)
        if not inputs.shape[1]:
            return inputs.new_zeros(len(inputs), 0, self.output_size), state
        outputs, ends = inputs, []
        starts = zip(*(part.chunk(len(self.layers), 1) for part in state), strict=True)  # for each layer: (B, directions, D)
        for number, (layer, start) in enumerate(zip(self.layers, starts, strict=True)):
            outputs, end = layer(self.layer_dropout(outputs) if number else outputs, start)
            ends.append(end)
        return outputs, tuple(torch.cat(parts, 1).to(state[0].dtype) for parts in zip(*ends, strict=True))

    def read(self, inputs: Tensor, keep: Tensor) -> Tensor:
        """Run over sequences of different lengths from a zero state; the backward direction begins at the last step of each sequence.

        Args:
            inputs: (B, T, E).
            keep: bool (B, T), True for real steps, which come first in a row.

        Returns:
            The last layer's outputs, (B, T, D) or (B, T, 2D), undefined after the end of a sequence.
        """
        lengths, steps = keep.sum(1, keepdim=True), torch.arange(inputs.shape[1], device=inputs.device)
        mirrored = torch.where(steps < lengths, lengths - 1 - steps, steps)  # (B, T), the index of each step in the reversed sequence
        start = tuple(part[:, : self.directions] for part in self.initial_state(len(inputs)))
        outputs, layers = inputs, cast(Any, self.layers)  # both kinds of layer have read()
        for number, layer in enumerate(layers):
            outputs = layer.read(self.layer_dropout(outputs) if number else outputs, mirrored, start)
        return outputs

    @torch.no_grad()
    def stepper(self, rows: Tensor | None = None) -> Stepper:
        """Return a single-step function for decoding: no gradient, no dropout, faster than `forward` on length-1 sequences.

        It holds a copy of the current weights.

        Args:
            rows: X (V, E), if every input is one of these rows. The first layer sees its input only as W_ih x, so W_ih X^T is computed
                here and looked up at each step, which pays off for a small V.

        Returns:
            A function of the inputs, (B, E) or, if there are rows, their ids, int64 (B,), and of the state before the step. It returns
            the last layer's output (B, D) and the state after the step. It raises ValueError if the state and the inputs have
            different numbers of rows.

        Raises:
            ConfigError: the layers are bidirectional, so a step would need the end of the sequence.
        """
        if self.directions > 1:
            raise ConfigError("bidirectional layers cannot go step by step, since the backward direction begins at the end: use forward")
        layers: Any = self.layers  # both kinds of layer have a stepper
        steps: list[LayerStep] = [layer.stepper(None if number else rows) for number, layer in enumerate(layers)]

        def step(inputs: Tensor, state: State) -> tuple[Tensor, State]:
            size, state_size = inputs.shape[0], state[0].shape[0]  # len() of a tensor takes four times as long
            if size != state_size:
                raise ValueError(f"{size} rows of inputs and {state_size} of the state: expected the same number")
            outputs, ends = inputs, []
            with torch.no_grad():
                for number, advance in enumerate(steps):
                    end = advance(outputs, [part[:, number] for part in state])
                    outputs = end[0]
                    ends.append(end)
                if len(ends) == 1:  # unsqueeze copies nothing
                    return outputs, tuple([part.unsqueeze(1) for part in ends[0]])
                return outputs, tuple([torch.stack(parts, 1) for parts in zip(*ends, strict=True)])

        return step

    def _check_shapes(self, inputs: Tensor, state: State) -> None:
        # torch's fast LSTM does not check: a state with too few rows ends in a segmentation fault
        expected = (len(inputs), len(self.layers) * self.directions, self.config.hidden_size)
        if inputs.ndim != 3 or inputs.shape[2] != self.input_size:
            raise ValueError(f"inputs have shape {tuple(inputs.shape)}: expected (B, T, {self.input_size})")
        if len(state) != self.state_tensors or any(part.shape != expected for part in state):
            shapes = ", ".join(str(tuple(part.shape)) for part in state)
            raise ValueError(f"the state has shapes {shapes}: expected {self.state_tensors} of {expected}")


def has_bfloat16() -> bool:
    """Return whether this processor can train an LSTM in bfloat16, for which oneDNN needs AVX512 or the like."""
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


_RUN: dict[str, Callable[..., Any]] = {
    "LSTM": torch.lstm,
    "GRU": torch.gru,
    "RNN_TANH": torch.rnn_tanh,
    "RNN_RELU": torch.rnn_relu,
}


class _TorchLayer(nn.Module):
    """One layer of torch's cells, in one or both directions.

    torch's module holds the weights. The functions behind it are called with these weights or with dropped ones, so that weight drop
    takes the same fast path (oneDNN's for an LSTM on a CPU) and does not modify the parameters.
    """

    def __init__(self, input_size: int, config: RecurrentConfig, directions: int) -> None:
        super().__init__()
        size, both = config.hidden_size, directions == 2
        self.cell: nn.RNNBase
        if config.cell == "lstm":
            self.cell = nn.LSTM(input_size, size, batch_first=True, bidirectional=both)
        elif config.cell == "gru":
            self.cell = nn.GRU(input_size, size, batch_first=True, bidirectional=both)
        else:
            self.cell = nn.RNN(input_size, size, nonlinearity=config.nonlinearity, batch_first=True, bidirectional=both)
        self.weight_drop = WeightDrop(config.weight_drop)
        if config.recurrent_init is not None:
            for parameter in self.cell.parameters():
                nn.init.uniform_(parameter, -config.recurrent_init, config.recurrent_init)

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (B, T, E); the state's parts are (B, directions, D)."""
        return self._run(inputs, state, self.cell.all_weights)

    def read(self, inputs: Tensor, mirrored: Tensor, start: State) -> Tensor:
        """Run over sequences of different lengths, (B, T, E), each direction from the sequence's own end."""
        outputs = []
        for number, weights in enumerate(self.cell.all_weights):
            steps = _mirror(inputs, mirrored) if number else inputs
            output, _ = self._run(steps, tuple(part[:, number : number + 1] for part in start), [weights])
            outputs.append(_mirror(output, mirrored) if number else output)
        return torch.cat(outputs, -1) if len(outputs) > 1 else outputs[0]

    def _run(self, inputs: Tensor, state: State, directions: Sequence[Sequence[Tensor]]) -> tuple[Tensor, State]:
        """Run with the weights of one or both directions; the state's parts are (B, directions, D)."""
        if self.cell.mode == "LSTM" and inputs.device.type == "cpu" and torch.is_autocast_enabled("cpu") and not has_bfloat16():
            with torch.autocast("cpu", enabled=False):  # oneDNN's LSTM fails under autocast here
                return self._run(inputs.float(), state, directions)
        weights = [weight for direction in directions for weight in direction]
        for hidden in range(1, len(weights), 4):  # a direction has weight_ih, weight_hh, bias_ih, bias_hh
            weights[hidden] = self.weight_drop(weights[hidden])
        first = tuple(part.transpose(0, 1).contiguous() for part in state)  # (directions, B, D)
        given = first if len(first) > 1 else first[0]
        # biases, 1 layer, no dropout between layers, training, bidirectional, batch first
        outputs, *last = _RUN[self.cell.mode](inputs, given, weights, True, 1, 0.0, self.training, len(directions) == 2, True)
        return outputs, tuple(part.transpose(0, 1) for part in last)

    def stepper(self, rows: Tensor | None) -> LayerStep:
        """Return a function that takes one step from (B, E), or from ids of rows; the state's parts are (B, D)."""
        return make_step(self.cell.mode, self.cell.all_weights[0], rows)


class _ScratchLayer(nn.Module):
    """One layer of the cells in `scratch.py`, in one or both directions."""

    def __init__(self, input_size: int, config: RecurrentConfig, directions: int) -> None:
        super().__init__()
        cells = [_scratch_cell(input_size, config) for _ in range(directions)]
        self.cells = nn.ModuleList(cells)
        self.weight_drop = WeightDrop(config.weight_drop)
        if config.recurrent_init is not None:
            for cell in cells:
                cell.initialize(config.recurrent_init)

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (B, T, E); the state's parts are (B, directions, D)."""
        steps = torch.arange(inputs.shape[1], device=inputs.device).expand(inputs.shape[:2])
        return self._run(inputs, steps.flip(1), state)

    def read(self, inputs: Tensor, mirrored: Tensor, start: State) -> Tensor:
        """Run over sequences of different lengths, (B, T, E), each direction from the sequence's own end."""
        return self._run(inputs, mirrored, start)[0]

    def _run(self, inputs: Tensor, mirrored: Tensor, state: State) -> tuple[Tensor, State]:
        outputs, ends = [], []
        for number, cell in enumerate(self.cells):
            dropped = {"W_hh": self.weight_drop(cell.get_parameter("W_hh"))}
            steps = _mirror(inputs, mirrored) if number else inputs  # the second direction runs from the end
            output, end = functional_call(cell, dropped, (steps, tuple(part[:, number] for part in state)))
            outputs.append(_mirror(output, mirrored) if number else output)
            ends.append(end)
        return torch.cat(outputs, -1), tuple(torch.stack(parts, 1) for parts in zip(*ends, strict=True))

    def stepper(self, rows: Tensor | None) -> LayerStep:
        """Return a function that takes one step from (B, E), or from ids of rows; the state's parts are (B, D)."""
        cell: Any = copy.deepcopy(self.cells[0])
        return lambda inputs, state: cast(LayerState, cell.step(inputs if rows is None else rows.index_select(0, inputs), state))


def _mirror(steps: Tensor, mirrored: Tensor) -> Tensor:
    """Reorder the steps of (B, T, F) by the indices `mirrored`, int64 (B, T)."""
    return steps.gather(1, mirrored.unsqueeze(-1).expand_as(steps))


def _scratch_cell(input_size: int, config: RecurrentConfig) -> RecurrentLayer:
    if config.cell == "lstm":
        return LSTMLayer(input_size, config.hidden_size)
    if config.cell == "gru":
        return GRULayer(input_size, config.hidden_size)
    return RNNLayer(input_size, config.hidden_size, relu=config.nonlinearity == "relu")
