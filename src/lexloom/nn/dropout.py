"""Dropout for recurrent networks: one mask per sequence (locked), and dropped connections (weight drop).

Masks are `torch.rand` compared with p. On a CPU that takes a quarter of the time of `bernoulli_`, which `torch.nn.functional.dropout` uses
and which costs a fifth of a training step when it drops the weights of an LSTM.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lexloom.options import check_share


class _Dropout(nn.Module):
    """Active in training, the identity in evaluation.

    Args:
        p: the share that is dropped, at least 0 and below 1.

    Raises:
        ConfigError: p is outside that range.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        check_share("p", p)
        self.p = p

    def extra_repr(self) -> str:
        """Show p."""
        return f"p={self.p}"


class LockedDropout(_Dropout):
    """`locked_dropout` as a layer."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Drop features of (B, T, D), the same ones at each step of a sequence."""
        return locked_dropout(inputs, self.p) if self.training else inputs


class WeightDrop(_Dropout):
    """`drop_weights` as a layer, for the hidden-to-hidden weights of recurrent layers."""

    def forward(self, weight: Tensor) -> Tensor:
        """Drop connections of a weight matrix."""
        return drop_weights(weight, self.p) if self.training else weight


class EmbeddingDropout(_Dropout):
    """`drop_embeddings` as a layer."""

    def forward(self, rows: Tensor, ids: Tensor, num_embeddings: int) -> Tensor:
        """Drop whole words of looked-up rows (..., E) with ids (...)."""
        return drop_embeddings(rows, ids, num_embeddings, self.p) if self.training else rows


def locked_dropout(inputs: Tensor, p: float) -> Tensor:
    """Drop features of whole sequences: one mask for all time steps (Gal & Ghahramani 2016, "variational" dropout).

    Args:
        inputs: (B, T, D).
        p: share of the features that become 0; the others are scaled by 1 / (1 - p), which keeps the expectation.

    Returns:
        (B, T, D), with a new mask at each call.
    """
    if not p:
        return inputs
    rows, _, features = inputs.shape
    return inputs * _mask((rows, 1, features), p, inputs)


def drop_weights(weight: Tensor, p: float) -> Tensor:
    """Drop single connections (DropConnect, Wan et al. 2013; on hidden-to-hidden weights Merity et al. 2018).

    Args:
        weight: a weight matrix of any shape; the gradient reaches the connections that are kept.
        p: share of the connections that become 0; the others are scaled by 1 / (1 - p).

    Returns:
        The same shape, with a new mask at each call.
    """
    return weight * _mask(weight.shape, p, weight) if p else weight


def drop_embeddings(rows: Tensor, ids: Tensor, num_embeddings: int, p: float) -> Tensor:
    """Drop words at all of their occurrences (Gal & Ghahramani 2016; Merity et al. 2018).

    Args:
        rows: (..., E), the looked-up rows.
        ids: int64 (...), their ids.
        num_embeddings: V.
        p: share of the words whose rows become 0; the other rows are scaled by 1 / (1 - p).

    Returns:
        (..., E), with a new mask at each call.
    """
    return rows * _mask((num_embeddings,), p, rows)[ids].unsqueeze(-1) if p else rows


def _mask(shape: Sequence[int], p: float, like: Tensor) -> Tensor:
    # drawn in float32: random numbers of a 16-bit type would be too coarse to compare with p
    return torch.rand(tuple(shape), dtype=torch.float32, device=like.device).ge_(p).mul_(1 / (1 - p)).to(like.dtype)
