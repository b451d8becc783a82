"""Figures and their bars: the rows of a section, its table, and the JSON file that keeps them."""

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

_SCORES = ("score", "perplexity")  # units whose means are compared; medians are compared for all other units
_MEASURED = ("src", "recipes", "benchmarks", ":!benchmarks/results.json")  # paths on which the figures depend
_PACKAGES = ("lexloom", "numpy", "numba", "llvmlite", "polars", "tokenizers", "scipy", "gensim", "fasttext-numpy2", "torch", "lightning")


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: what was measured.
        unit: of `ours` and `peer`.
        ours: a value per run of lexloom.
        peer: a value per run of the peer; empty without a peer.
        peer_name: name of the peer.
        figure: what is compared with the bar: a ratio, a difference or an amount.
        bar: the goal; empty if there is none.
        met: whether the goal was reached; None without a bar.
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
    """The rows of a section, and the runs behind them."""

    rows: list[Row] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def ratio(self, what: str, unit: str, ours: Sequence[float], peer: Sequence[float], peer_name: str, least: float | None = None) -> None:
        """Add a row of speeds or times: the ratio of the medians, above 1 if lexloom is faster."""
        mine, theirs = statistics.median(ours), statistics.median(peer)
        value = theirs / mine if unit in ("s", "ms") else mine / theirs
        bar, met = ("", None) if least is None else (f"at least {least:g} x", value >= least)
        self.rows.append(Row(what, unit, list(ours), list(peer), peer_name, f"{value:.2f} x", bar, met))

    def pairs(self, what: str, unit: str, ours: Sequence[float], peer: Sequence[float], peer_name: str, least: float) -> None:
        """Add a row of speeds measured in turn: the median of the ratios of the pairs."""
        value = statistics.median(mine / theirs for mine, theirs in zip(ours, peer, strict=True))
        self.rows.append(Row(what, unit, list(ours), list(peer), peer_name, f"{value:.2f} x", f"at least {least:g} x", value >= least))

    def difference(self, what: str, ours: Sequence[float], peer: Sequence[float], peer_name: str, tolerance: float) -> None:
        """Add a row of scores: the difference of the means, which may be as low as -`tolerance`."""
        value = statistics.mean(ours) - statistics.mean(peer)
        bar = f"at least -{tolerance:.2g}"
        self.rows.append(Row(what, "score", list(ours), list(peer), peer_name, f"{value:+.4f}", bar, value >= -tolerance))

    def times(self, what: str, unit: str, ours: Sequence[float], peer: Sequence[float], peer_name: str, most: float) -> None:
        """Add a row of times: the ratio of the medians, which may be as high as `most`."""
        value = statistics.median(ours) / statistics.median(peer)
        row = Row(what, unit, list(ours), list(peer), peer_name, f"{value:.2f} times", f"at most {most:g} times", value <= most)
        self.rows.append(row)

    def paired(self, what: str, ours: Sequence[float], peer: Sequence[float], peer_name: str, *, judged: bool) -> None:
        """Add a row of scores by seed: the mean difference and its spread. With `judged`, the mean may not be below minus the spread."""
        differences = [mine - theirs for mine, theirs in zip(ours, peer, strict=True)]
        value, spread = statistics.mean(differences), statistics.stdev(differences) if len(differences) > 1 else 0.0
        word = "within" if abs(value) <= spread else "beyond"
        bar, met = ("not below by more than the spread", value >= -spread) if judged else ("", None)
        self.rows.append(Row(what, "score", list(ours), list(peer), peer_name, f"{value:+.4f}, {word} its spread {spread:.4f}", bar, met))

    def lower(self, what: str, unit: str, ours: Sequence[float], peer: Sequence[float], peer_name: str, *, judged: bool) -> None:
        """Add a row of scores for which lower is better: the difference of the means. With `judged`, it may not be above 0."""
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
        """Add a row with an amount, which may have limits: the mean of scores, the median of other units."""
        value = _middle(ours, unit)
        bars = [f"{name} {_rounded(bar, unit)}" for name, bar in (("at most", at_most), ("at least", at_least)) if bar is not None]
        met = (at_most is None or value <= at_most) and (at_least is None or value >= at_least) if bars else None
        self.rows.append(Row(what, unit, list(ours), list(peer), peer_name, _rounded(value, unit), " and ".join(bars), met))


def print_table(name: str, rows: list[dict[str, Any]]) -> None:
    """Print the rows of a section as a table."""
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
    """Format scores as their mean and standard deviation, other values as their median and range."""
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
    """Save a section in the JSON file, with the commit, the versions and the machine; return its record."""
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
    """Describe the processor with its widest relevant instruction set, the available cores, the memory, the system and Python."""
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
