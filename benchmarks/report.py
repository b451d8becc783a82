"""Figures beside their bars: the rows of a section, its table, and the JSON that keeps them."""

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT, Run

_SCORES = ("score", "perplexity")  # units of which means are compared; of everything else medians
_MEASURED = ("src", "recipes", "benchmarks", ":!benchmarks/results.json")  # what figures depend on
_PACKAGES = ("lexloom", "numpy", "numba", "llvmlite", "polars", "tokenizers", "scipy", "gensim", "fasttext-numpy2", "torch", "lightning")


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: what was measured.
        unit: the unit of `ours` and `peer`.
        ours: a figure a run.
        peer: the peer's, empty where there is none.
        peer_name: who that is.
        figure: what the bar is held against: a ratio, a difference, an amount.
        bar: what was asked for; empty where nothing was.
        met: whether it was reached; None without a bar.
    """

    what: str
    unit: str
    ours: list[float]
    peer: list[float] = field(default_factory=list)
    peer_name: str = ""
    figure: str = ""
    bar: str = ""
    met: bool | None = None


@dataclass
class Section:
    """The rows of a section and the runs that they come from."""

    rows: list[Row] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def ratio(self, what: str, unit: str, ours: Sequence[float], peer: Sequence[float], peer_name: str, least: float | None = None) -> None:
        """Add a row of speeds or times, medians compared; units of time count the other way round."""
        mine, theirs = statistics.median(ours), statistics.median(peer)
        value = theirs / mine if unit in ("s", "ms") else mine / theirs
        bar, met = ("", None) if least is None else (f"at least {least:g} x", value >= least)
        self.rows.append(Row(what, unit, list(ours), list(peer), peer_name, f"{value:.2f} x", bar, met))

    def pairs(self, what: str, unit: str, ours: Sequence[float], peer: Sequence[float], peer_name: str, least: float) -> None:
        """Add a row of speeds measured in turn: the median of their ratios, pair by pair."""
        value = statistics.median(mine / theirs for mine, theirs in zip(ours, peer, strict=True))
        self.rows.append(Row(what, unit, list(ours), list(peer), peer_name, f"{value:.2f} x", f"at least {least:g} x", value >= least))

    def difference(self, what: str, ours: Sequence[float], peer: Sequence[float], peer_name: str, tolerance: float) -> None:
        """Add a row of scores, means compared: ours may be lower by `tolerance`."""
        value = statistics.mean(ours) - statistics.mean(peer)
        bar = f"at least -{tolerance:.2g}"
        self.rows.append(Row(what, "score", list(ours), list(peer), peer_name, f"{value:+.4f}", bar, value >= -tolerance))

    def times(self, what: str, unit: str, ours: Sequence[float], peer: Sequence[float], peer_name: str, most: float) -> None:
        """Add a row of times, medians compared: ours may be longer by a factor."""
        value = statistics.median(ours) / statistics.median(peer)
        row = Row(what, unit, list(ours), list(peer), peer_name, f"{value:.2f} times", f"at most {most:g} times", value <= most)
        self.rows.append(row)

    def paired(self, what: str, ours: Sequence[float], peer: Sequence[float], peer_name: str, *, judged: bool) -> None:
        """Add a row of scores seed by seed: is the mean difference larger than its spread? Where it is judged, ours may not be lower so."""
        differences = [mine - theirs for mine, theirs in zip(ours, peer, strict=True)]
        value, spread = statistics.mean(differences), statistics.stdev(differences) if len(differences) > 1 else 0.0
        word = "within" if abs(value) <= spread else "beyond"
        bar, met = ("not below by more than the spread", value >= -spread) if judged else ("", None)
        self.rows.append(Row(what, "score", list(ours), list(peer), peer_name, f"{value:+.4f}, {word} its spread {spread:.4f}", bar, met))

    def lower(self, what: str, unit: str, ours: Sequence[float], peer: Sequence[float], peer_name: str, *, judged: bool) -> None:
        """Add a row of scores of which the lower is the better, means compared; where it is judged, ours may not be higher."""
        value = statistics.mean(ours) - statistics.mean(peer)
        bar, met = ("at most +0", value <= 0) if judged else ("", None)
        self.rows.append(Row(what, unit, list(ours), list(peer), peer_name, f"{value:+.2f}", bar, met))

    def amount(
        self,
        what: str,
        unit: str,
        ours: Sequence[float],
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        peer: Sequence[float] = (),
        peer_name: str = "",
    ) -> None:
        """Add a row of an amount that has a limit, or none: the mean of scores, the median of everything else."""
        value = _middle(ours, unit)
        bars = [f"{name} {_rounded(bar, unit)}" for name, bar in (("at most", at_most), ("at least", at_least)) if bar is not None]
        met = (at_most is None or value <= at_most) and (at_least is None or value >= at_least) if bars else None
        self.rows.append(Row(what, unit, list(ours), list(peer), peer_name, _rounded(value, unit), " and ".join(bars), met))


def print_table(name: str, rows: list[dict[str, Any]]) -> None:
    """Print a section as a table."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=name, box=box.SIMPLE, title_justify="left", title_style="bold")
    for column in ("measured", "unit", "lexloom", "peer", "", "result", "bar", "met"):
        table.add_column(column, justify="right" if column in ("lexloom", "peer", "result") else "left")
    for row in rows:
        met = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[row["met"]]
        figures = (shown(row["ours"], row["unit"]), shown(row["peer"], row["unit"]))
        table.add_row(row["what"], row["unit"], *figures, row["peer_name"], row["figure"], row["bar"], met)
    Console(width=None if os.isatty(1) else 170).print(table)


def shown(values: list[float], unit: str) -> str:
    """A mean with its spread for scores, a median with its range for everything else."""
    if not values:
        return ""
    middle = f"{_middle(values, unit):.4f}" if unit == "score" else _rounded(_middle(values, unit), unit)
    if len(values) == 1:
        return middle
    if unit in _SCORES:
        spread = statistics.stdev(values)
        return f"{middle} sd {spread:.4f}" if unit == "score" else f"{middle} sd {spread:.2g}"
    return f"{middle} ({_rounded(min(values))} to {_rounded(max(values))})"


def _middle(values: Sequence[float], unit: str) -> float:
    return statistics.mean(values) if unit in _SCORES else statistics.median(values)


def _rounded(value: float, unit: str = "") -> str:
    if 1000 <= value < 1e9:
        return f"{value:,.0f}"
    return f"{value:.4g}" if unit == "perplexity" else f"{value:.3g}"


def keep(out: Path, name: str, section: Section, quick: bool) -> dict[str, Any]:
    """Merge a section into the JSON file, with the commit, the versions and the machine it was measured at; return its record."""
    record = {
        "commit": _git("rev-parse", "--verify", "--quiet", "HEAD"),
        "modified": bool(_git("status", "--porcelain", "--untracked-files=no", "--", *_MEASURED)),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "quick": quick,
        "machine": machine(),
        "versions": _versions(),
        "rows": [asdict(row) for row in section.rows],
        "runs": [asdict(run) for run in section.runs],
    }
    known = json.loads(out.read_text()) if out.exists() else {"sections": {}}
    known["sections"][name] = record
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_suffix(".tmp")
    temporary.write_text(json.dumps(known, indent=1) + "\n")
    temporary.replace(out)
    return record


def machine() -> dict[str, Any]:
    """Name the processor and the widest of the instructions that matter here, its cores in use, the memory and the Python."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
    instructions = next((f" ({name})" for name in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if name in info), "")
    return {
        "cpu": (models[0] if models else platform.processor()) + instructions,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
