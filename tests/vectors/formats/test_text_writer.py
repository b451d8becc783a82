from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexloom.vectors.formats import save_vectors
from lexloom.vectors.formats.text_writer import decimals
from lexloom.vectors.table import Vectors


@pytest.mark.parametrize(
    ("to", "content"),
    [
        ("word2vec", "2 2\nthe 0.1 -0.0\nNew_York 1e-45 3.0\n"),
        ("fasttext-vec", "2 2\nthe 0.1 -0.0 \nNew_York 1e-45 3.0 \n"),
        ("glove", "the 0.1 -0.0\nNew_York 1e-45 3.0\n"),
    ],
)
def test_the_text_is_what_the_format_says(tmp_path: Path, to: str, content: str) -> None:
    matrix = np.array([[0.1, -0.0], [1e-45, 3]], np.float32)
    save_vectors(Vectors(["the", "New_York"], matrix), tmp_path / "v", to)
    assert (tmp_path / "v").read_text() == content


@given(st.lists(st.floats(width=32, allow_nan=False, allow_subnormal=True), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_decimals_give_back_every_bit_and_are_as_short_as_numpys(numbers: list[float]) -> None:
    rows = np.array(numbers, np.float32)[:, None]
    lines = decimals(rows)
    assert np.array_equal(np.array([float(line) for line in lines], np.float32).view(np.uint32), rows[:, 0].view(np.uint32))
    for line, number in zip(lines, rows[:, 0], strict=True):
        digits = line.split(b"e")[0].replace(b".", b"").replace(b"-", b"").strip(b"0")
        shortest = np.format_float_scientific(number, unique=True, trim="-").split("e")[0].replace(".", "").replace("-", "").strip("0")
        assert len(digits) <= len(shortest) or not np.isfinite(number)
