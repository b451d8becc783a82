"""Recurrent layers in use: shapes, dropouts, types, copies and saving. The arithmetic is compared in parity/test_cells.py."""

import copy
import dataclasses
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from lexloom.errors import ConfigError
from lexloom.nn.dropout import drop_weights, locked_dropout
from lexloom.nn.recurrent import Recurrent, RecurrentConfig, has_bfloat16

E, D = 4, 6
CELLS = ["rnn", "gru", "lstm"]
cells = pytest.mark.parametrize("cell", CELLS)
implementations = pytest.mark.parametrize("implementation", ["torch", "scratch"])
both_ways = pytest.mark.parametrize("bidirectional", [False, True], ids=["forth", "both"])


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tensors this small gain nothing from more threads, which wait for each other where the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def layers(bidirectional=False, **options):
    torch.manual_seed(1)
    return Recurrent(E, RecurrentConfig(**{"hidden_size": D, **options}), bidirectional=bidirectional)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "elman"}, "cell is 'elman': expected one of rnn, gru, lstm"),
        ({"nonlinearity": "sigmoid"}, "nonlinearity is 'sigmoid'"),
        ({"implementation": "jax"}, "implementation is 'jax'"),
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"num_layers": 0}, "num_layers is 0"),
        ({"layer_dropout": 1.0}, "layer_dropout is 1.0"),
        ({"weight_drop": -0.5}, "weight_drop is -0.5"),
        ({"weight_drop": float("nan")}, "weight_drop is nan"),
        ({"recurrent_init": 0.0}, "recurrent_init is 0.0"),
        ({"recurrent_init": float("inf")}, "recurrent_init is inf"),
        ({"cell": "gru", "nonlinearity": "relu"}, "only the rnn cell has one, not gru"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        RecurrentConfig(**options)


@both_ways
@implementations
@cells
def test_outputs_and_state_have_the_promised_shapes(cell, implementation, bidirectional):
    made = layers(bidirectional, cell=cell, implementation=implementation, num_layers=3)
    outputs, state = made(torch.randn(2, 5, E))
    assert outputs.shape == (2, 5, made.output_size) and made.output_size == D * (1 + bidirectional)
    assert [part.shape for part in state] == [(2, 3 * (1 + bidirectional), D)] * (2 if cell == "lstm" else 1)
    assert [part.shape for part in made.initial_state(2)] == [part.shape for part in state]


@cells
def test_the_initial_state_is_zero_and_of_the_weights_type(cell):
    for part in layers(cell=cell).double().initial_state(3):
        assert part.dtype == torch.float64 and not part.any()


@both_ways
@implementations
@cells
def test_no_steps_leave_the_state_as_it_was(cell, implementation, bidirectional):
    made = layers(bidirectional, cell=cell, implementation=implementation)
    start = tuple(torch.randn_like(part) for part in made.initial_state(2))
    outputs, state = made(torch.randn(2, 0, E), start)
    assert outputs.shape == (2, 0, made.output_size)
    torch.testing.assert_close(state, start)


@implementations
@cells
def test_no_rows_give_no_rows(cell, implementation):
    outputs, state = layers(cell=cell, implementation=implementation)(torch.randn(0, 3, E))
    assert outputs.shape == (0, 3, D) and all(part.shape == (0, 1, D) for part in state)


@pytest.mark.parametrize(
    ("inputs", "state", "message"),
    [
        ((2, 3, E + 1), None, r"inputs have shape \(2, 3, 5\): expected \(B, T, 4\)"),
        ((2, E), None, "inputs have shape"),
        ((2, 3, E), [(1, 1, D), (1, 1, D)], r"the state has shapes \(1, 1, 6\), \(1, 1, 6\): expected 2 of \(2, 1, 6\)"),
        ((2, 3, E), [(2, 1, D), (2, 1, 1)], "the state has shapes"),
        ((2, 3, E), [(2, 1, D)], "the state has shapes"),
    ],
)
@implementations
def test_shapes_that_do_not_go_together_are_refused(implementation, inputs, state, message):
    with pytest.raises(ValueError, match=message):
        layers(implementation=implementation)(torch.zeros(inputs), state and tuple(map(torch.zeros, state)))


@implementations
@cells
def test_a_row_does_not_depend_on_its_neighbours(cell, implementation):
    made, inputs = layers(cell=cell, implementation=implementation, num_layers=2), torch.randn(3, 5, E)
    together = made(inputs)[0]
    torch.testing.assert_close(together, torch.cat([made(row[None])[0] for row in inputs]))


@implementations
def test_the_carried_state_is_part_of_the_graph(implementation):
    made, inputs = layers(implementation=implementation), torch.randn(2, 3, E, requires_grad=True)
    _, state = made(inputs)
    made(torch.randn(2, 3, E), state)[0].sum().backward()
    assert inputs.grad.any()


@both_ways
@implementations
@cells
def test_in_evaluation_nothing_is_dropped(cell, implementation, bidirectional):
    plain = layers(bidirectional, cell=cell, implementation=implementation, num_layers=2)
    dropping = layers(bidirectional, cell=cell, implementation=implementation, num_layers=2, layer_dropout=0.9, weight_drop=0.9)
    inputs = torch.randn(2, 5, E)
    assert not torch.allclose(dropping(inputs)[0], plain(inputs)[0])
    torch.testing.assert_close(dropping.eval()(inputs)[0], plain(inputs)[0])


@implementations
@cells
def test_layer_dropout_acts_between_layers_alone(cell, implementation):
    dropping = layers(cell=cell, implementation=implementation, num_layers=2, layer_dropout=0.5)
    inputs, state = torch.randn(3, 5, E), layers(cell=cell).initial_state(3)
    torch.manual_seed(5)
    got = dropping(inputs)[0]
    torch.manual_seed(5)
    between, _ = dropping.layers[0](inputs, state)
    expected, _ = dropping.layers[1](locked_dropout(between, 0.5), state)
    torch.testing.assert_close(got, expected)


@cells
def test_weight_drop_is_one_mask_for_all_steps(cell):
    dropping = layers(cell=cell, weight_drop=0.5)
    twin = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](E, D, batch_first=True)
    twin.load_state_dict(dropping.layers[0].cell.state_dict())
    inputs = torch.randn(3, 8, E)
    torch.manual_seed(5)
    got = dropping(inputs)[0]
    torch.manual_seed(5)
    with torch.no_grad():
        twin.weight_hh_l0.copy_(drop_weights(twin.weight_hh_l0, 0.5))
    torch.testing.assert_close(got, twin(inputs)[0])


