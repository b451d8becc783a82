"""Open anything, and write files and folders so that they are whole or not there.

One way to open a file and one way to write an artefact: everything in lexloom that touches a disk goes through here.
"""

import contextlib
import json
import os
import shutil
import sys
import tempfile
import weakref
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from lexloom.errors import FormatError, InputError

STDIN = "-"


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


def compression(head: bytes) -> str | None:
    """Name the compression that a file's first bytes show: gz, bz2, xz, zst, zip or None."""
    for magic, name in (
        (b"\x1f\x8b", "gz"),
        (b"BZh", "bz2"),
        (b"\xfd7zXZ\x00", "xz"),
        (b"\x28\xb5\x2f\xfd", "zst"),
        (b"PK\x03\x04", "zip"),
        (b"PK\x05\x06", "zip"),  # one that holds nothing
    ):
        if head.startswith(magic):
            return name
    return None


class ByteStream:
    """A source opened for reading, decompressed on the way: `read(size)`, `close()`, and a name for messages.

    A context manager. Damaged compressed data raises `InputError` from `read`.
    """

    def __init__(self, name: str, stream: Any, closers: contextlib.ExitStack, kind: str | None) -> None:
        self.name, self.kind = name, kind
        self._stream, self._closers = stream, closers

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, or all that is left; fewer than asked only at the end."""
        try:
            return read_exactly(self._stream, size) if size >= 0 else cast(bytes, self._stream.read())
        except Exception as error:  # decompressors and the file systems of fsspec have errors of their own
            what = f"the {self.kind} data is damaged or cut short" if self.kind else "cannot be read"
            raise InputError(f"{self.name}: {what}: {error}") from error

    def close(self) -> None:
        """Close the source (standard input stays open)."""
        self._closers.close()

    def __enter__(self) -> "ByteStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Peeked:
    """A readable stream whose first bytes were already taken from it."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._rest.read(size)
        if size < 0:
            head, self._head = self._head, b""
            return head + self._rest.read()
        head, self._head = self._head[:size], self._head[size:]
        return head


def open_bytes(source: str | os.PathLike[str]) -> ByteStream:
    """Open a path, URL or `-` and decompress it by its magic bytes (gz, bz2, xz, zst, or a zip with one member).

    Raises:
        InputError: it cannot be opened, or is a zip with more than one member (the message lists them).
    """
    name = os.fspath(source)
    with contextlib.ExitStack() as stack:
        raw = open_raw(source)
        if raw is not sys.stdin.buffer:
            stack.callback(raw.close)
        head = ByteStream(name, raw, contextlib.ExitStack(), None).read(6)  # which says what is wrong where it cannot be read
        kind = compression(head)
        stream: Any = _Peeked(head, raw)
        if kind == "gz":
            import gzip

            stream = stack.enter_context(gzip.GzipFile(fileobj=stream))
        elif kind == "bz2":
            import bz2

            stream = stack.enter_context(bz2.BZ2File(stream))
        elif kind == "xz":
            import lzma

            stream = stack.enter_context(lzma.LZMAFile(stream))
        elif kind == "zst":
            stream = _Zstandard(stream)
        elif kind == "zip":
            stream = _only_member(name, stream, stack)
        return ByteStream(name, stream, stack.pop_all(), kind)
    raise AssertionError("unreachable")  # ExitStack.__exit__ never swallows here


class _Zstandard:
    """A zstd stream; unlike the library's own reader it notices where the data is cut short."""

    def __init__(self, source: Any) -> None:
        import zstandard

        self._source, self._decompressor = source, zstandard.ZstdDecompressor()
        self._frame: Any = None  # the one under way
        self._input = self._ready = b""

    def read(self, size: int = -1) -> bytes:
        parts = [self._ready]
        have = len(self._ready)
        while (size < 0 or have < size) and (block := self._next()) is not None:
            parts.append(block)
            have += len(block)
        whole = b"".join(parts)
        self._ready = whole[size:] if size >= 0 else b""
        return whole[:size] if size >= 0 else whole

    def _next(self) -> bytes | None:
        self._input = self._input or self._source.read(1 << 17)
        if not self._input:
            if self._frame is not None:
                raise EOFError("the last frame has no end")
            return None
        if self._frame is None:
            self._frame = self._decompressor.decompressobj()
        block: bytes = self._frame.decompress(self._input)
        self._input = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame = None
        return block


def read_exactly(stream: IO[bytes], size: int) -> bytes:
    """Read `size` bytes, or all that is left where there is less; pipes hand out less than asked."""
    parts: list[bytes] = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _only_member(name: str, stream: Any, stack: contextlib.ExitStack) -> IO[bytes]:
    spool: IO[bytes] = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=1 << 26))  # noqa: SIM115 (the stack closes it)
    shutil.copyfileobj(stream, spool)
    try:
        archive = stack.enter_context(zipfile.ZipFile(spool))
    except zipfile.BadZipFile as error:
        raise InputError(f"{name}: the zip data is damaged or cut short: {error}") from error
    members = [member.filename for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        found = ", ".join(members[:8]) + (", ..." if len(members) > 8 else "")
        hint = f"; name one as zip://{members[0]}::{name}" if members else ""
        raise InputError(f"{name}: the zip holds {len(members)} files ({found or 'none'}), expected one{hint}")
    return stack.enter_context(archive.open(members[0]))


# ---- writing -----------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def write_atomically(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `target`; what is written there replaces `target` in one rename, or vanishes on an error.

    Works for a file and for a folder (an existing folder is moved aside first, and removed after the rename).

    Raises:
        InputError: a file would replace a folder.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    remove(temporary)
    try:
        yield temporary
        if target.is_dir() and not temporary.is_dir():
            raise InputError(f"{target}: is a folder, and a file was to be written there; give another name")
        if target.is_dir():
            old = target.with_name(f".{target.name}.{os.getpid()}.old")
            remove(old)
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
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone; the system lets go of it when the process ends, however it ends.

    Where the system or the file system has no such locks, nothing is held.

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
    """Remove a file or a folder with all that is in it; it need not exist."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a UTF-8 file atomically; lone surrogates (bytes of a token that were not UTF-8) go out as those bytes."""
    with write_atomically(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", "surrogateescape"))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write JSON atomically, indented, keys in the order given."""
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
