"""The network of the average, cnn and rnn classifiers: an embedding, an encoder, an output layer."""

import dataclasses
from collections.abc import Callable, Generator, Iterator
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from lexloom.model_folder import Saved
from lexloom.models.classifier.answers import Explanation
from lexloom.models.classifier.encoders import AverageEncoder, make_encoder
from lexloom.models.classifier.labels import LabelSet
from lexloom.models.classifier.options import ClassifierOptions
from lexloom.nn.embedding import Embedding, OneHot, make_embedding
from lexloom.options import restore
from lexloom.text.batches import LengthBuckets
from lexloom.text.blocks import Block
from lexloom.text.documents import Documents, encode_blocks, encode_text, starts_of
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary
from lexloom.training.model import Model
from lexloom.training.trainable import Outcome, State
from lexloom.vectors.matching import Coverage

_EMBEDDING_DIM = 100
_BATCH_SIZE, _BATCH_TOKENS = 256, 50_000  # of prediction


class DocumentBatch(NamedTuple):
    """Documents as tensors.

    Attributes:
        ids: int64 (B, T).
        keep: bool (B, T), False for padding.
        targets: int64 (B,); or float32 (B, C) if a document may have several labels, 1 for those that it has.
    """

    ids: Tensor
    keep: Tensor
    targets: Tensor


