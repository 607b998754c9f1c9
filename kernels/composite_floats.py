"""Pictures of float32 through recolourings: the loops that recolour a level of the compiled compositor, over the pixels
of a picture that is deeper than the compositor's bytes.

A tile is pulled apart into planes; each row (`kernels.lookup`) reads one set of planes and writes the other, and the
alphas are those of the picture.
"""

# numba's decorators are untyped, and pointers have no Python type
# mypy: disable-error-code="misc, no-untyped-call, no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np

from kernels import bands, composite_colors, composite_loops, composite_rows
from kernels.bands import BAND
from kernels.blend import ONE, ZERO
from kernels.compiled import addressable, digest
from kernels.composite_colors import color_loop_of
from kernels.composite_levels import op_of
from kernels.composite_loops import TILE, call_planes_loop
from kernels.composite_rows import as_floats, as_row
from kernels.lookup import ColorRow, Table

PIXELS, OUT, COUNT, ROWS, NUMBERS, LOOPS = range(6)
"""Of the work: addresses of the first pixel and of that of the result, how many pixels and rows there are; the address
of float32 that each row's loop is handed; then of each row the addresses of its loop and its values."""
AT_ONCE: Final = 64
"""Tiles that a thread takes."""
WORTH_A_THREAD: Final = 1 << 18
"""Pixels times rows."""


def _band(work, first, end, planes):
    job = as_row(work)
    numbers = as_floats(job[NUMBERS])
    for tile in range(first, end):
        count = min(TILE, job[COUNT] - tile * TILE)
        pixels, out = as_floats(job[PIXELS] + 16 * TILE * tile), as_floats(job[OUT] + 16 * TILE * tile)
        read, written = planes, planes + 16 * TILE
        given = as_floats(read)
        for x in range(count):
            given[x] = min(max(pixels[4 * x], ZERO), ONE)
            given[TILE + x] = min(max(pixels[4 * x + 1], ZERO), ONE)
            given[2 * TILE + x] = min(max(pixels[4 * x + 2], ZERO), ONE)
            given[3 * TILE + x] = ONE
        for i in range(job[ROWS]):
            loop, values = job[LOOPS + 2 * i], as_floats(job[LOOPS + 2 * i + 1])
            call_planes_loop(loop, (as_floats(read), values, numbers[i], as_floats(written), count))
            read, written = written, read
        made = as_floats(read)
        for x in range(count):
            out[4 * x] = min(max(made[x], ZERO), ONE)
            out[4 * x + 1] = min(max(made[TILE + x], ZERO), ONE)
            out[4 * x + 2] = min(max(made[2 * TILE + x], ZERO), ONE)
            out[4 * x + 3] = pixels[4 * x + 3]


@cache
def compiled_band() -> Any:
    """The pass over some tiles, compiled or read from numba's cache."""
    version = digest(str(composite_loops.__file__), str(composite_rows.__file__), __file__)
    return addressable(BAND, _band, f"floats_{version}")


def recolored(pixels: np.ndarray, rows: Sequence[ColorRow], threads: int) -> np.ndarray:
    """float32 [h, w, 4] straight RGBA 0..1, its colours through the rows, one after the other; alphas stay."""
    pixels = np.ascontiguousarray(pixels)
    out = np.empty_like(pixels)
    count = pixels.size // 4
    numbers = np.array([row.values.shape[1] if isinstance(row, Table) else 1 for row in rows], np.float32)
    work = [pixels.ctypes.data, out.ctypes.data, count, len(rows), numbers.ctypes.data]
    for row in rows:
        loop = color_loop_of(row.op) if row.op in composite_colors.NAMES else op_of(row.op)
        work += [loop, row.values.ctypes.data]
    threads = min(threads, 1 + count * len(rows) // WORTH_A_THREAD)
    tiles = -(-count // TILE)
    bands.run(int(compiled_band().address), np.array(work, np.int64), tiles, AT_ONCE, 8 * TILE, threads)
    return out


def warm() -> None:
    """Compiles ahead."""
    recolored(np.zeros((1, 1, 4), np.float32), (), 1)


__all__ = ["recolored", "warm"]
