"""PNG's row filters as compiled loops: for each row the one whose residuals are smallest.

PNG (Third Edition), 9: Filtering. The choice is the heuristic of 12.8 there: the smallest sum of absolute residuals,
each taken as a signed byte.
"""

# numba's decorators are untyped
# mypy: disable-error-code="misc, untyped-decorator, assignment"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

NONE, SUB, UP, AVERAGE, PAETH = range(5)
"""The filter types as PNG numbers them."""
BLOCK = 256
"""Bytes whose sizes, at most 128 each, are summed in 16 bits: narrow sums keep the loops in whole vectors."""
SAMPLE = 4
"""A filter is chosen by one block in so many, a different one in each row: a third of the time for equal sizes."""

_OPTIONS: dict[str, Any] = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
_INNER = _OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Of what only compiled code calls."""
_OUTER = _OPTIONS | {"cache": True}


@njit(inline="always", **_INNER)
def _size(residual):  # type: ignore[no-untyped-def]
    """|residual| as a signed byte, 0..128, of a uint8."""
    return np.uint16(min(residual, np.uint8(np.uint8(0) - residual)))


@njit(inline="always", **_INNER)
def _apart(a, b):  # type: ignore[no-untyped-def]
    """|a - b| of two uint8, kept to a byte: a wider type would quarter the speed."""
    return np.uint8(a - b) if a > b else np.uint8(b - a)


@njit(**_INNER)
def _difference(row, other, out, first, every):  # type: ignore[no-untyped-def]
    """row - other into `out`, and the sum of the sizes; all uint8 [n]. Of the blocks, every `every`-th from `first`."""
    total = 0
    for start in range(first * BLOCK, row.size, every * BLOCK):
        a, b, to = row[start : start + BLOCK], other[start : start + BLOCK], out[start : start + BLOCK]
        part = np.uint16(0)
        for x in range(a.size):
            residual = np.uint8(a[x] - b[x])
            to[x] = residual
            part = np.uint16(part + _size(residual))
        total += part
    return total


@njit(**_INNER)
def _average(row, left, up, out, first, every):  # type: ignore[no-untyped-def]
    """Residuals of the mean of left and up, rounded down, into `out`, and the sum of the sizes; see _difference."""
    total = 0
    for start in range(first * BLOCK, row.size, every * BLOCK):
        end = start + BLOCK
        now, a, b, to = row[start:end], left[start:end], up[start:end], out[start:end]
        part = np.uint16(0)
        for x in range(now.size):
            mean = np.uint8((a[x] & b[x]) + ((a[x] ^ b[x]) >> 1))
            residual = np.uint8(now[x] - mean)
            to[x] = residual
            part = np.uint16(part + _size(residual))
        total += part
    return total


@njit(**_INNER)
def _paeth(row, left, up, corner, out, first, every):  # type: ignore[no-untyped-def]
    """Residuals of Paeth's predictor into `out`, and the sum of the sizes; see _difference.

    It predicts the neighbour nearest to left + up - corner; ties in this order: left, up, corner.
    """
    total = 0
    for start in range(first * BLOCK, row.size, every * BLOCK):
        end = start + BLOCK
        now, a, b, c, to = row[start:end], left[start:end], up[start:end], corner[start:end], out[start:end]
        part = np.uint16(0)
        for x in range(now.size):
            to_left, to_up = _apart(b[x], c[x]), _apart(a[x], c[x])
            # left + up - corner lies beyond left and up where both are on one side of the corner: not the corner then
            opposite = (b[x] > c[x]) != (a[x] > c[x])
            to_corner = _apart(to_left, to_up) if opposite else np.uint8(255)
            other = b[x] if to_up <= to_corner else c[x]
            guess = a[x] if (to_left <= to_up) & (to_left <= to_corner) else other
            residual = np.uint8(now[x] - guess)
            to[x] = residual
            part = np.uint16(part + _size(residual))
        total += part
    return total


@njit(**_INNER)
def _filtered(filter, row, left, up, corner, zeros, out, first, every):  # type: ignore[no-untyped-def]
    """One filter's residuals of the blocks asked for into `out`, and the sum of their sizes."""
    if filter == SUB:
        return _difference(row, left, out, first, every)
    if filter == UP:
        return _difference(row, up, out, first, every)
    if filter == AVERAGE:
        return _average(row, left, up, out, first, every)
    if filter == PAETH:
        return _paeth(row, left, up, corner, out, first, every)
    return _difference(row, zeros, out, first, every)


@njit(**_OUTER)
def filter_rows(rows, above, step, out):  # type: ignore[no-untyped-def]
    """Filters rows uint8 [h, n] of `step` bytes a pixel into `out` uint8 [h, n + 1], each after its filter type.

    `above` uint8 [n] is the row before the first, zeros at the top of the picture.
    """
    height, n = rows.shape
    held = np.zeros((2, n + step), np.uint8)  # a row and the one above it, each with the zeros left of it
    zeros = np.zeros(n, np.uint8)
    every = SAMPLE if n >= SAMPLE * BLOCK else 1
    for x in range(n):  # element by element: to assign arrays, numba compiles how it words a mismatch of their shapes
        held[1, step + x] = above[x]
    for y in range(height):
        now, before = y % 2, 1 - y % 2
        for x in range(n):
            held[now, step + x] = rows[y, x]
        row, left = held[now, step:], held[now, :n]
        up, corner = held[before, step:], held[before, :n]
        residuals = out[y, 1:]
        best, least = NONE, 256 * n
        for filter in (NONE, UP, SUB, AVERAGE, PAETH):  # of equals the first: a sample may miss where SUB begins anew
            total = _filtered(filter, row, left, up, corner, zeros, residuals, y % every, every)
            if total < least:
                best, least = filter, total
        out[y, 0] = best
        # numbers of numba's own would be compiled anew as constants
        _filtered(best, row, left, up, corner, zeros, residuals, np.int64(0), np.int64(1))


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
