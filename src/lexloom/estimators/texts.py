"""What estimators take as text."""

from typing import Any

import numpy as np


def checked_texts(X: Any) -> list[str]:
    """Make a list of the texts that an estimator is given: any one-dimensional collection of strings.

    Raises:
        ValueError: it is a single string, has more than one dimension, is empty, or holds something that is no string.
    """
    if isinstance(X, str | bytes):
        raise ValueError("X is a single string: expected a collection of documents; for one document pass [text]")
    if hasattr(X, "shape") and len(X.shape) != 1:
        raise ValueError(f"X has shape {tuple(X.shape)}: expected a one-dimensional collection of strings; of a table pass a single column")
    texts = X.tolist() if hasattr(X, "tolist") else list(X)
    if not texts:
        raise ValueError("X has 0 documents: expected at least 1")
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"X[{number}] is {type(text).__name__}, expected a string")
    return [str(text) for text in texts]  # np.str_ among them


def seed_of(random_state: Any) -> int:
    """Make a seed of what scikit-learn calls random_state: None, a whole number, or a generator."""
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        return int(random_state)
    from sklearn.utils import check_random_state

    return int(check_random_state(random_state).randint(2**31 - 1))
