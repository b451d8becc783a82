"""Run a measurement in a fresh process and watch its memory."""

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
_INTERVAL = 0.02  # seconds between two looks at the memory


@dataclass(frozen=True)
class Run:
    """What one process took.

    Attributes:
        command: as one would type it.
        seconds: wall-clock time from start to end.
        peak_anon_mb: the peak of RssAnon, in units of 10^6 bytes, summed over the process and its children.
        result: the JSON that the job printed; empty for a command line of lexloom.
        status: its exit status; another than 0 only where such a failure was allowed for.
    """

    command: str
    seconds: float
    peak_anon_mb: float
    result: dict[str, Any]
    status: int = 0


def run_lexloom(*arguments: object, environment: Mapping[str, str] | None = None, allowed: str | None = None) -> Run:
    """Run the command line of lexloom.

    Args:
        arguments: what follows `lexloom`.
        environment: variables to set besides those that there are.
        allowed: a failure whose message holds this text is a result like any other.

    Raises:
        RuntimeError: it failed otherwise.
    """
    return _run([str(Path(sys.executable).with_name("lexloom")), *map(str, arguments)], environment, allowed)


def run_training(kind: str, text: Path, out: Path, *options: object, **how: Any) -> tuple[Run, list[dict[str, Any]], dict[str, Any]]:
    """Run `lexloom KIND train` in a new folder.

    Args:
        kind: vectors, lm or classifier.
        text: to train on.
        out: the folder; what is there goes.
        options: what follows on the command line.
        how: environment and allowed, as for `run_lexloom`.

    Returns:
        The run, the lines of training.jsonl, and lexloom.json; both empty where the training did not come so far.
    """
    shutil.rmtree(out, ignore_errors=True)
    run = run_lexloom(kind, "train", text, "--out", out, *options, **how)
    log, model = out / "training.jsonl", out / "lexloom.json"
    epochs = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return run, epochs, json.loads(model.read_text()) if model.exists() else {}


def run_job(name: str, **options: object) -> Run:
    """Run a function of benchmarks.jobs; its options and its result travel as JSON."""
    return _run([sys.executable, "-m", "benchmarks.jobs", name, json.dumps(options, default=str)], None)


def _run(command: list[str], environment: Mapping[str, str] | None, allowed: str | None = None) -> Run:
    shown = shlex.join(["python" if part == sys.executable else _shortened(part) for part in command])
    print(f"  $ {shown[:150]}", file=sys.stderr, flush=True)
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    peak = _Peak(process.pid)
    output, complaints = process.communicate()
    seconds = time.perf_counter() - started
    if process.returncode and (allowed is None or allowed not in complaints):
        raise RuntimeError(f"{shown}\nended with status {process.returncode}:\n{complaints[-2000:]}")
    lines = output.strip().splitlines()
    result = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return Run(shown, seconds, peak.megabytes(), result, process.returncode)


def _shortened(part: str) -> str:
    """Make absolute paths relative, also those that begin in quotes within JSON."""
    for folder, short in ((ROOT, ""), (ROOT.parent, "../")):
        part = re.sub(rf'(^|"){re.escape(f"{folder}/")}', rf"\g<1>{short}", part)
    return part


class _Peak:
    """The greatest RssAnon of a process and its children, looked at until the process ends."""

    def __init__(self, pid: int) -> None:
        self._pid, self._peak = pid, 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def megabytes(self) -> float:
        """The peak in 10^6 bytes, once the process has ended."""
        self._thread.join()
        return self._peak / 1e6

    def _watch(self) -> None:
        while (now := _anonymous_bytes(self._pid)) is not None:
            self._peak = max(self._peak, now)
            time.sleep(_INTERVAL)


def _anonymous_bytes(pid: int) -> int | None:
    """RssAnon of a process and its children in bytes; None where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    except OSError:
        return None
    found = [line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:")]
    if not found:  # it has ended and waits to be asked for its status
        return None
    return int(found[0]) * 1024 + sum(_anonymous_bytes(child) or 0 for child in children)
