"""What lexloom writes into folders: the names of the files, and the header that says what they are.

A header is JSON that begins with `format` ("lexloom store", "lexloom model", ...), `format_version` and `written_by`. A file that does
not fit its checksum in the header is refused.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lexloom.errors import FormatError
from lexloom.files import read_json, write_json
from lexloom.version import __version__

STORE_HEADER, RUN, RESULT = "store.json", "run.json", "lexloom.json"
"""The headers of a store, of a run that is under way or was, and of a result: vectors or a model."""
WEIGHTS, VOCABULARY, TOKENIZER = "model.safetensors", "vocabulary.json", "tokenizer.json"

_OURS = re.compile(rb'"(format|written_by)": *"lexloom ')


def header(format: str, version: int) -> dict[str, Any]:
    """Begin a header, or any JSON file of an artefact."""
    return {"format": f"lexloom {format}", "format_version": version, "written_by": f"lexloom {__version__}"}


def write_header(path: Path, format: str, version: int, content: Mapping[str, Any]) -> None:
    """Write a header atomically; it comes after the other files, so that a folder that has it is whole."""
    write_json(path, {**header(format, version), **content})


def read_header(path: Path, format: str, version: int, fields: Collection[str] = ()) -> dict[str, Any]:
    """Read what `write_header` wrote, or another JSON file that begins with `header`.

    Raises:
        FormatError: it is missing or no JSON, has another format or version, or lacks one of the fields.
    """
    content = read_json(path)
    found = content.get("format") if isinstance(content, dict) else None
    if found != f"lexloom {format}":
        raise FormatError(f"{path}: its format is {found!r}, expected 'lexloom {format}'")
    if content.get("format_version") != version:
        raise FormatError(
            f"{path}: {format} format version {content.get('format_version')}, this lexloom reads {version}; "
            f"write it again, or use the version that wrote it ({content.get('written_by')})"
        )
    if missing := [field for field in fields if field not in content]:
        raise FormatError(f"{path}: damaged: {', '.join(missing)} missing")
    return dict(content)


def check_identity(path: Path, found: str, expected: str) -> None:
    """Compare the checksum of a file's content with the one in the header.

    Raises:
        FormatError: they differ.
    """
    if found != expected:
        raise FormatError(f"{path}: damaged or changed: its checksum is {found}, the header says {expected}; write the folder again")


def is_artefact(folder: Path) -> bool:
    """Whether lexloom wrote a folder: a store, vectors, a model, or a run; others may have files of the same names."""
    for name in (STORE_HEADER, RUN, RESULT):
        path = folder / name
        if path.is_file():
            with path.open("rb") as file:
                if _OURS.search(file.read(1 << 16)):
                    return True
    return False
