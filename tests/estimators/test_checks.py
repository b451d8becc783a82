"""scikit-learn's own checks of an estimator, which speak in numbers: here every number becomes words."""

import contextlib
import unittest

import numpy as np
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from lexloom.estimators.document_vectorizer import DocumentVectorizer
from lexloom.estimators.text_classifier import TextClassifier
from lexloom.vectors.table import Vectors

LEVELS = range(-6, 7)
COLUMNS = 10
WITHOUT_CLASS_WEIGHTS = {"check_class_weight_classifiers": "class_weight is None or balanced, and no table of weights"}
SKIPPED = {
    "check_array_api_input": "it wants SCIPY_ARRAY_API in the environment",
    "check_classifier_data_not_an_array": "it ends with a DataFrame of pandas, which is not installed",
    "check_classifiers_multilabel_output_format_decision_function": "there is no decision_function",
}


def said(rows):
    """A document a row: for each column as many words as its number is high."""
    heights = np.clip(np.round(2 * rows), LEVELS[0], LEVELS[-1]).astype(int)
    return [" ".join(f"{column}:{level}" for column, height in enumerate(row) for level in range(LEVELS[0], height + 1)) for row in heights]


class OfNumbers:
    """Takes numbers where the estimator that it is mixed into takes documents."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array, tags.input_tags.one_d_array = False, True, False
        tags.non_deterministic = False  # one thread
        return tags


class NumberClassifier(OfNumbers, TextClassifier):
    def fit(self, X, y):
        return super().fit(said(validate_data(self, X)), y)

    def predict_proba(self, X):
        check_is_fitted(self)
        return super().predict_proba(said(validate_data(self, X, reset=False)))


class NumberVectorizer(OfNumbers, DocumentVectorizer):
    def fit(self, X, y=None):
        return super().fit(said(validate_data(self, X)))

    def transform(self, X):
        check_is_fitted(self)
        return super().transform(said(validate_data(self, X, reset=False)))


def some_vectors():
    words = [f"{column}:{level}" for column in range(COLUMNS) for level in LEVELS]
    vectors = Vectors(words, np.random.default_rng(1).normal(size=(len(words), 5)).astype(np.float32))
    assert vectors.index  # made when it is first asked for, which would pass for a change of a parameter
    return vectors


SMALL = {"tokenizer": "whitespace", "embedding_dim": 10, "validation_fraction": 0.0, "random_state": 1, "n_jobs": 1}


@parametrize_with_checks(
    [
        NumberClassifier("linear", word_ngrams=1, epochs=10, **SMALL),
        NumberClassifier("average", epochs=3, batch_size=20, learning_rate=0.2, **SMALL),
        NumberVectorizer(some_vectors()),
        NumberVectorizer(some_vectors(), weighting="sif"),
    ],
    expected_failed_checks=lambda estimator: WITHOUT_CLASS_WEIGHTS if isinstance(estimator, TextClassifier) else {},
)
def test_an_estimator_does_as_those_of_scikit_learn(estimator, check):
    told = contextlib.suppress(unittest.SkipTest) if check.func.__name__ in SKIPPED else contextlib.nullcontext()
    with told:
        check(estimator)
