import json
import re
import struct
import sys

import numpy as np
import pytest

from lexloom.errors import ConfigError, InputError, UnknownWordError
from lexloom.vectors.plot import plot_vectors
from lexloom.vectors.search import WordPolicy
from lexloom.vectors.table import Vectors


@pytest.fixture
def vectors():
    tokens = ["the", "$x$", "<b>", "语言", "a\nb", "\udcff", *(f"word{number}" for number in range(34))]
    return Vectors(tokens, np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32), np.arange(40, 0, -1) ** 2)


def size_of(png):
    data = png.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", data[16:24])


def as_in_page(text):
    """Text as plotly writes it into a script: JSON, with the characters that mean something in HTML escaped as well."""
    escaped = json.dumps(text)[1:-1]
    return escaped.replace("<", "\\u003c").replace(">", "\\u003e")


def test_a_png_of_the_most_frequent_words_is_drawn_whatever_their_characters(vectors, tmp_path):
    out = tmp_path / "new" / "words.png"
    report = plot_vectors(vectors, out, top=30)
    assert size_of(out) == (1600, 1200)
    assert report.points == 30
    assert 20 <= report.labels <= 30
    assert set(report.missing_glyphs) <= set("语言")
    assert [path.name for path in out.parent.iterdir()] == ["words.png"]


def test_a_png_is_the_same_again(vectors, tmp_path):
    for name in ("a.png", "b.png"):
        plot_vectors(vectors, tmp_path / name, groups={"one": ["word1", "word2"], "two": ["word3"]}, title="Two $groups$")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_page_holds_its_script_and_every_word_escaped(vectors, tmp_path):
    out = tmp_path / "words.HTML"
    report = plot_vectors(vectors, out, top=30, title="<i>")
    page = out.read_text(encoding="utf-8")
    assert report.points == 30
    assert "Plotly.newPlot" in page and not re.search(r"<(script|link)[^>]*\s(src|href)=", page)
    for text in ("word20", "语言", "&lt;b&gt;", "&lt;i&gt;", "seen 1,600 times"):
        assert as_in_page(text) in page


def test_groups_are_coloured_beside_words(vectors, tmp_path):
    out = tmp_path / "words.html"
    report = plot_vectors(vectors, out, words=["the"], groups={"first": ["word1", "word2"], "second": ["word2", "word3"]})
    page = out.read_text(encoding="utf-8")
    assert report.points == 4
    assert all(f'"name":"{name}"' in page for name in ("first", "second", "other"))


@pytest.mark.parametrize("words", [["the"], ["the", "word1"], ["the", "the", "word1", "word2"]])
@pytest.mark.parametrize("name", ["few.png", "few.html"])
def test_few_words_are_enough(vectors, tmp_path, words, name):
    report = plot_vectors(vectors, tmp_path / name, words=words)
    assert report.points == report.labels == len(set(words))


def test_vectors_without_counts_are_drawn(tmp_path):
    assert plot_vectors(Vectors(["a", "b"], np.eye(2, dtype=np.float32)), tmp_path / "p.png").points == 2


def test_unknown_words_follow_the_policy(vectors, tmp_path):
    out = tmp_path / "p.png"
    with pytest.raises(UnknownWordError, match="'word99'"):
        plot_vectors(vectors, out, words=["the", "word99"])
    assert plot_vectors(vectors, out, words=["the", "word99", "WORD1"], policy=WordPolicy(unknown="skip", ignore_case=True)).points == 2
    assert plot_vectors(vectors, out, words=["the", "word99"], policy=WordPolicy(unknown="zero")).points == 2


@pytest.mark.parametrize(
    "choice", [{"top": 0}, {"words": []}, {"words": ["?"], "policy": WordPolicy(unknown="skip")}, {"groups": {"none": []}}]
)
def test_nothing_to_plot_is_refused(vectors, tmp_path, choice):
    with pytest.raises(InputError, match="no words to plot"):
        plot_vectors(vectors, tmp_path / "p.png", **choice)


def test_a_row_with_nan_is_named(vectors, tmp_path):
    vectors.matrix[8, 0] = np.nan
    with pytest.raises(InputError, match="the row of 'word2' is not finite"):
        plot_vectors(vectors, tmp_path / "p.png")


@pytest.mark.parametrize("name", ["p.gif", "p", "png"])
def test_another_suffix_is_refused(vectors, tmp_path, name):
    with pytest.raises(ConfigError, match=r"must end in \.png or \.html"):
        plot_vectors(vectors, tmp_path / name)


def test_a_page_without_plotly_says_what_to_install_and_leaves_nothing(vectors, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(ConfigError, match=r"pip install 'lexloom\[plot\]'"):
        plot_vectors(vectors, tmp_path / "p.html")
    assert list(tmp_path.iterdir()) == []
