"""Dropouts of recurrent networks: one mask a sequence (locked), and dropped connections (weight drop).

Masks come from `torch.rand`, compared with p: on a CPU that takes a quarter of the time of `bernoulli_`, which
`torch.nn.functional.dropout` draws from and which costs a fifth of a training step when it drops the weights of an LSTM.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lexloom.options import check_share


class LockedDropout(nn.Module):
    """`locked_dropout` as a layer: at work in training, nothing in evaluation.

    Args:
        p: share of the features that are dropped, at least 0 and under 1.

    Raises:
        ConfigError: p is outside that range.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        check_share("p", p)
        self.p = p

    def forward(self, inputs: Tensor) -> Tensor:
        """Drop features of (B, T, D), the same ones at every step of a sequence."""
        return locked_dropout(inputs, self.p) if self.training else inputs

    def extra_repr(self) -> str:
        """Show p."""
        return f"p={self.p}"


def locked_dropout(inputs: Tensor, p: float) -> Tensor:
    """Drop features of whole sequences: one mask for all time steps (Gal & Ghahramani 2016, "variational" dropout).

    Args:
        inputs: (B, T, D).
        p: share of the features that become 0; the others grow by 1 / (1 - p), so that the expectation stays.

    Returns:
        (B, T, D), a new draw at every call.
    """
    if not p:
        return inputs
    rows, _, features = inputs.shape
    return inputs * _mask((rows, 1, features), p, inputs)


def drop_weights(weight: Tensor, p: float) -> Tensor:
    """Drop single connections (DropConnect, Wan et al. 2013; on hidden-to-hidden weights Merity et al. 2018).

    Args:
        weight: a weight matrix of any shape; the gradient reaches the connections that are kept.
        p: share of the connections that become 0; the others grow by 1 / (1 - p).

    Returns:
        The same shape, a new draw at every call.
    """
    return weight * _mask(weight.shape, p, weight) if p else weight


def _mask(shape: Sequence[int], p: float, like: Tensor) -> Tensor:
    # drawn in float32: in a 16-bit type the random numbers would be too coarse to compare with p
    return torch.rand(tuple(shape), dtype=torch.float32, device=like.device).ge_(p).mul_(1 / (1 - p)).to(like.dtype)
