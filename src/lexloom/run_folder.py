"""The output folder of a run: who may write to it, and what it holds when killed at any point.

During a run the folder holds `run.json` (the resolved options), `store/` (the encoded corpus), `training.jsonl` and a checkpoint. At the
end the result replaces the checkpoint, `lexloom.json` last. Vectors and models share these rules.
"""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from lexloom.artefact import RESULT, RUN, read_header, write_header
from lexloom.errors import ConfigError, InputError
from lexloom.files import exclusive, remove, write_text

STORE, VALID, LOG = "store", "valid-store", "training.jsonl"
BEST, TORCH_CHECKPOINT = "best.safetensors", "checkpoint.ckpt"
R = TypeVar("R", covariant=True)
EXTENSIBLE = ("epochs", "patience", "max_minutes")
"""Options that a resume may raise."""
_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{16}\.(tmp|old)")  # what `write_atomically` leaves behind when it is killed
_RUN_VERSION = 2
_LISTED = 8  # differences that a message names


@dataclass(frozen=True)
class RunConfig:
    """Where a run writes, and what becomes of an earlier run there."""

    out: str | os.PathLike[str] | None = None
    """The folder to write; nothing is kept on disk if None."""
    resume: bool = False
    """Resume from the checkpoint in `out`, or start if there is none; a finished result is returned as it is."""
    overwrite: bool = False
    """Replace a result or an unfinished run in `out`."""


@dataclass(frozen=True)
class Trained(Generic[R]):
    """A finished run.

    Attributes:
        result: loaded from the folder if there is one; a model is that of the best epoch, ready to predict.
        facts: what lexloom.json says of the run, in JSON values.
    """

    result: R
    facts: dict[str, Any]


@contextlib.contextmanager
def run_folder(out: str | os.PathLike[str] | None) -> Iterator[Path]:
    """Make the output folder if it is missing, and lock it; a temporary folder if `out` is None.

    Raises:
        InputError: it cannot be made, or another process is writing there.
    """
    if out is None:
        with tempfile.TemporaryDirectory(prefix="lexloom-") as name:
            yield Path(name)
        return
    if not os.fspath(out):
        raise InputError("the name of the output folder is empty; give --out DIR")
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be the output folder: {error.strerror or error}") from error
    with exclusive(folder):
        yield folder


def claim(
    folder: Path,
    options: Mapping[str, Mapping[str, Any]],
    *,
    resume: bool,
    overwrite: bool,
    free: frozenset[str],
    fixed: Mapping[str, str] | None = None,
    starting_from: str | None = None,
) -> bool:
    """Check that a run may write to the folder, and remove the temporary files of killed writers.

    Args:
        folder: the output folder.
        options: all options of the run, by part, as in run.json.
        resume: whether an unfinished run may be resumed.
        overwrite: whether the content may be replaced.
        free: names of options that may change on a resume.
        fixed: for other options, why they may not.
        starting_from: vectors that the run starts from; they may not be in a folder to be overwritten.

    Returns:
        Whether the folder holds the finished result of this run. It does not if a resume asks for more than the finished run did.

    Raises:
        InputError: the folder is in use and neither resume nor overwrite is set, or it holds other files.
        ConfigError: the options do not fit together, or differ from those of the run to resume.
    """
    if resume and overwrite:
        raise ConfigError("resume and overwrite are both set: resume continues the run, overwrite starts over; give one of them")
    finished, begun = (folder / RESULT).exists(), (folder / RUN).exists()
    leftovers = [path for path in folder.iterdir() if _LEFTOVER.fullmatch(path.name)]
    others = sorted(path.name for path in folder.iterdir() if path.name not in (STORE, VALID) and path not in leftovers)
    if others and not (finished or begun):
        raise InputError(
            f"{folder}: holds other files ({', '.join(others[:3])}{', ...' if len(others) > 3 else ''}); give an empty or new --out"
        )
    for leftover in leftovers:
        remove(leftover)
    if overwrite:
        if starting_from is not None and Path(starting_from).resolve().is_relative_to(folder.resolve()):
            raise ConfigError(f"{starting_from} is in the output folder that is to be overwritten; give another --out")
        return False
    if finished and not resume:
        raise InputError(f"{folder}: holds a finished result; give --overwrite to replace it, or another --out")
    if begun and not resume:
        raise InputError(f"{folder}: holds an unfinished run; give --resume to continue it, or --overwrite to start over")
    if begun:
        _refuse_differences(folder, options, free, fixed or {})
    return finished and not _is_extended(folder, options)


