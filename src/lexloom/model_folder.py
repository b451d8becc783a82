"""Model folders: all that is needed to predict, as arrays and text. No torch is needed here."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

import numpy as np

from lexloom.artefact import RESULT, RUN, WEIGHTS, check_identity, read_header, write_header
from lexloom.errors import ConfigError, FormatError
from lexloom.files import write_atomically
from lexloom.tensors import checksum, map_tensors, write_tensors
from lexloom.text.store import read_coding, write_coding
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary

FORMAT, FORMAT_VERSION = "model", 2
T = TypeVar("T")


@dataclass(frozen=True)
class Saved:
    """What a model folder holds.

    Attributes:
        kind: of the model.
        options: from which a network of the same shape is built, in JSON values.
        arrays: the weights, by name.
        vocabulary: what ids mean.
        tokenizer: how text is split.
    """

    kind: str
    options: dict[str, Any]
    arrays: dict[str, np.ndarray]
    vocabulary: Vocabulary
    tokenizer: TextTokenizer


def write_folder(saved: Saved, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write all that is needed to predict; `lexloom.json` last, so that a folder which has it is whole.

    Args:
        saved: what to write.
        folder: where; files of the same names are replaced.
        facts: what else lexloom.json is to say, in JSON values.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(folder / WEIGHTS) as temporary:
        write_tensors(temporary, saved.arrays, {"format": "pt"})
    coding = write_coding(folder, saved.vocabulary, saved.tokenizer)
    content = {
        "kind": saved.kind,
        "options": saved.options,
        "parameters": int(sum(array.size for array in saved.arrays.values())),
        **coding,
        "checksums": {"weights": _checksum(saved.arrays), **coding["checksums"]},
    }
    write_header(folder / RESULT, FORMAT, FORMAT_VERSION, {**content, **facts})


def read_folder(folder: str | os.PathLike[str], build: Callable[[Saved], T], *kinds: str) -> T:
    """Read a model folder, and make a model of what it holds.

    Args:
        folder: where.
        build: makes the model; what it complains of is damage.
        kinds: those that are expected.

    Raises:
        FormatError: it is missing, damaged, of another kind or version; the message says where.
    """
    folder = Path(folder)
    head = describe_model(folder)
    if head.get("kind") not in kinds:
        raise FormatError(f"{folder}: holds a {head.get('kind')}, expected a {' or a '.join(kinds)}")
    try:
        vocabulary, tokenizer = read_coding(folder, head)
        arrays = {name: np.array(array) for name, array in map_tensors(folder / WEIGHTS).items()}
        check_identity(folder / WEIGHTS, _checksum(arrays), head["checksums"]["weights"])
        return build(Saved(head["kind"], head["options"], arrays, vocabulary, tokenizer))
    except FormatError:
        raise
    except (ConfigError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise FormatError(f"{folder}: the model is damaged or incomplete: {shorten(str(error), 200, placeholder=' ...')}") from None


def describe_model(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what lexloom.json says of a model.

    Raises:
        FormatError: there is no model, or one that this version does not read.
    """
    folder = Path(folder)
    if (folder / RUN).exists() and not (folder / RESULT).exists():
        raise FormatError(f"{folder}: holds an unfinished run; the same command with --resume continues it")
    if not (folder / RESULT).exists():
        problem = f"holds no model: {RESULT} is missing" if folder.is_dir() else "not a folder" if folder.exists() else "no such folder"
        raise FormatError(f"{folder}: {problem}; expected a folder that a run wrote")
    return read_header(folder / RESULT, FORMAT, FORMAT_VERSION)


def _checksum(arrays: Mapping[str, np.ndarray]) -> str:
    names = sorted(arrays)
    return checksum(json.dumps([(name, arrays[name].shape) for name in names]).encode(), *(arrays[name] for name in names))
