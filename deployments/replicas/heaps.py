"""What glibc keeps of the memory that was freed, in a process whose encoders come and go in many threads.

It gives each thread a heap of its own, up to eight a core, and what is left free in one of them no other thread takes:
so memory grew with the number of segments that a render has. Elsewhere than on glibc nothing here does anything.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

HEAPS = 2
_M_ARENA_MAX = -8
"""mallopt's name of it in glibc's malloc.h."""


def few_heaps() -> None:
    """Let all threads share HEAPS heaps. Called before they are started."""
    mallopt = getattr(_libc(), "mallopt", None)
    if mallopt:
        mallopt(_M_ARENA_MAX, HEAPS)


def trim() -> None:
    """Give the system back what is free in whole pages: some milliseconds, for who has just freed much."""
    malloc_trim = getattr(_libc(), "malloc_trim", None)
    if malloc_trim:
        malloc_trim(ctypes.c_size_t(0))


@cache
def _libc() -> Any:
    return ctypes.CDLL(None) if sys.platform == "linux" else None


__all__ = ["HEAPS", "few_heaps", "trim"]
