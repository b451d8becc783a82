import json
from pathlib import Path

import numpy as np
import pytest

from lexloom.errors import FormatError
from lexloom.vectors.formats import describe_vectors, save_vectors
from lexloom.vectors.table import Vectors


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