@cells
def test_weight_drop_is_the_same_in_plain_arithmetic(cell):
    dropping = layers(cell=cell, implementation="scratch", weight_drop=0.5)
    twin = layers(cell=cell, implementation="scratch")
    inputs = torch.randn(3, 8, E)
    torch.manual_seed(5)
    got = dropping(inputs)[0]
    torch.manual_seed(5)
    with torch.no_grad():
        twin.layers[0].cells[0].W_hh.copy_(drop_weights(twin.layers[0].cells[0].W_hh, 0.5))
    torch.testing.assert_close(got, twin(inputs)[0])


@both_ways
@pytest.mark.parametrize("implementation", ["torch", "scratch"])
def test_weight_drop_draws_anew_in_both_directions_at_every_call(implementation, bidirectional):
    dropping, inputs = layers(bidirectional, implementation=implementation, weight_drop=0.5), torch.randn(3, 8, E)
    first, second = dropping(inputs)[0], dropping(inputs)[0]
    for half_first, half_second in zip(first.split(D, -1), second.split(D, -1), strict=True):
        assert not torch.allclose(half_first, half_second)


@both_ways
@implementations
def test_weight_drop_leaves_the_weights_alone_and_the_gradient_reaches_what_is_kept(implementation, bidirectional):
    dropping = layers(bidirectional, implementation=implementation, weight_drop=0.5, hidden_size=20)
    before = copy.deepcopy(dropping.state_dict())
    dropping(torch.randn(3, 8, E))[0].square().sum().backward()
    torch.testing.assert_close(dropping.state_dict(), before, rtol=0, atol=0)
    hidden = [parameter for name, parameter in dropping.named_parameters() if "hh" in name and parameter.ndim == 2]
    assert len(hidden) == 1 + bidirectional
    for parameter in hidden:
        assert 0.4 < (parameter.grad == 0).double().mean() < 0.6
    assert all(parameter.grad.any() for parameter in dropping.parameters())


