import numpy as np

from lexloom.vectors.formats.gather import Gatherer
from lexloom.vectors.formats.source import Request


def test_rows_survive_growth_and_the_room_left_over_is_given_back(monkeypatch) -> None:
    monkeypatch.setattr("lexloom.vectors.formats.gather._FIRST_BYTES", 64)
    rows = np.random.default_rng(0).random((999, 3), np.float32)
    gatherer = Gatherer(3, Request())
    for first in range(0, 999, 37):
        gatherer.add([f"t{row}" for row in range(first, first + 37)], rows[first : first + 37])
    tokens, matrix = gatherer.finish()
    assert tokens == [f"t{row}" for row in range(999)]
    assert np.array_equal(matrix, rows)


def test_duplicates_within_and_between_blocks_are_counted() -> None:
    gatherer = Gatherer(1, Request())
    gatherer.add(["a", "b", "a"], np.array([[1], [2], [3]], np.float32))
    gatherer.add(["c", "b"], np.array([[4], [5]], np.float32))
    tokens, matrix = gatherer.finish()
    assert (tokens, matrix.tolist(), gatherer.duplicates) == (["a", "b", "c"], [[1], [2], [4]], 2)
