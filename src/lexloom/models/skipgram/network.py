"""Skip-gram with negative sampling (Mikolov et al. 2013), as textbooks write it: two embeddings, inner products, a cross-entropy.

A centre word predicts the context words around it: the inner product of its row with the row of a context should be high, with that of a
randomly drawn negative low. The kernels of `lexloom.vectors` do the same much faster; this is their reference.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from lexloom.nn.embedding import Embedding
from lexloom.training.trainable import Outcome, State, Trainable


class SkipGram(Trainable):
    """Scores words as contexts of a centre word.

    Attributes:
        centres: a row for each word as a centre, (V, E); these become its vectors.
        contexts: a row for each word as a context or a negative, (V, E).
    """

    unit: ClassVar[str] = "tokens"

    def __init__(self, num_embeddings: int, dim: int, *, generator: torch.Generator | None = None) -> None:
        """Make an untrained model.

        Args:
            num_embeddings: V, the size of the vocabulary.
            dim: E, the length of a row.
            generator: of the first rows. Default: torch's global generator.
        """
        super().__init__()
        size = num_embeddings, dim
        first, second = (nn.init.xavier_uniform_(torch.empty(size), generator=generator) for _ in range(2))  # Glorot & Bengio 2010
        self.centres, self.contexts = Embedding(*size, weight=first), Embedding(*size, weight=second)

    def forward(self, centres: Tensor, contexts: Tensor) -> Tensor:
        """Return the logits of words being contexts.

        Args:
            centres: int64 (B, 1).
            contexts: int64 (B, C), the words to score for each centre.

        Returns:
            The inner products, (B, C).
        """
        rows = self.contexts(contexts)  # (B, C, E)
        columns = self.centres(centres).transpose(1, 2)  # (B, E, 1)
        return torch.bmm(rows, columns).squeeze(2)

    def measure(self, batch: Any, state: State | None = None) -> Outcome:
        """Measure a batch of centre words.

        Args:
            batch: `centres`, int64 (B, 1); `contexts`, int64 (B, C); `labels`, float32 (B, C), 1 for a context and 0 for a negative;
                `keep`, bool (B, C), False for padding.
            state: unused.

        Returns:
            As the loss the sum over the centre words, with a count of 1: the step of a row should not depend on how many other words share
            its batch. As the metric `loss` their mean.
        """
        losses = masked_binary_cross_entropy(self(batch.centres, batch.contexts), batch.labels, batch.keep)
        total = losses.sum()
        return Outcome(total, 1, {"loss": (total.detach(), len(losses))})


def masked_binary_cross_entropy(predictions: Tensor, labels: Tensor, keep: Tensor) -> Tensor:
    """Return the loss of each row: the mean over its places without padding, so that short and long rows weigh the same.

    Args:
        predictions: logits (B, C).
        labels: (B, C), 1 or 0.
        keep: (B, C), False (or 0) for padding. The loss of a row of padding is 0.

    Returns:
        Nats, (B,).
    """
    labels, weight = labels.to(predictions.dtype), keep.to(predictions.dtype)
    losses = binary_cross_entropy_with_logits(predictions, labels, weight=weight, reduction="none")
    return losses.sum(dim=1) / keep.sum(dim=1).clamp(min=1)
