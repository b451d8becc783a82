"""The recurrent layers beside torch's own modules: the same weights give the same outputs, states and gradients."""

import pytest
import torch
from torch import nn

from lexloom.nn.recurrent import Recurrent, RecurrentConfig
from lexloom.nn.scratch import GRULayer, LSTMLayer, RNNLayer, load_torch, write_torch

E, D = 4, 5
CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("gru", "tanh"), ("lstm", "tanh")]
IMPLEMENTATIONS = ["torch", "scratch"]
cells = pytest.mark.parametrize(("cell", "nonlinearity"), CELLS, ids="-".join)
implementations = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tensors this small gain nothing from more threads, which wait for each other where the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def torch_twin(cell, nonlinearity, layers=1, bidirectional=False):
    """One torch module of all the layers, float64, batch first."""
    options = {"num_layers": layers, "bidirectional": bidirectional, "batch_first": True, "dtype": torch.float64}
    if cell == "rnn":
        return nn.RNN(E, D, nonlinearity=nonlinearity, **options)
    return {"gru": nn.GRU, "lstm": nn.LSTM}[cell](E, D, **options)


def recurrent(cell, nonlinearity, implementation, layers=1, bidirectional=False, **options):
    config = RecurrentConfig(
        cell=cell, nonlinearity=nonlinearity, implementation=implementation, hidden_size=D, num_layers=layers, **options
    )
    return Recurrent(E, config, bidirectional=bidirectional)


def paired(mine, twin, layers, bidirectional):
    """Every parameter of ours beside the twin's, the matrices of the scratch cells turned to torch's orientation."""
    named = dict(mine.named_parameters())
    for layer in range(layers):
        for direction in range(1 + bidirectional):
            suffix = "_reverse" if direction else ""
            for theirs, scratch in (("weight_ih", "W_xh"), ("weight_hh", "W_hh"), ("bias_ih", "b_xh"), ("bias_hh", "b_hh")):
                own, turned = named.get(f"layers.{layer}.cell.{theirs}_l0{suffix}"), False
                if own is None:
                    own, turned = named[f"layers.{layer}.cells.{direction}.{scratch}"], scratch.startswith("W")
                yield own, getattr(twin, f"{theirs}_l{layer}{suffix}"), turned


def with_twin(cell, nonlinearity, implementation, layers, bidirectional):
    mine = recurrent(cell, nonlinearity, implementation, layers, bidirectional).double()
    twin = torch_twin(cell, nonlinearity, layers, bidirectional)
    pairs = list(paired(mine, twin, layers, bidirectional))
    assert len(pairs) == len(list(mine.parameters())) == len(list(twin.parameters()))
    with torch.no_grad():
        for own, theirs, turned in pairs:
            own.copy_(theirs.T if turned else theirs)
    return mine, twin, pairs


