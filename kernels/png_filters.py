"""PNG's row filters as compiled loops: for each row the one whose residuals are smallest.

PNG (Third Edition), 9: Filtering. The choice is the heuristic of 12.8 there: the smallest sum of absolute residuals,
each taken as a signed byte.
"""

# numba's decorators are untyped
# mypy: disable-error-code="misc, untyped-decorator, assignment"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from kernels.compiled import pointer_to

NONE, SUB, UP, AVERAGE, PAETH = range(5)
"""The filter types as PNG numbers them."""
BLOCK = 256
"""Bytes whose sizes, at most 128 each, are summed in 16 bits: narrow sums keep the loops in whole vectors."""
SAMPLE = 4
"""A filter is chosen by one block in so many, a different one in each row: a third of the time for equal sizes."""

_OPTIONS: dict[str, Any] = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
_INNER = _OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Of what only compiled code calls."""
_PART = _INNER | {"inline": "always"}
"""Of what must vanish into its caller's loop: a call that LLVM takes in later keeps it out of vectors."""
_OUTER = _OPTIONS | {"cache": True}

_bytes = pointer_to(types.uint8)
"""Rows are passed as addresses (int64): a slice of an array for each block would cost more than the block."""


@njit(**_PART)
def _apart(a, b):  # type: ignore[no-untyped-def]
    """|a - b| of two uint8, kept to a byte: a wider type would quarter the speed."""
    return np.uint8(a - b) if a > b else np.uint8(b - a)


@njit(**_PART)
def _difference(a, b):  # type: ignore[no-untyped-def]
    return np.uint8(a - b)


@njit(**_PART)
def _average(now, left, up):  # type: ignore[no-untyped-def]
    """Residual of the mean of left and up, rounded down."""
    return np.uint8(now - np.uint8((left & up) + ((left ^ up) >> 1)))


@njit(**_PART)
def _paeth(now, left, up, corner):  # type: ignore[no-untyped-def]
    """Residual of Paeth's guess: the neighbour nearest to left + up - corner; ties in this order: left, up, corner."""
    to_left, to_up = _apart(up, corner), _apart(left, corner)
    # left + up - corner lies beyond left and up where both are on one side of the corner: not the corner then
    opposite = (up > corner) != (left > corner)
    to_corner = _apart(to_left, to_up) if opposite else np.uint8(255)
    other = up if to_up <= to_corner else corner
    return np.uint8(now - (left if (to_left <= to_up) & (to_left <= to_corner) else other))


@njit(**_INNER)
def _filtered(filter, row, above, step, out, count):  # type: ignore[no-untyped-def]
    """One filter's residuals of `count` bytes, all of which have a left neighbour, into `out`, and the sum of their
    sizes: |residual| as a signed byte. For up to BLOCK bytes the sum is right. `row`, `above`, `out` are addresses."""
    now, up, to = _bytes(row), _bytes(above), _bytes(out)
    left, corner = _bytes(row - step), _bytes(above - step)
    total = np.uint16(0)
    if filter == SUB:
        for x in range(count):
            residual = _difference(now[x], left[x])
            to[x] = residual
            total = np.uint16(total + min(residual, np.uint8(np.uint8(0) - residual)))
    elif filter == UP:
        for x in range(count):
            residual = _difference(now[x], up[x])
            to[x] = residual
            total = np.uint16(total + min(residual, np.uint8(np.uint8(0) - residual)))
    elif filter == AVERAGE:
        for x in range(count):
            residual = _average(now[x], left[x], up[x])
            to[x] = residual
            total = np.uint16(total + min(residual, np.uint8(np.uint8(0) - residual)))
    elif filter == PAETH:
        for x in range(count):
            residual = _paeth(now[x], left[x], up[x], corner[x])
            to[x] = residual
            total = np.uint16(total + min(residual, np.uint8(np.uint8(0) - residual)))
    else:
        for x in range(count):
            residual = now[x]
            to[x] = residual
            total = np.uint16(total + min(residual, np.uint8(np.uint8(0) - residual)))
    return np.int64(total)


@njit(**_INNER)
def _first(filter, row, above, step, out):  # type: ignore[no-untyped-def]
    """The same of a row's first pixel, left of which all is 0; Paeth's nearest is then what lies above."""
    now, up, to = _bytes(row), _bytes(above), _bytes(out)
    for x in range(step):
        if filter in (UP, PAETH):
            to[x] = np.uint8(now[x] - up[x])
        elif filter == AVERAGE:
            to[x] = np.uint8(now[x] - (up[x] >> 1))
        else:
            to[x] = now[x]


@njit(**_OUTER)
def filter_rows(rows, above, step, out):  # type: ignore[no-untyped-def]
    """Filters rows uint8 [h, n] of `step` bytes a pixel into `out` uint8 [h, n + 1], each after its filter type.

    `above` uint8 [n] is the row before the first, zeros at the top of the picture. All are C-contiguous.
    """
    height, n = rows.shape
    rest = n - step
    every = SAMPLE if n >= SAMPLE * BLOCK else 1
    before = np.int64(above.ctypes.data)
    for y in range(height):
        row, residuals = np.int64(rows.ctypes.data) + y * n, np.int64(out.ctypes.data) + y * (n + 1) + 1
        best, least = NONE, 256 * n
        for filter in (NONE, UP, SUB, AVERAGE, PAETH):  # of equals the first: a sample may miss where SUB begins anew
            total = 0
            for start in range(step + y % every * BLOCK, n, every * BLOCK):
                count = min(BLOCK, n - start)
                total += _filtered(filter, row + start, before + start, step, residuals + start, count)
            if total < least:
                best, least = filter, total
        out[y, 0] = best
        _first(best, row, before, step, residuals)
        _filtered(best, row + step, before + step, step, residuals + step, rest)
        before = row


@njit(**_OUTER)
def is_opaque(pixels):  # type: ignore[no-untyped-def]
    """Whether every alpha of uint8 [h, w, 4] is 255."""
    for y in range(pixels.shape[0]):
        least = np.uint8(255)
        for x in range(pixels.shape[1]):
            least &= pixels[y, x, 3]
        if least != 255:
            return False
    return True


@njit(**_OUTER)
def without_alpha(pixels):  # type: ignore[no-untyped-def]
    """uint8 [h, w, 4] -> [h, w, 3]."""
    height, width, _ = pixels.shape
    out = np.empty((height, width, 3), np.uint8)
    for y in range(height):
        for x in range(width):
            for channel in range(3):
                out[y, x, channel] = pixels[y, x, channel]
    return out


__all__ = ["AVERAGE", "NONE", "PAETH", "SUB", "UP", "filter_rows", "is_opaque", "without_alpha"]
