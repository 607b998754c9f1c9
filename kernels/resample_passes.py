"""The compiled resize: four rows of the result at a time, first down, then across.

Of four rows the sums down the columns go to a line of float32, [width of the source, 4 rows, 4 channels], which stays
in the second-level cache; the sums across then take one vector for the same column of all four rows. Down comes first,
for it is as much work as the source has columns, and across, most of the work where a picture grows, is whole vectors.
"""

# numba's decorators are untyped, and addresses have no Python type
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

import numba
import numpy as np

from kernels import bands, composite_rows, floats, pages
from kernels.bands import BAND
from kernels.compiled import INLINE, addressable, digest
from kernels.composite_rows import as_floats, as_row
from kernels.floats import (
    add_times,
    load_floats,
    load_pixels,
    premultiplied,
    store_bytes,
    store_columns,
    straight,
    zeros,
)
from kernels.resample_axis import axis, by_fours

LEAST_WIDTH: Final = 4
"""Pixels of a row: a vector."""
COLUMN: Final = 4 * floats.LANES
"""Bytes of a line's column."""
GROUPS: Final = 4
"""Of four rows, that a thread takes at once."""
WORTH_A_THREAD: Final = 1 << 22
"""Multiplications of a pixel, about a millisecond."""


class Work(NamedTuple):
    """Addresses and numbers of one resize, int64."""

    source: int
    stride: int
    """From row to row, in bytes."""
    width: int
    out: int
    out_width: int
    out_height: int
    rows: int
    row_weights: int
    row_taps: int
    columns: int
    column_weights: int
    column_taps: int


SOURCE, STRIDE, WIDTH, OUT, OUT_WIDTH, OUT_HEIGHT = range(6)
ROWS, ROW_WEIGHTS, ROW_TAPS, COLUMNS, COLUMN_WEIGHTS, COLUMN_TAPS = range(6, 12)
taken: Any = None
"""What a source's pixels become before they are added up, compiled."""
given: Any = None
"""And what sums become after."""


def _band(work, first, end, line):
    job = as_row(work)
    columns, across = as_row(job[COLUMNS]), as_floats(job[COLUMN_WEIGHTS])
    last, pitch, taps = job[OUT_HEIGHT] - 1, 4 * job[OUT_WIDTH], job[COLUMN_TAPS]
    for group in range(first, end):
        above = job[SOURCE] + as_row(job[ROWS])[group] * job[STRIDE]
        down = as_floats(job[ROW_WEIGHTS] + 16 * group * job[ROW_TAPS])
        for i in range(0, job[WIDTH], LEAST_WIDTH):
            x = min(i, job[WIDTH] - LEAST_WIDTH)
            one, two, three, four = zeros(), zeros(), zeros(), zeros()
            for k in range(job[ROW_TAPS]):
                pixels = taken(load_pixels(above + k * job[STRIDE] + 4 * x))
                one, two = add_times(one, pixels, down[4 * k]), add_times(two, pixels, down[4 * k + 1])
                three, four = add_times(three, pixels, down[4 * k + 2]), add_times(four, pixels, down[4 * k + 3])
            store_columns(line + COLUMN * x, one, two, three, four)
        y = 4 * group
        top = job[OUT] + y * pitch
        second = job[OUT] + min(y + 1, last) * pitch
        third = job[OUT] + min(y + 2, last) * pitch
        fourth = job[OUT] + min(y + 3, last) * pitch
        for x in range(job[OUT_WIDTH]):
            total, place = zeros(), line + COLUMN * columns[x]
            for k in range(taps):
                total = add_times(total, load_floats(place + COLUMN * k), across[taps * x + k])
            store_bytes(given(total), top + 4 * x, second + 4 * x, third + 4 * x, fourth + 4 * x)


@numba.njit(**INLINE)
def _as_they_are(pixels):
    return pixels


@numba.njit(**INLINE)
def _premultiplied(pixels):
    return premultiplied(pixels)


@numba.njit(**INLINE)
def _straight(pixels):
    return straight(pixels)


@cache
def compiled_band(opaque: bool) -> Any:
    """The pass over a band, compiled or read from numba's cache."""
    parts = (_as_they_are, _as_they_are) if opaque else (_premultiplied, _straight)
    version = digest(str(floats.__file__), str(composite_rows.__file__), __file__)
    return addressable(
        BAND, _band, f"resize_{'opaque' if opaque else 'alpha'}_{version}", taken=parts[0], given=parts[1]
    )


def resize(
    pixels: np.ndarray, size: tuple[int, int], window: tuple[int, int, int, int], opaque: bool, threads: int
) -> np.ndarray:
    """uint8 [h, w, 4] straight RGBA as it is in `size` (width, height), of which `window` (x, y, width, height) is
    made: uint8 [height, width, 4], on up to `threads` threads. `opaque`: whether all alphas are 255."""
    height, width = pixels.shape[:2]
    x, y, out_width, out_height = window
    columns = axis(width, size[0], x, x + out_width)
    rows = by_fours(axis(height, size[1], y, y + out_height), height)
    left, right = int(columns.starts.min()), int(columns.starts.max()) + columns.taps
    part = pixels[:, left:right]
    if part.shape[1] < LEAST_WIDTH:
        part = np.pad(part, ((0, 0), (0, LEAST_WIDTH - part.shape[1]), (0, 0)))  # what weighs nothing
    if part.strides[1:] != (4, 1):
        part = np.ascontiguousarray(part)
    out = pages.empty((out_height, out_width, 4))
    starts, groups = columns.starts - left, len(rows.starts)
    work = Work(
        *(part.ctypes.data, part.strides[0], part.shape[1], out.ctypes.data, out_width, out_height),
        *(rows.starts.ctypes.data, rows.weights.ctypes.data, rows.taps),
        *(starts.ctypes.data, columns.weights.ctypes.data, columns.taps),
    )
    amount = groups * (4 * part.shape[1] * rows.taps + 4 * out_width * columns.taps)
    threads = min(threads, 1 + amount // WORTH_A_THREAD)
    line = part.shape[1] * COLUMN // 4
    bands.run(int(compiled_band(opaque).address), np.array(work, np.int64), groups, GROUPS, line, threads)
    return out


def warm() -> None:
    """Compiles ahead."""
    for opaque in (False, True):
        resize(np.zeros((1, 1, 4), np.uint8), (2, 2), (0, 0, 2, 2), opaque, 1)


__all__ = ["WORTH_A_THREAD", "compiled_band", "resize", "warm"]
