"""The compiled halves of the wide Gaussian: a picture to means of cells, halvings of it, and the way back up.

Rows are flat: a picture [h, w, C] is [h, w*C]. Planes of cells carry a border of `pad` cells on each side, in which the
picture's edge is repeated or nothing lies.
"""

# numba's decorators are untyped
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call"
from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import prange

OPTIONS: dict[str, Any] = {
    "fastmath": True,
    "boundscheck": False,
    "error_model": "numpy",
    "nogil": True,
    "parallel": True,
    "cache": True,
}
EIGHTH, THREE_EIGHTHS, SIXTH = np.float32(1 / 8), np.float32(3 / 8), np.float32(1 / 6)
ZERO, HALF, ONE, FULL = np.float32(0), np.float32(0.5), np.float32(1), np.float32(255)
UNIT = np.float32(1 / 255)
LEAST = np.float32(1e-3)


@numba.njit(**OPTIONS)
def means(source, channels, cell, pad, repeat, straight, out):  # type: ignore[no-untyped-def]
    """Means of cells of cell×cell pixels. source: uint8 or float32 [h, w*C]; out: float32 [rows + 2 pad,
    (columns + 2 pad)*C]. `repeat`: beyond the edge lies the edge, else nothing. `straight`: colours are multiplied by
    the alpha, the last of four channels of 0..255."""
    height, width = source.shape[0], source.shape[1] // channels
    rows, columns = out.shape[0] - 2 * pad, out.shape[1] // channels - 2 * pad
    share = np.float32(1.0 / (cell * cell))
    for index in prange(rows + 2):
        total = np.zeros(columns * cell * channels, np.float32)
        for k in range(cell):
            y = (index - 1) * cell + k
            if y < 0 or y >= height:
                if not repeat:
                    continue
                y = min(max(y, 0), height - 1)
            line = source[y]
            if straight:
                for x in range(width):
                    a = np.float32(line[4 * x + 3])
                    k_a = a * UNIT
                    total[4 * x] += np.float32(line[4 * x]) * k_a
                    total[4 * x + 1] += np.float32(line[4 * x + 1]) * k_a
                    total[4 * x + 2] += np.float32(line[4 * x + 2]) * k_a
                    total[4 * x + 3] += a
            else:
                for x in range(width * channels):
                    total[x] += np.float32(line[x])
        if repeat:
            for x in range(width * channels, columns * cell * channels):
                total[x] = total[x - channels]
        row = out[pad - 1 + index]
        for x in range(columns):
            for c in range(channels):
                value = ZERO
                for k in range(cell):
                    value += total[(x * cell + k) * channels + c]
                row[(pad + x) * channels + c] = value * share
        for x in range(pad):
            for c in range(channels):
                first, last = total[c], total[(width - 1) * channels + c]
                row[x * channels + c] = first * share * cell if repeat else ZERO
                row[(pad + columns + x) * channels + c] = last * share * cell if repeat else ZERO


@numba.njit(**OPTIONS)
def halve(source, channels, out):  # type: ignore[no-untyped-def]
    """(1 3 3 1)/8 both ways, then every second: [2a, 2b*C] -> [a, b*C], float32."""
    height, wide = source.shape
    columns = out.shape[1] // channels
    for y in prange(out.shape[0]):
        a, b, c, d = source[max(2 * y - 1, 0)], source[2 * y], source[2 * y + 1], source[min(2 * y + 2, height - 1)]
        line = np.empty(wide, np.float32)
        for x in range(wide):
            line[x] = (a[x] + d[x]) * EIGHTH + (b[x] + c[x]) * THREE_EIGHTHS
        row = out[y]
        for x in range(columns):
            before, at = max(2 * x - 1, 0) * channels, 2 * x * channels
            after = min(2 * x + 2, 2 * columns - 1) * channels
            for k in range(channels):
                outer, inner = line[before + k] + line[after + k], line[at + k] + line[at + channels + k]
                row[x * channels + k] = outer * EIGHTH + inner * THREE_EIGHTHS


@numba.njit(**OPTIONS)
def enlarge(source, channels, factor, pad, straight, out):  # type: ignore[no-untyped-def]
    """Cubic B-spline up by `factor`: float32 [rows + 2 pad, (columns + 2 pad)*C] -> uint8 or float32 [h, w*C]."""
    height, width = out.shape[0], out.shape[1] // channels
    columns = (width + factor - 1) // factor
    weights, starts = np.empty((factor, 4), np.float32), np.empty(factor, np.int64)
    for k in range(factor):
        place = (k + 0.5) / factor - 0.5
        starts[k] = int(np.floor(place)) - 1
        u = np.float32(place - np.floor(place))
        v = ONE - u
        weights[k, 0] = v * v * v * SIXTH
        weights[k, 1] = (np.float32(3) * u * u * u - np.float32(6) * u * u + np.float32(4)) * SIXTH
        weights[k, 2] = (np.float32(-3) * u * u * u + np.float32(3) * (u * u + u) + ONE) * SIXTH
        weights[k, 3] = u * u * u * SIXTH
    for index in prange((height + factor - 1) // factor):
        line = np.empty(source.shape[1], np.float32)
        values = np.empty(columns * factor * channels, np.float32)
        for k in range(min(factor, height - index * factor)):
            top = pad + index + starts[k]
            a, b, c, d = source[top], source[top + 1], source[top + 2], source[top + 3]
            p, q, r, s = weights[k, 0], weights[k, 1], weights[k, 2], weights[k, 3]
            for x in range(source.shape[1]):
                line[x] = a[x] * p + b[x] * q + c[x] * r + d[x] * s
            for j in range(factor):
                p, q, r, s = weights[j, 0], weights[j, 1], weights[j, 2], weights[j, 3]
                for x in range(columns):
                    left = (pad + x + starts[j]) * channels
                    for n in range(channels):
                        values[(x * factor + j) * channels + n] = (
                            line[left + n] * p
                            + line[left + channels + n] * q
                            + line[left + 2 * channels + n] * r
                            + line[left + 3 * channels + n] * s
                        )
            _write(values, straight, out[index * factor + k])


@numba.njit(fastmath=True, boundscheck=False, error_model="numpy", nogil=True)
def _write(values, straight, row):  # type: ignore[no-untyped-def]
    """float32 values as the row's type; bytes are rounded, colours divided by the alpha where they are straight."""
    if straight:
        for x in range(len(row) // 4):
            a = min(max(values[4 * x + 3], ZERO), FULL)
            k = FULL / max(a, LEAST)
            for n in range(3):
                row[4 * x + n] = np.int32(min(max(values[4 * x + n] * k, ZERO), FULL) + HALF)
            row[4 * x + 3] = np.int32(a + HALF)
    elif row.itemsize == 1:
        for x in range(len(row)):
            row[x] = np.int32(min(max(values[x], ZERO), FULL) + HALF)
    else:
        for x in range(len(row)):
            row[x] = values[x]


__all__ = ["enlarge", "halve", "means"]
