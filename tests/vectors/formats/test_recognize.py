"""What is not vectors is called by its name."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lexloom.errors import FormatError, InputError
from lexloom.vectors.formats import load_vectors


def torch_zip() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02")
        archive.writestr("archive/data/0", bytes(8))
    return data.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (struct.pack("<14i", 793712314, 12, 100, *range(11)), r"a fastText model \(.bin or .ftz\).*use the .vec"),
        (struct.pack("<12i", 100, 5, 5, 5, 5, 1, 2, 1, 2000, 3, 6, 100) + bytes(99), "an early fastText"),
        (pickle.dumps({"a": 1}, 4), "a Python pickle"),
        (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x1agensim.models.keyedvectors\x94.", "a gensim model.*save_word2vec_format"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        (b"<html>\n", "a web page"),
        (torch_zip(), "a PyTorch checkpoint"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file"),
        (b"SQLite format 3\x00" + bytes(99), "an SQLite database"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        ("2 2\na 1 2\n".encode("utf-16"), "UTF-16 text"),
        (b"Once upon a time there was a word.\nIt had no vector.\n", "text, but not vectors: line 1 is 'Once upon"),
        (b"love\tsex\t6.77\ntiger\tcat\t7.35\n", "separated by tabs"),
        (b"tiger cat 7.35\nlove sex 6.77\n", "text, but not vectors"),
        (b"word,0.1,0.2\n", "text, but not vectors"),
        (bytes(range(256)), "binary data of a format"),
        (b"\n\n\n", "text, but not vectors"),
    ],
)
def test_another_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "v.bin").write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        load_vectors(tmp_path / "v.bin")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "v.bin"))


def test_an_array_without_vocabulary_says_what_to_add(tmp_path: Path) -> None:
    np.save(tmp_path / "model.kv.vectors.npy", np.zeros((2, 3), np.float32))
    with pytest.raises(FormatError, match=r"without its vocabulary; put .*model.kv.vectors.vocab.txt beside it"):
        load_vectors(tmp_path / "model.kv.vectors.npy")


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_vectors(tmp_path / "absent")


def test_a_folder_of_something_else_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(FormatError, match=r"without model.safetensors \(it holds notes.md\)"):
        load_vectors(tmp_path)
    (tmp_path / "lexloom.json").write_text(json.dumps({"format": "lexloom store"}))
    with pytest.raises(FormatError, match="its format is 'lexloom store', expected 'lexloom vectors'"):
        load_vectors(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"3 3", "cut short"),
        (b"99999999999999999999 3\na 1 2 3\n", "header promises 99999999999999999999 rows"),
        (b"1 99999999999999999999\na 1\n", "of 99999999999999999999 numbers"),
        (b"a " + b"1 " * 1_000_000, "line 1 is longer than 1 MB"),
        (b"a 1 2\rb 3 4\r", "carriage returns alone"),
    ],
)
def test_a_damaged_text_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        load_vectors(path)


def test_an_empty_name_is_an_input_error() -> None:
    with pytest.raises(InputError, match="name of the input is empty"):
        load_vectors("")


def test_an_empty_zip_says_so(tmp_path: Path) -> None:
    zipfile.ZipFile(tmp_path / "vectors.zip", "w").close()
    with pytest.raises(InputError, match="holds 0 files"):
        load_vectors(tmp_path / "vectors.zip")
