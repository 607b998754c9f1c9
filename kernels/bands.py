"""Work that is cut into pieces, which threads take as they come: a thread that wakes late, or has less of its core,
takes fewer. What a piece writes may depend on nothing but its number, so bytes do not depend on the number of threads.
"""

# numba's decorators are untyped, and addresses have no Python type
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

import numba
import numpy as np
from numba import prange, types
from numpy.typing import NDArray

from kernels.compiled import MATH, calling, claim
from kernels.threads import at_most

BAND = types.void(*[types.int64] * 4)
"""(address of the work's numbers, first piece, end, address of memory of the thread's own): what does some pieces."""

call_band = calling(BAND)


@numba.njit(parallel=True, cache=True, nogil=True, **MATH)
def _taken(band, work, pieces, at_once, memory, size, counter, threads):
    """`memory` has `size` bytes for each thread; `counter` is the address of an int64 of 0."""
    for thread in prange(threads):
        first = at_once * claim(counter)
        while first < pieces:
            call_band(band, (work, first, min(pieces, first + at_once), memory + thread * size))
            first = at_once * claim(counter)


def run(band: int, work: NDArray[np.int64], pieces: int, at_once: int, memory: int, threads: int) -> None:
    """Does all pieces, `at_once` at a time, by the function of signature `BAND` at an address, on up to `threads`
    threads. work: what that function reads at the address it gets. memory: float32 that each thread has for itself."""
    counter = np.zeros(1, np.int64)
    with at_most(threads) as most:
        own = np.empty((most, memory), np.float32)
        _taken(band, work.ctypes.data, pieces, at_once, own.ctypes.data, 4 * memory, counter.ctypes.data, most)


__all__ = ["BAND", "run"]
