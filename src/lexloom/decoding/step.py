"""The protocol between models and decoders: tokens and a state in, log-probabilities and the next state out."""

from collections.abc import Callable
from typing import NamedTuple

import torch

State = tuple[torch.Tensor, ...]
"""What a model remembers of the tokens so far: tensors (N, ...), row first, so that a beam is reordered with one index_select."""


class Step(NamedTuple):
    """The output of a model after one more token in each of N rows.

    Attributes:
        log_probs: float32 (N, V), natural logarithms of the probabilities of the next token, which sum to 1 in each row.
        state: the tensors (N, ...) to pass in with the next token.
        attention: float (N, S), weights of the S source tokens, or None if the model has no source.
    """

    log_probs: torch.Tensor
    state: State
    attention: torch.Tensor | None = None


StepFunction = Callable[[torch.Tensor, State], Step]
"""A function of the last token of each row, int64 (N,), and the state before it. Call it without gradients."""
