"""The spool: ids and document lengths on disk while a corpus is read, until the vocabulary is chosen and the arrays can be written."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lexloom.tensors import Blocks, write_tensors

_ITEMS = 1 << 20


class Spool:
    """Takes pieces in order and hands them out as the arrays of a store; a context manager, which closes its files.

    Attributes:
        documents: documents finished so far.
        tokens: ids taken so far.
    """

    def __init__(self, folder: Path) -> None:
        """Open the two files in a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        self.documents = self.tokens = 0
        self._ids_path, self._lengths_path = folder / "ids.spool", folder / "lengths.spool"
        self._ids, self._lengths = self._ids_path.open("wb"), self._lengths_path.open("wb")
        self._last_end = 0  # where the last finished document ended, counted in tokens

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._ids.close()
        self._lengths.close()

    def add(self, ids: np.ndarray, lengths: np.ndarray, ends: np.ndarray) -> None:
        """Take the ids of some pieces.

        Args:
            ids: uint32 (N,), provisional ids.
            lengths: int64 (n,), the tokens of each piece, N in all.
            ends: bool (n,), where a piece is the last of its document.
        """
        document_ends = self.tokens + np.cumsum(lengths)[ends]
        self._ids.write(ids.astype("<u4", copy=False).data)
        self._lengths.write(np.diff(document_ends, prepend=self._last_end).astype("<i8", copy=False).data)
        self.tokens += len(ids)
        self.documents += len(document_ends)
        if len(document_ends):
            self._last_end = int(document_ends[-1])

    def write(self, path: Path, final: np.ndarray) -> dict[str, str]:
        """Write the arrays of a store, `ids` and `starts`, and remove the spool.

        Args:
            path: the safetensors file.
            final: uint32, the final id of each provisional one.

        Returns:
            The checksum of each array, as `tensors.checksum` makes it.
        """
        if self._last_end < self.tokens:
            raise AssertionError("the last piece of a corpus must end its document")
        self._ids.flush()
        self._lengths.flush()
        digests = {name: hashlib.blake2b(digest_size=16) for name in ("ids", "starts")}
        write_tensors(
            path,
            {
                "ids": Blocks((self.tokens,), np.uint32, _hashed(self._final_ids(final), digests["ids"])),
                "starts": Blocks((self.documents + 1,), np.int64, _hashed(self._starts(), digests["starts"])),
            },
        )
        self._ids_path.unlink()
        self._lengths_path.unlink()
        return {name: digest.hexdigest() for name, digest in digests.items()}

    def _final_ids(self, final: np.ndarray) -> Iterator[np.ndarray]:
        for ids in _read(self._ids_path, "<u4"):
            yield final[ids]

    def _starts(self) -> Iterator[np.ndarray]:
        start = 0
        yield np.zeros(1, np.int64)
        for lengths in _read(self._lengths_path, "<i8"):
            starts = start + np.cumsum(lengths)
            start = int(starts[-1])
            yield starts


def _read(path: Path, dtype: str) -> Iterator[np.ndarray]:
    with path.open("rb") as file:
        while len(items := np.fromfile(file, dtype, _ITEMS)):
            yield items


def _hashed(blocks: Iterator[np.ndarray], digest: "hashlib.blake2b") -> Iterator[np.ndarray]:
    for block in blocks:
        digest.update(block.data)
        yield block
