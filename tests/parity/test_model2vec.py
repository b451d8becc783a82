"""model2vec loads the folder as it is, and what it saves is read here."""

from pathlib import Path

import numpy as np
from model2vec import StaticModel

from lexloom.vectors.formats import load_vectors, save_vectors
from lexloom.vectors.table import Vectors

ROWS = np.array([[1, 2, 3], [5, 6, 8]], np.float32)


def test_words_and_unknown_words_are_encoded(tmp_path: Path) -> None:
    save_vectors(Vectors(["cat", "dog"], ROWS), tmp_path / "out")
    model = StaticModel.from_pretrained(tmp_path / "out")
    found = model.encode(["cat", "cat dog", "absent", "absent dog", "", "cat " * 2000 + "dog"])
    assert np.array_equal(found[:4], [ROWS[0], ROWS.mean(axis=0), [0, 0, 0], ROWS[1]])
    assert np.array_equal(found[4], [0, 0, 0])
    assert found[5, 0] > 1  # no text is cut


def test_what_it_saves_is_read(tmp_path: Path) -> None:
    save_vectors(Vectors(["cat", "dog"], ROWS), tmp_path / "out")
    StaticModel.from_pretrained(tmp_path / "out").save_pretrained(tmp_path / "theirs")
    found = load_vectors(tmp_path / "theirs")
    assert found.tokens == ["<unk>", "cat", "dog"]
    assert np.array_equal(found.matrix[1:], ROWS)
