"""Arrays on disk: safetensors files, streamed out and memory-mapped in, and checksums of their content."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lexloom.errors import FormatError

_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "U32": np.dtype("<u4"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
    "F64": np.dtype("<f8"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def write_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, "np.ndarray | StreamedArray"], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file without a second copy of the data in memory (not atomic by itself).

    Wider types come first, so that every array is aligned to its type.

    Args:
        path: the file; it is created or replaced.
        tensors: arrays, or `StreamedArray`s, whose rows are made while they are written.
        metadata: strings kept in the header.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    ordered = sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize)
    for name, tensor in ordered:
        begin, end = end, end + int(np.prod(tensor.shape, dtype=np.int64)) * tensor.dtype.itemsize
        header[name] = {"dtype": _NAMES[np.dtype(tensor.dtype)], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    with Path(path).open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        for _, tensor in ordered:
            for block in tensor.blocks if isinstance(tensor, StreamedArray) else _row_blocks(tensor):
                file.write(np.ascontiguousarray(block).data)


class StreamedArray:
    """An array in pieces: its whole shape and type, and an iterable of consecutive pieces along the first axis."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, blocks: Iterable[np.ndarray]) -> None:
        self.shape, self.dtype, self.blocks = shape, np.dtype(dtype), blocks


def _row_blocks(array: np.ndarray, size: int = 1 << 22) -> Iterator[np.ndarray]:
    rows = max(1, size // max(1, int(np.prod(array.shape[1:], dtype=np.int64))))
    for first in range(0, len(array), rows):
        yield array[first : first + rows]


def map_tensors(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Memory-map every tensor of a safetensors file, read-only; data is read when it is used.

    Raises:
        FormatError: the file is missing, cut short, or not safetensors.
    """
    path = Path(path)
    try:
        header, base, size = _tensor_header(path)
        tensors: dict[str, np.ndarray] = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            dtype, shape, (begin, end) = _DTYPES[entry["dtype"]], tuple(entry["shape"]), entry["data_offsets"]
            if end - begin != int(np.prod(shape, dtype=np.int64)) * dtype.itemsize or not 0 <= begin <= end <= size - base:
                raise ValueError(f"tensor {name!r} does not fit: offsets {begin} to {end} in {size - base} bytes of data")
            tensors[name] = np.memmap(path, dtype, "r", base + begin, shape) if end > begin else np.empty(shape, dtype)
        return tensors
    except FileNotFoundError:
        raise FormatError(f"{path}: missing") from None
    except KeyError as error:
        raise FormatError(f"{path}: a tensor of a type or with a field that lexloom does not read: {error}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise FormatError(f"{path}: not a whole safetensors file: {error}") from None


def tensor_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the metadata in the header of a safetensors file.

    Raises:
        FormatError: the file is missing, cut short, or not safetensors.
    """
    try:
        return dict(_tensor_header(Path(path))[0].get("__metadata__", {}))
    except FileNotFoundError:
        raise FormatError(f"{os.fspath(path)}: missing") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise FormatError(f"{os.fspath(path)}: not a whole safetensors file: {error}") from None


def _tensor_header(path: Path) -> tuple[dict[str, Any], int, int]:
    """The parsed header, where the data begins, and the size of the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, 100_000_000):
            raise ValueError(f"a header of {length} bytes in a file of {size}")
        return json.loads(file.read(length)), 8 + length, size


def checksum(*parts: "bytes | np.ndarray | Iterable[np.ndarray]") -> str:
    """Hash bytes and arrays to a hexadecimal BLAKE2b digest of 128 bits."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, bytes):
            digest.update(part)
        else:
            for block in _row_blocks(part) if isinstance(part, np.ndarray) else part:
                digest.update(np.ascontiguousarray(block).data.cast("B"))
    return digest.hexdigest()
