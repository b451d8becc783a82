"""Compilation with Numba: the settings that all compiled loops share."""

import contextlib
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a loop that runs without the GIL. The machine code is cached on disk where the cache folder is writable."""
    dispatcher = njit(nogil=True, error_model="numpy", boundscheck=False)(function)
    with contextlib.suppress(RuntimeError):
        dispatcher.enable_caching()
    return dispatcher


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a helper that is inlined at every call site. It must not allocate.

    Reference counting is off: Numba would emit two atomic instructions per array and call, which LLVM cannot remove when the helper
    contains a loop.
    """
    return njit(forceinline=True, _nrt=False)(function)


@functools.cache
def source_stamp(folder: Path) -> int:
    """Hash the source code of a folder of kernels and of `compiled/`.

    A kernel uses the result as a constant, so that Numba's cache, which checks the file of the kernel alone, also notices a change in
    the helpers that were inlined into it.
    """
    files = [path for place in (Path(__file__).parent, folder) for path in sorted(place.glob("*.py"))]
    return int.from_bytes(hashlib.blake2b(b"".join(path.read_bytes() for path in files), digest_size=6).digest(), "little")
