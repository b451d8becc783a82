"""A trained linear classifier: rows, a last layer, and what turns text into rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from lexloom.models.classification import Explanation
from lexloom.models.classifier_config import LinearConfig
from lexloom.models.folder import Saved, write_folder
from lexloom.models.label_set import LabelSet
from lexloom.models.linear.features import (
    Features,
    Types,
    features_of,
    known_features,
    locate_features,
    types_of,
    types_of_vocabulary,
    with_others,
)
from lexloom.models.linear.hashing import UNKNOWN
from lexloom.models.linear.kernel import judge_kernel, work_for
from lexloom.text.documents import Documents, encode_text, encode_types
from lexloom.text.readers import Corpus
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary
from lexloom.vectors.config import available_cores
from lexloom.vectors.kernels import padded
from lexloom.vectors.loop import allocate

_JOB = 4096  # documents that a thread judges at a time


class LinearClassifier:
    """Says which label a document has, or which ones.

    Attributes:
        config: which features there are.
        labels: C labels.
        vocabulary: V tokens, each with a row.
        tokenizer: how text is split.
        buckets: uint32 (b,), the buckets that have a row, in the order of their rows, which come after those of the words.
        dim: E.
        rows: float32 (V + b, E padded), of words and buckets; zero beyond E.
        output: float32 (E padded, C padded), the last layer; zero beyond E and C.
        priors: float32 (C,), the share of each label in training: what is answered of a document that has no row.
        thresholds: float32 (C,), from which probability on a document has a label, where it may have several.
        max_tokens: how many tokens of a document are read at most; all where None.
        threads: that predict.
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
        """Make a classifier whose rows and last layer are zero.

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
        """How many numbers were learnt."""
        return (len(self.rows) + len(self.labels)) * self.dim

    def predict_corpus(self, corpus: Corpus) -> Iterator[np.ndarray]:
        """Give the probabilities of documents, float32 (n, C), a few megabytes of text at a time, in their order.

        Raises:
            InputError: the corpus cannot be read.
        """
        types = types_of_vocabulary(self.vocabulary, (), self.config)
        for documents, tokens in encode_types(corpus, self.tokenizer, self.vocabulary):
            types = with_others(types, tokens, self.config)
            yield self.judge(self._features(documents, types))

    def predictor(self, others: Sequence[str] = ()) -> Callable[[Documents], np.ndarray]:
        """Give what takes n documents to probabilities, float32 (n, C); their ids are the vocabulary's, and then those of others."""
        types = types_of_vocabulary(self.vocabulary, others, self.config)
        return lambda documents: self.judge(self._features(documents, types))

    def features(self, documents: Documents, others: Sequence[str] = ()) -> Features:
        """Find the features of documents whose ids are the vocabulary's, and then those of others."""
        return self._features(documents, types_of_vocabulary(self.vocabulary, others, self.config))

    def _features(self, documents: Documents, types: Types) -> Features:
        found = features_of(documents.truncated(self.max_tokens), types, self.config, len(self.vocabulary))
        return known_features(found, len(self.vocabulary), self._row_of) if self._hashes else found

    @property
    def _hashes(self) -> bool:
        return self.config.word_ngrams > 1 or self.config.max_char_ngram > 0

    @cached_property
    def _row_of(self) -> np.ndarray:
        """The number of each bucket's row, int32, -1 where it has none."""
        row_of = np.full(self.config.buckets, -1, np.int32)
        row_of[self.buckets] = np.arange(len(self.buckets), dtype=np.int32)
        return row_of

    def judge(self, features: Features) -> np.ndarray:
        """Give the probabilities of n documents, float32 (n, C)."""
        kernel = judge_kernel(self.dim, len(self.labels), self.labels.several)
        flat, output = self.rows.reshape(-1), self.output.reshape(-1)
        number, longest = len(features.lengths), int(np.diff(features.starts).max(initial=0))
        out = np.empty((number, len(self.labels)), np.float32)

        def job(first: int) -> None:
            work = work_for(self.dim, len(self.labels), longest)
            kernel(work, features, first, min(first + _JOB, number), flat, output, out)

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(job, range(0, number, _JOB)))
        out[np.diff(features.starts) == 0] = self.priors  # no row, and there is no bias
        return out

    def explain(self, text: str, label: str | None = None) -> Explanation:
        """Say which words of a document speak for a label; an n-gram's part is shared by its words.

        Args:
            text: the document.
            label: which; the likeliest unless given.

        Raises:
            ConfigError: there is no such label.
        """
        tokens, _ = encode_text(text, self.tokenizer, self.vocabulary)
        tokens = tokens[: self.max_tokens]
        index = self.vocabulary.index
        own = types_of(tokens, np.array([self._rank(index.get(token)) for token in tokens], np.uint32), self.config)
        document = Documents(np.arange(len(tokens), dtype=np.uint32), np.array([0, len(tokens)]))  # each token a type of its own
        whole = self._features(document, own)
        probabilities = self.judge(whole)[0]
        number = int(probabilities.argmax()) if label is None else self.labels.number_of(label)
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
        if self.labels.several:
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
        labels = {"names": list(self.labels.names), "several": self.labels.several, "thresholds": self.thresholds.tolist()}
        labels["priors"] = self.priors.tolist()
        options = {"linear": asdict(self.config), "labels": labels, "dim": self.dim, "max_tokens": self.max_tokens}
        write_folder(Saved(self.kind, options, arrays, self.vocabulary, self.tokenizer), folder, facts)

    @classmethod
    def build(cls, saved: Saved, threads: int | None = None) -> Self:
        """Make the classifier that a folder holds."""
        options, arrays = saved.options, saved.arrays
        labels = LabelSet(tuple(options["labels"]["names"]), options["labels"]["several"])
        model = cls(
            LinearConfig(**options["linear"]),
            labels,
            saved.vocabulary,
            saved.tokenizer,
            arrays["buckets"],
            options["dim"],
            max_tokens=options["max_tokens"],
            threads=threads,
        )
        if len(model.buckets) and int(model.buckets.max()) >= model.config.buckets:
            raise ValueError(f"a bucket with the number {int(model.buckets.max())} of {model.config.buckets}")
        for name in ("thresholds", "priors"):
            if len(options["labels"][name]) != len(labels):
                raise ValueError(f"{len(options['labels'][name])} {name} for {len(labels)} labels")
        model.rows[:, : model.dim] = arrays["rows"]
        model.output[: model.dim, : len(labels)] = arrays["output"].T
        model.thresholds, model.priors = (np.array(options["labels"][name], np.float32) for name in ("thresholds", "priors"))
        return model
