from pathlib import Path

import numpy as np
import pytest

from lexloom.errors import FormatError
from lexloom.vectors.formats import load_vectors, save_vectors
from lexloom.vectors.table import Vectors


def put(folder: Path, array: np.ndarray, vocabulary: bytes) -> Path:
    np.save(folder / "v.npy", array)
    (folder / "v.vocab.txt").write_bytes(vocabulary)
    return folder / "v.npy"


def test_numpy_reads_what_is_written(tmp_path: Path, small: Vectors) -> None:
    save_vectors(small, tmp_path / "v.npy")
    assert np.array_equal(np.load(tmp_path / "v.npy"), small.matrix)
    assert (tmp_path / "v.vocab.txt").read_text("utf-8") == 'the\n"\nnull\nö\n'


@pytest.mark.parametrize("array", [np.eye(2), np.asfortranarray(np.eye(2, 2, dtype=np.float16)), np.eye(2, dtype=">f4")])
def test_any_numbers_become_float32(tmp_path: Path, array: np.ndarray) -> None:
    found = load_vectors(put(tmp_path, array, b"a\r\nb\r\n"))
    assert found.tokens == ["a", "b"]
    assert found.matrix.dtype == np.float32
    assert found.matrix.tolist() == [[1, 0], [0, 1]]


def test_the_first_of_duplicates_wins(tmp_path: Path) -> None:
    found = load_vectors(put(tmp_path, np.arange(6, dtype=np.float32).reshape(3, 2), b"a\nb\na"))
    assert (found.tokens, found.matrix.tolist()) == (["a", "b"], [[0, 1], [2, 3]])
    assert found.metadata["read_from"]["duplicates"] == 1


@pytest.mark.parametrize(
    ("array", "vocabulary", "message"),
    [
        (np.zeros((3, 2)), b"a\nb\n", "3 rows, but 2 tokens in"),
        (np.zeros(3), b"a\nb\nc\n", r"an array of shape \(3,\)"),
        (np.array([["x"]]), b"a\n", "type <U1"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, array: np.ndarray, vocabulary: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        load_vectors(put(tmp_path, array, vocabulary))


def test_an_array_cut_short_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path, np.zeros((2, 2)), b"a\nb\n")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(FormatError, match="damaged"):
        load_vectors(path)


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.array([[{}]], object), allow_pickle=True)
    (tmp_path / "v.vocab.txt").write_text("a\n")
    with pytest.raises(FormatError, match="not of numbers"):
        load_vectors(tmp_path / "v.npy")


def test_rows_of_no_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"shape \(2, 0\)"):
        load_vectors(put(tmp_path, np.empty((2, 0), np.float32), b"a\nb\n"))
