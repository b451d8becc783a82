"""Memory for kernels: where it begins, and what does not fit."""

import numpy as np
import pytest

from lexloom.compiled.memory import aligned, allocate, padded
from lexloom.errors import ConfigError


@pytest.mark.parametrize(("dim", "row"), [(1, 16), (16, 16), (17, 32), (300, 304)])
def test_rows_are_padded_to_a_multiple_of_sixteen(dim, row):
    assert padded(dim) == row


@pytest.mark.parametrize("size", [1, 16, 1000])
def test_an_array_begins_at_a_cache_line_and_is_zero(size):
    array = aligned(size)
    assert array.shape == (size,) and array.dtype == np.float32
    assert array.ctypes.data % 64 == 0
    assert not array.any()


def test_a_matrix_is_zero_and_writable():
    matrix = allocate(1000, 17)
    assert matrix.shape == (1000, 32) and matrix.dtype == np.float32
    assert not matrix.any()
    matrix[999] = 1
    assert matrix.sum() == 32


def test_a_matrix_that_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match=r"matrix of 1,000,000 rows takes .* GB, more than this machine has"):
        allocate(10**6, 10**12)
