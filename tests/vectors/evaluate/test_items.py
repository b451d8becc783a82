import bz2
import gzip

import pytest

from lexloom.errors import InputError
from lexloom.vectors.evaluate.items import UNNAMED_SECTION, read_pairs, read_questions


def written(folder, text):
    file = folder / "items.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.mark.parametrize(
    "text",
    [
        "cat\tdog\t7.5\nsun\tmoon\t3\n",
        "cat,dog,7.5\nsun, moon, 3",
        "cat dog 7.5\nsun   moon 3\n\n",
        "cat\tdog\t7.5\r\nsun\tmoon\t3\r\n",
        "\ufeffcat\tdog\t7.5\nsun\tmoon\t3\n",
        "Word 1,Word 2,Human (mean)\ncat,dog,7.5\nsun,moon,3\n",
        "# a comment\nword1\tword2\tscore\tmore\n\ncat\tdog\t7.5\tn\nsun\tmoon\t3\tn\n",
        gzip.compress(b"cat\tdog\t7.5\nsun\tmoon\t3\n", mtime=0),
        bz2.compress(b"cat\tdog\t7.5\nsun\tmoon\t3\n"),
    ],
)
def test_pairs_are_read_from_any_common_layout(tmp_path, text):
    pairs = read_pairs(written(tmp_path, text))
    assert (pairs.left, pairs.right, pairs.scores.tolist()) == (["cat", "sun"], ["dog", "moon"], [7.5, 3])


def test_words_may_hold_spaces_where_tabs_separate(tmp_path):
    assert read_pairs(written(tmp_path, "New York\tLos Angeles\t1\n")).left == ["New York"]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("cat dog 1\ncat dog\n", 2, "expected word, word, score"),
        ("# c\n\ncat\tdog\t1\ncat\tdog\tmuch\n", 4, "expected a number as the third field, found 'much'"),
        ("cat\t\t1\n", 1, "expected word, word, score"),
        ("cat dog 1\ncat dog nan\n", 2, "expected a number"),
    ],
)
def test_a_bad_pair_names_file_and_line(tmp_path, text, line, what):
    with pytest.raises(InputError) as caught:
        read_pairs(written(tmp_path, text))
    assert f"items.txt:{line}: {what}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [read_pairs, read_questions])
@pytest.mark.parametrize("text", ["", "\n\n", "# only this\n"])
def test_a_file_without_items_is_refused(tmp_path, read, text):
    with pytest.raises(InputError, match=r"no (pairs|questions)"):
        read(written(tmp_path, text))


@pytest.mark.parametrize("read", [read_pairs, read_questions])
def test_a_missing_file_is_refused(tmp_path, read):
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "absent")


def test_questions_are_read_in_sections(tmp_path):
    questions = read_questions(written(tmp_path, "// licence\n: one\na b c d\n\n: two words\r\ne f g h\r\n: one\ni\tj k l\n"))
    assert questions.words == [tuple("abcd"), tuple("efgh"), tuple("ijkl")]
    assert questions.names == ["one", "two words"]
    assert questions.sections.tolist() == [0, 1, 0]


def test_questions_need_no_section(tmp_path):
    questions = read_questions(written(tmp_path, "a b c d\n"))
    assert questions.names == [UNNAMED_SECTION]


@pytest.mark.parametrize("line", ["a b c", "a b c d e"])
def test_a_bad_question_names_file_and_line(tmp_path, line):
    with pytest.raises(InputError, match=r"items\.txt:3: expected four words or ': section', found [35]"):
        read_questions(written(tmp_path, f": s\na b c d\n{line}\n"))


def test_bytes_that_are_no_utf8_are_kept(tmp_path):
    assert read_pairs(written(tmp_path, b"caf\xe9\tx\t1\n")).left == ["caf\udce9"]
