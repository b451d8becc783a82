"""The figures in README.md and docs/language_models.md are those of benchmarks/results.json, and are judged as their bars say."""

import copy
import json

import pytest
from benchmarks.loop import Loop
from benchmarks.processes import ROOT
from benchmarks.readme import BEGIN, END, README, RESULTS, fill, filled_pages, render, render_judged
from benchmarks.report import Section, shown

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


def test_the_pages_have_the_figures_of_the_last_run():
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else None
    pages = filled_pages(results)
    assert README in pages
    for page, text in pages.items():
        assert text == page.read_text(encoding="utf-8"), f"{page.name}: run: python -m benchmarks.readme"


def test_a_row_shows_both_sides_and_the_ratio():
    page = render({"sections": {"speed": SECTION}})
    assert "| speed | raw words/s | 3,000,000 (2,000,000 to 4,000,000) | gensim 1,000,000 | **3.00 x** |" in page
    assert "Rows in which lexloom is slower: none." in page
    assert "Measured at `0123456789ab` on 2026-01-02: A CPU, 2 cores, 8.0 GB, Linux, Python 3.11.7; lexloom 0.1.0, gensim 4.4.0." in page


def test_an_amount_shows_its_limit():
    memory = {**ROW, "what": "peak", "unit": "MB", "ours": [143.6], "peer": [], "peer_name": "", "figure": "144", "bar": "under 700"}
    assert "| peak | MB | 144 |  | under 700 |" in render({"sections": {"memory": {**SECTION, "rows": [memory]}}})


def test_where_lexloom_is_slower_is_said():
    slow = {**ROW, "figure": "0.50 x"}
    assert "Rows in which lexloom is slower: speed (0.50 x)." in render({"sections": {"speed": {**SECTION, "rows": [slow]}}})


def test_sections_of_several_commits_are_all_named():
    later = {**copy.deepcopy(SECTION), "commit": "fedcba9876543210", "modified": True}
    page = render({"sections": {"speed": SECTION, "road": later, "memory": SECTION}})
    assert "\n- `speed`, `memory` measured at `0123456789ab` on 2026-01-02: A CPU" in page
    assert "\n- `road` measured at `fedcba987654` with changes on 2026-01-02: A CPU" in page


@pytest.mark.parametrize("results", [None, {"sections": {}}, {"sections": {"speed": {**SECTION, "rows": []}}}])
@pytest.mark.parametrize("table", [render, lambda results: render_judged(results, ["speed"])])
def test_nothing_measured_is_said(table, results):
    assert "Not measured yet: " in table(results)


def test_judged_sections_have_a_table_of_their_own():
    perplexity = {**ROW, "what": "test", "unit": "perplexity", "ours": [115.62], "peer": [], "peer_name": "", "figure": "115.6"}
    results = {"sections": {"speed": SECTION, "lm-speed": {**SECTION, "rows": [{**perplexity, "bar": "at most 116", "met": True}]}}}
    page = render_judged(results, ["torch", "lm-speed", "ptb-recipe"])
    assert "| test | perplexity | 115.6 |  |  | at most 116 |" in page
    assert "Missed bars: none." in page
    assert "Not measured yet: `torch`, `ptb-recipe`." in page
    assert "raw words/s" not in page
    assert "perplexity" not in render(results)


def test_what_was_missed_is_said():
    slow = {**ROW, "figure": "0.50 x", "bar": "at least 0.95 x", "met": False}
    page = render_judged({"sections": {"lm-speed": {**SECTION, "rows": [slow]}}}, ["lm-speed"])
    assert "Missed bars: speed (0.50 x, bar: at least 0.95 x)." in page
    assert "Not measured yet" not in page


@pytest.mark.parametrize(
    ("unit", "values", "limits", "figure", "bar", "met"),
    [
        ("perplexity", [115, 116, 120], {"at_most": 116}, "117", "at most 116", False),  # the mean
        ("characters/s", [2000, 3100, 9000], {"at_least": 3000}, "3,100", "at least 3,000", True),  # the median
        ("characters/s", [2999], {"at_least": 3000}, "2,999", "at least 3,000", False),
        ("MB", [318], {"at_most": 318}, "318", "at most 318", True),
        ("%", [97.25], {}, "97.2", "", None),
    ],
)
def test_an_amount_is_held_against_its_limit(unit, values, limits, figure, bar, met):
    section = Section()
    section.amount("what", unit, values, **limits)
    (row,) = section.rows
    assert (row.figure, row.bar, row.met) == (figure, bar, met)


@pytest.mark.parametrize(("ours", "figure", "met"), [([11, 12, 30], "1.20 times", True), ([13], "1.30 times", False)])
def test_a_time_may_be_longer_by_a_factor(ours, figure, met):
    section = Section()
    section.times("what", "s", ours, [10], "peer", 1.2)
    (row,) = section.rows
    assert (row.figure, row.bar, row.met) == (figure, "at most 1.2 times", met)


@pytest.mark.parametrize(
    ("ours", "judged", "figure", "met"), [(90, True, "-10.00", True), (101, True, "+1.00", False), (101, False, "+1.00", None)]
)
def test_a_lower_score_is_the_better_one(ours, judged, figure, met):
    section = Section()
    section.lower("what", "perplexity", [ours], [100], "peer", judged=judged)
    (row,) = section.rows
    assert (row.figure, row.met) == (figure, met)


@pytest.mark.parametrize(
    ("values", "unit", "text"),
    [
        ([], "s", ""),
        ([88.123], "perplexity", "88.12"),
        ([80.0, 90.0], "perplexity", "85 sd 7.1"),
        ([1.0, 2.0, 9.0], "s", "2 (1 to 9)"),
        ([1e51], "perplexity", "1e+51"),
    ],
)
def test_scores_have_a_spread_and_amounts_a_range(values, unit, text):
    assert shown(values, unit) == text


def test_a_recipe_and_the_bare_loop_are_told_the_same():
    loop = Loop.of_recipe(ROOT / "recipes/language_model/time-machine.toml")
    assert (loop.cell, loop.hidden_size, loop.embedding) == ("rnn", 512, "one-hot")
    assert "--hidden-size" in loop.options()


def test_a_recipe_beyond_the_bare_loop_is_refused():
    with pytest.raises(ValueError, match="schedule"):
        Loop.of_recipe(ROOT / "recipes/language_model/penn-treebank.toml")


def test_filling_replaces_what_stands_between_the_markers():
    filled = fill(f"a\n{BEGIN}\nold\n{END}\nb", "new\n")
    assert filled == f"a\n{BEGIN}\nnew\n{END}\nb"
    assert fill(filled, "new\n") == filled


def test_a_page_without_markers_is_refused():
    with pytest.raises(ValueError, match="no <!-- figures -->"):
        fill("a page", "new\n")
