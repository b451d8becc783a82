"""`DocumentVectorizer`: documents as averages of word vectors, for any estimator of scikit-learn."""

from typing import Any, Literal, Self

import numpy as np
import polars as pl
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from lexloom.errors import ConfigError
from lexloom.estimators.texts import checked_texts
from lexloom.options import check_above_zero, check_whole
from lexloom.text.decoding import without_surrogates
from lexloom.text.encode import factorize
from lexloom.text.ragged import starts_of
from lexloom.text.report import CorpusReport
from lexloom.text.tokenizers import TextTokenizer, TokenizerConfig, make_tokenizer
from lexloom.vectors.formats import load_vectors
from lexloom.vectors.table import Vectors

_NEGLIGIBLE = 1e-6  # of the longest: a direction in which documents do not differ from zero but by rounding


class DocumentVectorizer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Takes documents to the average of their words' vectors, float32 (n, E); zeros where no word is known.

    Args:
        vectors: what `load_vectors` reads, or a `Vectors`.
        weighting: `mean`, or `sif`: frequent words count less, and what all documents have in common is taken out (Arora et al. 2017).
        sif_weight: a of their a / (a + p(word)); p comes from the counts of the vectors, or of the documents of `fit` where there are none.
        components: how many common directions sif takes out.
        tokenizer: how text is split, see `TokenizerConfig`; as the vectors' own text was unless given, by spaces where that is not known.
        lowercase: fold case before, with a tokenizer that is given.

    Attributes:
        vectors_: the loaded vectors.
        common_: float32 (components, E), the directions that sif takes out; fewer where the documents of `fit` have not as many.
    """

    def __init__(
        self,
        vectors: str | Vectors | None = None,
        *,
        weighting: Literal["mean", "sif"] = "mean",
        sif_weight: float = 1e-3,
        components: int = 1,
        tokenizer: str | None = None,
        lowercase: bool = False,
    ) -> None:
        self.vectors = vectors
        self.weighting = weighting
        self.sif_weight = sif_weight
        self.components = components
        self.tokenizer = tokenizer
        self.lowercase = lowercase

    def fit(self, X: Any, y: Any = None) -> Self:
        """Load the vectors, and learn from documents what sif needs to know.

        Raises:
            ConfigError: no vectors are given, or a parameter is wrong.
            InputError, FormatError: the vectors cannot be read.
            ValueError: X is no collection of strings.
        """
        texts = checked_texts(X)
        if self.vectors is None:
            raise ConfigError("vectors is None: give the path of a vector file or folder, or Vectors")
        if self.weighting not in ("mean", "sif"):
            raise ConfigError(f"weighting is {self.weighting!r}: expected mean or sif")
        check_above_zero("sif_weight", self.sif_weight)
        check_whole("components", self.components, 0)
        self.vectors_ = self.vectors if isinstance(self.vectors, Vectors) else load_vectors(self.vectors)
        self._splitter = self._make_splitter()
        self.common_ = np.zeros((0, self.vectors_.dim), np.float32)
        if self.weighting == "sif":
            self._frequencies = self._count(texts)
            _, sizes, axes = np.linalg.svd(self._average(texts), full_matrices=False)
            real = sizes > _NEGLIGIBLE * sizes[0]
            self.common_ = axes[real][: self.components].astype(np.float32)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Average documents, float32 (n, E)."""
        check_is_fitted(self)
        rows = self._average(checked_texts(X))
        without: np.ndarray = rows - rows @ self.common_.T @ self.common_
        return without

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the columns."""
        check_is_fitted(self)
        return np.array([f"vector{number}" for number in range(self.vectors_.dim)], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array, tags.input_tags.one_d_array = True, False, True
        tags.transformer_tags.preserves_dtype = []  # of text there is none
        return tags

    def _make_splitter(self) -> TextTokenizer:
        if self.tokenizer is not None:
            return make_tokenizer(TokenizerConfig(tokenizer=self.tokenizer, lowercase=self.lowercase))
        if self.vectors_.tokenizer is not None:
            return TextTokenizer(self.vectors_.tokenizer)
        return make_tokenizer(TokenizerConfig(tokenizer="whitespace", lowercase=self.lowercase))

    def _split(self, texts: list[str]) -> tuple[list[str], np.ndarray, np.ndarray]:
        """The different tokens of documents, which of them each token is, (N,), and where documents begin, (n + 1,).

        They are sorted: then what a document is summed up to does not depend on the others, by no rounding.
        """
        lists = self._splitter.split(pl.Series([without_surrogates(text, "X", CorpusReport()) for text in texts], dtype=pl.String))
        tokens = lists.explode(empty_as_null=False)
        distinct, codes = factorize(tokens) if len(tokens) else (tokens, np.empty(0, np.int64))
        order = distinct.arg_sort().to_numpy()
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        return distinct.gather(order).to_list(), places[codes], starts_of(lists.list.len().to_numpy())

    def _count(self, texts: list[str]) -> dict[str, float]:
        counts = self.vectors_.counts
        if counts.any():
            return dict(zip(self.vectors_.tokens, (counts / counts.sum()).tolist(), strict=True))
        tokens, codes, _ = self._split(texts)
        return dict(zip(tokens, (np.bincount(codes, minlength=len(tokens)) / max(1, len(codes))).tolist(), strict=True))

    def _average(self, texts: list[str]) -> np.ndarray:
        tokens, codes, starts = self._split(texts)
        rows, known = self.vectors_.lookup(tokens)
        weights = known.astype(np.float32)
        if self.weighting == "sif":
            frequency = np.array([self._frequencies.get(token, 0.0) for token in tokens])
            weights *= (self.sif_weight / (self.sif_weight + frequency)).astype(np.float32)
        bags = csr_array((np.ones(len(codes), np.float32), codes, starts), shape=(len(texts), len(tokens)))
        bags.sum_duplicates()  # counts are exact; the sum of a long document word by word would not be
        numbers = bags @ known.astype(np.float32)
        bags.data *= weights[bags.indices]
        averages: np.ndarray = (bags @ rows) / np.maximum(1, numbers)[:, None]
        return averages.astype(np.float32)
