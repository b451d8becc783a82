"""Text classifiers: an embedding, an encoder that makes one vector of a document (average, cnn or rnn), and a last layer."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, embedding_bag

from lexloom.models.base import Model, Outcome, State
from lexloom.models.classification import Explanation
from lexloom.models.classifier_config import ClassifierConfig, ClassifierOptions, LinearConfig
from lexloom.models.label_set import LabelSet
from lexloom.nn.convolution import ConvolutionBank
from lexloom.nn.embedding import Embedding, OneHot, make_embedding
from lexloom.nn.embedding_config import saved_embedding
from lexloom.nn.pooling import AttentionPool, last_pool, max_pool, mean_pool
from lexloom.nn.pretrained import Coverage
from lexloom.nn.recurrent import Recurrent
from lexloom.nn.recurrent_config import RecurrentConfig
from lexloom.text.documents import Documents, LengthBuckets, encode_blocks, encode_text
from lexloom.text.ragged import starts_of
from lexloom.text.readers import Corpus
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary

_EMBEDDING_DIM = 100
_TOGETHER, _TOKENS_TOGETHER = 256, 50_000  # documents, and tokens of them, that are judged at once
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
                config, pooling=config.chosen_pooling, input_dropout=config.chosen_input_dropout, multi_label=labels.several
            ),
            embedding=embedding,
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
        return self.likelihoods(self(ids, keep))

    def likelihoods(self, logits: Tensor) -> Tensor:
        """Make probabilities of logits (B, C)."""
        logits = logits.float()
        return logits.sigmoid() if self.labels.several else logits.softmax(1)

    def predict_corpus(self, corpus: Corpus) -> Iterator[np.ndarray]:
        """Give the probabilities of documents, float32 (n, C), a few megabytes of text at a time, in their order; for evaluation mode.

        Raises:
            InputError: the corpus cannot be read.
        """
        yield from map(self.predictor(), encode_blocks(corpus, self.tokenizer, self.vocabulary))

    def predictor(self) -> Callable[[Documents], np.ndarray]:
        """Give what takes n documents to probabilities, float32 (n, C); for evaluation mode. It keeps the weights as they are now."""
        judge: Callable[[Documents], Tensor] = self._judge_rows
        if isinstance(self.encoder, Average) and isinstance(self.embedding, Embedding):
            with torch.no_grad():
                judge = self.encoder.over_vocabulary(self.embedding.matrix, self.output)
        if isinstance(self.encoder, ConvolutionBank) and self.output.weight.device.type == "cpu":
            judge = self._judge_responses

        def predict(documents: Documents) -> np.ndarray:
            with torch.no_grad():
                return self.likelihoods(judge(documents.truncated(self.config.model.max_tokens))).numpy()

        return predict

    def explain(self, text: str, label: str | None = None) -> Explanation:
        """Say which words of a document speak for a label; for evaluation mode.

        Args:
            text: the document.
            label: which; the likeliest unless given.

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
        logits = self.judge(rows, torch.arange(ids.shape[1], device=device) < lengths[:, None])
        number = int(logits.argmax()) if label is None else self.labels.number_of(label)
        others = logits.masked_fill(torch.arange(len(self.labels), device=device) == number, -torch.inf)
        odds = logits[0, number] - (0 if self.labels.several else others.logsumexp(1)[0])
        (gradient,) = torch.autograd.grad(odds, rows)
        scores = (gradient * rows).sum(2)[0, : int(lengths)].tolist()
        return Explanation(self.labels.names[number], float(self.likelihoods(logits.detach())[0, number]), tokens[: len(scores)], scores)

    def _judge_responses(self, documents: Documents) -> Tensor:
        """Give the logits of documents by filters that are looked up; see `fused_convolution`."""
        from lexloom.nn.fused_convolution import largest_responses

        bank: ConvolutionBank = self.encoder
        weight, bias = bank.taps()

        def contribute(ids: np.ndarray) -> np.ndarray:
            rows = self.embedding(torch.from_numpy(ids.astype(np.int64)))
            products: np.ndarray = (rows @ weight).view(len(ids), sum(bank.widths), bank.filters).numpy()
            return products

        found = largest_responses(
            documents.ids, documents.starts, contribute, bias.numpy(), bank.widths, bank.filters, torch.get_num_threads()
        )
        logits: Tensor = self.output(torch.from_numpy(found))
        return logits

    def _judge_rows(self, documents: Documents) -> Tensor:
        """Give the logits of documents, those of like length together."""
        device = self.output.weight.device
        logits = torch.empty(len(documents), len(self.labels))
        buckets = LengthBuckets(documents.lengths, _TOGETHER, _TOKENS_TOGETHER, 0)
        for chosen in buckets.sorted(np.arange(len(documents))):
            ids, lengths = documents.rows(chosen)
            keep = np.arange(ids.shape[1]) < lengths[:, None]
            found = self(torch.from_numpy(ids).to(device), torch.from_numpy(keep).to(device))
            logits[torch.from_numpy(chosen)] = found.float().cpu()
        return logits

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
        embedding = saved_embedding(options["embedding"])
        labels = options["labels"]
        parts = ClassifierOptions(config, embedding, RecurrentConfig(**options["recurrent"]), LinearConfig(**options["linear"]))
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

    def over_vocabulary(self, rows: Tensor, output: nn.Linear) -> Callable[[Documents], Tensor]:
        """Give what takes documents to logits without a vector a word.

        A mean and the last layer are linear: the last layer goes over the vocabulary once, and a document is a sum of C numbers a word.

        Args:
            rows: (V, E), of the vocabulary.
            output: from (E) to (C).
        """
        rows = rows.cpu()
        weight, bias = output.weight.cpu(), output.bias.cpu()

        shares = torch.ones(len(rows), 1)  # of a word in its document, before they are divided by their sum
        if isinstance(self.pool, AttentionPool):
            scores = self.pool.score.cpu()(rows)
            shares = (scores - scores.max()).clamp(min=-60).exp()
        table = rows if self.pool is max_pool else torch.cat([shares * (rows @ weight.T), shares], 1)  # (V, E) or (V, C + 1)

        def judge(documents: Documents) -> Tensor:
            ids, starts = torch.from_numpy(documents.ids.astype(np.int64)), torch.from_numpy(documents.starts[:-1])
            if self.pool is max_pool:
                return embedding_bag(ids, table, starts, mode="max") @ weight.T + bias
            sums = embedding_bag(ids, table, starts, mode="sum")
            return sums[:, :-1] / sums[:, -1:].clamp(min=1e-30) + bias

        return judge


class Reader(nn.Module):
    """Recurrent layers over the words, and what they say of the whole document."""

    def __init__(self, input_size: int, pooling: str, config: RecurrentConfig, *, bidirectional: bool) -> None:
        super().__init__()
        self.recurrent = Recurrent(input_size, config, bidirectional=bidirectional)
        self.output_size, self._last = self.recurrent.output_size, pooling == "last"
        self.pool = (
            AttentionPool(self.output_size, self.output_size)
            if pooling == "attention"
            else {"mean": mean_pool, "max": max_pool, "last": last_pool}[pooling]
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
