"""The figures in README.md are those of benchmarks/results.json."""

import copy
import json

import pytest
from benchmarks.readme import BEGIN, END, RESULTS, fill, render

from tests.docs.pages import read

ROW = {
    "what": "speed",
    "unit": "raw words/s",
    "ours": [2e6, 4e6],
    "peer": [1e6],
    "peer_name": "gensim",
    "figure": "3.00 x",
    "bar": "",
    "met": None,
}
SECTION = {
    "commit": "0123456789abcdef",
    "modified": False,
    "finished": "2026-01-02T03:04:05Z",
    "quick": False,
    "machine": {"cpu": "A CPU", "cores": 2, "memory_gb": 8.0, "system": "Linux", "python": "3.11.7"},
    "versions": {"lexloom": "0.1.0", "gensim": "4.4.0", "scipy": "1"},
    "rows": [ROW],
    "runs": [],
}


def test_the_readme_has_the_figures_of_the_last_run():
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else None
    assert fill(read("README.md"), render(results)) == read("README.md"), "run: python -m benchmarks.readme"


def test_a_row_shows_both_sides_and_the_ratio():
    page = render({"sections": {"speed": SECTION}})
    assert "| speed | raw words/s | 3,000,000 (2,000,000 to 4,000,000) | gensim 1,000,000 | **3.00 x** |" in page
    assert "Slower than the peer: in none of these rows." in page
    assert "Measured at `0123456789ab` on 2026-01-02: A CPU, 2 cores, 8.0 GB, Linux, Python 3.11.7; lexloom 0.1.0, gensim 4.4.0." in page


def test_an_amount_shows_its_limit():
    memory = {**ROW, "what": "peak", "unit": "MB", "ours": [143.6], "peer": [], "peer_name": "", "figure": "144", "bar": "under 700"}
    assert "| peak | MB | 144 |  | under 700 |" in render({"sections": {"memory": {**SECTION, "rows": [memory]}}})


def test_where_lexloom_is_slower_is_said():
    slow = {**ROW, "figure": "0.50 x"}
    assert "Slower than the peer: speed (0.50 x)." in render({"sections": {"speed": {**SECTION, "rows": [slow]}}})


def test_sections_of_several_commits_are_all_named():
    later = {**copy.deepcopy(SECTION), "commit": "fedcba9876543210", "modified": True}
    assert "`0123456789ab` and `fedcba987654` with changes" in render({"sections": {"a": SECTION, "b": later}})


@pytest.mark.parametrize("results", [None, {"sections": {}}, {"sections": {"torch": {**SECTION, "rows": []}}}])
def test_nothing_measured_is_said(results):
    assert render(results).startswith("Not measured yet")


def test_filling_replaces_what_stands_between_the_markers():
    page = f"a\n{BEGIN}\nold\n{END}\nb"
    assert fill(page, "new\n") == f"a\n{BEGIN}\nnew\n{END}\nb"
    assert fill(fill(page, "new\n"), "new\n") == fill(page, "new\n")


def test_a_page_without_markers_is_refused():
    with pytest.raises(ValueError, match="no <!-- figures -->"):
        fill("a page", "new\n")