def graph(output):
    """The names of all that is computed on the way to a tensor."""
    names, seen, waiting = set(), set(), [output.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            names.add(node.name())
            waiting.extend(before for before, _ in node.next_functions)
    return names


@pytest.mark.parametrize("weight_drop", [0.0, 0.5])
@both_ways
def test_the_lstm_takes_onednns_path_also_with_weight_drop(weight_drop, bidirectional):
    outputs, _ = layers(bidirectional, num_layers=2, layer_dropout=0.3, weight_drop=weight_drop)(torch.randn(3, 5, E))
    assert any(name.startswith("MkldnnRnn") for name in graph(outputs)) == torch.backends.mkldnn.is_available()


@pytest.mark.parametrize("bfloat16", [has_bfloat16(), False])
@both_ways
@implementations
@cells
def test_under_autocast_the_state_stays_float32(monkeypatch, cell, implementation, bidirectional, bfloat16):
    monkeypatch.setattr("lexloom.nn.recurrent.has_bfloat16", lambda: bfloat16)
    made = layers(bidirectional, cell=cell, implementation=implementation, num_layers=2, layer_dropout=0.1, weight_drop=0.1)
    inputs = torch.randn(3, 5, E)
    expected, _ = made.eval()(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(made(inputs)[0].float(), expected, rtol=0.05, atol=0.02)
        outputs, state = made.train()(inputs)
        assert all(part.dtype == torch.float32 for part in state)
        outputs, state = made(inputs.bfloat16(), state)  # round again, from 16-bit inputs too
        assert all(part.dtype == torch.float32 for part in state)
    outputs.float().sum().backward()
    assert all(parameter.grad.dtype == torch.float32 and parameter.grad.isfinite().all() for parameter in made.parameters())


@pytest.mark.parametrize("made_under", [False, True])
@implementations
@cells
def test_under_autocast_a_step_keeps_the_state_float32(cell, implementation, made_under):
    made = layers(cell=cell, implementation=implementation, num_layers=2)
    rows, numbers, state = torch.randn(4, E), torch.tensor([3, 0, 3]), made.initial_state(3)
    expected, _ = made.stepper()(rows[numbers], state)
    with torch.autocast("cpu", torch.bfloat16, enabled=made_under):
        from_rows, from_numbers = made.stepper(), made.stepper(rows)
    for enabled in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            for outputs, after in (from_rows(rows[numbers], state), from_numbers(numbers, state)):
                assert all(part.dtype == torch.float32 for part in after)
                torch.testing.assert_close(outputs.float(), expected, rtol=0.05, atol=0.02)


@implementations
def test_a_step_draws_and_keeps_no_graph_even_in_training(implementation):
    made = layers(implementation=implementation, num_layers=2, layer_dropout=0.5, weight_drop=0.5).train()
    inputs, state = torch.randn(3, E, requires_grad=True), made.initial_state(3)
    outputs, after = made.stepper()(inputs, state)
    assert not outputs.requires_grad and not any(part.requires_grad for part in after)
    torch.testing.assert_close(outputs, made.eval()(inputs[:, None], state)[0][:, 0].detach())


@pytest.mark.parametrize("num_layers", [1, 2])
@cells
def test_a_step_leaves_the_state_before_it_alone(cell, num_layers):
    made = layers(cell=cell, num_layers=num_layers)
    state = tuple(torch.randn_like(part) for part in made.initial_state(3))
    before = copy.deepcopy(state)
    made.stepper()(torch.randn(3, E), state)
    torch.testing.assert_close(state, before, rtol=0, atol=0)


@implementations
@cells
def test_a_stepper_keeps_its_weights_and_another_has_those_of_now(cell, implementation):
    made, inputs = layers(cell=cell, implementation=implementation, num_layers=2).eval(), torch.randn(3, E)
    stepper, state = made.stepper(), made.initial_state(3)
    before, _ = stepper(inputs, state)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(0.5)
    torch.testing.assert_close(stepper(inputs, state)[0], before, rtol=0, atol=0)
    torch.testing.assert_close(made.stepper()(inputs, state)[0], made(inputs[:, None])[0][:, 0].detach())


@implementations
def test_steps_go_on_in_inference_mode(implementation):
    with torch.inference_mode():
        made = layers(implementation=implementation)
        made.stepper()(torch.randn(1, E), made.initial_state(1))


@pytest.mark.parametrize(("inputs", "state"), [(1, 2), (2, 1), (2, 3)])
@implementations
def test_a_step_wants_as_many_rows_of_the_state(implementation, inputs, state):
    made = layers(implementation=implementation)
    with pytest.raises(ValueError, match=f"{inputs} rows of inputs and {state} of the state"):
        made.stepper()(torch.randn(inputs, E), made.initial_state(state))


@implementations
def test_both_ways_there_is_no_step(implementation):
    made = layers(bidirectional=True, implementation=implementation)
    with pytest.raises(ConfigError, match="bidirectional layers cannot go step by step"):
        made.stepper()(torch.randn(1, E), made.initial_state(1))


@both_ways
@implementations
@cells
def test_recurrent_init_bounds_every_parameter(cell, implementation, bidirectional):
    made = layers(bidirectional, cell=cell, implementation=implementation, num_layers=2, hidden_size=30, recurrent_init=0.01)
    for parameter in made.parameters():
        assert 0.007 < parameter.abs().max() <= 0.01
        assert parameter.mean().abs() < 0.004


@implementations
@cells
def test_by_default_parameters_begin_as_torchs_do(cell, implementation):
    for parameter in layers(cell=cell, implementation=implementation, hidden_size=25).parameters():
        assert 0.15 < parameter.abs().max() <= 0.2


def copies():
    def saved(made):
        buffer = io.BytesIO()
        torch.save(made.state_dict(), buffer)
        buffer.seek(0)
        fresh = Recurrent(E, dataclasses.replace(made.config, recurrent_init=0.5))
        fresh.load_state_dict(torch.load(buffer, weights_only=True))
        return fresh

    return {"deepcopy": copy.deepcopy, "pickle": lambda made: pickle.loads(pickle.dumps(made)), "state_dict": saved}


@pytest.mark.parametrize("how", copies().values(), ids=copies())
@implementations
@cells
def test_a_copy_computes_the_same_and_is_its_own(cell, implementation, how):
    made = layers(cell=cell, implementation=implementation, num_layers=2, weight_drop=0.5)
    inputs = torch.randn(3, 5, E)
    made(inputs)[0].sum().backward()  # a copy must not trip over what came before
    made.zero_grad()
    expected = made.eval()(inputs)[0]
    other = how(made).eval()
    for parameter in made.parameters():
        parameter.data.zero_()
    torch.testing.assert_close(other(inputs)[0], expected)
    torch.testing.assert_close(other.stepper()(inputs[:, 0], other.initial_state(3))[0], expected[:, 0].detach())


@pytest.fixture
def one_process(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@implementations
def test_distributed_training_finds_every_gradient(one_process, implementation):
    made = layers(implementation=implementation, num_layers=2, layer_dropout=0.2, weight_drop=0.2)
    wrapped = DistributedDataParallel(made)
    for _ in range(2):  # the second round would complain of parameters without a gradient
        wrapped(torch.randn(3, 5, E))[0].sum().backward()
    assert all(parameter.grad is not None for parameter in made.parameters())


@pytest.mark.parametrize("rows", [1, 3])
@implementations
@cells
def test_a_step_from_numbers_of_rows_is_one_from_the_rows(cell, implementation, rows):
    made = layers(cell=cell, implementation=implementation, num_layers=2).eval()
    known, numbers = torch.randn(4, E), torch.tensor([3, 0, 3])[:rows]
    state = tuple(torch.randn_like(part) for part in made.initial_state(rows))
    expected = made.stepper()(known[numbers], state)
    torch.testing.assert_close(made.stepper(known)(numbers, state), expected)


# ---- sequences of different lengths --------------------------------------------------------------------------------------------------

LENGTHS = [4, 1, 6, 3]


def padded(lengths=LENGTHS, steps=6):
    """Random steps, and which of them are real."""
    torch.manual_seed(3)
    return torch.randn(len(lengths), steps, E), torch.arange(steps) < torch.tensor(lengths)[:, None]


@pytest.mark.parametrize("num_layers", [1, 2])
@both_ways
@implementations
@cells
def test_sequences_of_different_lengths_are_read_each_as_if_alone(cell, implementation, bidirectional, num_layers):
    made = layers(bidirectional, cell=cell, implementation=implementation, num_layers=num_layers)
    inputs, keep = padded()
    together = made.read(inputs, keep)
    assert together.shape == (4, 6, made.output_size)
    for row, found, length in zip(inputs, together, LENGTHS, strict=True):
        torch.testing.assert_close(found[:length], made(row[None, :length])[0][0])


@both_ways
@implementations
@cells
def test_what_padding_holds_has_no_say(cell, implementation, bidirectional):
    made = layers(bidirectional, cell=cell, implementation=implementation, num_layers=2)
    inputs, keep = padded()
    other = torch.where(keep[..., None], inputs, 100.0)
    torch.testing.assert_close(made.read(other, keep)[keep], made.read(inputs, keep)[keep], rtol=0, atol=0)


@both_ways
@implementations
@cells
def test_a_row_of_nothing_but_padding_does_no_harm(cell, implementation, bidirectional):
    made = layers(bidirectional, cell=cell, implementation=implementation, num_layers=2)
    inputs, keep = padded([3, 0, 6])
    outputs = made.read(inputs, keep)
    outputs[keep].square().sum().backward()
    assert outputs.isfinite().all()
    torch.testing.assert_close(outputs[[0, 2]], made.read(inputs[[0, 2]], keep[[0, 2]]))
    assert all(parameter.grad.isfinite().all() and parameter.grad.any() for parameter in made.parameters())
    assert made.read(inputs[1:2], keep[1:2]).isfinite().all()


@both_ways
@implementations
@cells
def test_the_gradient_of_real_steps_does_not_reach_padding(cell, implementation, bidirectional):
    made = layers(bidirectional, cell=cell, implementation=implementation, num_layers=2)
    inputs, keep = padded([3, 0, 6])
    (gradient,) = torch.autograd.grad(made.read(inputs.requires_grad_(), keep)[keep].sum(), inputs)
    assert not gradient[~keep].any() and (gradient[keep].abs().sum(1) > 0).all()


@both_ways
@implementations
def test_reading_drops_in_training_alone(implementation, bidirectional):
    options = {"implementation": implementation, "num_layers": 2}
    plain, (inputs, keep) = layers(bidirectional, **options), padded()
    for dropout in ({"layer_dropout": 0.5}, {"weight_drop": 0.5}):
        dropping = layers(bidirectional, **options, **dropout)
        assert not torch.allclose(dropping.read(inputs, keep)[keep], plain.read(inputs, keep)[keep])
        torch.testing.assert_close(dropping.eval().read(inputs, keep), plain.read(inputs, keep))


@pytest.mark.parametrize("bfloat16", [has_bfloat16(), False])
@both_ways
@implementations
@cells
def test_under_autocast_reading_is_close(monkeypatch, cell, implementation, bidirectional, bfloat16):
    monkeypatch.setattr("lexloom.nn.recurrent.has_bfloat16", lambda: bfloat16)
    made = layers(bidirectional, cell=cell, implementation=implementation, num_layers=2).eval()
    inputs, keep = padded()
    expected = made.read(inputs, keep)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(made.read(inputs, keep)[keep].float(), expected[keep], rtol=0.05, atol=0.02)
