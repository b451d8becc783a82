import math

import pytest
import torch

from lexloom.nn.pooling import AttentionPool, last_pool, max_pool, mean_pool

F = 5
LENGTHS = [4, 0, 1, 7, 7]


def seeded(hidden_size):
    torch.manual_seed(2)
    return AttentionPool(F, hidden_size).double()


POOLS = {
    "mean": lambda: mean_pool,
    "max": lambda: max_pool,
    "last": lambda: last_pool,
    "attention": lambda: seeded(None),
    "hidden attention": lambda: seeded(3),
}
every_pool = pytest.mark.parametrize("pool", [make() for make in POOLS.values()], ids=POOLS)


def rows_and_keep(lengths=LENGTHS, steps=None):
    """Random steps, and which of them are real."""
    random = torch.Generator().manual_seed(1)
    steps = steps or max(lengths)
    rows = torch.randn(len(lengths), steps, F, generator=random, dtype=torch.float64)
    return rows, torch.arange(steps) < torch.tensor(lengths)[:, None]


@torch.no_grad()
def brute_force(pool, row):
    """Pool the real steps of one document, step by step."""
    steps = row.tolist()
    if not steps:
        return [0.0] * F
    if pool is max_pool:
        return [max(step[feature] for step in steps) for feature in range(F)]
    if pool is last_pool:
        return steps[-1]
    weights = [1 / len(steps)] * len(steps)
    if isinstance(pool, AttentionPool):
        seen = row if pool.hidden is None else torch.tanh(row @ pool.hidden.weight.T + pool.hidden.bias)
        shares = [math.exp(float(step @ pool.score.weight[0])) for step in seen]
        weights = [share / sum(shares) for share in shares]
    return [sum(weight * step[feature] for weight, step in zip(weights, steps, strict=True)) for feature in range(F)]


@every_pool
def test_documents_are_pooled_as_step_by_step(pool):
    rows, keep = rows_and_keep()
    expected = [brute_force(pool, row[:length]) for row, length in zip(rows, LENGTHS, strict=True)]
    torch.testing.assert_close(pool(rows, keep), torch.tensor(expected, dtype=torch.float64))


@every_pool
@pytest.mark.parametrize("padding", [0.0, 1e6, -1e6])
def test_what_padding_holds_has_no_say(pool, padding):
    rows, keep = rows_and_keep()
    other = torch.where(keep[..., None], rows, padding)
    torch.testing.assert_close(pool(other, keep), pool(rows, keep), rtol=0, atol=0)


@every_pool
def test_a_document_is_pooled_alone_as_in_a_batch(pool):
    rows, keep = rows_and_keep()
    together = pool(rows, keep)
    for row, number, length in zip(rows, together, LENGTHS, strict=True):
        alone = row[None, : max(1, length)]
        torch.testing.assert_close(pool(alone, torch.full((1, max(1, length)), length > 0))[0], number)


@every_pool
def test_a_document_of_one_step_is_that_step(pool):
    rows, keep = rows_and_keep([1, 1])
    torch.testing.assert_close(pool(rows, keep), rows[:, 0])


@every_pool
def test_documents_without_steps_are_zeros(pool):
    rows, keep = rows_and_keep([0, 0], steps=3)
    assert not pool(rows, keep).any()


@every_pool
def test_gradients_are_finite_and_those_of_padding_zero(pool):
    rows, keep = rows_and_keep()
    rows.requires_grad_()
    parameters = list(pool.parameters()) if isinstance(pool, AttentionPool) else []
    gradient, *others = torch.autograd.grad(pool(rows, keep).square().sum(), [rows, *parameters])
    assert gradient.isfinite().all() and not gradient[~keep].any()
    assert gradient[keep].any()
    assert all(other.isfinite().all() and other.any() for other in others)


@pytest.mark.parametrize("hidden_size", [None, 3])
def test_the_weights_sum_to_one_over_the_real_steps_and_are_zero_elsewhere(hidden_size):
    rows, keep = rows_and_keep()
    weights = seeded(hidden_size).weights(rows, keep)
    assert not weights[~keep].any() and (weights[keep] > 0).all()
    torch.testing.assert_close(weights.sum(1), torch.tensor([float(length > 0) for length in LENGTHS], dtype=torch.float64))


def test_weights_of_extreme_scores_are_finite():
    pool = AttentionPool(1)
    torch.nn.init.constant_(pool.score.weight, 1e30)
    weights = pool.weights(torch.tensor([[[-1e8], [-1e8], [1e8]]]), torch.tensor([[True, True, False]]))
    assert weights.isfinite().all() and not weights[0, 2]


@pytest.mark.parametrize("pool", [mean_pool, max_pool, AttentionPool(F), AttentionPool(F, 3)], ids=["mean", "max", "attention", "hidden"])
def test_under_autocast_the_result_is_close(pool):
    rows, keep = rows_and_keep()
    rows = rows.float()
    expected = pool(rows, keep)
    with torch.autocast("cpu", torch.bfloat16):
        for inputs in (rows, rows.bfloat16()):
            torch.testing.assert_close(pool(inputs, keep).float(), expected, rtol=0.05, atol=0.05)
