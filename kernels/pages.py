"""Memory of large results, lent from pages that are kept from one result to the next.

Up to 32 MiB glibc's heap hands out what it has already; what is larger it maps anew and unmaps, so each result is pages
that the kernel clears first: half of the time that two layers of 8K take. Here such a result's pages come back when the
last array over them is gone, and a few are kept. They are marked as free (MADV_FREE): the kernel takes them without a
write to swap when memory is short, counts them as available until then, and using them again costs nothing. What they
hold is stale or zero, so only who writes every byte may ask for them.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
import weakref
from contextlib import suppress
from math import prod

import numpy as np
from numpy.typing import NDArray

LARGE = 32 << 20
"""Bytes up to which glibc's heap does as well: its threshold for mapping grows to this and no further."""
HUGE_PAGE = 2 << 20
MOST_PIECES = 2
MOST_BYTES = 256 << 20
"""Of all pieces that are kept: an 8K result takes 127 MiB."""


class _Kept:
    """Pieces nobody uses, oldest first. The lock is reentrant: a collection of garbage may end an array, which gives
    its piece back, while this thread takes another one."""

    def __init__(self) -> None:
        self.pieces: list[mmap.mmap] = []
        self.lock = threading.RLock()

    def take(self, size: int) -> mmap.mmap | None:
        """The smallest piece of at least `size` bytes and at most twice as many, no longer kept; None where none is."""
        with self.lock:
            fitting = [piece for piece in self.pieces if size <= len(piece) <= 2 * size]
            piece = min(fitting, key=len, default=None)
            if piece is not None:
                self.pieces.remove(piece)
        return piece

    def put(self, piece: mmap.mmap) -> None:
        if sys.platform != "linux" or len(piece) > MOST_BYTES:
            return
        with suppress(OSError), self.lock:  # locked memory cannot be marked, and is unmapped as the piece goes
            piece.madvise(mmap.MADV_FREE)
            self.pieces.append(piece)
            while len(self.pieces) > MOST_PIECES or sum(map(len, self.pieces)) > MOST_BYTES:
                del self.pieces[0]


_kept = _Kept()
os.register_at_fork(after_in_child=lambda: _kept.__init__())  # type: ignore[misc]  # a lock may be held, pages be shared


def empty(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """A C-contiguous uint8 array whose bytes are anything, like np.empty's; the caller writes each of them.

    Above LARGE its memory is a kept piece where one fits. It serves another result once no array, tensor or buffer made
    of this one is left. MemoryError where there is no memory.
    """
    size = prod(shape)
    if size <= LARGE or sys.platform != "linux":
        return np.empty(shape, np.uint8)
    piece = _kept.take(_rounded(size)) or _mapped(_rounded(size))
    if piece is None:
        return np.empty(shape, np.uint8)
    whole = np.frombuffer(piece, np.uint8)
    first = -whole.ctypes.data % HUGE_PAGE
    lent = np.frombuffer(piece, np.uint8, size, first)  # views end here: numpy goes on to a base only if it is an array
    weakref.finalize(lent, _kept.put, piece).atexit = False
    return lent.reshape(shape)


def kept() -> int:
    """Bytes of the pieces that nobody uses."""
    with _kept.lock:
        return sum(map(len, _kept.pieces))


def forget() -> None:
    """Unmaps what nobody uses."""
    with _kept.lock:
        _kept.pieces.clear()


def _rounded(size: int) -> int:
    """Whole huge pages, and one more to begin on its border."""
    return (size + 2 * HUGE_PAGE - 1) // HUGE_PAGE * HUGE_PAGE


def _mapped(size: int) -> mmap.mmap | None:
    """Private, or a forked child would see what the parent draws next. None where the system gives none."""
    if sys.platform != "linux":
        return None
    try:
        piece = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError:
        return None
    with suppress(OSError):  # a kernel without huge pages
        piece.madvise(mmap.MADV_HUGEPAGE)
    return piece


__all__ = ["LARGE", "MOST_BYTES", "MOST_PIECES", "empty", "forget", "kept"]
