from collections.abc import Callable

import numpy as np
import pytest

from lexloom.vectors.table import Vectors


@pytest.fixture
def small() -> Vectors:
    matrix = np.array([[0.1, -0.0, 1e-45], [3.4028235e38, 16777216, -1e-5], [1, 2, 3], [0, 0, 0]], np.float32)
    return Vectors(["the", '"', "null", "ö"], matrix, np.array([40, 30, 2, 1]), metadata={"options": {"dim": 3}})


@pytest.fixture
def assert_same() -> Callable[[Vectors, Vectors], None]:
    def check(found: Vectors, expected: Vectors) -> None:
        assert found.tokens == expected.tokens
        assert found.matrix.shape == expected.matrix.shape
        assert np.array_equal(found.matrix.view(np.uint32), np.ascontiguousarray(expected.matrix).view(np.uint32))

    return check
