"""The protocol between models and whatever decodes them: tokens and a state in, log-probabilities and the next state out."""

from collections.abc import Callable
from typing import NamedTuple

import torch

State = tuple[torch.Tensor, ...]
"""What a model remembers of the tokens so far: tensors (N, ...) with the row first, so that a beam reorders with one index_select."""


class Step(NamedTuple):
    """What a model says after one more token in each of N rows.

    Attributes:
        log_probs: float32 (N, V), natural logarithms of the chances of the next token; each row's chances sum to 1.
        state: the tensors (N, ...) to hand over with the next token.
        attention: float (N, S), how the step looked at S source tokens, or None where the model has no source.
    """

    log_probs: torch.Tensor
    state: State
    attention: torch.Tensor | None = None


StepFunction = Callable[[torch.Tensor, State], Step]
"""Take the last token of each row, int64 (N,), and the state before it; returns a `Step`. To be called without gradients."""
