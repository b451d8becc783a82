import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lexloom.vectors.formats.text as text_module
from lexloom.errors import FormatError, InputError
from lexloom.vectors.formats import load_vectors, save_vectors
from lexloom.vectors.formats.text import decimals, parse_rows
from lexloom.vectors.table import Vectors


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


DECIMAL = st.from_regex(r"\A-?[0-9]{1,25}(\.[0-9]{1,30})?(e-?[0-4]?[0-9])?\Z")


@given(st.lists(DECIMAL, min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_a_decimal_becomes_the_nearest_float32(decimals: list[str]) -> None:
    rows = parse_rows([decimal.encode() for decimal in decimals], 1)
    assert rows is not None
    largest = Fraction(float(np.finfo(np.float32).max))
    for decimal, found in zip(decimals, rows[:, 0], strict=True):
        exact = Fraction(decimal)
        if not np.isfinite(found):
            assert abs(exact) > largest
            continue
        error = abs(Fraction(float(found)) - exact)
        for side in (np.float32(-np.inf), np.float32(np.inf)):
            neighbor = np.nextafter(found, side)
            assert not np.isfinite(neighbor) or error <= abs(Fraction(float(neighbor)) - exact)


@given(st.lists(st.tuples(st.text("aé\"'#,\u00a0\u2003\t", max_size=4), st.floats(width=32), st.floats(width=32)), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_reading_agrees_with_python(tmp_path_factory, rows: list[tuple[str, float, float]]) -> None:
    lines = [f"{token} {first!r} {second!r}" for token, first, second in rows]
    path = write(tmp_path_factory.mktemp("twin") / "v.txt", f"{len(rows)} 2\n" + "\n".join(lines))
    expected: dict[str, list[float]] = {}
    for line in lines:
        token, first, second = line.split(" ")
        expected.setdefault(token, [float(first), float(second)])
    found = load_vectors(path)
    assert found.tokens == list(expected)
    np.testing.assert_array_equal(found.matrix, np.array(list(expected.values()), np.float64).astype(np.float32))
    assert found.metadata["read_from"]["duplicates"] == len(rows) - len(expected)


@pytest.mark.parametrize(
    "content",
    ["2 2\na 1 2\nb 3 4\n", "2 2\r\na 1 2\r\nb 3 4\r\n", "2 2\na 1 2 \nb 3 4 \n", "2 2\na 1 2\nb 3 4", "\ufeff2 2\na 1 2\n\nb 3 4\n\n"],
)
def test_line_ends_and_blank_lines_do_not_matter(tmp_path: Path, content: str) -> None:
    found = load_vectors(write(tmp_path / "v", content))
    assert found.tokens == ["a", "b"]
    assert found.matrix.tolist() == [[1, 2], [3, 4]]


def test_a_trailing_space_is_fasttext(tmp_path: Path) -> None:
    assert load_vectors(write(tmp_path / "v", "1 2\na 1 2 \n")).metadata["read_from"]["format"] == "fasttext-vec"


def test_a_first_line_of_two_integers_is_a_header_and_nothing_else_is(tmp_path: Path) -> None:
    assert load_vectors(write(tmp_path / "a", "2 1\n7 5\nb 2\n")).tokens == ["7", "b"]
    assert load_vectors(write(tmp_path / "b", "7 5.0\nb 2\n")).tokens == ["7", "b"]
    assert load_vectors(write(tmp_path / "c", "2009 1 3\nb 2 4\n")).tokens == ["2009", "b"]


def test_a_token_of_invalid_utf8_keeps_its_bytes(tmp_path: Path) -> None:
    found = load_vectors(write(tmp_path / "v", b"1 2\nna\xefve 1 2\n"))
    assert [token.encode("utf-8", "surrogateescape") for token in found.tokens] == [b"na\xefve"]


def test_glove_tokens_with_spaces_are_split_from_the_right(tmp_path: Path) -> None:
    found = load_vectors(write(tmp_path / "v", "the 1 2\n. . . 3 4\nat name@domain.com 5 6\nthe 7 8\n"))
    assert found.tokens == ["the", ". . .", "at name@domain.com"]
    assert found.matrix.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert load_vectors(tmp_path / "v", only=[". . ."]).matrix.tolist() == [[3, 4]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("3 2\na 1 2\nb 3 4\n", r"v: cut short: it ends after row 2 of the 3"),
        ("2 2\na 1 2\nb 3\n", r"v:3: expected a token and 2 numbers, found 2 fields"),
        ("2 2\na 1 2\nb 3 4 5\n", r"v:3: expected a token and 2 numbers, found 4 fields"),
        ("2 2\na 1 2\nb 3 x4\n", r"v:3: number 2 of 2 is 'x4', which is not a number"),
        ("2 2\na 1 2\n\nb  4\n", r"v:4: number 1 of 2 is ''"),
        ("2 2\na 1 2\nb 1_0 4\n", r"v:3: number 1 of 2 is '1_0'"),
        ("a 1 2\nb 3 4\nc 5\n", r"v:3: expected a token and 2 numbers"),
        ("5 0\n", r"v:1: the header promises rows of 0 numbers"),
        ("1 2\na eins zwei\n", r"v:2: number 1 of 2 is 'eins'"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        load_vectors(write(tmp_path / "v", content))


def test_what_comes_after_the_limit_is_not_read(tmp_path: Path) -> None:
    assert load_vectors(write(tmp_path / "v", "9 2\na 1 2\nb damaged\n"), limit=1).tokens == ["a"]


def test_more_rows_than_the_header_promises_are_kept_and_recorded(tmp_path: Path) -> None:
    found = load_vectors(write(tmp_path / "v", "1 2\na 1 2\nb 3 4\n"))
    assert found.tokens == ["a", "b"]
    assert (found.metadata["read_from"]["header_tokens"], found.metadata["read_from"]["rows"]) == (1, 2)


def test_a_header_that_promises_the_impossible_does_not_take_memory(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="ends after row 1 of the 99,999,999,999,999"):
        load_vectors(write(tmp_path / "v", "99999999999999 2\na 1 2\n"))


def test_lines_are_found_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "v", "".join(f"t{row} {row} {-row}.5\n" for row in range(200)))
    whole = load_vectors(path)
    monkeypatch.setattr(text_module, "_BLOCK", 17)
    pieces = load_vectors(path)
    assert pieces.tokens == whole.tokens
    assert np.array_equal(pieces.matrix, whole.matrix)
    assert load_vectors(path, limit=7).tokens == whole.tokens[:7]


def test_a_zip_of_one_opens_and_of_several_says_how(tmp_path: Path) -> None:
    for members in (["glove.txt"], ["a.txt", "b.txt"]):
        with zipfile.ZipFile(tmp_path / f"{len(members)}.zip", "w") as archive:
            for member in members:
                archive.writestr(member, "the 1 2\n")
    assert load_vectors(tmp_path / "1.zip").tokens == ["the"]
    with pytest.raises(InputError, match=r"holds 2 files \(a.txt, b.txt\).*zip://a.txt::"):
        load_vectors(tmp_path / "2.zip")
    assert load_vectors(f"zip://b.txt::{tmp_path / '2.zip'}").tokens == ["the"]


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
