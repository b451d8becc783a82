"""Opening and writing, where it goes wrong."""

import errno
import fcntl
import io
import os
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from lexloom.errors import InputError
from lexloom.files import exclusive, open_bytes, write_atomically


def test_a_failed_write_says_where_and_leaves_the_old_file(tmp_path):
    target = tmp_path / "kept.txt"
    target.write_text("old")
    with pytest.raises(OSError, match=r"kept\.txt"), write_atomically(target) as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as a full disk does, without a name
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_of_a_remote_file_system_is_one_of_ours(monkeypatch):
    class UnreachableError(Exception):
        pass

    def fail(*_):
        raise UnreachableError("no route")

    monkeypatch.setattr(fsspec, "open", fail)
    with pytest.raises(InputError, match=r"far://away/file: cannot be opened: no route"):
        open_bytes("far://away/file")


def test_a_file_that_cannot_be_read_is_named(monkeypatch):
    class Broken(io.BytesIO):
        def read(self, _size=-1):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "open", lambda *_: Broken())
    with pytest.raises(InputError, match=r"words\.txt: cannot be read: .*Input/output error"):
        open_bytes("words.txt")


def test_a_folder_is_let_go_when_its_process_ends_in_any_way(tmp_path):
    code = "import os, sys; from pathlib import Path; from lexloom.files import exclusive\n"
    code += "with exclusive(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -9
    with exclusive(tmp_path):
        handle = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)


def test_two_writers_of_one_process_id_do_not_share_a_temporary_file(tmp_path):
    with write_atomically(tmp_path / "file") as first, write_atomically(tmp_path / "file") as second:
        first.write_text("one")
        second.write_text("two")
        assert first.read_text() == "one"
    assert (tmp_path / "file").read_text() == "one"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_stream_can_be_looked_at_before_it_is_read(tmp_path):
    (tmp_path / "file").write_bytes(bytes(range(100)))
    with open_bytes(tmp_path / "file") as stream:
        assert stream.peek(3) == bytes(range(3)) and stream.peek(5) == bytes(range(5))
        assert stream.read(2) == bytes(range(2)) and stream.peek(2) == bytes(range(2, 4))
        assert stream.read(50) == bytes(range(2, 52)) and stream.read() == bytes(range(52, 100))
        assert stream.peek(1) == stream.read(1) == b""
