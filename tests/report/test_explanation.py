from html.parser import HTMLParser

import pytest

from lexloom.models.classifier.answers import Explanation
from lexloom.report.explanation import write_page

GREEN, RED = "46, 125, 50", "198, 40, 40"
VOID = {"meta"}


class Page(HTMLParser):
    """The text of each kind of element, and the words with their attributes; complains where an end does not fit its beginning."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.words = [], {}, []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.open += [] if tag in VOID else [tag]
        if tag == "span" and "title" in dict(attributes):
            self.words.append((dict(attributes), []))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        tag = self.open[-1] if self.open else ""
        self.texts[tag] = self.texts.get(tag, "") + data
        if tag == "span" and self.words:
            self.words[-1][1].append(data)


def page_of(tmp_path, tokens=("a",), scores=(1.0,), label="good", probability=0.75):
    """Write a page and read it: the parser, and for each word (token, colour, strength, what the pointer shows)."""
    write_page(Explanation(label, probability, list(tokens), list(scores)), tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    words = []
    for attributes, texts in page.words:
        colour, _, strength = attributes["style"].removeprefix("background: rgba(").removesuffix(")").rpartition(", ")
        words.append(("".join(texts), colour, float(strength), attributes["title"]))
    return page, words


def test_words_are_green_or_red_and_the_strongest_the_most(tmp_path):
    _, words = page_of(tmp_path, ["very", "bad", "film"], [0.5, -2.0, 1.0])
    assert words == [
        ("very", GREEN, 0.2, "+0.5000"),
        ("bad", RED, 0.8, "-2.0000"),
        ("film", GREEN, 0.4, "+1.0000"),
    ]


@pytest.mark.parametrize("score", [1e-30, 1e30])
def test_scores_of_any_size_are_seen(tmp_path, score):
    _, words = page_of(tmp_path, ["a", "b"], [score, -score])
    assert [(colour, strength) for _, colour, strength, _ in words] == [(GREEN, 0.8), (RED, 0.8)]


def test_words_that_say_nothing_have_no_colour(tmp_path):
    _, words = page_of(tmp_path, ["a", "b"], [0.0, -0.0])
    assert [strength for _, _, strength, _ in words] == [0, 0]


def test_a_text_without_words_is_a_page_too(tmp_path):
    page, words = page_of(tmp_path, [], [])
    assert words == [] and page.texts["h1"] == "good"


def test_label_and_probability_are_said(tmp_path):
    page, _ = page_of(tmp_path, label="so so", probability=0.123456)
    assert page.texts["title"] == page.texts["h1"] == "so so"
    assert "probability 0.1235" in page.texts["p"]


@pytest.mark.parametrize("text", ["<b>&amp;</b>", "</span></p>", "\"quoted\" & 'so'", "{label} {0} %s", "<script>alert(1)</script>", "猫"])
def test_labels_and_words_are_text_whatever_they_hold(tmp_path, text):
    page, words = page_of(tmp_path, [text, "b"], [1.0, -1.0], label=text)
    assert [word for word, *_ in words] == [text, "b"]
    assert page.texts["title"] == page.texts["h1"] == text
    assert "script" not in page.texts


def test_a_page_needs_nothing_else_and_replaces_the_old_one(tmp_path):
    page_of(tmp_path, label="first")
    page_of(tmp_path, label="second")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "first" not in text and not any(word in text for word in ("http", "src=", "<link", "@import"))
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
