"""A linear classifier: rows of words and hashed n-grams, an output layer, and the features of a text."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from lexloom.compiled.memory import allocate, padded
from lexloom.compiled.threads import available_cores
from lexloom.model_folder import Saved, write_folder
from lexloom.models.classifier.answers import Explanation
from lexloom.models.classifier.labels import LabelSet
from lexloom.models.classifier.linear.features import (
    Features,
    Types,
    features_of,
    known_features,
    locate_features,
    types_of,
    types_of_vocabulary,
    with_others,
)
from lexloom.models.classifier.linear.hashing import UNKNOWN
from lexloom.models.classifier.linear.kernel import predict_kernel, work_for
from lexloom.models.classifier.options import LinearConfig
from lexloom.text.blocks import Block
from lexloom.text.documents import Documents, encode_text, encode_types
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary

_JOB = 4096  # documents per job of a thread


class LinearClassifier:
    """Assigns a label, or several, to a document.

    Attributes:
        config: which features there are.
        labels: C labels.
        vocabulary: V tokens, each with a row.
        tokenizer: how text is split.
        buckets: uint32 (b,), the buckets that have a row, in the order of their rows, which follow those of the words.
        dim: E.
        rows: float32 (V + b, E padded), of words and buckets; zero beyond E.
        output: float32 (E padded, C padded), the output layer; zero beyond E and C.
        priors: float32 (C,), the share of each label in training: the answer for a document without any row.
        thresholds: float32 (C,), the probability from which each label is given; used if a document may have several labels.
        max_tokens: read at most this many tokens of a document; None for all.
        threads: of prediction.
    """

    kind: ClassVar[str] = "linear-classifier"

    def __init__(
        self,
        config: LinearConfig,
        labels: LabelSet,
        vocabulary: Vocabulary,
        tokenizer: TextTokenizer,
        buckets: np.ndarray,
        dim: int,
        *,
        threshold: float | None = None,
        max_tokens: int | None = None,
        threads: int | None = None,
    ) -> None:
        """Make a classifier whose rows and output layer are zero.

        Raises:
            ConfigError: the rows do not fit into the memory.
        """
        self.config, self.labels, self.vocabulary, self.tokenizer = config, labels, vocabulary, tokenizer
        self.buckets, self.dim, self.max_tokens = buckets, dim, max_tokens
        self.rows = allocate(len(vocabulary) + len(buckets), dim)
        self.output = np.zeros((padded(dim), padded(len(labels))), np.float32)
        self.priors = np.full(len(labels), 1 / len(labels), np.float32)
        self.thresholds = np.full(len(labels), 0.5 if threshold is None else threshold, np.float32)
        self.threads = threads or available_cores()

    @property
    def parameters(self) -> int:
        """The number of trained parameters."""
        return (len(self.rows) + len(self.labels)) * self.dim

    def predict_blocks(self, blocks: Generator[Block]) -> Iterator[np.ndarray]:
        """Yield the probabilities of documents, float32 (n, C), in their order, a few megabytes of text at a time.

        Raises:
            InputError: the documents cannot be read.
        """
        types = types_of_vocabulary(self.vocabulary, (), self.config)
        for documents, tokens in encode_types(blocks, self.tokenizer, self.vocabulary):
            types = with_others(types, tokens, self.config)
            yield self.probabilities(self._features(documents, types))

    def predictor(self, others: Sequence[str] = ()) -> Callable[[Documents], np.ndarray]:
        """Return a function from n documents to probabilities, float32 (n, C).

        Args:
            others: out-of-vocabulary tokens, whose ids follow those of the vocabulary.
        """
        types = types_of_vocabulary(self.vocabulary, others, self.config)
        return lambda documents: self.probabilities(self._features(documents, types))

    def features(self, documents: Documents, others: Sequence[str] = ()) -> Features:
        """Return the features of documents; for `others` see `predictor`."""
        return self._features(documents, types_of_vocabulary(self.vocabulary, others, self.config))

    def _features(self, documents: Documents, types: Types) -> Features:
        found = features_of(documents.truncated(self.max_tokens), types, self.config, len(self.vocabulary))
        return known_features(found, len(self.vocabulary), self._row_of) if self._hashes else found

    @property
    def _hashes(self) -> bool:
        return self.config.word_ngrams > 1 or self.config.max_char_ngram > 0

    @cached_property
    def _row_of(self) -> np.ndarray:
        """The row of each bucket, int32 (buckets,); -1 for none."""
        row_of = np.full(self.config.buckets, -1, np.int32)
        row_of[self.buckets] = np.arange(len(self.buckets), dtype=np.int32)
        return row_of

    def probabilities(self, features: Features) -> np.ndarray:
        """Return the probabilities of n documents, float32 (n, C)."""
        kernel = predict_kernel(self.dim, len(self.labels), self.labels.multi_label)
        flat, output = self.rows.reshape(-1), self.output.reshape(-1)
        number, longest = len(features.lengths), int(np.diff(features.starts).max(initial=0))
        out = np.empty((number, len(self.labels)), np.float32)

        def job(first: int) -> None:
            work = work_for(self.dim, len(self.labels), longest)
            kernel(work, features, first, min(first + _JOB, number), flat, output, out)

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(job, range(0, number, _JOB)))
        out[np.diff(features.starts) == 0] = self.priors  # there is no row and no bias
        return out

    def explain(self, text: str, label: str | None = None) -> Explanation:
        """Explain by the words of a document why it gets a label. The score of an n-gram is divided among its words.

        Args:
            text: the document.
            label: the label to explain. Default: the most probable one.

        Raises:
            ConfigError: there is no such label.
        """
        tokens, _ = encode_text(text, self.tokenizer, self.vocabulary)
        tokens = tokens[: self.max_tokens]
        index = self.vocabulary.index
        own = types_of(tokens, np.array([self._rank(index.get(token)) for token in tokens], np.uint32), self.config)
        document = Documents(np.arange(len(tokens), dtype=np.uint32), np.array([0, len(tokens)]))  # a type per token
        whole = self._features(document, own)
        probabilities = self.probabilities(whole)[0]
        number = int(probabilities.argmax()) if label is None else self.labels.id_of(label)
        direction, row_of = self._direction(whole, number), self._row_of
        scores = np.zeros(len(tokens))
        for first, last, row in locate_features(document.ids, own, self.config, len(self.vocabulary)):
            if row >= len(self.vocabulary):
                row = len(self.vocabulary) + row_of[row - len(self.vocabulary)] if row_of[row - len(self.vocabulary)] >= 0 else -1
            if row >= 0:
                scores[first:last] += float(self.rows[row] @ direction) / int(whole.lengths[0]) / (last - first)
        return Explanation(self.labels.names[number], float(probabilities[number]), tokens, scores.tolist())

    def _rank(self, number: int | None) -> int:
        return int(UNKNOWN) if number is None or number == self.vocabulary.unk_id else number

    def _direction(self, features: Features, number: int) -> np.ndarray:
        """The gradient of the log-odds of a label with respect to the mean of the rows, float (E padded,)."""
        columns = self.output[:, : len(self.labels)]
        if self.labels.multi_label:
            return columns[:, number]
        mean = (self.rows[features.rows] * features.times[:, None]).sum(0) / max(1, int(features.lengths[0]))
        logits = mean @ columns
        logits[number] = -np.inf
        others = np.exp(logits - logits.max())
        direction: np.ndarray = columns[:, number] - columns @ (others / others.sum())
        return direction

    def save(self, folder: Path, facts: Mapping[str, Any]) -> None:
        """Write all that is needed to predict."""
        arrays = {
            "rows": np.ascontiguousarray(self.rows[:, : self.dim]),
            "buckets": self.buckets,
            "output": np.ascontiguousarray(self.output[: self.dim, : len(self.labels)].T),
        }
        labels = {"names": list(self.labels.names), "multi_label": self.labels.multi_label, "thresholds": self.thresholds.tolist()}
        labels["priors"] = self.priors.tolist()
        options = {"linear": asdict(self.config), "labels": labels, "dim": self.dim, "max_tokens": self.max_tokens}
        write_folder(Saved(self.kind, options, arrays, self.vocabulary, self.tokenizer), folder, facts)

    @classmethod
    def load(cls, saved: Saved) -> Self:
        """Make the classifier that a folder holds."""
        options, arrays = saved.options, saved.arrays
        labels = LabelSet(tuple(options["labels"]["names"]), options["labels"]["multi_label"])
        model = cls(
            LinearConfig(**options["linear"]),
            labels,
            saved.vocabulary,
            saved.tokenizer,
            arrays["buckets"],
            options["dim"],
            max_tokens=options["max_tokens"],
        )
        if len(model.buckets) and int(model.buckets.max()) >= model.config.buckets:
            raise ValueError(f"bucket {int(model.buckets.max())} of {model.config.buckets}")
        for name in ("thresholds", "priors"):
            if len(options["labels"][name]) != len(labels):
                raise ValueError(f"{len(options['labels'][name])} {name} for {len(labels)} labels")
        model.rows[:, : model.dim] = arrays["rows"]
        model.output[: model.dim, : len(labels)] = arrays["output"].T
        model.thresholds, model.priors = (np.array(options["labels"][name], np.float32) for name in ("thresholds", "priors"))
        return model
