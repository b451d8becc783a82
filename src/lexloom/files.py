"""Open anything for reading, and write files and folders atomically.

Everything in lexloom that reads or writes a disk goes through here.
"""

import contextlib
import io
import json
import os
import secrets
import shutil
import sys
import tempfile
import weakref
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, cast

from lexloom.errors import FormatError, InputError

STDIN = "-"
Watch = Callable[[bytes], object]
"""Called with bytes as they are read."""


# ---- reading -----------------------------------------------------------------------------------------------------------------------


def open_raw(source: str | os.PathLike[str]) -> IO[bytes]:
    """Open a path, an fsspec URL or `-` (standard input) for reading bytes, without decompressing.

    Raises:
        InputError: it does not exist, is a folder, or cannot be read.
    """
    name = os.fspath(source)
    if name == STDIN:
        return sys.stdin.buffer
    if not name:
        raise InputError("the name of the input is empty; name a file, a folder, a URL, or - for standard input")
    try:
        if "://" in name or "::" in name:
            import fsspec

            opened = fsspec.open(name, "rb")
            file = cast(IO[bytes], opened.open())
            weakref.finalize(file, opened.close)  # a chained file system closes what it reads when it is collected
            return file
        return Path(name).open("rb")
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{name}: is a folder, expected a file") from None
    except Exception as error:  # each file system of fsspec has errors of its own
        raise InputError(f"{name}: cannot be opened: {error}") from error


def _gzip(file: Any, mode: Any) -> Any:
    import gzip

    return gzip.GzipFile(filename="", fileobj=file, mode=mode, compresslevel=6, mtime=0)  # no time: the same data gives the same bytes


def _bz2(file: Any, mode: Any) -> Any:
    import bz2

    return bz2.BZ2File(file, mode)


def _xz(file: Any, mode: Any) -> Any:
    import lzma

    return lzma.LZMAFile(file, mode)


def _zstd(file: Any, mode: Any) -> Any:
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdFile
    else:
        from backports.zstd import ZstdFile
    return ZstdFile(file, mode)


class Compression(NamedTuple):
    """A compression, named by its suffix without the dot.

    Attributes:
        magic: the first bytes of compressed data.
        open: makes a stream around an open file, to read ("rb") or to write ("wb"); closing it leaves the file open.
    """

    magic: bytes
    open: Callable[[Any, Any], Any]


COMPRESSIONS = {
    "gz": Compression(b"\x1f\x8b", _gzip),
    "bz2": Compression(b"BZh", _bz2),
    "xz": Compression(b"\xfd7zXZ\x00", _xz),
    "zst": Compression(b"\x28\xb5\x2f\xfd", _zstd),
}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the second one holds nothing


class ByteStream:
    """A source opened for reading, decompressed on the way.

    A context manager. Damaged compressed data raises `InputError` from `read` and `peek`.

    Attributes:
        name: the path or URL, for messages.
        compression: gz, bz2, xz, zst, zip or None.
    """

    def __init__(
        self, name: str, stream: Any, closers: contextlib.ExitStack, compression: str | None = None, watch: Watch | None = None
    ) -> None:
        self.name, self.compression = name, compression
        self._stream, self._closers, self._watch, self._ahead = stream, closers, watch, b""

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, or all that is left; fewer than asked only at the end."""
        if not self._ahead:
            return self._read(size)
        ahead, self._ahead = (self._ahead, b"") if size < 0 else (self._ahead[:size], self._ahead[size:])
        return ahead if len(ahead) == size else ahead + self._read(size - len(ahead) if size >= 0 else -1)

    def peek(self, size: int = 1 << 16) -> bytes:
        """Look at the next `size` bytes, fewer only at the end, without taking them."""
        if len(self._ahead) < size:
            self._ahead += self._read(size - len(self._ahead))
        return self._ahead[:size]

    def _read(self, size: int) -> bytes:
        try:
            data = read_exactly(self._stream, size) if size >= 0 else cast(bytes, self._stream.read())
        except InputError:
            raise
        except Exception as error:  # decompressors and the file systems of fsspec have errors of their own
            what = f"the {self.compression} data is damaged or cut short" if self.compression else "cannot be read"
            raise InputError(f"{self.name}: {what}: {error}") from error
        if self._watch is not None:
            self._watch(data)
        if len(data) < size:
            self._stream = io.BytesIO()  # a terminal would be asked again
        return data

    @property
    def path(self) -> Path | None:
        """The file in which the same bytes lie; None for compressed data, URLs and pipes."""
        return Path(self.name) if self.compression is None and Path(self.name).is_file() else None

    def close(self) -> None:
        """Close the source (standard input stays open)."""
        self._closers.close()

    def __enter__(self) -> "ByteStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_exactly(stream: IO[bytes], size: int) -> bytes:
    """Read `size` bytes, or all that is left if there is less; pipes return less than asked."""
    parts: list[bytes] = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def open_stream(source: str | os.PathLike[str], watch: Watch | None = None) -> ByteStream:
    """Open a path, an fsspec URL or `-`, without decompressing.

    Args:
        source: the path, URL or `-`.
        watch: called with all bytes that are read.

    Raises:
        InputError: it cannot be opened.
    """
    raw, closers = open_raw(source), contextlib.ExitStack()
    if raw is not sys.stdin.buffer:
        closers.callback(raw.close)
    return ByteStream(os.fspath(source), raw, closers, watch=watch)


def compression_of(stream: ByteStream) -> str | None:
    """Name the compression that a stream's first bytes show: gz, bz2, xz, zst, zip or None."""
    head = stream.peek(6)
    return "zip" if head.startswith(_ZIP) else next((name for name, kind in COMPRESSIONS.items() if head.startswith(kind.magic)), None)


