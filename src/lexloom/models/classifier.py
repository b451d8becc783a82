"""Text classifiers: an embedding, an encoder that makes one vector of a document (average, cnn or rnn), and a last layer."""

import dataclasses
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from lexloom.models.base import Model, Outcome, State
from lexloom.models.classifier_config import ClassifierConfig, ClassifierOptions
from lexloom.models.label_set import LabelSet
from lexloom.nn.convolution import ConvolutionBank
from lexloom.nn.embedding import Embedding, OneHot, make_embedding
from lexloom.nn.embedding_config import EmbeddingConfig
from lexloom.nn.pooling import AttentionPool, last_pool, max_pool, mean_pool
from lexloom.nn.pretrained import Coverage
from lexloom.nn.recurrent import Recurrent
from lexloom.nn.recurrent_config import RecurrentConfig
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary

_EMBEDDING_DIM = 100
SPECIALS = ("pad", "unk")


class Classifier(Model):
    """Says which label a document has, or which ones.

    Attributes:
        config: the options, with every default that depends on others filled in.
        labels: C labels.
        embedding: ids (B, T) to (B, T, E).
        encoder: (B, T, E) to (B, F).
        output: (B, F) to logits (B, C).
        thresholds: float32 (C,), from which probability on a document has a label, where it may have several.
        coverage: what the pre-trained vectors knew of the vocabulary; None without.
    """

    kind: ClassVar[str] = "classifier"
    unit: ClassVar[str] = "documents"

    def __init__(
        self,
        options: ClassifierOptions,
        labels: LabelSet,
        vocabulary: Vocabulary,
        tokenizer: TextTokenizer,
        *,
        class_weights: np.ndarray | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """Make an untrained model.

        Args:
            options: its shape.
            labels: what it decides between.
            vocabulary: V tokens with the roles pad and unk.
            tokenizer: how text is split.
            class_weights: float (C,), how much a document of each label weighs in training; alike unless given.
            generator: where the embedding's random numbers come from; all others come from torch's own state.
        """
        super().__init__(vocabulary, tokenizer)
        config = options.model
        self.labels = labels
        generator = generator or torch.Generator().manual_seed(torch.initial_seed() % (1 << 62))
        self.embedding: Embedding | OneHot
        self.coverage: Coverage | None
        self.embedding, self.coverage = make_embedding(
            options.embedding,
            vocabulary,
            embedding_dim=_EMBEDDING_DIM,
            padding_idx=vocabulary.index[vocabulary.specials["pad"]],
            generator=generator,
        )
        dim = self.embedding.embedding_dim
        self.encoder = _make_encoder(config, dim, options.recurrent)
        self.input_dropout, self.dropout = nn.Dropout(config.input_dropout), nn.Dropout(config.dropout)
        self.output = nn.Linear(self.encoder.output_size, len(labels))
        self.thresholds = np.full(len(labels), 0.5 if config.threshold is None else config.threshold, np.float32)
        weights = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32)
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", weights, persistent=False)
        embedding = dataclasses.replace(options.embedding, embedding_dim=dim)
        self.config = dataclasses.replace(
            options, model=dataclasses.replace(config, pooling=config.chosen_pooling, multi_label=labels.several), embedding=embedding
        )

    def forward(self, ids: Tensor, keep: Tensor) -> Tensor:
        """Judge documents.

        Args:
            ids: int64 (B, T).
            keep: bool (B, T), True for the tokens of a document, which come first in a row; there may be none.

        Returns:
            Logits (B, C).
        """
        return self.judge(self.embedding(ids), keep)

    def judge(self, rows: Tensor, keep: Tensor) -> Tensor:
        """Judge documents whose words are vectors already, (B, T, E)."""
        logits: Tensor = self.output(self.dropout(self.encoder(self.input_dropout(rows), keep)))
        return logits

    def probabilities(self, ids: Tensor, keep: Tensor) -> Tensor:
        """Give the probability of each label, (B, C); over several labels of a document they do not sum to 1."""
        logits = self(ids, keep).float()
        return logits.sigmoid() if self.labels.several else logits.softmax(1)

    def measure(self, batch: Any, state: State | None = None) -> Outcome:
        """Score the labels of documents.

        Args:
            batch: `ids`, int64 (B, T); `keep`, bool (B, T); and `targets`: int64 (B,), or where a document may have several labels
                float32 (B, C), 1 for those that it has. `UNKNOWN` is no class and costs what the least likely one does.
            state: not used.

        Returns:
            The objective: the mean negative log-likelihood of the documents in nats, weighted and smoothed. The sums `loss`: the same
            without weights and smoothing, and `accuracy`: documents whose labels are all right.
        """
        logits, targets = self(batch.ids, batch.keep).float(), batch.targets
        losses, right = _losses(logits, targets, 0.0), self._right(logits.detach(), targets)
        objective = losses
        if self.training and (self.config.model.label_smoothing or self.class_weights is not None):
            objective = _losses(logits, targets, self.config.model.label_smoothing, self.class_weights)
        sums = {"loss": (losses.detach().sum(), len(logits)), "accuracy": (right.sum(), len(logits))}
        return Outcome(objective.mean(), sums)

    def _right(self, logits: Tensor, targets: Tensor) -> Tensor:
        if not self.labels.several:
            return logits.argmax(1) == targets
        given = logits.sigmoid() >= torch.from_numpy(self.thresholds).to(logits.device)
        return (given == targets.bool()).all(1)

    def embedding_matrix(self) -> Tensor:
        """Give the embedding's rows (V, E); one-hot input has none."""
        return cast(Embedding, self.embedding).matrix

    def start_epoch(self, number: int) -> None:
        """Let frozen embedding rows go where their time has come."""
        self.embedding.start_epoch(number)

    def options(self) -> dict[str, Any]:
        """Give the configuration in JSON values."""
        labels = {"names": list(self.labels.names), "several": self.labels.several, "thresholds": self.thresholds.tolist()}
        return dataclasses.asdict(self.config) | {"labels": labels}

    @classmethod
    def build(cls, options: dict[str, Any], vocabulary: Vocabulary, tokenizer: TextTokenizer) -> Self:
        """Make an untrained network for saved weights."""
        config = ClassifierConfig(**{**options["model"], "widths": tuple(options["model"]["widths"])})
        embedding = EmbeddingConfig(**options["embedding"]).for_saved_rows()
        labels = options["labels"]
        parts = ClassifierOptions(config, embedding, RecurrentConfig(**options["recurrent"]))
        model = cls(parts, LabelSet(tuple(labels["names"]), labels["several"]), vocabulary, tokenizer)
        model.thresholds = np.array(labels["thresholds"], np.float32)
        return model

    def weights(self) -> dict[str, Tensor]:
        """Give the tensors that predict: frozen embedding rows in their places."""
        return self.embedding.settled(self.state_dict(), "embedding.")


