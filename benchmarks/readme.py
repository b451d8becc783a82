"""Write the figures of benchmarks/results.json into README.md and docs/: `python -m benchmarks.readme`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.classifier import SECTIONS as CLASSIFIERS
from benchmarks.language_model import SECTIONS as LANGUAGE_MODELS
from benchmarks.processes import ROOT
from benchmarks.report import shown
from benchmarks.sections import SECTIONS as VECTORS

RESULTS = ROOT / "benchmarks" / "results.json"
README, DOCS = ROOT / "README.md", ROOT / "docs"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
PEERS = ("gensim", "fasttext-numpy2")
PAGES = {"vectors.md": ["torch"], "language_models.md": [*LANGUAGE_MODELS], "classification.md": [*CLASSIFIERS]}
"""The sections in the table of each page of docs/."""
JUDGED = {name for names in PAGES.values() for name in names}
BESIDE_PEERS = [name for name in VECTORS if name != "torch"]
"""The sections in the table of the README."""


def render(results: dict[str, Any] | None) -> str:
    """Render the README's sections as Markdown: the table, the rows in which lexloom is slower, and the origin of the figures.

    Args:
        results: what `benchmarks.report.keep` wrote; None if nothing was measured.
    """
    sections = _measured(results, BESIDE_PEERS)
    if not sections:
        return "Not measured yet: run `make bench`.\n"
    rows = [row for section in sections.values() for row in section["rows"]]
    lines = ["| measured | unit | lexloom | peer | result or limit |", "|---|---|---|---|---|", *map(_line, rows), ""]
    slower = [f"{row['what']} ({row['figure']})" for row in rows if row["figure"].endswith(" x") and float(row["figure"][:-2]) < 1]
    lines += [f"Rows in which lexloom is slower: {'; '.join(slower) or 'none'}.", "", _origin(sections)]
    return "\n".join(lines) + "\n"


def render_judged(results: dict[str, Any] | None, names: Sequence[str]) -> str:
    """Render sections with bars as Markdown: the table, the missed bars, the sections not measured yet, and the origin of the figures.

    Args:
        results: as for `render`.
        names: of the sections, in order.
    """
    sections = _measured(results, names)
    rows = [row for section in sections.values() for row in section["rows"]]
    parts = []
    if rows:
        table = ["| measured | unit | lexloom | compared with | result | bar |", "|---|---|---|---|---|---|", *map(_judged_line, rows)]
        missed = [f"{row['what']} ({row['figure']}, bar: {row['bar']})" for row in rows if row["met"] is False]
        parts += ["\n".join(table), f"Missed bars: {'; '.join(missed) or 'none'}."]
    if waiting := [f"`{name}`" for name in names if name not in sections]:
        parts.append(f"Not measured yet: {', '.join(waiting)}.")
    if sections:
        parts.append(_origin(sections))
    return "\n\n".join(parts) + "\n"


def _measured(results: dict[str, Any] | None, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    found = (results or {"sections": {}})["sections"]
    return {name: found[name] for name in names if name in found and found[name]["rows"]}


def _line(row: dict[str, Any]) -> str:
    peer = shown(row["peer"], row["unit"])
    result = f"**{row['figure']}**" if row["peer"] and row["unit"] != "MB" else row["bar"]
    cells = (row["what"], row["unit"], shown(row["ours"], row["unit"]), f"{row['peer_name']} {peer}".strip(), result)
    return f"| {' | '.join(cells)} |"


def _judged_line(row: dict[str, Any]) -> str:
    """Format a row with a bar; the result is left out if it only repeats the value of lexloom."""
    ours, peer = (shown(row[side], row["unit"]) for side in ("ours", "peer"))
    result = "" if ours.startswith(row["figure"]) else f"**{row['figure']}**"
    cells = (row["what"], row["unit"], ours, f"{row['peer_name']} {peer}".strip(), result, row["bar"])
    return f"| {' | '.join(cells)} |"


def _origin(sections: dict[str, dict[str, Any]]) -> str:
    """Describe the machine, the date, the commit and the versions of the measurement: once if all sections agree, else for each."""
    found: dict[str, list[str]] = {}  # the sections of each origin
    for name, section in sections.items():
        packages = ("lexloom", "torch", "lightning") if name in JUDGED else ("lexloom", "numba", "numpy", "polars", *PEERS)
        if name in JUDGED and any("fastText" in row["peer_name"] for row in section["rows"]):
            packages += ("fasttext-numpy2",)
        versions = ", ".join(f"{package} {section['versions'][package]}" for package in packages if package in section["versions"])
        machine = "{cpu}, {cores} cores, {memory_gb} GB, {system}, Python {python}".format(**section["machine"])
        commit = f"`{section['commit'][:12] or 'no commit'}`{' with changes' if section['modified'] else ''}"
        quick = " (a slice of the text: these figures mean nothing)" if section["quick"] else ""
        found.setdefault(f"{commit} on {section['finished'][:10]}: {machine}{quick}; {versions}.", []).append(name)
    if len(found) == 1:
        return f"Measured at {next(iter(found))}"
    return "\n".join(f"- {', '.join(f'`{name}`' for name in names)} measured at {origin}" for origin, names in found.items())


def fill(text: str, figures: str) -> str:
    """Replace the text between the two markers of a page.

    Raises:
        ValueError: a marker is missing.
    """
    head, _, rest = text.partition(BEGIN)
    _, marker, tail = rest.partition(END)
    if not marker:
        raise ValueError(f"the page has no {BEGIN} followed by {END}")
    return f"{head}{BEGIN}\n{figures}{END}{tail}"


def filled_pages(results: dict[str, Any] | None) -> dict[Path, str]:
    """Return the full text of every page with figures."""
    figures = {README: render(results)} | {DOCS / page: render_judged(results, names) for page, names in PAGES.items()}
    return {page: fill(page.read_text(encoding="utf-8"), part) for page, part in figures.items()}


def main() -> None:
    """Update the pages; or, given another file of results as an argument, print its figures."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    results = json.loads(source.read_text()) if source.exists() else None
    if source != RESULTS:
        print(render(results), *(render_judged(results, names) for names in PAGES.values()), sep="\n")
        return
    for page, text in filled_pages(results).items():
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
