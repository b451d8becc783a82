"""Files written here are read by gensim bit for bit, and the other way round."""

from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from lexloom.errors import FormatError
from lexloom.vectors.formats import load_vectors, save_vectors
from lexloom.vectors.table import Vectors

TOKENS = ["the", "ö", '"', "null", "中文", "a\u00a0b", "1"]


@pytest.fixture
def vectors() -> Vectors:
    bits = np.random.default_rng(0).integers(0, 2**32, (len(TOKENS), 20), dtype=np.uint32)
    matrix = bits.view(np.float32).copy()
    matrix[~np.isfinite(matrix)] = -0.0
    return Vectors(TOKENS, matrix)


def bits(matrix: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(matrix).view(np.uint32)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # gensim leaves a file open
@pytest.mark.parametrize(
    ("to", "binary", "header"),
    [("word2vec", False, True), ("fasttext-vec", False, True), ("glove", False, False), ("word2vec-binary", True, True)],
)
def test_gensim_reads_what_is_written_here(tmp_path: Path, vectors: Vectors, to: str, binary: bool, header: bool) -> None:
    save_vectors(vectors, tmp_path / "v", to)
    found = KeyedVectors.load_word2vec_format(str(tmp_path / "v"), binary=binary, no_header=not header)
    assert found.index_to_key == TOKENS
    assert np.array_equal(bits(found.vectors), bits(vectors.matrix))


@pytest.mark.parametrize("binary", [False, True])
def test_what_gensim_writes_is_read_here(tmp_path: Path, vectors: Vectors, binary: bool) -> None:
    theirs = KeyedVectors(20)
    theirs.add_vectors(TOKENS, vectors.matrix)
    theirs.save_word2vec_format(str(tmp_path / "v"), binary=binary)
    found = load_vectors(tmp_path / "v")
    assert found.tokens == TOKENS
    assert np.array_equal(bits(found.matrix), bits(vectors.matrix))


def test_a_gensim_pickle_is_named(tmp_path: Path, vectors: Vectors) -> None:
    theirs = KeyedVectors(20)
    theirs.add_vectors(TOKENS, vectors.matrix)
    theirs.save(str(tmp_path / "v.kv"))
    with pytest.raises(FormatError, match="a gensim model"):
        load_vectors(tmp_path / "v.kv")
