"""What an embedding layer is: one-hot input times a linear layer without bias."""

import pytest
import torch
from torch import nn

from lexloom.nn.embedding import Embedding, OneHot

V, E = 9, 5


def layers(**options):
    rows = torch.randn(V, E, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    lookup = Embedding(V, E, weight=rows, **options)
    linear = nn.Linear(V, E, bias=False, dtype=torch.float64)
    with torch.no_grad():
        linear.weight.copy_(lookup.weight.T)
    return lookup, nn.Sequential(OneHot(V, **options).double(), linear)


@pytest.mark.parametrize("options", [{}, {"padding_idx": 0}, {"padding_idx": 4}, {"padding_idx": -1}], ids=str)
@pytest.mark.parametrize(
    "ids",
    [
        torch.tensor(4),
        torch.tensor([3]),
        torch.tensor([[4, 4, 4, 8]]),
        torch.arange(36).reshape(2, 3, 6) % 7,
        torch.zeros(2, 0, dtype=torch.int64),
    ],
    ids=lambda ids: str(tuple(ids.shape)),
)
def test_one_hot_times_linear_is_the_lookup(options, ids):
    lookup, product = layers(**options)
    factors = torch.randn(*ids.shape, E, dtype=torch.float64)
    for layer in (lookup, product):
        (layer(ids).tanh() * factors).sum().backward()
    torch.testing.assert_close(product(ids), lookup(ids), rtol=0, atol=0)
    torch.testing.assert_close(product[1].weight.grad.T, lookup.weight.grad, rtol=1e-12, atol=1e-15)


def test_training_leads_to_the_same_rows():
    both = layers(padding_idx=2)
    for layer in both:
        generator = torch.Generator().manual_seed(1)
        optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, weight_decay=0.1)
        for _ in range(10):
            ids = torch.randint(V, (3, 7), generator=generator)
            optimizer.zero_grad()
            (layer(ids) - 1).square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(both[1][1].weight.T, both[0].weight, rtol=1e-9, atol=1e-9)
