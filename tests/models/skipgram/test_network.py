"""Skip-gram: the textbook's loss, and logits, losses and gradients beside plain NumPy."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lexloom.models.skipgram.network import SkipGram, masked_binary_cross_entropy

V, E = 11, 5


def skipgram(*, V=V, E=E, seed=0) -> SkipGram:
    return SkipGram(V, E, generator=torch.Generator().manual_seed(seed))


def random_batch(B=4, C=6, *, V=V, seed=1):
    random = torch.Generator().manual_seed(seed)
    return SimpleNamespace(
        centres=torch.randint(V, (B, 1), generator=random),
        contexts=torch.randint(V, (B, C), generator=random),
        labels=(torch.rand(B, C, generator=random) < 0.3).float(),
        keep=torch.rand(B, C, generator=random) < 0.7,
    )


def losses_by_hand(model, batch) -> list[float]:
    """A centre at a time, a context at a time: the mean of -log of what is said of the right answer."""
    rows, columns = (part.weight.detach().double().numpy() for part in (model.centres, model.contexts))
    found = []
    for centre, contexts, labels, keep in zip(batch.centres, batch.contexts, batch.labels, batch.keep, strict=True):
        terms = []
        for word, label, real in zip(contexts, labels, keep, strict=True):
            probability = 1 / (1 + np.exp(-rows[int(centre)] @ columns[int(word)]))
            if real:
                terms.append(-np.log(probability if label else 1 - probability))
        found.append(float(np.mean(terms)) if terms else 0.0)
    return found


# ---- the loss -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [torch.bool, torch.float32, torch.int64], ids=str)
def test_loss_is_the_textbooks(mask):
    predictions = torch.tensor([[1.1, -2.2, 3.3, -4.4]] * 2)
    labels = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    keep = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]).to(mask)
    found = masked_binary_cross_entropy(predictions, labels, keep)
    torch.testing.assert_close(found, torch.tensor([0.9352, 1.8462]), rtol=0, atol=5e-5)


def test_padding_counts_for_nothing():
    batch = random_batch()
    predictions = torch.randn(4, 6, generator=torch.Generator().manual_seed(2))
    short = masked_binary_cross_entropy(predictions[:, :4], batch.labels[:, :4], batch.keep[:, :4])
    keep = batch.keep.clone()
    keep[:, 4:] = False
    torch.testing.assert_close(masked_binary_cross_entropy(predictions * 100, batch.labels, keep * 0), torch.zeros(4))
    torch.testing.assert_close(masked_binary_cross_entropy(predictions, batch.labels, keep), short)


def test_a_row_of_padding_alone_costs_nothing_and_pulls_nowhere():
    predictions = torch.randn(2, 3, requires_grad=True)
    losses = masked_binary_cross_entropy(predictions, torch.ones(2, 3), torch.tensor([[True] * 3, [False] * 3]))
    losses.sum().backward()
    assert losses[1] == 0
    assert not predictions.grad[1].any()
    assert predictions.grad[0].all()


def test_scores_far_from_zero_stay_finite():
    losses = masked_binary_cross_entropy(torch.tensor([[1e4, -1e4]]), torch.tensor([[0.0, 1.0]]), torch.ones(1, 2, dtype=torch.bool))
    assert losses.item() == 1e4


# ---- the model ----------------------------------------------------------------------------------------------------------------------


def test_logits_are_inner_products_of_centres_and_contexts():
    model, batch = skipgram(), random_batch()
    rows, columns = (part.weight.detach().numpy() for part in (model.centres, model.contexts))
    wanted = np.einsum("be,bce->bc", rows[batch.centres[:, 0]], columns[batch.contexts])
    np.testing.assert_allclose(model(batch.centres, batch.contexts).detach(), wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("B", "C"), [(4, 6), (1, 1), (1, 6), (7, 1)])
def test_a_batch_costs_the_sum_of_its_centres(B, C):
    model, batch = skipgram(), random_batch(B, C)
    outcome = model.measure(batch)
    total, count = outcome.sums["loss"]
    assert outcome.loss.item() == pytest.approx(sum(losses_by_hand(model, batch)), rel=1e-5)
    assert outcome.count == 1  # the sum is the step: it is not divided by the centres
    assert (total.item(), count, total.requires_grad) == (outcome.loss.item(), B, False)


@pytest.mark.parametrize(("B", "C"), [(0, 6), (0, 0), (3, 0)])
def test_an_empty_batch_costs_nothing(B, C):
    model = skipgram()
    outcome = model.measure(random_batch(B, C))
    outcome.loss.backward()
    assert outcome.loss.item() == 0
    assert not model.centres.weight.grad.any()


def test_a_batch_pulls_as_its_centres_do_one_by_one():
    batch = random_batch()
    together, alone = skipgram().double(), skipgram().double()
    together.measure(batch).loss.backward()
    for row in range(4):
        alone.measure(SimpleNamespace(**{name: part[row : row + 1] for name, part in vars(batch).items()})).loss.backward()
    for one, other in zip(together.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_padding_moves_no_row():
    model, batch = skipgram(), random_batch()
    batch.contexts[~batch.keep] = V - 1
    batch.contexts[batch.keep & (batch.contexts == V - 1)] = 0
    model.measure(batch).loss.backward()
    assert not model.contexts.weight.grad[V - 1].any()
    assert model.contexts.weight.grad[0].any()


def test_both_embeddings_start_as_xavier_says():
    model = skipgram(V=2000, E=100)
    bound = (6 / 2100) ** 0.5
    for part in (model.centres, model.contexts):
        assert 0.99 * bound < part.weight.abs().max() <= bound
        assert part.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.01)
    assert (model.centres.weight != model.contexts.weight).any()


def test_the_start_follows_from_the_seed():
    same, again, other = skipgram(seed=1), skipgram(seed=1), skipgram(seed=2)
    torch.testing.assert_close(same.weights(), again.weights(), rtol=0, atol=0)
    assert (same.centres.weight != other.centres.weight).any()
