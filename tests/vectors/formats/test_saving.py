from pathlib import Path

import numpy as np
import pytest

from lexloom.errors import ConfigError, FormatError
from lexloom.vectors.formats import FORMATS, load_vectors, save_vectors
from lexloom.vectors.table import Vectors


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("v.txt", "word2vec"),
        ("v.bin", "word2vec-binary"),
        ("v.vec", "fasttext-vec"),
        ("v.npy", "npy"),
        ("v.parquet", "parquet"),
        ("v", "folder"),
        ("v.txt.gz", "word2vec"),
    ],
)
def test_the_suffix_names_the_format(tmp_path: Path, small: Vectors, name: str, format: str) -> None:
    save_vectors(small, tmp_path / name)
    expected = None if format == "folder" else format
    assert load_vectors(tmp_path / name).metadata.get("read_from", {}).get("format") == expected


@pytest.mark.parametrize("to", FORMATS)
def test_an_existing_target_is_kept_unless_told_otherwise(tmp_path: Path, small: Vectors, to: str) -> None:
    target = tmp_path / ("v.npy" if to == "npy" else "v")
    save_vectors(Vectors(["old"], np.ones((1, 3), np.float32)), target, to)
    with pytest.raises(ConfigError, match="exists already"):
        save_vectors(small, target, to)
    save_vectors(small, target, to, overwrite=True)
    if to != "projector":
        assert load_vectors(target).tokens == small.tokens


def test_a_folder_target_keeps_the_other_files_in_it(tmp_path: Path, small: Vectors) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        save_vectors(small, tmp_path, "folder")
    save_vectors(small, tmp_path, "folder", overwrite=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("to", ["word2vec", "word2vec-binary", "fasttext-vec", "glove", "npy", "projector"])
def test_a_newline_in_a_token_is_refused_and_nothing_is_left(tmp_path: Path, to: str) -> None:
    with pytest.raises(FormatError, match=r"token 'a\\nb' \(row 2\) contains a newline, which the format"):
        save_vectors(Vectors(["x", "a\nb"], np.ones((2, 2), np.float32)), tmp_path / "out" / "v", to)
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


@pytest.mark.parametrize("to", ["word2vec", "word2vec-binary", "fasttext-vec"])
def test_a_space_in_a_token_is_refused_where_it_cannot_be_read_back(tmp_path: Path, to: str) -> None:
    with pytest.raises(FormatError, match=r"token 'New York' \(row 1\) contains a space"):
        save_vectors(Vectors(["New York"], np.ones((1, 2), np.float32)), tmp_path / "v", to)


@pytest.mark.parametrize(
    ("name", "to", "message"),
    [
        ("v.xyz", None, "the suffix '.xyz' belongs to no format; name one of word2vec,"),
        ("v", "word2vek", "format 'word2vek' is unknown; choose from"),
        ("v.parquet.gz", None, "cannot be compressed; leave .gz off"),
        ("s3://bucket/v.txt", None, "local paths only"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(tmp_path: Path, small: Vectors, name: str, to: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        save_vectors(small, name if "://" in name else tmp_path / name, to)


def test_a_file_is_not_replaced_by_a_folder_nor_a_folder_by_a_file(tmp_path: Path, small: Vectors) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="is a file, and this format writes a folder"):
        save_vectors(small, tmp_path / "file", "folder", overwrite=True)
    with pytest.raises(ConfigError, match="is a folder, and this format writes a file"):
        save_vectors(small, tmp_path, "word2vec", overwrite=True)


@pytest.mark.parametrize(("limit", "only", "message"), [(0, None, "limit=0: expected 1 or more"), (None, "word", r"write only=\['word'\]")])
def test_a_request_that_makes_no_sense_is_refused(tmp_path: Path, limit: int | None, only: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_vectors(tmp_path, limit=limit, only=only)


def test_compressed_bytes_do_not_depend_on_the_clock(tmp_path: Path, small: Vectors) -> None:
    for name in ("a.txt.gz", "b.txt.gz"):
        save_vectors(small, tmp_path / name)
    assert (tmp_path / "a.txt.gz").read_bytes() == (tmp_path / "b.txt.gz").read_bytes()
    assert (tmp_path / "a.txt.gz").read_bytes()[4:8] == bytes(4)


def test_projector_files(tmp_path: Path, small: Vectors) -> None:
    save_vectors(small, tmp_path / "p", "projector")
    rows = [line.split("\t") for line in (tmp_path / "p" / "tensors.tsv").read_text().splitlines()]
    assert np.array_equal(np.array(rows, np.float64).astype(np.float32), small.matrix)
    assert (tmp_path / "p" / "metadata.tsv").read_text("utf-8").splitlines() == ["token\tcount", "the\t40", '"\t30', "null\t2", "ö\t1"]
    assert 'tensor_path: "tensors.tsv"' in (tmp_path / "p" / "projector_config.pbtxt").read_text()


def test_projector_metadata_of_one_column_has_no_header(tmp_path: Path) -> None:
    save_vectors(Vectors(["a", "b"], np.ones((2, 2), np.float32)), tmp_path / "p", "projector")
    assert (tmp_path / "p" / "metadata.tsv").read_text() == "a\nb\n"
