import math

import pytest
import torch
from torch.nn import functional

from lexloom.errors import ConfigError
from lexloom.nn.softmax import AdaptiveSoftmax, FullSoftmax, draw_candidates, linear_cross_entropy
from lexloom.text.batches import IGNORE

V, D = 37, 8


@pytest.fixture(autouse=True)
def _not_too_small_to_be_chunked(monkeypatch):
    monkeypatch.setattr("lexloom.nn.softmax._FEW_LOGITS", 0)


def inputs(rows: int, dtype: torch.dtype = torch.float64):
    random = torch.Generator().manual_seed(rows)
    hidden, weight, bias = (torch.randn(*shape, generator=random, dtype=dtype, requires_grad=True) for shape in ((rows, D), (V, D), (V,)))
    targets = torch.randint(V, (rows,), generator=random)
    return hidden, weight, bias, targets


@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loss_and_gradients_are_those_of_torch(monkeypatch, chunk, ignored, dtype):
    monkeypatch.setattr("lexloom.nn.softmax._CHUNK_LOGITS", chunk * V)
    hidden, weight, bias, targets = inputs(7, dtype)
    if ignored:
        targets[[0, 4]] = IGNORE
    loss = linear_cross_entropy(hidden, weight, bias, targets)
    got = torch.autograd.grad(3 * loss, (hidden, weight, bias))
    expected = functional.cross_entropy(functional.linear(hidden, weight, bias), targets, reduction="sum")
    wanted = torch.autograd.grad(3 * expected, (hidden, weight, bias))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for mine, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_without_gradients_the_loss_is_the_same():
    hidden, weight, bias, targets = inputs(7)
    with_gradients = linear_cross_entropy(hidden, weight, bias, targets)
    with torch.no_grad():
        assert linear_cross_entropy(hidden, weight, bias, targets).item() == pytest.approx(with_gradients.item(), rel=1e-6)


def test_in_bfloat16_loss_and_gradients_are_close():
    hidden, weight, bias, targets = inputs(64, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        loss = linear_cross_entropy(hidden, weight, bias, targets)
    got = torch.autograd.grad(loss, (hidden, weight, bias))
    wanted = torch.autograd.grad(
        functional.cross_entropy(functional.linear(hidden, weight, bias), targets, reduction="sum"), (hidden, weight, bias)
    )
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(linear_cross_entropy(hidden, weight, bias, targets).item(), rel=0.01)
    for mine, theirs in zip(got, wanted, strict=True):
        assert mine.dtype == torch.float32
        assert torch.linalg.norm(mine - theirs) < 0.02 * torch.linalg.norm(theirs)


def test_a_second_backward_pass_is_refused_rather_than_wrong():
    hidden, weight, bias, targets = inputs(3)
    loss = linear_cross_entropy(hidden, weight, bias, targets)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="backward"):
        loss.backward()


def test_small_gradients_survive_float16_until_the_scaler_multiplies_them():
    """A token that is nearly certain: its probability minus 1 is below the resolution of float16."""
    hidden = torch.full((4, D), 1.0, dtype=torch.float16, requires_grad=True)
    weight = torch.full((V, D), -0.5)
    weight[5] = 1.0
    targets = torch.full((4,), 5)
    with torch.autocast("cpu", torch.float16):
        loss = linear_cross_entropy(hidden, weight, torch.zeros(V), targets)
    (got,) = torch.autograd.grad(loss * 65536, hidden)
    exact = hidden.detach().double().requires_grad_()
    total = functional.cross_entropy(functional.linear(exact, weight.double()), targets, reduction="sum")
    (expected,) = torch.autograd.grad(total * 65536, exact)
    torch.testing.assert_close(got.double(), expected, rtol=0.01, atol=0)


def test_an_improbable_target_costs_a_finite_loss():
    hidden = torch.full((1, D), 60.0, requires_grad=True)
    weight = torch.zeros(V, D)
    weight[0] = 60.0
    with torch.autocast("cpu", torch.bfloat16):
        loss = linear_cross_entropy(hidden, weight, torch.zeros(V), torch.tensor([3]))
    assert math.isfinite(loss.item())


@pytest.mark.parametrize("make", [lambda: FullSoftmax(D, V), lambda: AdaptiveSoftmax(D, V, (5, 20), 2.0)], ids=["full", "adaptive"])
class TestBoth:
    def test_the_loss_is_the_sum_of_the_targets_log_probabilities(self, make):
        softmax, (hidden, _, _, targets) = make(), inputs(9, torch.float32)
        expected = -softmax.log_probs(hidden).gather(1, targets[:, None]).sum()
        assert softmax.loss(hidden, targets).item() == pytest.approx(expected.item(), rel=1e-5)

    def test_the_probabilities_sum_to_one(self, make):
        softmax, (hidden, *_) = make(), inputs(9, torch.float32)
        torch.testing.assert_close(softmax.log_probs(hidden).exp().sum(1), torch.ones(9))

    def test_ignored_targets_cost_nothing(self, make):
        softmax, (hidden, _, _, targets) = make(), inputs(9, torch.float32)
        some = targets.clone()
        some[3:] = IGNORE
        assert softmax.loss(hidden, some).item() == pytest.approx(softmax.loss(hidden[:3], targets[:3]).item(), rel=1e-5)


