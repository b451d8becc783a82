"""Learning rates beside their formulas, clipping beside torch's own, averaging beside an average."""

import math

import pytest
import torch
from tests.models.tiny import language_model, window
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import OneCycleLR

from lexloom.errors import ConfigError
from lexloom.training.config import TrainingConfig
from lexloom.training.optim import (
    averaged,
    begin_averaging,
    clip_gradients,
    is_averaging,
    make_optimizer,
    schedule_factor,
    set_highest_rates,
    set_rate,
)
from lexloom.training.trainable import Player, Trainable

SHARES = [number / 50 for number in range(51)]


def config(**options) -> TrainingConfig:
    return TrainingConfig(**options).resolved()


def optimizer_of(model, **options):
    return make_optimizer(model, Player(list(model.parameters())), config(**options))


# ---- schedules -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
@pytest.mark.parametrize("done", [0.0, 0.5, 1.0])
def test_constant_and_plateau_leave_the_rate_alone(schedule, done):
    assert schedule_factor(config(schedule=schedule), 3, done) == 1


@pytest.mark.parametrize(("epoch", "factor"), [(1, 1), (4, 1), (5, 0.5), (6, 0.25), (13, 0.5**9)])
def test_step_halves_after_its_last_full_epoch(epoch, factor):
    assert schedule_factor(config(schedule="step"), epoch, 0.3) == factor


def test_step_takes_any_decay_and_any_beginning():
    assert schedule_factor(config(schedule="step", decay=0.8, decay_after=6), 9, 0.0) == pytest.approx(0.8**3)


@pytest.mark.parametrize("warmup", [None, 0.0, 0.2, 1.0])
def test_cosine_rises_in_a_straight_line_and_falls_as_a_half_wave(warmup):
    chosen = 0.05 if warmup is None else warmup
    for done in SHARES:
        if done < chosen:
            expected = max(done / chosen, 1e-3)
        else:
            expected = max(0.5 * (1 + math.cos(math.pi * (done - chosen) / max(1 - chosen, 1e-9))), 1e-4)
        assert schedule_factor(config(schedule="cosine", warmup=warmup), 1, done) == pytest.approx(expected, abs=1e-12)


def test_one_cycle_is_torchs():
    parameter = nn.Parameter(torch.zeros(()))
    optimizer = SGD([parameter], lr=1.0)
    scheduler = OneCycleLR(optimizer, 1.0, total_steps=1001, pct_start=301 / 1001, final_div_factor=400, cycle_momentum=False)
    for step in range(1001):
        assert schedule_factor(config(schedule="one-cycle"), 1, step / 1000) == pytest.approx(scheduler.get_last_lr()[0], abs=2e-4)
        optimizer.step()
        if step < 1000:
            scheduler.step()


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_the_rate_never_is_zero_and_its_highest_is_the_learning_rate(schedule):
    factors = [schedule_factor(config(schedule=schedule), 1, done) for done in [*SHARES, 1.5]]
    assert min(factors) > 0
    assert max(factors) == pytest.approx(1, abs=2e-3)
    assert factors[-1] == 1e-4


def test_a_rate_is_set_for_each_group_by_its_own_highest():
    optimizer = optimizer_of(language_model(), optimizer="sgd", learning_rate=2.0, embedding_learning_rate=0.5)
    set_rate(optimizer, 0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [pytest.approx(0.2), pytest.approx(0.05)]
    set_highest_rates(optimizer, config(optimizer="sgd", learning_rate=4.0))
    set_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [2.0, 2.0]


# ---- optimizers ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "rate"), [("sgd", 1.0), ("asgd", 1.0), ("adam", 0.002), ("adamw", 0.002)])
@pytest.mark.parametrize("parts", [{}, {"embedding": {"embedding": "one-hot"}}], ids=["lookup", "one-hot"])
def test_every_parameter_is_in_one_group(name, rate, parts):
    model = language_model(**parts)
    optimizer = optimizer_of(model, optimizer=name)
    grouped = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert {id(parameter) for parameter in grouped} == {id(parameter) for parameter in model.parameters()}
    assert len(grouped) == len(list(model.parameters()))
    assert all(group["lr"] == rate for group in optimizer.param_groups)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "asgd"])
def test_a_step_is_that_of_torch(name):
    kinds = {"sgd": SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "asgd": SGD}
    mine, theirs = language_model(), language_model()
    own = optimizer_of(mine, optimizer=name, learning_rate=0.01, weight_decay=0.1)
    optimizers = own, kinds[name](theirs.parameters(), 0.01, weight_decay=0.1)
    for model, optimizer in zip((mine, theirs), optimizers, strict=True):
        for seed in range(3):
            optimizer.zero_grad()
            model.measure(window(seed=seed)).loss.backward()
            optimizer.step()
    for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"optimizer": "adamw"}, "not with adamw"),
        ({"optimizer": "adam"}, "not with adam"),
        ({"optimizer": "asgd"}, "not with asgd"),
        ({"optimizer": "sgd", "weight_decay": 0.1}, "not with sgd and weight_decay 0.1"),
    ],
)
def test_sparse_gradients_need_plain_sgd(options, named):
    with pytest.raises(ConfigError, match=f"sparse gradients of the embedding go with --optimizer sgd and no weight decay, {named}"):
        optimizer_of(language_model(embedding={"sparse": True}), **options)


