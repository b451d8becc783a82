"""Model folders: all that is needed to predict, as arrays and text. No torch is needed here."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

import numpy as np

from lexloom.errors import ConfigError, FormatError
from lexloom.files import read_json, write_atomically, write_json, write_text
from lexloom.run_folder import RESULT, RUN
from lexloom.tensors import checksum, map_tensors, write_tensors
from lexloom.text.segmenters import Segmenter
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary
from lexloom.version import __version__

FORMAT, FORMAT_VERSION = "lexloom model", 1
WEIGHTS, VOCABULARY, TOKENIZER = "model.safetensors", "vocabulary.json", "tokenizer.json"
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
    write_text(folder / TOKENIZER, saved.tokenizer.json)
    saved.vocabulary.save(folder / VOCABULARY)
    segmenter = saved.tokenizer.segmenter
    identities = {"vocabulary": saved.vocabulary.identity, "tokenizer": saved.tokenizer.identity}
    head = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "lexloom": __version__,
        "kind": saved.kind,
        "options": saved.options,
        "parameters": int(sum(array.size for array in saved.arrays.values())),
        "segmenter": segmenter and asdict(segmenter),
        "checksums": {"weights": _checksum(saved.arrays), **identities},
    }
    write_json(folder / RESULT, {**head, **facts})


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
        tokenizer = TextTokenizer((folder / TOKENIZER).read_text(encoding="utf-8"), head["segmenter"] and Segmenter(**head["segmenter"]))
        vocabulary = Vocabulary.load(folder / VOCABULARY)
        arrays = {name: np.array(array) for name, array in map_tensors(folder / WEIGHTS).items()}
        found = {"weights": _checksum(arrays), "vocabulary": vocabulary.identity, "tokenizer": tokenizer.identity}
        files = {"weights": WEIGHTS, "vocabulary": VOCABULARY, "tokenizer": TOKENIZER}
        for name, value in found.items():
            if head["checksums"][name] != value:
                raise FormatError(f"{folder / files[name]}: damaged or changed: its checksum is not the one in {RESULT}")
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
        raise FormatError(f"{folder}: holds an unfinished training; the command that began it goes on with --resume")
    if not (folder / RESULT).exists():
        problem = f"holds no model: {RESULT} is missing" if folder.is_dir() else "not a folder" if folder.exists() else "no such folder"
        raise FormatError(f"{folder}: {problem}; expected a folder that a training wrote")
    head = read_json(folder / RESULT)
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise FormatError(f"{folder}: not a model; expected a folder that `lexloom lm train` or `lexloom classifier train` wrote")
    if head.get("format_version") != FORMAT_VERSION:
        raise FormatError(f"{folder}: model format version {head.get('format_version')}, this lexloom reads {FORMAT_VERSION}")
    return head


def _checksum(arrays: Mapping[str, np.ndarray]) -> str:
    names = sorted(arrays)
    return checksum(json.dumps([(name, arrays[name].shape) for name in names]).encode(), *(arrays[name] for name in names))
