import io
import sys
from pathlib import Path

import fsspec
import pytest

from lexloom.vectors.formats import load_vectors, save_vectors
from lexloom.vectors.table import Vectors


@pytest.mark.parametrize("name", ["v.txt", "v.bin", "v.vec", "v.txt.zst", "v.parquet", "v.npy"])
def test_a_url_is_read(tmp_path: Path, small: Vectors, assert_same, name: str) -> None:
    save_vectors(small, tmp_path / name)
    for path in tmp_path.iterdir():
        with fsspec.open(f"memory://{tmp_path.name}/{path.name}", "wb") as file:
            file.write(path.read_bytes())
    found = load_vectors(f"memory://{tmp_path.name}/{name}")
    assert_same(found, small)
    assert found.metadata["read_from"]["source"].startswith("memory://")


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"the 1 2\nof 3 4\n")))
    assert load_vectors("-").tokens == ["the", "of"]


@pytest.mark.parametrize("to", ["word2vec", "word2vec-binary", "glove", "parquet"])
def test_the_name_says_nothing(tmp_path: Path, small: Vectors, assert_same, to: str) -> None:
    save_vectors(small, tmp_path / "vectors.npy", to)
    assert_same(load_vectors(tmp_path / "vectors.npy"), small)


def test_the_path_of_a_local_file_is_not_kept(tmp_path: Path, small: Vectors) -> None:
    save_vectors(small, tmp_path / "v.txt")
    assert load_vectors(tmp_path / "v.txt").metadata["read_from"]["source"] == "v.txt"
