from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lexloom.errors import FormatError
from lexloom.vectors.formats import load_vectors, save_vectors
from lexloom.vectors.formats import parquet as parquet_module
from lexloom.vectors.table import Vectors


def put(path: Path, columns: dict[str, pl.Series | list]) -> Path:
    pl.DataFrame(columns).write_parquet(path)
    return path


def test_polars_reads_what_is_written(tmp_path: Path, small: Vectors) -> None:
    save_vectors(small, tmp_path / "v.parquet")
    frame = pl.read_parquet(tmp_path / "v.parquet")
    assert frame.columns == ["token", "count", "vector"]
    assert frame["token"].to_list() == small.tokens
    assert frame["count"].to_list() == small.counts.tolist()
    assert np.array_equal(frame["vector"].to_numpy(), small.matrix)


def test_lists_of_doubles_are_read_too(tmp_path: Path) -> None:
    found = load_vectors(put(tmp_path / "v", {"vector": [[1.5, 2], [3, 4], [5, 6]], "token": ["a", "b", "a"]}))
    assert (found.tokens, found.matrix.tolist()) == (["a", "b"], [[1.5, 2], [3, 4]])


def test_groups_join_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, assert_same) -> None:
    monkeypatch.setattr(parquet_module, "_GROUP_BYTES", 64)
    vectors = Vectors([f"t{row}" for row in range(50)], np.random.default_rng(0).random((50, 3), np.float32), np.arange(50))
    save_vectors(vectors, tmp_path / "v.parquet")
    found = load_vectors(tmp_path / "v.parquet")
    assert_same(found, vectors)
    assert found.counts.tolist() == list(range(50))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"word": ["a"], "vector": [[1.0]]}, r"columns word \(String\).*expected token"),
        ({"token": ["a", "b"], "vector": [[1.0, 2], [3.0]]}, "the vector of row 2 does not have 2 numbers"),
        ({"token": ["a", "b"], "vector": [[1.0], None]}, "the vector of row 2 does not have 1 numbers"),
        ({"token": ["a", None], "vector": [[1.0], [2.0]]}, "the token of row 2 is null"),
        ({"token": ["a"], "vector": [[1.0, None]]}, "contains null"),
    ],
)
def test_what_is_not_vectors_is_refused(tmp_path: Path, columns: dict[str, list], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        load_vectors(put(tmp_path / "v", columns))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(b"PAR1" + bytes(50))
    with pytest.raises(FormatError, match="damaged Parquet file"):
        load_vectors(tmp_path / "v")


def test_a_token_that_is_not_utf8_cannot_be_held(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="not valid UTF-8"):
        save_vectors(Vectors(["\udce9"], np.ones((1, 1), np.float32)), tmp_path / "v.parquet")


@pytest.mark.parametrize("counts", [["x", "y"], [1.5, float("nan")]])
def test_counts_that_are_no_whole_numbers_are_refused(tmp_path: Path, counts: list) -> None:
    path = put(tmp_path / "v.parquet", {"token": ["a", "b"], "vector": [[1.0], [2.0]], "count": counts})
    with pytest.raises(FormatError, match="column count is"):
        load_vectors(path)