def _is_extended(folder: Path, options: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a finished run is asked for more epochs, patience or minutes; None stands for no limit."""
    saved, now = describe_run(folder).get("training", {}), options.get("training", {})
    changed = {name: (saved.get(name), now[name]) for name in EXTENSIBLE if name in now and saved.get(name) != now[name]}
    if not changed:
        return False
    listed = "; ".join(f"{name} was {before}, now {after}" for name, (before, after) in changed.items())
    if any(after is not None and (before is None or after < before) for before, after in changed.values()):
        raise ConfigError(f"{folder}: a finished run can be extended, not shortened ({listed}); give --overwrite to start over")
    if not (folder / TORCH_CHECKPOINT).exists():
        raise ConfigError(
            f"{folder}: the run is finished and its checkpoint is gone, so it cannot be continued ({listed}); a run with "
            "--keep-checkpoint can; give --overwrite to start over"
        )
    return True


def start_over(folder: Path, result: Iterable[str], options: Mapping[str, Any]) -> None:
    """Remove the files of an earlier run, the mark of a finished one first, and mark that a new one has started.

    The encoded text stays, since it may serve again.

    Args:
        folder: the output folder.
        result: names of the files that this kind of run writes, besides those of every run.
        options: all options of the new run, by part.
    """
    for name in (RESULT, BEST, LOG, *result):
        remove(folder / name)
    mark(folder, options)


def mark(folder: Path, options: Mapping[str, Any], text: Mapping[str, str] | None = None) -> None:
    """Write run.json: from here on there is a run to resume.

    Args:
        folder: the output folder.
        options: all options, by part.
        text: the checksums of the encoded text, for `refuse_other_text`.
    """
    write_header(folder / RUN, "run", _RUN_VERSION, {**options, "encoded": text})


def describe_run(folder: Path) -> dict[str, Any]:
    """Read run.json: all options, by part; `run`, what it trains; `encoded`, the checksums of the encoded text.

    Raises:
        FormatError: it is damaged, or of another version.
    """
    return read_header(folder / RUN, "run", _RUN_VERSION, ["encoded"])


def refuse_other_text(folder: Path, text: Mapping[str, str]) -> None:
    """Refuse to resume on another text than that of the folder's checkpoint.

    Raises:
        ConfigError: the text differs.
    """
    checkpoint = folder / TORCH_CHECKPOINT
    if checkpoint.exists() and describe_run(folder)["encoded"] != text:
        raise ConfigError(f"{checkpoint}: is of another text; give the same text to resume, or --overwrite to start over")


def write_log(folder: Path, history: Iterable[Mapping[str, Any]]) -> None:
    """Write training.jsonl, a line per epoch, from the records of a checkpoint."""
    write_text(folder / LOG, "".join(json.dumps(record) + "\n" for record in history))


def append_log(folder: Path, record: Mapping[str, Any]) -> None:
    """Append a line to training.jsonl. `write_log` comes first."""
    with (folder / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def _refuse_differences(folder: Path, options: Mapping[str, Mapping[str, Any]], free: frozenset[str], fixed: Mapping[str, str]) -> None:
    saved = describe_run(folder)
    different = [
        f"{name} was {saved.get(part, {}).get(name)!r}, now {value!r}{f', but {fixed[name]}' if name in fixed else ''}"
        for part, values in options.items()
        for name, value in values.items()
        if name not in free and saved.get(part, {}).get(name) != value
    ]
    if different:
        more = f"; {len(different) - _LISTED} more" if len(different) > _LISTED else ""
        listed = "; ".join(different[:_LISTED]) + more
        raise ConfigError(f"{folder}: cannot resume with other options ({listed}); give the same ones, or --overwrite to start over")
