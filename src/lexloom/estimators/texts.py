"""The texts and seeds that estimators accept."""

from typing import Any

import numpy as np


def checked_texts(X: Any) -> list[str]:
    """Return the texts that an estimator is given, any one-dimensional collection of strings, as a list.

    Raises:
        ValueError: it is a single string, has more than one dimension, is empty, or has an element that is not a string.
    """
    if isinstance(X, str | bytes):
        raise ValueError("X is a single string: expected a collection of documents; for one document pass [text]")
    if hasattr(X, "shape") and len(X.shape) != 1:
        raise ValueError(f"X has shape {tuple(X.shape)}: expected a one-dimensional collection of strings; pass a single column of a table")
    texts = X.tolist() if hasattr(X, "tolist") else list(X)
    if not texts:
        raise ValueError("X has 0 documents: expected at least 1")
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"X[{number}] is {type(text).__name__}, expected a string")
    return [str(text) for text in texts]  # also of np.str_


def seed_of(random_state: Any) -> int:
    """Return a seed for scikit-learn's random_state: None, an integer or a generator."""
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        return int(random_state)
    from sklearn.utils import check_random_state

    return int(check_random_state(random_state).randint(2**31 - 1))
