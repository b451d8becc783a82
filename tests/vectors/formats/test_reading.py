import io
import json
import sys
from pathlib import Path

import fsspec
import numpy as np
import pytest

from lexloom.errors import FormatError
from lexloom.vectors.formats import describe_vectors, load_vectors, save_vectors
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


def test_a_text_file_is_counted_whole(tmp_path: Path) -> None:
    (tmp_path / "v").write_text("9 2\na 3 4\nb 0 0\na 1 1\nc nan 1\nd inf -inf\n" + "".join(f"t{n} 0 -0.0\n" for n in range(5)))
    found = describe_vectors(tmp_path / "v")
    assert json.loads(json.dumps(found)) == found
    expected = {
        "format": "word2vec", "tokens": 9, "dim": 2, "rows": 10, "header_tokens": 9, "header_dim": 2, "duplicates": 1,
        "nan": 1, "infinite": 2, "zero_rows": 6, "compression": None, "counts": False, "tokenizer": False, "output": False,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    assert found["norm_mean"] == pytest.approx(5 / 7)


def test_a_folder_shows_its_metadata(tmp_path: Path) -> None:
    save_vectors(Vectors(["a"], np.ones((1, 4), np.float32), np.array([3]), metadata={"seed": 1}), tmp_path / "f")
    found = describe_vectors(tmp_path / "f")
    assert (found["format"], found["counts"], found["metadata"], found["norm_mean"]) == ("folder", True, {"seed": 1}, 2.0)


def test_damage_anywhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "v").write_text("a 1 2\n" * 500 + "b 1\n")
    with pytest.raises(FormatError, match="v:501:"):
        describe_vectors(tmp_path / "v")
