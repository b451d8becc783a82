"""`TextClassifier`: the classifiers of lexloom as an estimator of scikit-learn."""

from typing import Any, Literal, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d

from lexloom.errors import ConfigError
from lexloom.estimators.texts import checked_texts, seed_of
from lexloom.models.classifier.answers import decide
from lexloom.models.classifier.options import (
    ClassifierConfig,
    ClassifierEmbeddingConfig,
    ClassifierOptions,
    ClassifierRecurrentConfig,
    ClassifierTrainingConfig,
    ClassifierVocabularyConfig,
    DocumentConfig,
    Encoder,
    LinearConfig,
    Pooling,
)
from lexloom.models.classifier.train import train_classifier
from lexloom.text.corpus import iterable_corpus
from lexloom.text.labels import labelled_texts
from lexloom.text.tokenizers import TokenizerConfig


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A text classifier: X is a collection of strings, y their labels, or for several labels per document a matrix of zeros and ones.

    The parameters are the options of `lexloom classifier train` under the same names, except where scikit-learn has its own:
    `class_weight` (None or "balanced"), `validation_fraction` (held out to choose the best epoch; with 0 the last one is kept),
    `random_state` and `n_jobs` (threads; None or -1 for one per core).

    Attributes:
        classes_: the labels, sorted; with several labels per document the column indices of y.
        model_: the trained classifier.
    """

    def __init__(
        self,
        encoder: Encoder = ClassifierConfig.encoder,
        *,
        pooling: Pooling | None = None,
        widths: tuple[int, ...] = ClassifierConfig.widths,
        filters: int = ClassifierConfig.filters,
        bidirectional: bool = ClassifierConfig.bidirectional,
        dropout: float = ClassifierConfig.dropout,
        input_dropout: float | None = None,
        label_smoothing: float = ClassifierConfig.label_smoothing,
        max_tokens: int | None = None,
        class_weight: Literal["balanced"] | None = None,
        cell: Literal["rnn", "gru", "lstm"] = ClassifierRecurrentConfig.cell,
        hidden_size: int = ClassifierRecurrentConfig.hidden_size,
        num_layers: int = ClassifierRecurrentConfig.num_layers,
        embedding_dim: int | None = None,
        vectors: str | None = None,
        freeze: bool = False,
        word_dropout: float = ClassifierEmbeddingConfig.word_dropout,
        word_ngrams: int = LinearConfig.word_ngrams,
        min_char_ngram: int = LinearConfig.min_char_ngram,
        max_char_ngram: int = LinearConfig.max_char_ngram,
        buckets: int = LinearConfig.buckets,
        tokenizer: str = TokenizerConfig.tokenizer,
        lowercase: bool = TokenizerConfig.lowercase,
        min_count: int = ClassifierVocabularyConfig.min_count,
        epochs: int = ClassifierTrainingConfig.epochs,
        learning_rate: float | None = None,
        batch_size: int | None = DocumentConfig.batch_size,
        validation_fraction: float = DocumentConfig.held_out,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.encoder = encoder
        self.pooling = pooling
        self.widths = widths
        self.filters = filters
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.label_smoothing = label_smoothing
        self.max_tokens = max_tokens
        self.class_weight = class_weight
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.embedding_dim = embedding_dim
        self.vectors = vectors
        self.freeze = freeze
        self.word_dropout = word_dropout
        self.word_ngrams = word_ngrams
        self.min_char_ngram = min_char_ngram
        self.max_char_ngram = max_char_ngram
        self.buckets = buckets
        self.tokenizer = tokenizer
        self.lowercase = lowercase
        self.min_count = min_count
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any) -> Self:
        """Train.

        Args:
            X: n strings.
            y: n labels, or zeros and ones (n, C), which may be sparse.

        Raises:
            ValueError: X or y is invalid, their lengths differ, or there is a single label.
            ConfigError: a parameter is out of range.
        """
        texts = checked_texts(X)
        if y is None:
            raise ValueError("TextClassifier requires y to be passed, but the target y is None: give a label for each document")
        _refuse_missing(y)
        with np.errstate(invalid="ignore"):  # infinity is refused without a warning
            check_classification_targets(y)
            several = type_of_target(y) == "multilabel-indicator"
        values = (y.toarray() if issparse(y) else np.asarray(y)) if several else column_or_1d(y, warn=True)
        if len(values) != len(texts):
            raise ValueError(f"X has {len(texts)} documents and y {len(values)} labels: expected the same number")
        if several:
            classes, rows = np.arange(values.shape[1]), [np.flatnonzero(row).tolist() for row in values]
        else:
            classes, codes = np.unique(values, return_inverse=True)
            rows = [[code] for code in codes.tolist()]
        number = len({code for row in rows for code in row})
        if number < 2:
            raise ValueError(f"y has {number} class{'' if number == 1 else 'es'}, in all documents together: expected at least 2")
        named = [[f"{code:09d}" for code in row] for row in rows]  # so that names sort like the classes
        self.model_ = train_classifier(labelled_texts(texts, named), self._options(several))
        self.classes_ = classes
        self._known = np.array([int(name) for name in self.model_.labels.names])  # a column of y may be empty
        return self

    def _options(self, several: bool) -> ClassifierOptions:
        if self.class_weight not in (None, "balanced"):
            raise ConfigError(f"class_weight is {self.class_weight!r}: expected None or 'balanced'")
        model = ClassifierConfig(
            encoder=self.encoder,
            pooling=self.pooling,
            widths=tuple(self.widths),
            filters=self.filters,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            multi_label=several,
            class_weights="none" if self.class_weight is None else self.class_weight,
            label_smoothing=self.label_smoothing,
            max_tokens=self.max_tokens,
        )
        embedding = ClassifierEmbeddingConfig(
            embedding_dim=self.embedding_dim, vectors=self.vectors, freeze=self.freeze, word_dropout=self.word_dropout
        )
        recurrent = ClassifierRecurrentConfig(cell=self.cell, hidden_size=self.hidden_size, num_layers=self.num_layers)
        linear = LinearConfig(self.word_ngrams, self.min_char_ngram, self.max_char_ngram, self.buckets)
        seed, threads = seed_of(self.random_state), None if self.n_jobs == -1 else self.n_jobs
        training = ClassifierTrainingConfig(epochs=self.epochs, learning_rate=self.learning_rate, seed=seed, threads=threads)
        return ClassifierOptions(
            model,
            embedding,
            recurrent,
            linear,
            DocumentConfig(batch_size=self.batch_size, held_out=self.validation_fraction),
            training,
            TokenizerConfig(tokenizer=self.tokenizer, lowercase=self.lowercase),
            ClassifierVocabularyConfig(min_count=self.min_count),
        )

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, float32 (n, C); with several labels per document they do not sum to 1."""
        check_is_fitted(self)
        found = np.concatenate(list(self.model_.predict_blocks(iterable_corpus(checked_texts(X)).blocks())))
        whole = np.zeros((len(found), len(self.classes_)), np.float32)
        whole[:, self._known] = found
        return whole

    def predict(self, X: Any) -> np.ndarray:
        """Return the labels, (n,), or zeros and ones (n, C)."""
        probabilities = self.predict_proba(X)
        if not self.model_.labels.multi_label:
            labels: np.ndarray = self.classes_[probabilities.argmax(1)]
            return labels
        chosen = np.zeros(probabilities.shape, np.int64)
        chosen[:, self._known] = decide(probabilities[:, self._known], self.model_.thresholds, multi_label=True)
        return chosen

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array, tags.input_tags.one_d_array = True, False, True
        tags.classifier_tags.multi_label = True
        tags.non_deterministic = True  # with several threads
        return tags


def _refuse_missing(y: Any) -> None:
    """Refuse None and NaN among other objects: scikit-learn calls such labels unknown, and NumPy turns them into a class 'nan'.

    Raises:
        ValueError: there is one.
    """
    objects = isinstance(y, list | tuple) or getattr(getattr(y, "dtype", None), "kind", "") == "O"
    if not objects or all(isinstance(label, float) for label in y):
        return
    for place, label in enumerate(y):
        if label is None or (isinstance(label, float) and label != label):
            raise ValueError(f"y has no label for document {place}: it is {label!r}; leave out documents without a label")
