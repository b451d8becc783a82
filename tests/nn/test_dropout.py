"""Locked dropout and dropped weights: what is dropped, how much, and when."""

import pytest
import torch

from lexloom.errors import ConfigError
from lexloom.nn.dropout import LockedDropout, drop_weights, locked_dropout


def test_the_mask_is_the_same_at_every_step():
    dropped = locked_dropout(torch.ones(4, 9, 50), 0.5)
    torch.testing.assert_close(dropped, dropped[:, :1].expand(-1, 9, -1), rtol=0, atol=0)


def test_every_row_and_every_call_has_a_mask_of_its_own():
    dropped = [locked_dropout(torch.ones(4, 1, 100), 0.5) for _ in range(2)]
    rows = {tuple(row) for masks in dropped for row in masks[:, 0].tolist()}
    assert len(rows) == 8


@pytest.mark.parametrize("drop", [lambda values, p: locked_dropout(values[:, None], p)[:, 0], drop_weights], ids=["locked", "weights"])
@pytest.mark.parametrize("p", [0.01, 0.3, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_share_of_p_is_dropped_and_the_rest_grows(drop, p, dtype):
    torch.manual_seed(1)
    dropped = drop(torch.full((400, 500), 2.0, dtype=dtype), p)
    assert dropped.dtype == dtype
    gone = dropped == 0
    assert gone.double().mean().item() == pytest.approx(p, abs=5 * (p * (1 - p) / 200_000) ** 0.5)
    torch.testing.assert_close(dropped[~gone], torch.full_like(dropped[~gone], 2 / (1 - p)))


@pytest.mark.parametrize("drop", [lambda weight, p: locked_dropout(weight[:, None], p)[:, 0], drop_weights], ids=["locked", "weights"])
def test_the_expectation_stays(drop):
    torch.manual_seed(1)
    weight = torch.randn(12, dtype=torch.float64)
    mean = drop(weight.expand(20_000, -1), 0.4).mean(0)
    torch.testing.assert_close(mean, weight, rtol=0.05, atol=0)


@pytest.mark.parametrize("shape", [(3, 7, 5), (1, 1, 1), (2, 0, 5), (0, 3, 5)])
def test_locked_dropout_keeps_the_shape(shape):
    assert locked_dropout(torch.ones(shape), 0.5).shape == shape


@pytest.mark.parametrize("drop", [locked_dropout, drop_weights])
def test_nothing_is_drawn_without_dropout(drop):
    inputs = torch.randn(2, 3, 4)
    before = torch.get_rng_state()
    assert drop(inputs, 0.0) is inputs
    torch.testing.assert_close(torch.get_rng_state(), before)


def test_the_gradient_goes_where_values_went():
    inputs = torch.ones(2, 3, 8, requires_grad=True)
    dropped = locked_dropout(inputs, 0.5)
    dropped.sum().backward()
    torch.testing.assert_close(inputs.grad, dropped.detach())


@pytest.mark.parametrize("drop", [locked_dropout, drop_weights])
def test_a_seed_gives_the_same_mask(drop):
    inputs, masks = torch.ones(2, 3, 40), []
    for _ in range(2):
        torch.manual_seed(3)
        masks.append(drop(inputs, 0.5))
    torch.testing.assert_close(*masks, rtol=0, atol=0)


def test_the_layer_drops_in_training_only():
    layer, inputs = LockedDropout(0.5), torch.ones(2, 3, 40)
    assert (layer.train()(inputs) == 0).any()
    assert layer.eval()(inputs) is inputs


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(p):
    with pytest.raises(ConfigError, match=f"p is {p}: expected a share"):
        LockedDropout(p)
