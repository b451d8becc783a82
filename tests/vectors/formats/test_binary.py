from pathlib import Path

import numpy as np
import pytest

from lexloom.errors import FormatError
from lexloom.vectors.formats import load_vectors, save_vectors
from lexloom.vectors.table import Vectors

ROWS = np.array([[0.25, -1.5, 1e-45], [7, 8, 9]], np.float32)


def binary(newline: bytes = b"", tokens: tuple[bytes, ...] = (b"the", b"na\xefve"), header: bytes = b"2 3\n") -> bytes:
    return header + b"".join(token + b" " + row.tobytes() + newline for token, row in zip(tokens, ROWS, strict=True))


@pytest.mark.parametrize("newline", [b"", b"\n"])
def test_rows_are_read_with_and_without_a_newline_after_each(tmp_path: Path, newline: bytes) -> None:
    (tmp_path / "v").write_bytes(binary(newline))
    found = load_vectors(tmp_path / "v")
    assert [token.encode("utf-8", "surrogateescape") for token in found.tokens] == [b"the", b"na\xefve"]
    assert np.array_equal(found.matrix, ROWS)
    assert found.metadata["read_from"]["format"] == "word2vec-binary"


@pytest.mark.parametrize("number", [b"7:[a", b"    ", b"x\n\ny"])
def test_a_number_whose_bytes_look_like_text_is_read(tmp_path: Path, number: bytes) -> None:
    (tmp_path / "v").write_bytes(b"2 1\nthe " + number + b"of " + number)
    found = load_vectors(tmp_path / "v")
    assert found.tokens == ["the", "of"]
    assert found.matrix.tobytes() == 2 * number


@pytest.mark.parametrize(("kept", "row"), [(4, 1), (20, 2), (29, 2)])
def test_a_truncated_file_says_in_which_row(tmp_path: Path, kept: int, row: int) -> None:
    (tmp_path / "v").write_bytes(binary()[:kept] if kept > 4 else binary()[:10])
    with pytest.raises(FormatError, match=f"cut short in row {row} of the 2"):
        load_vectors(tmp_path / "v")


def test_data_after_the_promised_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(binary(header=b"1 3\n"))
    with pytest.raises(FormatError, match="more data follows the 1 rows"):
        load_vectors(tmp_path / "v")
    assert load_vectors(tmp_path / "v", limit=1).tokens == ["the"]


def test_garbage_after_a_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(b"9 3\na " + bytes(12) + b"\x00" * 400_000)
    with pytest.raises(FormatError, match=r"row 2 has no token"):
        load_vectors(tmp_path / "v")


def test_the_first_of_duplicate_tokens_wins(tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(binary(tokens=(b"a", b"a")))
    found = load_vectors(tmp_path / "v")
    assert found.tokens == ["a"]
    assert np.array_equal(found.matrix, ROWS[:1])
    assert found.metadata["read_from"]["duplicates"] == 1


def test_many_rows_cross_blocks(tmp_path: Path, assert_same) -> None:
    matrix = np.random.default_rng(1).standard_normal((3000, 100), np.float32)
    vectors = Vectors([f"token{row}" for row in range(3000)], matrix)
    save_vectors(vectors, tmp_path / "v.bin")
    assert_same(load_vectors(tmp_path / "v.bin"), vectors)
    assert_same(load_vectors(tmp_path / "v.bin", limit=2000), Vectors(vectors.tokens[:2000], matrix[:2000]))
