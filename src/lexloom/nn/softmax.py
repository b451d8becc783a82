"""From hidden states to a distribution over the vocabulary: full, tied, sampled and adaptive softmax, and their losses."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import LinearCrossEntropyOptions, functional

from lexloom.errors import ConfigError
from lexloom.options import check_whole
from lexloom.text.batches import IGNORE

_CHUNK_LOGITS = 1 << 24
"""The number of logits that are held at once: 32 MB in bfloat16, 64 MB in float32."""
_FEW_LOGITS = 1 << 20
"""Below this number of logits, chunks cost more than holding all of them."""


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
            tied: returns the input embedding's matrix (V, E), to be used as the weights (Press & Wolf 2017; Inan et al. 2017).
            num_sampled: in training, take the softmax over about that many tokens (see `draw_candidates`); by default over all.
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
            targets: int64 (N,), with `IGNORE` for rows without a target.
        """
        hidden, weight = self._projected(hidden), self._matrix()
        if not self.training or self.num_sampled is None or self.num_sampled >= len(weight):
            return linear_cross_entropy(hidden, weight, self.bias, targets)
        ids, offset, places = draw_candidates(targets, len(weight), self.num_sampled)
        return linear_cross_entropy(hidden, functional.embedding(ids, weight), self.bias[ids] + offset, places)

    def log_probs(self, hidden: Tensor) -> Tensor:
        """Return the log-probabilities, (N, V), of hidden states (N, D)."""
        return self.scorer()(hidden)

    def scorer(self) -> Callable[[Tensor], Tensor]:
        """Return `log_probs` as a function bound to the current weights; cheaper when called repeatedly."""
        weight, bias, projection = self._matrix(), self.bias, self.projection

        def score(hidden: Tensor) -> Tensor:
            rows = hidden if projection is None else projection(hidden)
            return torch.log_softmax(functional.linear(rows, weight, bias), 1, dtype=torch.float32)

        return score


class AdaptiveSoftmax(nn.Module):
    """Frequent tokens have a logit each; rare ones share the logit of a cluster and have fewer dimensions (Grave et al. 2017)."""

    def __init__(self, hidden_size: int, vocabulary_size: int, cutoffs: Sequence[int], div_value: float = 4.0) -> None:
        """Make the layer.

        Args:
            hidden_size: D.
            vocabulary_size: V; ids must be sorted by descending frequency, as those of a `Vocabulary` are.
            cutoffs: the first id of each cluster, ascending, below V.
            div_value: each cluster has fewer dimensions than the one before by this factor.

        Raises:
            ConfigError: the cutoffs are not ascending between 1 and V - 1, or too many for the hidden size.
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
        """Return a zero that depends on the clusters without a target: distributed training expects a gradient for each parameter."""
        bounds = itertools.pairwise(self._softmax.cutoffs)
        tails = [
            tail for (low, high), tail in zip(bounds, self._softmax.tail, strict=True) if not ((targets >= low) & (targets < high)).any()
        ]
        return sum(0 * parameter.sum() for tail in tails for parameter in tail.parameters())

    def log_probs(self, hidden: Tensor) -> Tensor:
        """Return the log-probabilities, (N, V), of hidden states (N, D)."""
        return self._softmax.log_prob(hidden).float()

    def scorer(self) -> Callable[[Tensor], Tensor]:
        """Return `log_probs`; see `FullSoftmax`."""
        return self.log_probs


def draw_candidates(targets: Tensor, vocabulary_size: int, num_sampled: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw the candidates that the softmax of a batch is taken over (sampled softmax; Bengio & Senécal 2008, Jean et al. 2015).

    They always include the targets of the batch and the num_sampled / 2 most frequent tokens; another num_sampled / 2 are drawn uniformly
    from the R remaining tokens. A drawn token represents R / (num_sampled / 2) tokens: the logarithm of that is added to its logit, so that
    the sum of exponentials over the candidates has the sum over all tokens as its expectation.

    Args:
        targets: int64 (N,), with `IGNORE` for rows without a target.
        vocabulary_size: V; ids must be sorted by descending frequency, as those of a `Vocabulary` are.
        num_sampled: the number of candidates besides the targets.

    Returns:
        The candidates' ids, int64 (C,), C at most `num_sampled` plus the number of distinct targets; the offsets to add to their logits,
        (C,); and the targets as indices into the candidates, (N,).
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
    """Sum the cross-entropies of softmax(hidden weight^T + bias) without ever holding all logits.

    torch computes the gradients with the loss, chunk by chunk, so there can be only one backward pass; a second raises RuntimeError.
    Under autocast to bfloat16 everything is in bfloat16, also the loss, which is then off by at most 0.2 %. Under autocast to float16
    everything is in float32: a gradient that is computed before the scaler multiplies it could underflow.

    Args:
        hidden: (N, D).
        weight: (V, D).
        bias: (V,).
        targets: int64 (N,), with `IGNORE` for rows without a target.

    Returns:
        float32 (), in nats; float64 if the weights are.
    """
    if len(hidden) * len(weight) < _FEW_LOGITS:
        logits = functional.linear(hidden, weight, bias).to(weight.dtype)
        return functional.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum")
    device = hidden.device.type
    mixed = torch.is_grad_enabled() and torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.bfloat16
    dtype = torch.bfloat16 if mixed else weight.dtype
    options = LinearCrossEntropyOptions(batch_chunk_size=max(1, _CHUNK_LOGITS // len(weight)), acc_policy="compact")
    loss = functional.linear_cross_entropy(
        hidden.to(dtype),
        weight.to(dtype),
        targets,
        linear_bias=bias.to(dtype),
        reduction="sum",
        ignore_index=IGNORE,
        options=options,
    )
    return loss.to(weight.dtype)
