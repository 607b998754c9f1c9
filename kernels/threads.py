"""How many threads the compiled loops of one call use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba

_CONFIG: Any = numba.config
_CONFIG.THREADING_LAYER = "omp"  # `workqueue` aborts when several Python threads call at once


@contextmanager
def at_most(threads: int) -> Iterator[int]:
    """Within, loops that this Python thread runs use up to so many: `threads`, at least 1, capped by numba's number."""
    before = numba.get_num_threads()
    most = max(1, min(threads, int(_CONFIG.NUMBA_NUM_THREADS)))
    numba.set_num_threads(most)
    try:
        yield most
    finally:
        numba.set_num_threads(before)


__all__ = ["at_most"]
