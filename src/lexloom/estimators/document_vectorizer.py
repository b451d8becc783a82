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
from lexloom.text.blocks import CorpusReport, without_surrogates
from lexloom.text.documents import starts_of
from lexloom.text.tokenizers import TextTokenizer, TokenizerConfig, make_tokenizer
from lexloom.vectors.formats import load_vectors
from lexloom.vectors.table import Vectors

_NEGLIGIBLE = 1e-6  # relative to the largest singular value: below it, a direction is rounding error


class DocumentVectorizer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns documents into the averages of their words' vectors, float32 (n, E); zeros for a document without a known word.

    Args:
        vectors: anything that `load_vectors` reads, or a `Vectors`.
        weighting: `mean`, or `sif`: frequent words weigh less, and the common component of all documents is removed (Arora et al. 2017).
        sif_weight: the a in the weight a / (a + p(word)); p comes from the counts of the vectors, or else of the documents of `fit`.
        components: the number of common directions that sif removes.
        tokenizer: how text is split, see `TokenizerConfig`; by default like the text of the vectors, or at spaces if that is not known.
        lowercase: fold case first; only with a given tokenizer.

    Attributes:
        vectors_: the loaded vectors.
        common_: float32 (components, E), the directions that sif removes; fewer if the documents of `fit` span fewer.
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
        """Load the vectors, and estimate from documents what sif needs.

        Raises:
            ConfigError: no vectors are given, or a parameter is wrong.
            InputError, FormatError: the vectors cannot be read.
            ValueError: X is not a collection of strings.
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
        """Return the names of the columns."""
        check_is_fitted(self)
        return np.array([f"vector{number}" for number in range(self.vectors_.dim)], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array, tags.input_tags.one_d_array = True, False, True
        tags.transformer_tags.preserves_dtype = []  # text has no dtype to preserve
        return tags

    def _make_splitter(self) -> TextTokenizer:
        if self.tokenizer is not None:
            return make_tokenizer(TokenizerConfig(tokenizer=self.tokenizer, lowercase=self.lowercase))
        if self.vectors_.tokenizer is not None:
            return TextTokenizer(self.vectors_.tokenizer)
        return make_tokenizer(TokenizerConfig(tokenizer="whitespace", lowercase=self.lowercase))

    def _split(self, texts: list[str]) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Return the distinct tokens of documents, the index of each token into them, (N,), and where documents begin, (n + 1,).

        Distinct tokens are sorted, so that the rounding of a document's sum does not depend on other documents.
        """
        lists = self._splitter.split(pl.Series([without_surrogates(text, "X", CorpusReport()) for text in texts], dtype=pl.String))
        tokens = lists.explode(empty_as_null=False)
        distinct = tokens.unique().sort()
        codes = tokens.cast(pl.Enum(distinct)).to_physical().to_numpy().astype(np.int64) if len(tokens) else np.empty(0, np.int64)
        return distinct.to_list(), codes, starts_of(lists.list.len().to_numpy())

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
        bags.sum_duplicates()  # counts are exact, but the sum of a long document word by word is not
        numbers = bags @ known.astype(np.float32)
        bags.data *= weights[bags.indices]
        averages: np.ndarray = (bags @ rows) / np.maximum(1, numbers)[:, None]
        return averages.astype(np.float32)