def test_adaptive_softmax_is_its_definition():
    """A token of a cluster has the probability of the cluster times its own within the cluster."""
    softmax, (hidden, *_) = AdaptiveSoftmax(D, V, (5, 20), 2.0), inputs(4, torch.float32)
    inner = softmax._softmax
    head = inner.head(hidden).softmax(1)  # 5 tokens and 2 clusters
    parts = [head[:, :5], *(head[:, 5 + number, None] * inner.tail[number](hidden).softmax(1) for number in range(2))]
    torch.testing.assert_close(softmax.log_probs(hidden).exp(), torch.cat(parts, 1))


@pytest.mark.parametrize("cutoffs", [(), (0, 5), (5, 5), (9, 4), (V,)])
def test_cutoffs_that_make_no_clusters_are_refused(cutoffs):
    with pytest.raises(ConfigError, match="cutoffs"):
        AdaptiveSoftmax(D, V, cutoffs)


@pytest.mark.parametrize("dim", [D, D + 3])
def test_tied_weights_are_the_given_matrix(dim):
    matrix = torch.randn(V, dim, requires_grad=True)
    softmax = FullSoftmax(D, V, lambda: matrix)
    hidden, _, _, targets = inputs(5, torch.float32)
    softmax.loss(hidden, targets).backward()
    assert matrix.grad is not None
    assert matrix.grad.abs().sum(1).min() > 0
    assert sum(p.numel() for p in softmax.parameters()) == V + (0 if dim == D else D * dim)


def test_few_logits_cost_the_same(monkeypatch):
    hidden, weight, bias, targets = inputs(7)
    targets[2] = IGNORE
    chunked = linear_cross_entropy(hidden, weight, bias, targets)
    monkeypatch.setattr("lexloom.nn.softmax._FEW_LOGITS", 1 << 18)
    few = linear_cross_entropy(hidden, weight, bias, targets)
    assert few.item() == pytest.approx(chunked.item())
    for one, other in zip(*(torch.autograd.grad(loss, (hidden, weight, bias)) for loss in (few, chunked)), strict=True):
        torch.testing.assert_close(one, other)


def test_candidates_are_the_frequent_tokens_the_targets_and_drawn_ones():
    targets = torch.tensor([0, 30, IGNORE, 9, 30])
    ids, offset, places = draw_candidates(targets, V, 8)
    assert ids[:6].tolist() == [0, 1, 2, 3, 9, 30]
    assert len(ids) == 10 == len(set(ids.tolist()))
    assert not offset[:6].any()
    assert offset[6:].tolist() == pytest.approx([math.log((V - 6) / 4)] * 4)
    assert ids[places[targets != IGNORE]].tolist() == [0, 30, 9, 30]
    assert places[2] == IGNORE


def test_where_few_tokens_remain_all_are_candidates():
    targets = torch.arange(V - 2)
    ids, offset, places = draw_candidates(targets, V, 8)
    assert sorted(ids.tolist()) == list(range(V))
    assert not offset.any()
    assert ids[places].tolist() == targets.tolist()
    ids, offset, places = draw_candidates(torch.arange(V), V, 8)
    assert ids.tolist() == places.tolist() == list(range(V))
    assert not offset.any()


def test_the_sum_over_candidates_is_that_over_all_tokens_on_average():
    random = torch.Generator().manual_seed(1)
    logits, targets = torch.randn(3, V, generator=random, dtype=torch.float64), torch.tensor([2, 20, 33])
    torch.manual_seed(1)
    sums = []
    for _ in range(4000):
        ids, offset, _ = draw_candidates(targets, V, 12)
        sums.append((logits[:, ids] + offset).exp().sum(1))
    error = torch.stack(sums).std(0) / len(sums) ** 0.5
    assert ((torch.stack(sums).mean(0) - logits.exp().sum(1)).abs() < 4 * error).all()
    assert (error > 0).all()


def test_a_sampled_softmax_is_close_in_training_and_exact_in_evaluation():
    torch.manual_seed(1)
    whole, hidden, targets = FullSoftmax(D, 2000), torch.randn(400, D), torch.randint(2000, (400,))
    sampled = FullSoftmax(D, 2000, num_sampled=600)
    sampled.load_state_dict(whole.state_dict())
    expected = whole.loss(hidden, targets)
    assert sampled.loss(hidden, targets).item() != expected.item()
    assert sampled.loss(hidden, targets).item() == pytest.approx(expected.item(), rel=0.01)
    torch.testing.assert_close(sampled.log_probs(hidden), whole.log_probs(hidden))
    assert sampled.eval().loss(hidden, targets).item() == expected.item()


def test_every_candidate_of_a_sampled_softmax_gets_a_gradient_and_no_other_token_does():
    torch.manual_seed(1)
    layer = FullSoftmax(D, V, num_sampled=8)
    layer.loss(torch.randn(3, D), torch.tensor([1, 20, 1])).backward()
    moved = layer.weight.grad.abs().sum(1) > 0
    assert moved.sum() == 4 + 1 + 4
    assert moved[[0, 1, 2, 3, 20]].all()
    assert moved.tolist() == (layer.bias.grad != 0).tolist()


def test_sampling_no_fewer_tokens_than_there_are_changes_nothing():
    torch.manual_seed(1)
    layer, hidden, targets = FullSoftmax(D, V, num_sampled=V), torch.randn(3, D), torch.tensor([1, 20, 1])
    loss = layer.loss(hidden, targets).item()
    assert loss == layer.eval().loss(hidden, targets).item()
