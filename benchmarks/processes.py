"""Run a measurement in a process of its own, and watch its memory."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
_INTERVAL = 0.02  # seconds between two readings of the memory


@dataclass(frozen=True)
class Run:
    """A finished process.

    Attributes:
        command: as typed in a shell.
        seconds: wall-clock time.
        peak_anon_mb: peak of RssAnon in 10^6 bytes, summed over the process and its children.
        result: the JSON that a job printed; empty for a command of lexloom.
        status: the exit status; not 0 only after an allowed failure.
    """

    command: str
    seconds: float
    peak_anon_mb: float
    result: dict[str, Any]
    status: int = 0


def run_lexloom(*arguments: object, environment: Mapping[str, str] | None = None, allowed: str | None = None) -> Run:
    """Run a command of lexloom.

    Args:
        arguments: of `lexloom`.
        environment: further environment variables.
        allowed: do not raise if the command fails with a message that contains this text.

    Raises:
        RuntimeError: the command failed.
    """
    return _run([str(Path(sys.executable).with_name("lexloom")), *map(str, arguments)], environment, allowed)


def run_training(
    kind: str, text: Path, out: Path, *options: object, environment: Mapping[str, str] | None = None, allowed: str | None = None
) -> tuple[Run, list[dict[str, Any]], dict[str, Any]]:
    """Run `lexloom KIND train` in a new folder.

    Args:
        kind: vectors, lm or classifier.
        text: the training text.
        out: the output folder; removed first if it exists.
        options: further arguments of the command.
        environment: as for `run_lexloom`.
        allowed: as for `run_lexloom`.

    Returns:
        The process, the records in training.jsonl, and lexloom.json; the last two are empty if the run wrote none.
    """
    shutil.rmtree(out, ignore_errors=True)
    run = run_lexloom(kind, "train", text, "--out", out, *options, environment=environment, allowed=allowed)
    log, model = out / "training.jsonl", out / "lexloom.json"
    epochs = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return run, epochs, json.loads(model.read_text()) if model.exists() else {}


def run_job(name: str, **options: object) -> Run:
    """Run a function of benchmarks.jobs in a process of its own; its arguments and its result are passed as JSON."""
    return _run([sys.executable, "-m", "benchmarks.jobs", name, json.dumps(options, default=str)], None)


def _run(command: list[str], environment: Mapping[str, str] | None, allowed: str | None = None) -> Run:
    shown = shlex.join(["python" if part == sys.executable else _shortened(part) for part in command])
    print(f"  $ {shown[:150]}", file=sys.stderr, flush=True)
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    peak = _Peak(process.pid)
    output, errors = process.communicate()
    seconds = time.perf_counter() - started
    if process.returncode and (allowed is None or allowed not in errors):
        raise RuntimeError(f"{shown}\nfailed with status {process.returncode}:\n{errors[-2000:]}")
    lines = output.strip().splitlines()
    result = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return Run(shown, seconds, peak.megabytes(), result, process.returncode)


def _shortened(part: str) -> str:
    """Make absolute paths relative, also after a quote within JSON."""
    for folder, short in ((ROOT, ""), (ROOT.parent, "../")):
        part = re.sub(rf'(^|"){re.escape(f"{folder}/")}', rf"\g<1>{short}", part)
    return part


class _Peak:
    """Watches RssAnon of a process and its children until the process ends, in a thread."""

    def __init__(self, pid: int) -> None:
        self._pid, self._peak = pid, 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def megabytes(self) -> float:
        """Return the peak in 10^6 bytes, after the end of the process."""
        self._thread.join()
        return self._peak / 1e6

    def _watch(self) -> None:
        while (now := _anonymous_bytes(self._pid)) is not None:
            self._peak = max(self._peak, now)
            time.sleep(_INTERVAL)


def _anonymous_bytes(pid: int) -> int | None:
    """Return RssAnon of a process and its children in bytes; None if the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    except OSError:
        return None
    found = [line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:")]
    if not found:  # ended, but its exit status is not yet collected
        return None
    return int(found[0]) * 1024 + sum(_anonymous_bytes(child) or 0 for child in children)