def decompressed(stream: ByteStream, closers: contextlib.ExitStack) -> ByteStream:
    """Decompress a stream that is no zip.

    Args:
        stream: not decompressed yet.
        closers: closed with the result.
    """
    name = compression_of(stream)
    opened = stream if name is None else closers.enter_context(COMPRESSIONS[name].open(stream, "rb"))
    return ByteStream(stream.name, opened, closers, name)


class Archive:
    """A zip, copied to a temporary file, in memory while it is small: the list of its files stands at its end."""

    def __init__(self, stream: ByteStream, closers: contextlib.ExitStack) -> None:
        """Copy and open a zip.

        Args:
            stream: its bytes.
            closers: gets what has to be closed.

        Raises:
            InputError: it is damaged.
        """
        self.name = stream.name
        spool: IO[bytes] = closers.enter_context(tempfile.SpooledTemporaryFile(max_size=1 << 26))  # noqa: SIM115 (the stack closes it)
        shutil.copyfileobj(cast(IO[bytes], stream), spool, 1 << 20)
        try:
            self._zip = closers.enter_context(zipfile.ZipFile(spool))
        except zipfile.BadZipFile as error:
            raise InputError(f"{self.name}: the zip data is damaged or cut short: {error}") from error
        self.members = [member.filename for member in self._zip.infolist() if not member.is_dir() and not _is_hidden(member.filename)]

    def open(self, member: str) -> ByteStream:
        """Open a file of the zip.

        Raises:
            InputError: it is encrypted, damaged, or compressed in an unknown way.
        """
        closers, name = contextlib.ExitStack(), f"{self.name}:{member}"
        try:
            return ByteStream(name, closers.enter_context(self._zip.open(member)), closers, "zip")
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise InputError(f"{name}: cannot be read from the zip: {error}") from error


def _is_hidden(member: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(member).parts)


def open_bytes(source: str | os.PathLike[str]) -> ByteStream:
    """Open a path, URL or `-` and decompress it by its magic bytes (gz, bz2, xz, zst, or a zip with one file).

    Raises:
        InputError: it cannot be opened, or is a zip with more than one file (the message lists them).
    """
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(open_stream(source))
        if compression_of(raw) != "zip":
            return decompressed(raw, stack.pop_all())
        archive = Archive(raw, stack)
        if len(archive.members) != 1:
            found = ", ".join(archive.members[:8]) + (", ..." if len(archive.members) > 8 else "")
            hint = f"; name one as zip://{archive.members[0]}::{raw.name}" if archive.members else ""
            raise InputError(f"{raw.name}: the zip holds {len(archive.members)} files ({found or 'none'}), expected one{hint}")
        member = stack.enter_context(archive.open(archive.members[0]))
        return ByteStream(raw.name, member, stack.pop_all(), "zip")
    raise AssertionError("unreachable")  # ExitStack.__exit__ never swallows here


# ---- writing -----------------------------------------------------------------------------------------------------------------------


def temporary_name(target: Path) -> Path:
    """A hidden name beside `target` that no other process uses; process ids repeat in containers."""
    return target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")


@contextlib.contextmanager
def write_atomically(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `target`, which replaces `target` in one rename, or is removed on an error.

    Works for a file and for a folder (an existing folder is moved aside first, and removed after the rename).

    Raises:
        InputError: a file would replace a folder.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(target)
    try:
        yield temporary
        if target.is_dir() and not temporary.is_dir():
            raise InputError(f"{target}: is a folder, expected a file to replace or a new name")
        if target.is_dir():
            old = temporary.with_suffix(".old")
            target.rename(old)
            temporary.rename(target)
            remove(old)
        else:
            temporary.replace(target)
    except OSError as error:
        error.filename = error.filename or str(target)  # a full disk does not say where it is
        raise
    finally:
        remove(temporary)


@contextlib.contextmanager
def open_target(target: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing, compressed by its suffix; it replaces the target when everything is written, and only then."""
    with write_atomically(target) as temporary, temporary.open("wb") as file:
        compression = COMPRESSIONS.get(target.suffix[1:])
        with contextlib.nullcontext(file) if compression is None else compression.open(file, "wb") as stream:
            yield stream


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Lock a folder for this process; the system releases the lock when the process ends, however it ends.

    Without effect on systems and file systems that have no such locks.

    Raises:
        InputError: another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder}: another process is writing there; wait until it ends, or name another folder") from None
        except OSError:  # some network file systems
            pass
        yield
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Remove a file, or a folder and all that is in it, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a UTF-8 file atomically; lone surrogates (bytes of a token that were not UTF-8) are written as those bytes."""
    with write_atomically(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", "surrogateescape"))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write JSON atomically, indented, keys in their order."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file of an artefact.

    Raises:
        FormatError: it is missing or not JSON.
    """
    try:
        return json.loads(Path(path).read_bytes().decode("utf-8", "surrogateescape"))
    except (FileNotFoundError, NotADirectoryError):
        raise FormatError(f"{os.fspath(path)}: missing") from None
    except ValueError as error:
        raise FormatError(f"{os.fspath(path)}: not valid JSON: {error}") from error
