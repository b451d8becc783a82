"""Put the figures of benchmarks/results.json into the pages that show them: `python -m benchmarks.readme`."""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.language_model import SECTIONS as LANGUAGE_MODELS
from benchmarks.processes import ROOT
from benchmarks.report import shown

BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
LM_MARKERS = ("<!-- lm-figures -->", "<!-- /lm-figures -->")
RESULTS, README, LM_PAGE = ROOT / "benchmarks" / "results.json", ROOT / "README.md", ROOT / "docs" / "language_models.md"
_VECTORS = ("lexloom", "numba", "numpy", "polars", "gensim", "fasttext-numpy2", "torch")
_LANGUAGE_MODELS = ("lexloom", "torch", "lightning")


def render(results: dict[str, Any] | None) -> str:
    """Render the sections about vectors as Markdown: the table, where lexloom is slower, and what it was measured on.

    Args:
        results: what `benchmarks.report.keep` wrote; None where nothing was measured.
    """
    sections = _measured(results, language_models=False)
    if not sections:
        return "Not measured yet: `make bench` does it.\n"
    rows = [row for section in sections.values() for row in section["rows"]]
    lines = ["| measured | unit | lexloom | peer | result or limit |", "|---|---|---|---|---|", *map(_line, rows), ""]
    slower = [f"{row['what']} ({row['figure']})" for row in rows if row["figure"].endswith(" x") and float(row["figure"][:-2]) < 1]
    lines += [f"Slower than the peer: {'; '.join(slower) or 'in none of these rows'}.", "", _origin(sections, _VECTORS)]
    return "\n".join(lines) + "\n"


def render_language_models(results: dict[str, Any] | None) -> str:
    """Render the sections about language models as Markdown: the table, the bars that were missed, and what it was measured on.

    Args:
        results: what `benchmarks.report.keep` wrote; None where nothing was measured.
    """
    sections = _measured(results, language_models=True)
    if not sections:
        return "Not measured yet: `python -m benchmarks --only lm --data FOLDER` does it.\n"
    rows = [row for section in sections.values() for row in section["rows"]]
    lines = ["| measured | unit | lexloom | beside it | result | asked for |", "|---|---|---|---|---|---|", *map(_judged_line, rows), ""]
    missed = [f"{row['what']} ({row['figure']}, asked for: {row['bar']})" for row in rows if row["met"] is False]
    lines += [f"Missed: {'; '.join(missed) or 'nothing that was asked for'}.", "", _origin(sections, _LANGUAGE_MODELS)]
    return "\n".join(lines) + "\n"


def _measured(results: dict[str, Any] | None, *, language_models: bool) -> dict[str, dict[str, Any]]:
    found = (results or {"sections": {}})["sections"].items()
    return {name: section for name, section in found if section["rows"] and (name in LANGUAGE_MODELS) == language_models}


def _line(row: dict[str, Any]) -> str:
    peer = shown(row["peer"], row["unit"])
    result = f"**{row['figure']}**" if row["peer"] and row["unit"] != "MB" else row["bar"]
    cells = (row["what"], row["unit"], shown(row["ours"], row["unit"]), f"{row['peer_name']} {peer}".strip(), result)
    return f"| {' | '.join(cells)} |"


def _judged_line(row: dict[str, Any]) -> str:
    """Leave the result out where it only says again what stands under lexloom."""
    ours, peer = (shown(row[side], row["unit"]) for side in ("ours", "peer"))
    result = "" if ours.startswith(row["figure"]) else f"**{row['figure']}**"
    cells = (row["what"], row["unit"], ours, f"{row['peer_name']} {peer}".strip(), result, row["bar"])
    return f"| {' | '.join(cells)} |"


def _origin(sections: dict[str, dict[str, Any]], packages: tuple[str, ...]) -> str:
    """Say where, when and at which commit the sections were measured: once where they agree, else section by section."""
    found: dict[str, list[str]] = {}  # the sections of each origin
    for name, section in sections.items():
        versions = ", ".join(f"{package} {section['versions'][package]}" for package in packages if package in section["versions"])
        machine = "{cpu}, {cores} cores, {memory_gb} GB, {system}, Python {python}".format(**section["machine"])
        commit = f"`{section['commit'][:12] or 'no commit'}`{' with changes' if section['modified'] else ''}"
        quick = " (a slice of the text: these figures judge nothing)" if section["quick"] else ""
        found.setdefault(f"{commit} on {section['finished'][:10]}: {machine}{quick}; {versions}.", []).append(name)
    if len(found) == 1:
        return f"Measured at {next(iter(found))}"
    return "\n".join(f"- {', '.join(f'`{name}`' for name in names)} measured at {origin}" for origin, names in found.items())


def fill(text: str, figures: str, markers: tuple[str, str] = (BEGIN, END)) -> str:
    """Replace what stands between the two markers of a page.

    Raises:
        ValueError: a marker is missing.
    """
    begin, end = markers
    head, _, rest = text.partition(begin)
    _, marker, tail = rest.partition(end)
    if not marker:
        raise ValueError(f"the page has no {begin} followed by {end}")
    return f"{head}{begin}\n{figures}{end}{tail}"


def filled_pages(results: dict[str, Any] | None) -> dict[Path, str]:
    """Give the whole text of every page that shows figures, filled: README.md, and docs/language_models.md once it has a place for them."""
    pages = {README: fill(README.read_text(encoding="utf-8"), render(results))}
    page = LM_PAGE.read_text(encoding="utf-8") if LM_PAGE.exists() else ""
    if LM_MARKERS[0] in page:
        pages[LM_PAGE] = fill(page, render_language_models(results), LM_MARKERS)
    return pages


def main() -> None:
    """Fill the pages; another file of results may be named, and then the figures are only printed."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    results = json.loads(source.read_text()) if source.exists() else None
    if source != RESULTS:
        print(render(results), render_language_models(results), sep="\n")
        return
    for page, text in filled_pages(results).items():
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
