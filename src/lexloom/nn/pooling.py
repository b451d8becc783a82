"""Pooling: from the steps of documents of different lengths to one vector per document. Padding is ignored.

All functions take rows (B, T, F) and keep, bool (B, T), True for real steps, and return (B, F): zeros for a document without steps.
"""

import torch
from torch import Tensor, nn


def mean_pool(rows: Tensor, keep: Tensor) -> Tensor:
    """Average the real steps."""
    return rows.masked_fill(~keep.unsqueeze(-1), 0).sum(1) / keep.sum(1, keepdim=True).clamp(min=1)


def max_pool(rows: Tensor, keep: Tensor) -> Tensor:
    """Take the maximum of each feature over the real steps."""
    found = rows.masked_fill(~keep.unsqueeze(-1), -torch.inf).amax(1)
    return found.masked_fill(~keep.any(1, keepdim=True), 0.0)


def last_pool(rows: Tensor, keep: Tensor) -> Tensor:
    """Take the last real step of each document."""
    last = (keep.sum(1) - 1).clamp(min=0)
    found = rows[torch.arange(len(rows), device=rows.device), last]
    return found * keep.any(1, keepdim=True)


class AttentionPool(nn.Module):
    """A mean with learned weights: a softmax over u . tanh(W x) (Yang et al. 2016), or over u . x without a hidden layer.

    Args:
        size: F.
        hidden_size: rows of W; None for no hidden layer.
    """

    def __init__(self, size: int, hidden_size: int | None = None) -> None:
        super().__init__()
        self.hidden = None if hidden_size is None else nn.Linear(size, hidden_size)
        self.score = nn.Linear(size if hidden_size is None else hidden_size, 1, bias=False)

    def weights(self, rows: Tensor, keep: Tensor) -> Tensor:
        """Return the weights (B, T), which sum to 1 over the real steps of a document and are 0 elsewhere."""
        scores = self.score(rows if self.hidden is None else self.hidden(rows).tanh()).squeeze(-1)
        lowest = torch.finfo(scores.dtype).min  # with -inf, a document without steps would give NaN
        weights: Tensor = scores.masked_fill(~keep, lowest).softmax(1) * keep
        return weights

    def forward(self, rows: Tensor, keep: Tensor) -> Tensor:
        """Average the real steps by their weights."""
        rows = rows.masked_fill(~keep.unsqueeze(-1), 0)
        return torch.einsum("btf,bt->bf", rows, self.weights(rows, keep))
