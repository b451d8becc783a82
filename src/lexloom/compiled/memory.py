"""Memory for kernels: padded rows, arrays aligned to cache lines, matrices on huge pages."""

import contextlib
import mmap

import numpy as np

from lexloom.errors import ConfigError

LANES = 16
"""Floats of a vector register as the kernels see it: 64 bytes, which is also a cache line."""


def padded(dim: int) -> int:
    """Return the row length that a kernel needs for `dim` columns: the next multiple of 16. The columns beyond `dim` stay zero."""
    return -(-dim // LANES) * LANES


def aligned(size: int) -> np.ndarray:
    """Allocate a zeroed float32 array (size,) that starts at a cache line, so that no vector load straddles two lines."""
    raw = np.zeros(size + LANES, np.float32)
    skip = (-raw.ctypes.data % 64) // 4
    return raw[skip : skip + size]


def allocate(rows: int, dim: int) -> np.ndarray:
    """Allocate a zeroed float32 matrix (rows, padded dim), on 2 MB pages where the system has them.

    With pages of 4 kB nearly every access to a row would need a page table walk first.

    Raises:
        ConfigError: the matrix does not fit into memory.
    """
    width, huge = padded(dim), 1 << 21
    size = rows * width * 4
    try:
        if not hasattr(mmap, "MADV_HUGEPAGE"):
            return np.zeros((rows, width), np.float32)
        # private: a shared mapping belongs to an in-memory file system, where huge pages are usually off
        block = mmap.mmap(-1, size + huge, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, MemoryError, OverflowError, ValueError):
        raise ConfigError(
            f"dim is {dim}: a matrix of {rows:,} rows takes {size / 1e9:,.1f} GB, more than this machine has free; "
            "give a lower dim, or reduce the vocabulary with a higher min_count or a max_size"
        ) from None
    with contextlib.suppress(OSError):  # a kernel built without huge pages
        block.madvise(mmap.MADV_HUGEPAGE)
    raw = np.frombuffer(block, np.uint8)
    skip = -raw.ctypes.data % huge
    return raw[skip : skip + size].view(np.float32).reshape(rows, width)
