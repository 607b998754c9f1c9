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


M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
"""Of glibc's malloc.h."""
HEAPS = 2
LARGE = 4 << 20
"""Bytes. A frame of 1080p is smaller; an array of frames on its way to a detector, and a frame of 4K, are not."""


def few() -> None:
    """No more heaps than there are already, at least HEAPS, and a mapping of its own for each block of LARGE, which
    goes back when it is freed: for a process of many threads that live as long as a clip's few seconds.

    Else glibc opens up to eight heaps a core, each of which grows to what met in it at worst, and raises its threshold
    for mappings to the largest block that was ever freed.
    """
    mallopt = getattr(_libc(), "mallopt", None)
    if mallopt:
        mallopt(M_ARENA_MAX, HEAPS)
        mallopt(M_MMAP_THRESHOLD, LARGE)


@cache
def _libc() -> Any:
    return ctypes.CDLL(None) if sys.platform == "linux" else None


__all__ = ["few", "trim"]
