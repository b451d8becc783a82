import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexloom.text.ragged import starts_of, take_rows

few = settings(max_examples=50, deadline=None)
some_rows = st.lists(st.lists(st.integers(0, 99), max_size=5), max_size=8)


def ragged(rows, dtype=np.uint32):
    """Rows as values and starts."""
    return np.array(list(itertools.chain(*rows)), dtype), starts_of(np.array([len(row) for row in rows], np.int64))


def plain(values, starts):
    """Values and starts as rows."""
    return [values[begin:end].tolist() for begin, end in itertools.pairwise(starts)]


@few
@given(rows=some_rows)
def test_starts_say_where_rows_begin_and_the_last_one_ends(rows):
    values, starts = ragged(rows)
    assert starts.dtype == np.int64 and starts[0] == 0 and starts[-1] == len(values)
    assert plain(values, starts) == rows


def test_lengths_of_few_bits_do_not_overflow():
    assert starts_of(np.array([200, 200], np.uint8)).tolist() == [0, 200, 400]


@few
@given(rows=some_rows, longest=st.none() | st.integers(0, 6), data=st.data())
def test_rows_are_copied_in_any_order_as_often_as_asked_for_and_cut(rows, longest, data):
    numbers = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=12)) if rows else []
    values, starts = take_rows(*ragged(rows), np.array(numbers, np.int64), longest)
    assert plain(values, starts) == [rows[number][:longest] for number in numbers]
    assert starts[0] == 0 and starts[-1] == len(values)


@pytest.mark.parametrize("dtype", [np.uint32, np.int64])
def test_what_is_taken_is_a_copy_of_the_same_type(dtype):
    values, starts = ragged([[1, 2], [], [3]], dtype)
    taken, chosen = take_rows(values, starts, np.arange(3))
    assert taken.dtype == dtype and chosen.dtype == np.int64
    taken[:], chosen[:] = 0, 0
    assert plain(values, starts) == [[1, 2], [], [3]]