@pytest.mark.parametrize(("rows", "steps"), [(3, 6), (1, 4), (3, 1)], ids=["batch", "one-row", "one-step"])
@pytest.mark.parametrize("given", [False, True], ids=["zeros", "given"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forth", "both"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@implementations
@cells
def test_outputs_states_and_gradients_are_torchs(cell, nonlinearity, implementation, layers, bidirectional, given, rows, steps):
    torch.manual_seed(1)
    mine, twin, pairs = with_twin(cell, nonlinearity, implementation, layers, bidirectional)
    inputs = torch.randn(rows, steps, E, dtype=torch.float64)
    shape = (rows, layers * (1 + bidirectional), D)
    parts = 2 if cell == "lstm" else 1
    start = [torch.randn(shape, dtype=torch.float64) if given else torch.zeros(shape, dtype=torch.float64) for _ in range(parts)]

    my_inputs, my_start = inputs.clone().requires_grad_(), tuple(part.clone().requires_grad_() for part in start)
    outputs, after = mine(my_inputs, my_start if given else None)
    its_inputs, its_start = inputs.clone().requires_grad_(), tuple(part.transpose(0, 1).clone().requires_grad_() for part in start)
    its_hx = its_start if cell == "lstm" else its_start[0]
    its_outputs, its_after = twin(its_inputs, its_hx if given else None)
    its_after = its_after if cell == "lstm" else (its_after,)

    torch.testing.assert_close(outputs, its_outputs)
    torch.testing.assert_close(after, tuple(part.transpose(0, 1) for part in its_after))
    weights = torch.randn_like(outputs), [torch.randn_like(part) for part in after]
    ((outputs * weights[0]).sum() + sum((part * w).sum() for part, w in zip(after, weights[1], strict=True))).backward()
    its_loss = sum((part * w.transpose(0, 1)).sum() for part, w in zip(its_after, weights[1], strict=True))
    ((its_outputs * weights[0]).sum() + its_loss).backward()
    torch.testing.assert_close(my_inputs.grad, its_inputs.grad)
    for own, theirs, turned in pairs:
        torch.testing.assert_close(own.grad.T if turned else own.grad, theirs.grad)
    if given:
        for own, theirs in zip(my_start, its_start, strict=True):
            torch.testing.assert_close(own.grad, theirs.grad.transpose(0, 1))


SCRATCH = {"rnn-tanh": (RNNLayer, {}), "rnn-relu": (RNNLayer, {"relu": True}), "gru-tanh": (GRULayer, {}), "lstm-tanh": (LSTMLayer, {})}


def scratch_layer(cell, nonlinearity):
    make, options = SCRATCH[f"{cell}-{nonlinearity}"]
    return make(E, D, **options).double()


@pytest.mark.parametrize(("suffix", "backwards"), [("_l0", False), ("_l0_reverse", True)])
@cells
def test_a_layer_on_its_own_takes_the_weights_of_a_torch_module(cell, nonlinearity, suffix, backwards):
    torch.manual_seed(1)
    twin, layer = torch_twin(cell, nonlinearity, bidirectional=True), scratch_layer(cell, nonlinearity)
    load_torch(layer, twin, suffix)
    inputs = torch.randn(2, 5, E, dtype=torch.float64)
    outputs, state = layer(inputs.flip(1) if backwards else inputs)
    its_outputs, its_state = twin(inputs)
    torch.testing.assert_close(outputs.flip(1) if backwards else outputs, its_outputs[..., D:] if backwards else its_outputs[..., :D])
    torch.testing.assert_close(state, tuple(part[int(backwards)] for part in (its_state if cell == "lstm" else (its_state,))))


@cells
def test_a_torch_module_takes_the_weights_of_a_layer(cell, nonlinearity):
    torch.manual_seed(1)
    layer, twin = scratch_layer(cell, nonlinearity), torch_twin(cell, nonlinearity)
    write_torch(layer, twin)
    inputs = torch.randn(2, 5, E, dtype=torch.float64)
    torch.testing.assert_close(twin(inputs)[0], layer(inputs)[0])


@cells
def test_weights_come_back_from_torch_as_they_went(cell, nonlinearity):
    layer, back, twin = scratch_layer(cell, nonlinearity), scratch_layer(cell, nonlinearity), torch_twin(cell, nonlinearity)
    write_torch(layer, twin)
    load_torch(back, twin)
    torch.testing.assert_close(back.state_dict(), layer.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("recurrent_init", [None, 0.05])
@pytest.mark.parametrize("bidirectional", [False, True])
@cells
def test_a_seed_gives_both_implementations_the_same_weights(cell, nonlinearity, bidirectional, recurrent_init):
    outputs = []
    inputs = torch.randn(2, 5, E)
    for implementation in IMPLEMENTATIONS:
        torch.manual_seed(7)
        layers = recurrent(cell, nonlinearity, implementation, 2, bidirectional, recurrent_init=recurrent_init)
        outputs.append(layers(inputs)[0])
    torch.testing.assert_close(*outputs)


@cells
def test_both_implementations_learn_the_same(cell, nonlinearity):
    losses = []
    inputs, targets = torch.randn(4, 6, E), torch.randn(4, 6, D)
    for implementation in IMPLEMENTATIONS:
        torch.manual_seed(7)
        layers = recurrent(cell, nonlinearity, implementation, 2)
        optimizer = torch.optim.SGD(layers.parameters(), lr=0.5)
        for _ in range(10):
            loss = (layers(inputs)[0] - targets).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("layers", [1, 2, 3])
@implementations
@cells
def test_a_step_is_a_sequence_of_one(cell, nonlinearity, implementation, layers, rows):
    torch.manual_seed(1)
    mine = recurrent(cell, nonlinearity, implementation, layers)
    inputs, state = torch.randn(rows, E), tuple(torch.randn_like(part) for part in mine.initial_state(rows))
    outputs, after = mine(inputs[:, None], state)
    got, got_after = mine.stepper()(inputs, state)
    torch.testing.assert_close(got, outputs[:, 0].detach(), rtol=0, atol=1e-6)
    torch.testing.assert_close(got_after, tuple(part.detach() for part in after), rtol=0, atol=1e-6)


@implementations
@cells
def test_many_steps_are_a_sequence(cell, nonlinearity, implementation):
    torch.manual_seed(1)
    mine = recurrent(cell, nonlinearity, implementation, 2).double()
    inputs, state = torch.randn(3, 20, E, dtype=torch.float64), mine.initial_state(3)
    outputs, after = mine(inputs)
    steps, stepper = [], mine.stepper()
    for step in inputs.unbind(1):
        out, state = stepper(step, state)
        steps.append(out)
    torch.testing.assert_close(torch.stack(steps, 1), outputs.detach())
    torch.testing.assert_close(state, tuple(part.detach() for part in after))


@pytest.mark.parametrize("chunk", [1, 3, 7])
@implementations
@cells
def test_chunks_with_carried_state_are_one_long_sequence(cell, nonlinearity, implementation, chunk):
    torch.manual_seed(1)
    mine = recurrent(cell, nonlinearity, implementation, 2).double()
    inputs, state = torch.randn(2, 10, E, dtype=torch.float64), None
    whole, after = mine(inputs)
    parts = []
    for part in inputs.split(chunk, 1):
        out, state = mine(part, state)
        parts.append(out)
    torch.testing.assert_close(torch.cat(parts, 1), whole)
    torch.testing.assert_close(state, after)
