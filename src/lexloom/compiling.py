"""How loops are compiled."""

import contextlib
from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a loop: without the GIL, and kept on disk where there is a place for that (a read-only system may have none)."""
    dispatcher = njit(nogil=True, error_model="numpy", boundscheck=False)(function)
    with contextlib.suppress(RuntimeError):
        dispatcher.enable_caching()
    return dispatcher


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a part of loops, which allocates nothing, into each place where it is called.

    References to its arrays are not counted. Numba counts them at every call, and where there is a loop inside LLVM does not find out that
    it is for nothing: two locked instructions an array and call.
    """
    return njit(forceinline=True, _nrt=False)(function)