class Classifier(Model):
    """Assigns a label, or several, to a document.

    Attributes:
        config: all options, with the defaults that depend on other options filled in.
        labels: C labels.
        embedding: ids (B, T) to (B, T, E).
        encoder: (B, T, E) to (B, F).
        output: (B, F) to logits (B, C).
        thresholds: float32 (C,), the probability from which each label is given; used if a document may have several labels.
        coverage: how much of the vocabulary the pre-trained vectors cover; None without vectors.
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
            options: all options.
            labels: C labels.
            vocabulary: V tokens, with the special tokens pad and unk.
            tokenizer: how text is split.
            class_weights: float (C,), the weight of each label in the training loss. Default: 1.
            generator: of the embedding's random numbers; the others come from torch's global generator.
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
        self.encoder = make_encoder(config, dim, options.recurrent)
        self.input_dropout, self.dropout = nn.Dropout(config.chosen_input_dropout), nn.Dropout(config.dropout)
        self.output = nn.Linear(self.encoder.output_size, len(labels))
        self.thresholds = np.full(len(labels), 0.5 if config.threshold is None else config.threshold, np.float32)
        weights = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32)
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", weights, persistent=False)
        embedding = dataclasses.replace(options.embedding, embedding_dim=dim)
        self.config = dataclasses.replace(
            options,
            model=dataclasses.replace(
                config, pooling=config.chosen_pooling, input_dropout=config.chosen_input_dropout, multi_label=labels.multi_label
            ),
            embedding=embedding,
        )

    def forward(self, ids: Tensor, keep: Tensor) -> Tensor:
        """Return the logits (B, C) of documents.

        Args:
            ids: int64 (B, T).
            keep: bool (B, T), True for the tokens of a document, which come before the padding; a document may be empty.
        """
        return self.forward_rows(self.embedding(ids), keep)

    def forward_rows(self, rows: Tensor, keep: Tensor) -> Tensor:
        """Return the logits (B, C) of documents given as word vectors (B, T, E)."""
        logits: Tensor = self.output(self.dropout(self.encoder(self.input_dropout(rows), keep)))
        return logits

    def probabilities(self, ids: Tensor, keep: Tensor) -> Tensor:
        """Return the probability of each label, (B, C). With several labels per document they do not sum to 1."""
        return self._normalise(self(ids, keep))

    def _normalise(self, logits: Tensor) -> Tensor:
        """Turn logits (B, C) into probabilities."""
        logits = logits.float()
        return logits.sigmoid() if self.labels.multi_label else logits.softmax(1)

    def predict_blocks(self, blocks: Generator[Block]) -> Iterator[np.ndarray]:
        """Yield the probabilities of documents, float32 (n, C), in their order, a few megabytes of text at a time. Needs evaluation mode.

        Raises:
            InputError: the documents cannot be read.
        """
        yield from map(self.predictor(), encode_blocks(blocks, self.tokenizer, self.vocabulary))

    def predictor(self) -> Callable[[Documents], np.ndarray]:
        """Return a function from n documents to probabilities, float32 (n, C). It holds the current weights; needs evaluation mode."""
        logits_of: Callable[[Documents], Tensor] = self._logits_in_batches
        if isinstance(self.encoder, AverageEncoder) and isinstance(self.embedding, Embedding):
            with torch.no_grad():
                logits_of = self.encoder.tabulate(self.embedding.matrix, self.output)

        def predict(documents: Documents) -> np.ndarray:
            with torch.no_grad():
                return self._normalise(logits_of(documents.truncated(self.config.model.max_tokens))).numpy()

        return predict

    def explain(self, text: str, label: str | None = None) -> Explanation:
        """Explain by the words of a document why it gets a label. Needs evaluation mode.

        Args:
            text: the document.
            label: the label to explain. Default: the most probable one.

        Raises:
            ConfigError: there is no such label.
        """
        tokens, encoded = encode_text(text, self.tokenizer, self.vocabulary)
        device = self.output.weight.device
        document = Documents(encoded, starts_of(np.array([len(encoded)])))
        ids, lengths = (torch.from_numpy(part).to(device) for part in document.rows(np.arange(1), self.config.model.max_tokens))
        with torch.no_grad():
            rows = self.embedding(ids)
        rows.requires_grad_()
        logits = self.forward_rows(rows, torch.arange(ids.shape[1], device=device) < lengths[:, None])
        chosen = int(logits.argmax()) if label is None else self.labels.id_of(label)
        others = logits.masked_fill(torch.arange(len(self.labels), device=device) == chosen, -torch.inf)
        odds = logits[0, chosen] - (0 if self.labels.multi_label else others.logsumexp(1)[0])
        (gradient,) = torch.autograd.grad(odds, rows)
        scores = (gradient * rows).sum(2)[0, : int(lengths)].tolist()
        probability = float(self._normalise(logits.detach())[0, chosen])
        return Explanation(self.labels.names[chosen], probability, tokens[: len(scores)], scores)

    def _logits_in_batches(self, documents: Documents) -> Tensor:
        """Return the logits (n, C) of documents, computed in batches of similar length."""
        device = self.output.weight.device
        logits = torch.empty(len(documents), len(self.labels))
        buckets = LengthBuckets(documents.lengths, _BATCH_SIZE, _BATCH_TOKENS, 0)
        for chosen in buckets.sorted(np.arange(len(documents))):
            ids, lengths = documents.rows(chosen)
            keep = np.arange(ids.shape[1]) < lengths[:, None]
            found = self(torch.from_numpy(ids).to(device), torch.from_numpy(keep).to(device))
            logits[torch.from_numpy(chosen)] = found.float().cpu()
        return logits

    def measure(self, batch: Any, state: State | None = None) -> Outcome:
        """Measure the loss and the accuracy of documents.

        Args:
            batch: a `DocumentBatch`. The target `UNKNOWN` is no class; its loss is that of the least probable label.
            state: not used.

        Returns:
            The loss is the negative log-likelihood in nats, in training with class weights and label smoothing. The metric `loss` is
            without them; the metric `accuracy` counts documents whose labels are all right.
        """
        logits, targets = self(batch.ids, batch.keep).float(), batch.targets
        losses, right = _losses(logits, targets, 0.0), self._right(logits.detach(), targets)
        sums = {"loss": (losses.detach().sum(), len(logits)), "accuracy": (right.sum(), len(logits))}
        if self.training and (self.config.model.label_smoothing or self.class_weights is not None):
            losses = _losses(logits, targets, self.config.model.label_smoothing, self.class_weights)
        return Outcome(losses.sum(), len(logits), sums)

    def _right(self, logits: Tensor, targets: Tensor) -> Tensor:
        if not self.labels.multi_label:
            return logits.argmax(1) == targets
        given = logits.sigmoid() >= torch.from_numpy(self.thresholds).to(logits.device)
        return (given == targets.bool()).all(1)

    def extra(self) -> dict[str, Any]:
        """Return the labels."""
        labels = {"names": list(self.labels.names), "multi_label": self.labels.multi_label, "thresholds": self.thresholds.tolist()}
        return {"labels": labels}

    @classmethod
    def build(cls, saved: Saved) -> Self:
        """Make the network of a model folder."""
        options, labels = restore(ClassifierOptions, saved.options), saved.options["labels"]
        options = dataclasses.replace(options, embedding=options.embedding.settled())
        model = cls(options, LabelSet(tuple(labels["names"]), labels["multi_label"]), saved.vocabulary, saved.tokenizer)
        model.thresholds = np.array(labels["thresholds"], np.float32)
        return model


def _losses(logits: Tensor, targets: Tensor, smoothing: float, weights: Tensor | None = None) -> Tensor:
    """The loss of each document in nats, (B,); with several labels per document the sum over the labels."""
    if targets.ndim == 1:
        known = targets.clamp(min=0)
        losses = cross_entropy(logits, known, weight=weights, label_smoothing=smoothing, reduction="none")
        return torch.where(targets < 0, -logits.log_softmax(1).amin(1), losses)
    smoothed = targets * (1 - smoothing) + 0.5 * smoothing
    return binary_cross_entropy_with_logits(logits, smoothed, pos_weight=weights, reduction="none").sum(1)
