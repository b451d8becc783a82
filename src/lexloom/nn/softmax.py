"""From hidden states to a distribution over the vocabulary: full, tied, sampled and adaptive softmax, and the loss without its logits."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from lexloom.errors import ConfigError
from lexloom.options import check_whole
from lexloom.text.batches import IGNORE

_CHUNK_LOGITS = 1 << 24
"""So many logits are held at once: 32 MB in bfloat16, 64 MB in float32."""
_SMALL = 1 << 18
"""With fewer logits than this, torch's own operations in a row cost less than these here."""
_RELIABLE = 1e-30
"""The smallest probability that the logarithm is taken of."""


class FullSoftmax(nn.Module):
    """One logit for each of V tokens, from hidden states (N, D).

    Attributes:
        weight: float32 (V, D), unless the weights are tied.
        bias: float32 (V,).
        projection: from D to the row length of the tied matrix, where the two differ.
    """

    def __init__(
        self, hidden_size: int, vocabulary_size: int, tied: Callable[[], Tensor] | None = None, num_sampled: int | None = None
    ) -> None:
        """Make the layer.

        Args:
            hidden_size: D.
            vocabulary_size: V.
            tied: gives the input embedding's matrix (V, E), to be used as the weights (Press & Wolf 2017; Inan et al. 2017).
            num_sampled: in training, take the softmax over about so many tokens (see `draw_candidates`); over all unless given.
        """
        super().__init__()
        check_whole("num_sampled", num_sampled, 2)
        self._tied, self.num_sampled = tied, num_sampled
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))
        self.projection: nn.Linear | None = None
        if tied is None:
            reach = hidden_size**-0.5
            self.weight = nn.Parameter(torch.empty(vocabulary_size, hidden_size).uniform_(-reach, reach))
        elif (row := tied().shape[1]) != hidden_size:
            self.projection = nn.Linear(hidden_size, row, bias=False)

    def _projected(self, hidden: Tensor) -> Tensor:
        return hidden if self.projection is None else self.projection(hidden)

    def _matrix(self) -> Tensor:
        return self.weight if self._tied is None else self._tied()

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Sum the negative log-likelihoods in nats, ().

        Args:
            hidden: (N, D).
            targets: int64 (N,); `IGNORE` where there is none.
        """
        hidden, weight = self._projected(hidden), self._matrix()
        if not self.training or self.num_sampled is None or self.num_sampled >= len(weight):
            return linear_cross_entropy(hidden, weight, self.bias, targets)
        ids, offset, places = draw_candidates(targets, len(weight), self.num_sampled)
        return linear_cross_entropy(hidden, functional.embedding(ids, weight), self.bias[ids] + offset, places)

    def log_probs(self, hidden: Tensor) -> Tensor:
        """Give the log-probabilities, (N, V), of hidden states (N, D)."""
        return self.scorer()(hidden)

    def scorer(self) -> Callable[[Tensor], Tensor]:
        """Give what `log_probs` does with the weights of now, for being called again and again."""
        weight, bias = self._matrix(), self.bias

        def score(hidden: Tensor) -> Tensor:
            return torch.log_softmax(functional.linear(self._projected(hidden), weight, bias).float(), dim=1)

        return score


class AdaptiveSoftmax(nn.Module):
    """Frequent tokens get a logit of their own, rare ones share a cluster's and have fewer dimensions (Grave et al. 2017)."""

    def __init__(self, hidden_size: int, vocabulary_size: int, cutoffs: Sequence[int], div_value: float = 4.0) -> None:
        """Make the layer.

        Args:
            hidden_size: D.
            vocabulary_size: V; ids must be in the order of frequency, as a `Vocabulary`'s are.
            cutoffs: where clusters begin, ascending, below V.
            div_value: each cluster has that many times fewer dimensions than the one before.

        Raises:
            ConfigError: the cutoffs are not ascending between 1 and V - 1, or too many for so small a hidden size.
        """
        super().__init__()
        if not cutoffs or sorted(set(cutoffs)) != list(cutoffs) or cutoffs[0] < 1 or cutoffs[-1] >= vocabulary_size:
            shown = ", ".join(map(str, cutoffs)) or "none"
            raise ConfigError(f"cutoffs {shown}: expected ascending numbers from 1 to {vocabulary_size - 1}, below the vocabulary's size")
        if hidden_size < div_value ** len(cutoffs):
            raise ConfigError(
                f"cutoffs {', '.join(map(str, cutoffs))} with div_value {div_value}: the last cluster would have less than one dimension "
                f"of the hidden {hidden_size}; give a smaller div_value, fewer cutoffs or a larger hidden_size"
            )
        self._softmax = nn.AdaptiveLogSoftmaxWithLoss(hidden_size, vocabulary_size, list(cutoffs), div_value)

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Sum the negative log-likelihoods in nats, (), as `FullSoftmax.loss` does."""
        kept = targets != IGNORE
        if not bool(kept.all()):
            hidden, targets = hidden[kept], targets[kept]
        total = -self._softmax(hidden, targets).output.float().sum()
        if torch.is_grad_enabled():
            total = total + self._absent(targets)
        return cast(Tensor, total)

    def _absent(self, targets: Tensor) -> Tensor | int:
        """Zero, from the clusters that no target is in: processes that train together expect a gradient of every parameter."""
        bounds = itertools.pairwise(self._softmax.cutoffs)
        tails = [
            tail for (low, high), tail in zip(bounds, self._softmax.tail, strict=True) if not ((targets >= low) & (targets < high)).any()
        ]
        return sum(0 * parameter.sum() for tail in tails for parameter in tail.parameters())

    def log_probs(self, hidden: Tensor) -> Tensor:
        """Give the log-probabilities, (N, V), of hidden states (N, D)."""
        return self._softmax.log_prob(hidden).float()

    def scorer(self) -> Callable[[Tensor], Tensor]:
        """Give `log_probs`, see `FullSoftmax`."""
        return self.log_probs


def draw_candidates(targets: Tensor, vocabulary_size: int, num_sampled: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw the tokens that a batch's softmax is taken over (sampled softmax; Bengio & Senécal 2008, Jean et al. 2015).

    The batch's targets and the most frequent tokens, half of `num_sampled`, are always among them; the other half is drawn from the R
    tokens that remain, each as likely as the other. One that is drawn stands for R / (num_sampled / 2) of its kind: the logarithm of that
    is added to its logit, and the sum of exponentials over all tokens is what that over the candidates is on average.

    Args:
        targets: int64 (N,); `IGNORE` where there is none.
        vocabulary_size: V; ids must be in the order of frequency, as a `Vocabulary`'s are.
        num_sampled: how many besides the targets.

    Returns:
        The candidates' ids, int64 (C,), C at most `num_sampled` plus the number of different targets; what is to be added to their logits,
        (C,); and the targets as places among the candidates, (N,).
    """
    always = torch.zeros(vocabulary_size, dtype=torch.bool, device=targets.device)
    always[: num_sampled // 2] = True
    always[targets.clamp(min=0)] = True
    remaining = (~always).nonzero()[:, 0]
    drawn = remaining[torch.randperm(len(remaining), device=targets.device)[: num_sampled - num_sampled // 2]]
    ids = torch.cat([always.nonzero()[:, 0], drawn])
    offset = torch.zeros(len(ids), device=targets.device)
    if len(drawn):
        offset[-len(drawn) :] = math.log(len(remaining) / len(drawn))
    places = torch.empty(vocabulary_size, dtype=torch.int64, device=targets.device)
    places[ids] = torch.arange(len(ids), device=targets.device)
    return ids, offset, places[targets.clamp(min=0)].where(targets != IGNORE, IGNORE)


def linear_cross_entropy(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Sum the cross-entropies of softmax(hidden weight^T + bias), without ever holding all logits.

    Where a gradient is wanted it is computed on the way, chunk by chunk, so that each chunk's logits are turned into its gradient where
    they lie. Under autocast the matrix products and the probabilities are in its type.

    Args:
        hidden: (N, D).
        weight: (V, D).
        bias: (V,).
        targets: int64 (N,); `IGNORE` where there is none.

    Returns:
        float32 (), in nats.
    """
    if len(hidden) * len(weight) < _SMALL:
        return functional.cross_entropy(functional.linear(hidden, weight, bias).float(), targets, ignore_index=IGNORE, reduction="sum")
    return cast(Tensor, _LinearCrossEntropy.apply(hidden, weight, bias, targets, torch.is_grad_enabled()))  # type: ignore[no-untyped-call]


class _LinearCrossEntropy(torch.autograd.Function):
    """With p = softmax(z) and z = h W^T + b, the loss of one target y is -log p_y; its gradient in z is p - onehot(y) =: g.

    So dh = g W, dW = g^T h, db = g; nothing of the forward pass is needed again once g is known.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, with_gradient: bool) -> Tensor:
        device = hidden.device.type
        dtype = torch.get_autocast_dtype(device) if with_gradient and torch.is_autocast_enabled(device) else weight.dtype
        with torch.autocast(device, enabled=False):
            rows, matrix, offset = hidden.to(dtype), weight.to(dtype), bias.to(dtype)
            total = torch.zeros((), device=hidden.device)
            into_hidden = torch.empty_like(rows)
            into_weight, into_bias = torch.zeros((), device=hidden.device), torch.zeros((), device=hidden.device)
            size = max(1, _CHUNK_LOGITS // len(weight))
            for start in range(0, len(rows), size):
                part = slice(start, start + size)
                logits = torch.addmm(offset, rows[part], matrix.t())  # (n, V)
                if not with_gradient:
                    total += functional.cross_entropy(logits.float(), targets[part], ignore_index=IGNORE, reduction="sum")
                    continue
                loss, slope = _loss_and_slope(logits, targets[part])
                total += loss
                torch.mm(slope, matrix, out=into_hidden[part])
                into_weight = _added(into_weight, slope.t() @ rows[part])
                into_bias = _added(into_bias, slope.sum(0))
        if with_gradient:
            ctx.gradients = into_hidden.to(hidden.dtype), into_weight.to(weight.dtype), into_bias.to(bias.dtype)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias = ctx.gradients  # used up here: a second backward pass finds nothing, and says so
        del ctx.gradients
        return hidden.mul_(gradient), weight.mul_(gradient), bias.mul_(gradient), None, None


def _loss_and_slope(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Sum the losses of n rows, (), and turn their logits (n, V) into p - onehot(y), zero where there is no target."""
    kept = targets != IGNORE
    index = targets.clamp(min=0)[:, None]  # (n, 1)
    slope = torch.softmax(logits, 1)
    probabilities = slope.gather(1, index).float()[:, 0]
    if bool((probabilities < _RELIABLE).any()):  # too small to take the logarithm of
        losses = functional.cross_entropy(logits.float(), index[:, 0], reduction="none")
    else:  # in bfloat16 the logarithm of a rounded number: off by 0.4 % of a nat at most, with no sign of its own
        losses = -probabilities.log()
    slope.scatter_add_(1, index, torch.full_like(index, -1, dtype=slope.dtype))
    if not bool(kept.all()):
        slope *= kept[:, None]
        losses = losses * kept
    return losses.sum(), slope


def _added(total: Tensor, more: Tensor) -> Tensor:
    """Add up in float32 (or more), where `total` begins as a zero without a shape."""
    return more.to(torch.promote_types(more.dtype, torch.float32)) if total.ndim == 0 else total.add_(more)
