"""The output folder of a training: whose it is, what may be in it, and what a kill at any moment leaves of it.

While a training runs the folder holds `run.json` (the resolved configuration), `store/` (the encoded corpus), `training.jsonl` and a
checkpoint; when it is finished the checkpoint gives way to the result, `lexloom.json` last. Vectors and models share these rules.
"""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lexloom.errors import ConfigError, InputError
from lexloom.files import exclusive, read_json, remove, write_json, write_text
from lexloom.version import __version__

RUN, STORE, VALID, LOG, RESULT = "run.json", "store", "valid-store", "training.jsonl", "lexloom.json"
BEST, TORCH_CHECKPOINT = "best.safetensors", "checkpoint.ckpt"
_LEFTOVER = re.compile(r"\..+\.\d+\.(tmp|old)")  # what `write_atomically` leaves behind when it is killed


@contextlib.contextmanager
def run_folder(out: str | os.PathLike[str] | None) -> Iterator[Path]:
    """The output folder, made where it is missing and held against other processes; a temporary one where none is given.

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


def is_finished(
    folder: Path,
    options: Mapping[str, Mapping[str, Any]],
    *,
    resume: bool,
    overwrite: bool,
    free: frozenset[str],
    starting_from: str | None = None,
) -> bool:
    """Say whether the folder holds the finished result already; refuse one that a training must not write to.

    Nothing is deleted but what killed writers left.

    Args:
        folder: the output folder.
        options: all options of the training that wants it, by part, as run.json holds them.
        resume: whether an unfinished training may be gone on with.
        overwrite: whether what is there may be replaced.
        free: names of options that a resumed training may change.
        starting_from: vectors that the training begins with; they may not be in a folder that is to be overwritten.

    Raises:
        InputError: it is in use, and neither resume nor overwrite is asked for; or it holds files that are not ours.
        ConfigError: the options do not fit together, or differ from those of the run to resume.
    """
    if resume and overwrite:
        raise ConfigError("resume and overwrite are both set: resume goes on with what is there, overwrite begins anew; give one")
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
        raise InputError(f"{folder}: holds an unfinished training; give --resume to go on with it, or --overwrite to begin anew")
    if begun:
        _refuse_differences(folder, options, free)
    return finished


def begin_anew(folder: Path, result: Iterable[str], options: Mapping[str, Any]) -> None:
    """Remove what an earlier training left, the sign that it was finished first, and mark that another one is under way.

    The encoded text stays, since it may serve again.

    Args:
        folder: the output folder.
        result: names of the files that such a training writes, besides those that every training does.
        options: all options of the new one, by part.
    """
    for name in (RESULT, BEST, LOG, *result):
        remove(folder / name)
    mark(folder, options)


def mark(folder: Path, options: Mapping[str, Any], text: Mapping[str, str] | None = None) -> None:
    """Write down that a training with these options is under way: from here on there is something to resume.

    Args:
        folder: the output folder.
        options: all options, by part.
        text: the checksums of the encoded text, for `refuse_other_text`.
    """
    write_json(folder / RUN, {"format_version": 1, "lexloom": __version__, **options, "encoded": text})


def refuse_other_text(folder: Path, text: Mapping[str, str]) -> None:
    """Refuse to go on with another text than the folder's checkpoint was made with.

    Raises:
        ConfigError: it is another.
    """
    checkpoint = folder / TORCH_CHECKPOINT
    if checkpoint.exists() and read_json(folder / RUN).get("encoded") != text:
        raise ConfigError(f"{checkpoint}: was made with another text; give the same one to resume, or --overwrite to begin anew")


def write_log(folder: Path, history: Iterable[Mapping[str, Any]]) -> None:
    """Write training.jsonl whole, a line an epoch, as the checkpoint knows them."""
    write_text(folder / LOG, "".join(json.dumps(record) + "\n" for record in history))


def append_log(folder: Path, record: Mapping[str, Any]) -> None:
    """Add a line to training.jsonl: epochs may be many and short. After a resume `write_log` comes first."""
    with (folder / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def _refuse_differences(folder: Path, options: Mapping[str, Mapping[str, Any]], free: frozenset[str]) -> None:
    saved = read_json(folder / RUN)
    different = [
        f"{name} was {saved.get(part, {}).get(name)!r}, now {value!r}"
        for part, values in options.items()
        for name, value in values.items()
        if name not in free and saved.get(part, {}).get(name) != value
    ]
    if different:
        listed = "; ".join(different)
        raise ConfigError(f"{folder}: cannot resume with other options ({listed}); give the same ones, or --overwrite to begin anew")
