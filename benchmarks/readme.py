"""Put the figures of benchmarks/results.json into README.md: `python -m benchmarks.readme`."""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT
from benchmarks.report import shown

BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
RESULTS, README = ROOT / "benchmarks" / "results.json", ROOT / "README.md"
_PEERS = ("gensim", "fasttext-numpy2", "torch")
_OURS = ("lexloom", "numba", "numpy", "polars")


def render(results: dict[str, Any] | None) -> str:
    """Render the sections of a results file as Markdown: the table, where lexloom is slower, and what it was measured on.

    Args:
        results: what `benchmarks.report.keep` wrote; None where nothing was measured.
    """
    sections = [section for section in (results or {"sections": {}})["sections"].values() if section["rows"]]
    if not sections:
        return "Not measured yet: `make bench` does it.\n"
    rows = [row for section in sections for row in section["rows"]]
    lines = ["| measured | unit | lexloom | peer | result or limit |", "|---|---|---|---|---|", *map(_line, rows), ""]
    slower = [f"{row['what']} ({row['figure']})" for row in rows if row["figure"].endswith(" x") and float(row["figure"][:-2]) < 1]
    lines += [f"Slower than the peer: {'; '.join(slower) or 'in none of these rows'}.", "", _origin(sections)]
    return "\n".join(lines) + "\n"


def _line(row: dict[str, Any]) -> str:
    peer = shown(row["peer"], row["unit"])
    result = f"**{row['figure']}**" if row["peer"] and row["unit"] != "MB" else row["bar"]
    cells = (row["what"], row["unit"], shown(row["ours"], row["unit"]), f"{row['peer_name']} {peer}".strip(), result)
    return f"| {' | '.join(cells)} |"


def _origin(sections: list[dict[str, Any]]) -> str:
    """Say where, when and at which commit the sections were measured; each only once where they agree."""

    def all_of(texts: list[str]) -> str:
        return " and ".join(dict.fromkeys(texts))

    machines = [
        "{cpu}, {cores} cores, {memory_gb} GB, {system}, Python {python}".format(**section["machine"])
        + (" (a slice of the text: these figures judge nothing)" if section["quick"] else "")
        for section in sections
    ]
    commits = [f"`{section['commit'][:12] or 'no commit'}`{' with changes' if section['modified'] else ''}" for section in sections]
    days = [section["finished"][:10] for section in sections]
    versions = sections[0]["versions"]
    named = ", ".join(f"{name} {versions[name]}" for name in (*_OURS, *_PEERS) if name in versions)
    return f"Measured at {all_of(commits)} on {all_of(days)}: {all_of(machines)}; {named}."


def fill(text: str, figures: str) -> str:
    """Replace what stands between the two markers of a page.

    Raises:
        ValueError: a marker is missing.
    """
    head, _, rest = text.partition(BEGIN)
    _, marker, tail = rest.partition(END)
    if not marker:
        raise ValueError(f"the page has no {BEGIN} followed by {END}")
    return f"{head}{BEGIN}\n{figures}{END}{tail}"


def main() -> None:
    """Fill README.md; another file of results may be named, and then the page is only printed."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    page = fill(README.read_text(encoding="utf-8"), render(json.loads(source.read_text()) if source.exists() else None))
    if source == RESULTS:
        README.write_text(page, encoding="utf-8")
    else:
        print(page[page.index(BEGIN) : page.index(END)])


if __name__ == "__main__":
    main()