def test_sparse_gradients_take_the_same_steps_as_dense_ones():
    sparse, dense = language_model(embedding={"sparse": True}), language_model()
    for model in (sparse, dense):
        optimizer = optimizer_of(model, optimizer="sgd")
        for seed in range(3):
            optimizer.zero_grad()
            model.measure(window(seed=seed)).loss.backward()
            clip_gradients(model.parameters(), 0.1)
            optimizer.step()
    for one, other in zip(sparse.parameters(), dense.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_half_precision_with_scaling_takes_no_fused_step():
    precisions = ("32", "bf16-mixed", "16-mixed")
    fused = [optimizer_of(language_model(), precision=precision, accelerator="gpu").defaults["fused"] for precision in precisions]
    assert fused == [True, True, False]


# ---- clipping ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("largest", [1e-3, 1.0, 1e6])
def test_gradients_are_clipped_as_torch_clips_them(largest):
    models = [language_model(), language_model()]
    for model, clip in zip(models, (clip_gradients, nn.utils.clip_grad_norm_), strict=True):
        model.measure(window()).loss.backward()
        clip(model.parameters(), largest)
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_rows_of_a_sparse_gradient_count_once_each():
    table = nn.Embedding(5, 2, sparse=True)
    (table(torch.tensor([1, 1, 1, 3])) * torch.tensor([3.0, 4.0])).sum().backward()  # 3 x (3, 4) and 1 x (3, 4): norm 5 sqrt(10)
    clip_gradients(table.parameters(), 1.0)
    assert table.weight.grad.to_dense().norm().item() == pytest.approx(1, abs=1e-5)


def test_nothing_to_clip_is_no_error():
    clip_gradients(nn.Linear(2, 2).parameters(), 1.0)


# ---- averaging -----------------------------------------------------------------------------------------------------------------------


def walk(optimizer, parameter, steps):
    """Take steps along made-up gradients; returns where each ended, (steps,)."""
    ends = []
    for number in range(steps):
        parameter.grad = torch.full_like(parameter, math.sin(number + len(optimizer.state)))
        optimizer.step()
        ends.append(parameter.detach().clone())
    return torch.stack(ends)


def averaging(rate=0.1):
    class Point(Trainable):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([1.0, -2.0]))

    point = Point()
    return point.weight, make_optimizer(point, Player(list(point.parameters())), config(optimizer="asgd", learning_rate=rate))


def test_before_the_averaging_it_is_sgd():
    parameter, optimizer = averaging()
    ends = walk(optimizer, parameter, 5)
    assert not is_averaging(optimizer)
    with averaged(optimizer):
        assert torch.equal(parameter, ends[-1])


def test_from_then_on_the_average_of_the_steps_is_what_counts():
    parameter, optimizer = averaging()
    walk(optimizer, parameter, 5)
    begin_averaging(optimizer)
    ends = walk(optimizer, parameter, 7)
    assert is_averaging(optimizer)
    with averaged(optimizer):
        torch.testing.assert_close(parameter.detach(), ends[1:].mean(0))  # torch's first step of averaging is the beginning alone
    assert torch.equal(parameter, ends[-1])


def test_the_averaging_goes_on_after_a_look():
    looked, plain = averaging(), averaging()
    for parameter, optimizer in (looked, plain):
        begin_averaging(optimizer)
        walk(optimizer, parameter, 3)
    with averaged(looked[1]):
        pass
    for parameter, optimizer in (looked, plain):
        walk(optimizer, parameter, 3)
    with averaged(looked[1]), averaged(plain[1]):
        assert torch.equal(looked[0], plain[0])


def test_a_look_that_fails_puts_the_weights_back():
    parameter, optimizer = averaging()
    begin_averaging(optimizer)
    ends = walk(optimizer, parameter, 4)
    with pytest.raises(ZeroDivisionError), averaged(optimizer):
        raise ZeroDivisionError
    assert torch.equal(parameter, ends[-1])


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_other_optimizers_have_nothing_to_average(name):
    model = language_model()
    optimizer = optimizer_of(model, optimizer=name)
    model.measure(window()).loss.backward()
    optimizer.step()
    before = [parameter.clone() for parameter in model.parameters()]
    with averaged(optimizer):
        assert all(torch.equal(one, other) for one, other in zip(model.parameters(), before, strict=True))
