"""Every format gives back what it was given: odd tokens, extreme floats, bit for bit."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lexloom.vectors.formats import load_vectors, save_vectors
from lexloom.vectors.table import Vectors

ODD = [
    "",
    '"',
    '""',
    "'",
    "null",
    "NA",
    "nan",
    "inf",
    "#",
    "1",
    "0.5",
    ",",
    "\u00a0",
    "\u3000x",
    "\u2028",
    "\x85",
    "\ufeff",
    "<unk>",
    "\x00",
    "\t",
]
CHARACTERS = st.characters(exclude_categories=("Cs",), exclude_characters=" \n\r")
TOKEN = st.one_of(st.sampled_from(ODD), st.text(CHARACTERS, max_size=8))
BYTES = st.binary(max_size=6).map(lambda data: data.translate(None, b" \n\r").decode("utf-8", "surrogateescape"))
FLOAT = st.floats(width=32, allow_nan=False, allow_infinity=True, allow_subnormal=True)


@st.composite
def tables(draw: st.DrawFn, tokens: st.SearchStrategy[str], min_dim: int = 1) -> Vectors:
    chosen = draw(st.lists(tokens, min_size=1, max_size=12, unique=True))
    shape = (len(chosen), draw(st.integers(min_dim, 5)))
    counts = draw(arrays(np.int64, len(chosen), elements=st.integers(0, 2**53)))
    return Vectors(chosen, draw(arrays(np.float32, shape, elements=FLOAT)), counts)


def there_and_back(vectors: Vectors, name: str, to: str) -> Vectors:
    with tempfile.TemporaryDirectory() as folder:
        save_vectors(vectors, Path(folder) / name, to)
        found = load_vectors(Path(folder) / name)
        return Vectors(found.tokens, np.array(found.matrix), found.counts)


def assert_bits(found: Vectors, expected: Vectors) -> None:
    assert found.tokens == expected.tokens
    assert np.array_equal(found.matrix.view(np.uint32), expected.matrix.view(np.uint32))


@pytest.mark.parametrize("to", ["word2vec", "word2vec-binary", "fasttext-vec", "npy", "folder"])
@given(vectors=tables(st.one_of(TOKEN, BYTES), min_dim=2))
@settings(max_examples=40, deadline=None)
def test_a_format_gives_back_every_token_and_bit(to: str, vectors: Vectors) -> None:
    assert_bits(there_and_back(vectors, "v.npy" if to == "npy" else "v", to), vectors)


@given(vectors=tables(TOKEN))
@settings(max_examples=30, deadline=None)
def test_parquet_gives_back_every_token_count_and_bit(vectors: Vectors) -> None:
    found = there_and_back(vectors, "v", "parquet")
    assert_bits(found, vectors)
    assert found.counts.tolist() == vectors.counts.tolist()


@given(vectors=tables(st.text("ab .é", max_size=6).map(lambda inner: f"t{inner}t"), min_dim=2))
@settings(max_examples=40, deadline=None)
def test_glove_gives_back_tokens_that_contain_spaces(vectors: Vectors) -> None:
    assert_bits(there_and_back(vectors, "v", "glove"), vectors)


@pytest.mark.parametrize("to", ["word2vec", "glove", "fasttext-vec", "word2vec-binary", "npy", "folder", "parquet"])
def test_nan_and_infinity_survive(tmp_path: Path, to: str) -> None:
    matrix = np.array([[np.nan, np.inf], [-np.inf, 1]], np.float32)
    target = tmp_path / ("v.npy" if to == "npy" else "v")
    save_vectors(Vectors(["a", "b"], matrix), target, to)
    np.testing.assert_array_equal(load_vectors(target).matrix, matrix)


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst"])
@pytest.mark.parametrize("name", ["v.txt", "v.bin", "v.vec", "v.npy"])
def test_a_compressed_target_is_read_back(tmp_path: Path, small, assert_same, name: str, suffix: str) -> None:
    target = tmp_path / f"{name}.{suffix}"
    save_vectors(small, target)
    found = load_vectors(target)
    assert_same(found, small)
    assert found.metadata["read_from"]["compression"] == suffix


@pytest.mark.parametrize("to", ["word2vec", "glove", "fasttext-vec", "word2vec-binary", "npy", "folder", "parquet"])
def test_limit_takes_the_first_rows_and_only_the_named_ones(tmp_path: Path, small, to: str) -> None:
    target = tmp_path / ("v.npy" if to == "npy" else "v")
    save_vectors(small, target, to)
    assert load_vectors(target, limit=2).tokens == ["the", '"']
    found = load_vectors(target, only=["ö", "null", "absent"])
    assert found.tokens == ["null", "ö"]
    np.testing.assert_array_equal(found.matrix, small.matrix[2:])
    assert load_vectors(target, limit=3, only={"ö", "null"}).tokens == ["null"]
    assert load_vectors(target, only=["the"]).tokens == ["the"]


@pytest.mark.parametrize("to", ["word2vec", "glove", "word2vec-binary", "npy", "folder", "parquet"])
def test_a_view_of_padded_rows_is_written_as_its_rows(tmp_path: Path, assert_same, to: str) -> None:
    padded = np.random.default_rng(0).standard_normal((50, 16), np.float32)
    vectors = Vectors([f"t{row}" for row in range(50)], padded[:, :13])
    target = tmp_path / ("v.npy" if to == "npy" else "v")
    save_vectors(vectors, target, to)
    assert_same(load_vectors(target), vectors)
