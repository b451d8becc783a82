"""Skip-gram with negative sampling (Mikolov et al. 2013), as textbooks write it: two embeddings, a product, a cross-entropy.

A word, the centre, predicts the words around it, its contexts: the inner product of its row and a context's row is to be high, with that of
a word drawn at random, a negative, low. The kernels of `lexloom.vectors` do the same by hand, much faster; this is their reference.
"""

from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from lexloom.models.base import Model, Outcome, State
from lexloom.nn.embedding import Embedding
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary


class SkipGram(Model):
    """Scores words as contexts of a centre.

    Attributes:
        centres: a row for each word as a centre, (V, E); these become its vectors.
        contexts: a row for each word as a context or a negative, (V, E).
    """

    kind: ClassVar[str] = "skipgram"

    def __init__(self, dim: int, vocabulary: Vocabulary, tokenizer: TextTokenizer, *, generator: torch.Generator | None = None) -> None:
        """Make an untrained model.

        Args:
            dim: E, the length of a row.
            vocabulary: V tokens.
            tokenizer: how text is split.
            generator: where the first rows come from; torch's own state unless given.
        """
        super().__init__(vocabulary, tokenizer)
        size = len(vocabulary), dim
        first, second = (nn.init.xavier_uniform_(torch.empty(size), generator=generator) for _ in range(2))  # Glorot & Bengio 2010
        self.centres, self.contexts = Embedding(*size, weight=first), Embedding(*size, weight=second)

    def forward(self, centres: Tensor, contexts: Tensor) -> Tensor:
        """Give the logits of words being contexts.

        Args:
            centres: int64 (B, 1).
            contexts: int64 (B, C), words to be scored, for each centre its own.

        Returns:
            The inner products, (B, C).
        """
        rows = self.contexts(contexts)  # (B, C, E)
        columns = self.centres(centres).transpose(1, 2)  # (B, E, 1)
        return torch.bmm(rows, columns).squeeze(2)

    def measure(self, batch: Any, state: State | None = None) -> Outcome:
        """Score a batch of centres.

        Args:
            batch: `centres`, int64 (B, 1); `contexts`, int64 (B, C); `labels`, float32 (B, C), 1 for a context and 0 for a negative;
                `keep`, bool (B, C), False for padding.
            state: not used.

        Returns:
            The objective: the sum of the centres' losses, so that the step of a row does not depend on how many other words share its
            batch. The sum `loss`: the same.
        """
        losses = masked_binary_cross_entropy(self(batch.centres, batch.contexts), batch.labels, batch.keep)
        total = losses.sum()
        return Outcome(total, {"loss": (total.detach(), len(losses))})

    def options(self) -> dict[str, Any]:
        """Give the configuration in JSON values."""
        return {"dim": self.centres.embedding_dim}

    @classmethod
    def build(cls, options: dict[str, Any], vocabulary: Vocabulary, tokenizer: TextTokenizer) -> Self:
        """Make an untrained network from saved options."""
        return cls(options["dim"], vocabulary, tokenizer)

    def weights(self) -> dict[str, Tensor]:
        """Give both embeddings."""
        return dict(self.state_dict())


def masked_binary_cross_entropy(predictions: Tensor, labels: Tensor, keep: Tensor) -> Tensor:
    """Give the loss of each row: the mean over its real places, so that a short row weighs as much as a long one.

    Args:
        predictions: logits (B, C).
        labels: (B, C), 1 or 0.
        keep: (B, C), False (or 0) for padding, which counts for nothing; a row of padding alone has the loss 0.

    Returns:
        Nats, (B,).
    """
    labels, weight = labels.to(predictions.dtype), keep.to(predictions.dtype)
    losses = binary_cross_entropy_with_logits(predictions, labels, weight=weight, reduction="none")
    return losses.sum(dim=1) / keep.sum(dim=1).clamp(min=1)
