"""Which files a corpus is made of: globs, folders, URLs, standard input, members of a zip; and their checksum."""

import contextlib
import glob
import hashlib
import json
import os
import zipfile
from collections.abc import Generator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal, cast

from lexloom.errors import InputError
from lexloom.files import STDIN, ByteStream, compression, open_bytes, open_raw, read_exactly

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
_HEAD_BYTES = 1 << 16


class Member:
    """One stream of decompressed bytes, with its beginning at hand.

    Attributes:
        name: for messages: the file, or `archive.zip:member`.
        head: its first bytes (64 KB, or all there is); they are read again by `read`.
        path: where the same bytes lie in a file of their own, or None.
    """

    def __init__(self, stream: ByteStream) -> None:
        self.name = stream.name
        self.path = Path(stream.name) if stream.kind is None and Path(stream.name).is_file() else None
        self.head = stream.read(_HEAD_BYTES)
        self._stream, self._pushed_back = stream, self.head

    def read(self, size: int = 1 << 20) -> bytes:
        """Read `size` bytes, fewer only at the end."""
        if not self._pushed_back:
            return self._stream.read(size)
        head, self._pushed_back = self._pushed_back[:size], self._pushed_back[size:]
        return head + self._stream.read(size - len(head)) if len(head) < size else head


def expand(sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[str]:
    """List the files that the sources name, in order: globs and folders expanded and sorted, hidden files left out.

    Raises:
        InputError: there is no source, a glob matches nothing, or a folder holds no file.
    """
    given = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    names = [name for source in given for name in _expand_one(os.fspath(source))]
    if not names:
        raise InputError("no input was named: give files, folders, URLs, or - for standard input")
    return names


def _expand_one(source: str) -> list[str]:
    if source == STDIN:
        return [source]
    if not source:
        raise InputError("the name of an input is empty; give files, folders, URLs, or - for standard input")
    if "://" in source or "::" in source:
        return _expand_url(source)
    path = Path(source)
    if path.is_dir():
        if _is_artefact(source, [entry.name for entry in path.iterdir()]):
            raise InputError(f"{source}: a folder that lexloom wrote, not text; leave it out of the corpus")
        found = _files_below(source)
        if not found:
            raise InputError(f"{source}: the folder holds no files")
        return found
    if glob.has_magic(source) and not path.exists():
        matches = sorted(glob.glob(source, recursive=True))  # noqa: PTH207 (a Path would change the names as given)
        found = [name for match in matches for name in (_files_below(match) if Path(match).is_dir() else [match])]
        if not found:
            raise InputError(f"{source}: no file matches")
        return list(dict.fromkeys(found))
    return [source]


def _files_below(folder: str) -> list[str]:
    """List the files below a folder; what lexloom wrote there itself, such as an output folder inside the corpus, is no text."""
    found = []
    for parent, folders, files in os.walk(folder):
        if _is_artefact(parent, files):
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.join(parent, name) for name in files if not name.startswith(".")]  # noqa: PTH118 (keeps the name as given)
    return sorted(found)


def _is_artefact(folder: str, files: Sequence[str]) -> bool:
    """Tell whether a folder holds vectors, a store, or a training that is under way."""
    if "lexloom.json" in files or "store.json" in files:
        return True
    if "run.json" not in files:
        return False
    with open_raw(Path(folder) / "run.json") as file:
        return b'"lexloom":' in file.read(1 << 16)  # others may have a file of this name


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


def open_members(source: str) -> Generator[Member]:
    """Open what a source holds, decompressed: one stream, or each file of a zip in the archive's order.

    A stream is closed when the next is asked for.

    Raises:
        InputError: it cannot be opened, or the archive is damaged or empty.
    """
    if source == STDIN or not _is_zip(source):
        with open_bytes(source) as stream:
            yield Member(stream)
        return
    with contextlib.ExitStack() as stack:
        raw = cast(IO[bytes], stack.enter_context(cast(Any, open_raw(source))))
        try:
            archive = stack.enter_context(zipfile.ZipFile(raw))
        except zipfile.BadZipFile as error:
            raise InputError(f"{source}: the zip data is damaged or cut short: {error}") from error
        members = [member for member in archive.infolist() if not member.is_dir() and not _is_hidden(member.filename)]
        if not members:
            raise InputError(f"{source}: the zip holds no files")
        for member in members:
            name = f"{source}:{member.filename}"
            try:
                opened = archive.open(member)
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
                raise InputError(f"{name}: cannot be read from the zip: {error}") from error
            with opened:
                yield Member(ByteStream(name, opened, contextlib.ExitStack(), "zip"))


def _is_zip(source: str) -> bool:
    if not can_be_read_twice(source):
        return False
    with cast(Any, open_raw(source)) as raw:
        return compression(read_exactly(raw, 6)) == "zip"


def _is_hidden(member: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(member).parts)


def record_format(name: str) -> RecordFormat | None:
    """Tell by a file's name whether it holds records with fields (`x.csv`, `x.jsonl.gz`), and of which form."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    while suffixes and suffixes[-1] in _COMPRESSION_SUFFIXES:
        suffixes.pop()
    return _RECORD_SUFFIXES.get(suffixes[-1]) if suffixes else None


def fingerprint(sources: Sequence[str], parsing: dict[str, Any]) -> str | None:
    """Hash the raw bytes of all files, their order and how they are parsed; not their names or times.

    Args:
        sources: what `expand` returned.
        parsing: JSON values that say how the bytes become documents.

    Returns:
        A BLAKE2b digest in hexadecimal; None where a source (standard input, a pipe) can be read only once.
    """
    if not all(can_be_read_twice(source) for source in sources):
        return None
    digest = hashlib.blake2b(json.dumps(parsing, sort_keys=True).encode(), digest_size=16)
    for source in sources:
        size = 0
        with cast(Any, open_raw(source)) as raw:
            while chunk := raw.read(1 << 20):
                digest.update(chunk)
                size += len(chunk)
        digest.update(f"|{record_format(source)}|{size}|".encode())  # two files are not the same as one of their bytes together
    return digest.hexdigest()


def can_be_read_twice(source: str) -> bool:
    """Whether this is no pipe."""
    if source == STDIN:
        return False
    path = Path(source)
    return path.is_file() or not path.exists()  # a URL does not exist as a path; nor does what opening will report as missing
