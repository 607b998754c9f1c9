"""What glibc keeps of the memory that was freed. Elsewhere than on glibc nothing here does anything."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any


def trim() -> None:
    """Give the system back what is free in whole pages, of the heaps of all threads: for who has just freed much.

    It takes some milliseconds. Else memory stays with the heap of the thread that an encoder ran in, and no other
    thread takes it.
    """
    malloc_trim = getattr(_libc(), "malloc_trim", None)
    if malloc_trim:
        malloc_trim(ctypes.c_size_t(0))


@cache
def _libc() -> Any:
    return ctypes.CDLL(None) if sys.platform == "linux" else None


__all__ = ["trim"]
