import numpy as np

from lexloom.vectors.formats.rows import Gatherer, Request


def test_rows_survive_growth_and_the_room_left_over_is_given_back(monkeypatch) -> None:
    monkeypatch.setattr("lexloom.vectors.formats.rows._FIRST_BYTES", 64)
    rows = np.random.default_rng(0).random((999, 3), np.float32)
    gatherer = Gatherer(3, Request())
    for first in range(0, 999, 37):
        gatherer.add([f"t{row}" for row in range(first, first + 37)], rows[first : first + 37])
    vectors, *_ = gatherer.finish()
    assert vectors.tokens == [f"t{row}" for row in range(999)]
    assert np.array_equal(vectors.matrix, rows)


def test_duplicates_within_and_between_blocks_are_counted() -> None:
    gatherer = Gatherer(1, Request())
    gatherer.add(["a", "b", "a"], np.array([[1], [2], [3]], np.float32))
    gatherer.add(["c", "b"], np.array([[4], [5]], np.float32))
    vectors, _, duplicates = gatherer.finish()
    assert (vectors.tokens, vectors.matrix.tolist(), duplicates) == (["a", "b", "c"], [[1], [2], [4]], 2)