def _losses(logits: Tensor, targets: Tensor, smoothing: float, weights: Tensor | None = None) -> Tensor:
    """The loss of each document, in nats, (B,); with several labels the sum over all of them."""
    if targets.ndim == 1:
        known = targets.clamp(min=0)
        losses = cross_entropy(logits, known, weight=weights, label_smoothing=smoothing, reduction="none")
        return torch.where(targets < 0, -logits.log_softmax(1).amin(1), losses)
    smoothed = targets * (1 - smoothing) + 0.5 * smoothing
    return binary_cross_entropy_with_logits(logits, smoothed, pos_weight=weights, reduction="none").sum(1)


# ---- encoders ----------------------------------------------------------------------------------------------------------------------


class Average(nn.Module):
    """The average of the words' vectors, a mean with learnt weights, or the largest number of each feature."""

    def __init__(self, input_size: int, pooling: str) -> None:
        super().__init__()
        self.output_size = input_size
        self.pool = AttentionPool(input_size) if pooling == "weighted" else {"mean": mean_pool, "max": max_pool}[pooling]

    def forward(self, rows: Tensor, keep: Tensor) -> Tensor:
        """Encode (B, T, E) as (B, E)."""
        pooled: Tensor = self.pool(rows, keep)
        return pooled


class Reader(nn.Module):
    """Recurrent layers over the words, and what they say of the whole document."""

    def __init__(self, input_size: int, pooling: str, config: RecurrentConfig, *, bidirectional: bool) -> None:
        super().__init__()
        self.recurrent = Recurrent(input_size, config, bidirectional=bidirectional)
        self.output_size, self._last = self.recurrent.output_size, pooling == "last"
        self.pool = (
            AttentionPool(self.output_size, self.output_size) if pooling == "attention" else {"mean": mean_pool, "max": max_pool, "last": last_pool}[pooling]
        )

    def forward(self, rows: Tensor, keep: Tensor) -> Tensor:
        """Encode (B, T, E) as (B, D) or (B, 2D)."""
        outputs = self.recurrent.read(rows, keep)
        pooled: Tensor = self.pool(outputs, keep)
        if self._last and self.recurrent.directions == 2:  # the way back ends at the first word
            half = self.output_size // 2
            return torch.cat([pooled[:, :half], outputs[:, 0, half:] * keep[:, :1]], 1)
        return pooled


def _make_encoder(config: ClassifierConfig, input_size: int, recurrent: RecurrentConfig) -> Any:
    if config.encoder == "cnn":
        return ConvolutionBank(input_size, config.widths, config.filters)
    if config.encoder == "rnn":
        return Reader(input_size, config.chosen_pooling, recurrent, bidirectional=config.bidirectional)
    return Average(input_size, config.chosen_pooling)
