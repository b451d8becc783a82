"""Which files text is read from: globs, folders, URLs, standard input, files in a zip; and their fingerprint."""

import contextlib
import glob
import hashlib
import json
import os
from collections.abc import Generator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from lexloom.artefact import is_artefact
from lexloom.errors import InputError
from lexloom.files import STDIN, Archive, ByteStream, Watch, compression_of, decompressed, open_stream

RecordFormat = Literal["csv", "tsv", "jsonl", "parquet"]

_RECORD_SUFFIXES: dict[str, RecordFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_COMPRESSION_SUFFIXES = {".gz", ".bz2", ".xz", ".zst", ".zip"}


class Expanded(NamedTuple):
    """What sources stand for.

    Attributes:
        names: files and URLs, in order.
        skipped: folders below them that are left out because lexloom wrote them, such as an output folder beside the text.
    """

    names: list[str]
    skipped: list[str]


def expand(sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Expanded:
    """List the files that the sources name, in order: globs and folders expanded and sorted, hidden files left out.

    Raises:
        InputError: there is no source, a glob matches nothing, or a folder holds no file.
    """
    given = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    skipped: list[str] = []
    names = [name for source in given for name in _expand_one(os.fspath(source), skipped)]
    if not names:
        raise InputError("no input was named: give files, folders, URLs, or - for standard input")
    return Expanded(names, skipped)


def _expand_one(source: str, skipped: list[str]) -> list[str]:
    if source == STDIN:
        return [source]
    if not source:
        raise InputError("the name of an input is empty; give files, folders, URLs, or - for standard input")
    if "://" in source or "::" in source:
        return _expand_url(source)
    path = Path(source)
    if path.is_dir():
        if is_artefact(path):
            raise InputError(f"{source}: a folder that lexloom wrote, not text; leave it out of the corpus")
        found = _files_below(source, skipped)
        if not found:
            raise InputError(f"{source}: the folder holds no files")
        return found
    if glob.has_magic(source) and not path.exists():
        matches = sorted(glob.glob(source, recursive=True))  # noqa: PTH207 (a Path would change the names as given)
        found = [name for match in matches for name in (_files_below(match, skipped) if Path(match).is_dir() else [match])]
        if not found:
            raise InputError(f"{source}: no file matches")
        return list(dict.fromkeys(found))
    return [source]


def _files_below(folder: str, skipped: list[str]) -> list[str]:
    """List the files below a folder, without folders that lexloom wrote."""
    found = []
    for parent, folders, files in os.walk(folder):
        if is_artefact(Path(parent)):
            skipped.append(parent)
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.join(parent, name) for name in files if not name.startswith(".")]  # noqa: PTH118 (keeps the name as given)
    return sorted(found)


def _expand_url(url: str) -> list[str]:
    """Expand a URL with a glob in it; other URLs are opened as they are."""
    if "::" in url or not glob.has_magic(url):
        return [url]
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(url)
        found = sorted(system.glob(path))
    except (OSError, ValueError, ImportError, NotImplementedError):
        return [url]  # a ? may belong to the address itself: opening it says what is wrong
    return [str(system.unstrip_protocol(name)) for name in found] or [url]


def open_members(source: str, watch: Watch) -> Generator[ByteStream]:
    """Open what a source holds, decompressed: one stream, or each file of a zip in the archive's order.

    The source is opened once, and all its bytes are read once when the generator ends: a zip is copied to a temporary file. Only Parquet
    is read a second time, by polars. A stream is closed when the next is asked for.

    Args:
        source: a path, URL or `-`.
        watch: called with all bytes of the source.

    Raises:
        InputError: it cannot be opened, or the archive is damaged or empty.
    """
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(open_stream(source, watch))
        if compression_of(raw) != "zip":
            yield decompressed(raw, stack)
            while raw.read(1 << 20):  # what follows compressed data, or was not needed
                pass
            return
        archive = Archive(raw, stack)
        if not archive.members:
            raise InputError(f"{source}: the zip holds no files")
        for member in archive.members:
            with archive.open(member) as stream:
                yield stream


def record_format(name: str) -> RecordFormat | None:
    """The format of records that a file's name says (`x.csv`, `x.jsonl.gz`); None for plain text."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    while suffixes and suffixes[-1] in _COMPRESSION_SUFFIXES:
        suffixes.pop()
    return _RECORD_SUFFIXES.get(suffixes[-1]) if suffixes else None


class Fingerprint:
    """A BLAKE2b hash of the raw bytes of files, their order and how they are parsed; not of their names or times."""

    def __init__(self, parsing: dict[str, Any]) -> None:
        """Begin.

        Args:
            parsing: JSON values that say how the bytes become documents.
        """
        self._digest, self._size = hashlib.blake2b(json.dumps(parsing, sort_keys=True).encode(), digest_size=16), 0

    def update(self, data: bytes) -> None:
        """Add bytes of a file."""
        self._digest.update(data)
        self._size += len(data)

    def end(self, name: str) -> None:
        """End a file: two files are not the same as one that holds the bytes of both."""
        self._digest.update(f"|{record_format(name)}|{self._size}|".encode())
        self._size = 0

    def hexdigest(self) -> str:
        """Give the hash in hexadecimal."""
        return self._digest.hexdigest()


def can_be_read_twice(source: str) -> bool:
    """Whether a source is neither standard input nor a pipe."""
    if source == STDIN:
        return False
    path = Path(source)
    return path.is_file() or not path.exists()  # a URL does not exist as a path; nor does what opening will report as missing
