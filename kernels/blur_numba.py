"""The compiled halves of the Gaussian: a picture to smaller planes and back, and the whole of a narrow one.

Planes are apart: [C, h, w], float32. A picture of bytes is uint32 [h, w], a pixel of straight RGBA each, R in the
lowest byte: three planes where it is opaque, else four, colours multiplied by the alpha, all 0..255. A picture of
floats is [h, w*C].

A reduced plane has `MARGIN` cells on every side. The outermost lies wholly beyond the picture, so what is further out
equals it: nothing, or the picture's edge repeated.
"""

# numba's decorators are untyped
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def"
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import prange

from kernels.compiled import INLINE, MATH, with_names

MARGIN = 2
TILE = 256
"""Columns that the direct filter takes at once: the rows that it needs stay in the second-level cache."""
BAND = 256
"""Rows of a task of the direct filter, at most."""
GROUPS = 8
"""Rows of a reduced plane that a task brings back."""
UNROLLED = 4
"""Taps on each side that are added in one pass: the direct filter's radius is a multiple of it."""

ZERO, HALF, ONE, FULL = np.float32(0), np.float32(0.5), np.float32(1), np.float32(255)
THREE, FOUR, SIX = np.float32(3), np.float32(4), np.float32(6)
EIGHTH, THREE_EIGHTHS, SIXTH = np.float32(1 / 8), np.float32(3 / 8), np.float32(1 / 6)
UNIT = np.float32(1 / 255)
LEAST = np.float32(1e-3)

APART = {"nogil": True} | MATH
"""Of loops that are quicker when LLVM sees them by themselves."""

add: Any = None
"""One of the two that follow."""
put: Any = None
"""The same, back."""


@numba.njit(**INLINE)
def _color(pixel, shift):
    return np.float32(np.int32((pixel >> shift) & 255))


@numba.njit(**APART)
def _add_bytes(row, first, weight, planes):
    """planes [3 or 4, n] += weight * the pixels of uint32 `row` from `first` on."""
    red, green, blue = planes[0], planes[1], planes[2]
    pixels = row[first : first + red.size]
    if planes.shape[0] == 3:
        for x in range(pixels.size):
            red[x] += _color(pixels[x], 0) * weight
            green[x] += _color(pixels[x], 8) * weight
            blue[x] += _color(pixels[x], 16) * weight
    else:
        alpha = planes[3]
        for x in range(pixels.size):
            a = _color(pixels[x], 24) * weight
            k = a * UNIT
            red[x] += _color(pixels[x], 0) * k
            green[x] += _color(pixels[x], 8) * k
            blue[x] += _color(pixels[x], 16) * k
            alpha[x] += a


@numba.njit(**APART)
def _add_floats(row, first, weight, planes):
    """planes [C, n] += weight * the pixels of float32 `row` [w*C] from `first` on."""
    channels, count = planes.shape
    if channels == 1:
        only, values = planes[0], row[first : first + count]
        for x in range(count):
            only[x] += values[x] * weight
    else:
        for c in range(channels):
            plane = planes[c]
            for x in range(count):
                plane[x] += row[(first + x) * channels + c] * weight


@numba.njit(**INLINE)
def _byte(value):
    return np.uint32(np.int32(min(max(value, ZERO), FULL) + HALF))


@numba.njit(**APART)
def _put_bytes(planes, row, first):
    """Planes [3 or 4, n] into uint32 `row` from `first` on, rounded, straight again; where the alpha is 0 all is 0."""
    red, green, blue = planes[0], planes[1], planes[2]
    pixels = row[first : first + red.size]
    if planes.shape[0] == 3:
        for x in range(pixels.size):
            color = _byte(red[x]) | (_byte(green[x]) << 8) | (_byte(blue[x]) << 16)
            pixels[x] = color | np.uint32(0xFF000000)
    else:
        alpha = planes[3]
        for x in range(pixels.size):
            a = min(max(alpha[x], ZERO), FULL)
            k = FULL / max(a, LEAST)
            color = _byte(red[x] * k) | (_byte(green[x] * k) << 8) | (_byte(blue[x] * k) << 16)
            opacity = _byte(a)
            pixels[x] = color | (opacity << 24) if opacity else np.uint32(0)


@numba.njit(**APART)
def _put_floats(planes, row, first):
    """Planes [C, n] into float32 `row` [w*C] from `first` on."""
    channels, count = planes.shape
    for c in range(channels):
        plane = planes[c]
        for x in range(count):
            row[(first + x) * channels + c] = plane[x]


@numba.njit(**APART)
def _every_second(line, out):
    """(1 3 3 1)/8 of four neighbours, two steps apart: [2n + 2] -> [n]."""
    for x in range(out.size):
        out[x] = (line[2 * x] + line[2 * x + 3]) * EIGHTH + (line[2 * x + 1] + line[2 * x + 2]) * THREE_EIGHTHS


def _reduce(source, width, repeat, out):
    """(1 3 3 1)/8 both ways, then every second: a picture to planes with margins. `repeat`: beyond the edge lies the
    edge, else nothing."""
    height, channels, columns = source.shape[0], out.shape[0], out.shape[2]
    before = 2 * MARGIN + 1
    for index in prange(out.shape[1]):
        top = 2 * (index - MARGIN) - 1
        lines = np.zeros((channels, 2 * columns + 2), np.float32)
        for k in range(4):
            y = min(max(top + k, 0), height - 1) if repeat else top + k
            if 0 <= y < height:
                add(source[y], 0, EIGHTH if k == 0 or k == 3 else THREE_EIGHTHS, lines[:, before : before + width])
        for c in range(channels):
            line = lines[c]
            if repeat:
                line[:before] = line[before]
                line[before + width :] = line[before + width - 1]
            _every_second(line, out[c, index])


@numba.njit(parallel=True, nogil=True, cache=True, **MATH)
def halve(source, out):
    """(1 3 3 1)/8 both ways, then every second: planes with margins to planes with margins."""
    channels, height, width = source.shape
    columns = out.shape[2]
    for index in prange(channels * out.shape[1]):
        c, top = index // out.shape[1], 2 * (index % out.shape[1] - MARGIN) - 1 + MARGIN
        a, b = source[c, min(max(top, 0), height - 1)], source[c, min(max(top + 1, 0), height - 1)]
        d, e = source[c, min(max(top + 2, 0), height - 1)], source[c, min(max(top + 3, 0), height - 1)]
        line = np.empty(2 * (columns + 1), np.float32)
        held = line[MARGIN + 1 : MARGIN + 1 + width]
        for x in range(width):
            held[x] = (a[x] + e[x]) * EIGHTH + (b[x] + d[x]) * THREE_EIGHTHS
        line[: MARGIN + 1] = held[0]
        line[MARGIN + 1 + width :] = held[width - 1]
        _every_second(line, out[c, index % out.shape[1]])


@numba.njit(nogil=True, **MATH)
def _spread(source, weights, starts, out):
    """One row, by the cubic B-spline: [columns + 2 MARGIN] -> [columns * factor]."""
    factor = len(starts)
    columns = len(out) // factor
    if factor == 2:  # its own loop: two neighbours stored together fill vectors
        a, b, c, d, e = source[:columns], source[1:], source[2:], source[3:], source[4:]
        p, q, r, s = weights[0, 0], weights[0, 1], weights[0, 2], weights[0, 3]
        for x in range(columns):
            out[2 * x] = a[x] * p + b[x] * q + c[x] * r + d[x] * s
            out[2 * x + 1] = b[x] * s + c[x] * r + d[x] * q + e[x] * p
        return
    for k in range(factor):
        p, q, r, s = weights[k, 0], weights[k, 1], weights[k, 2], weights[k, 3]
        at = source[MARGIN + starts[k] :]
        for x in range(columns):
            out[x * factor + k] = at[x] * p + at[x + 1] * q + at[x + 2] * r + at[x + 3] * s


def _enlarge(source, width, factor, out):
    """Planes with margins up by `factor` with a cubic B-spline, to a picture of `width`."""
    channels, height = source.shape[0], out.shape[0]
    columns = source.shape[2] - 2 * MARGIN
    weights, starts = np.empty((factor, 4), np.float32), np.empty(factor, np.int64)
    for k in range(factor):
        place = (k + 0.5) / factor - 0.5
        starts[k] = int(np.floor(place)) - 1
        u = np.float32(place - np.floor(place))
        v = ONE - u
        weights[k, 0] = v * v * v * SIXTH
        weights[k, 1] = (THREE * u * u * u - SIX * u * u + FOUR) * SIXTH
        weights[k, 2] = (THREE * (u * u + u - u * u * u) + ONE) * SIXTH
        weights[k, 3] = u * u * u * SIXTH
    rows = (height + factor - 1) // factor
    for task in prange((rows + GROUPS - 1) // GROUPS):
        wide = np.empty((8, channels, columns * factor), np.float32)  # of rows that follow each other, each at its own
        lines = np.empty((channels, width), np.float32)  # number modulo 8
        first, end = task * GROUPS, min((task + 1) * GROUPS, rows)
        ready = first
        for y in range(first, end):
            while ready < y + 5:
                for c in range(channels):
                    _spread(source[c, ready], weights, starts, wide[ready % 8, c])
                ready += 1
            for k in range(min(factor, height - y * factor)):
                top = y + MARGIN + starts[k]
                p, q, r, s = weights[k, 0], weights[k, 1], weights[k, 2], weights[k, 3]
                for channel in range(channels):
                    a, b = wide[top % 8, channel], wide[(top + 1) % 8, channel]
                    c, d = wide[(top + 2) % 8, channel], wide[(top + 3) % 8, channel]
                    line = lines[channel]
                    for x in range(width):
                        line[x] = a[x] * p + b[x] * q + c[x] * r + d[x] * s
                put(lines, out[y * factor + k], 0)


@numba.njit(**APART)
def _middle(middle, a, b, c, d, e, f, g, h, weights, out):
    """out = what lies in the middle, and the first four on each side, by the first five weights."""
    m, p, q, r, s = weights[0], weights[1], weights[2], weights[3], weights[4]
    for x in range(out.size):
        first, second = (a[x] + e[x]) * p + (b[x] + f[x]) * q, (c[x] + g[x]) * r + (d[x] + h[x]) * s
        out[x] = middle[x] * m + first + second


@numba.njit(**APART)
def _further(a, b, c, d, e, f, g, h, weights, k, out):
    """out += four more on each side, by the weights from `k` on."""
    p, q, r, s = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
    for x in range(out.size):
        first, second = (a[x] + e[x]) * p + (b[x] + f[x]) * q, (c[x] + g[x]) * r + (d[x] + h[x]) * s
        out[x] += first + second


@numba.njit(**APART)
def _across(line, weights, out):
    """The kernel along a row: [n + 2 radius] -> [n]."""
    n, i = out.size, len(weights) - 1
    a, b, c, d = line[i - 1 : i - 1 + n], line[i - 2 : i - 2 + n], line[i - 3 : i - 3 + n], line[i - 4 : i - 4 + n]
    e, f, g, h = line[i + 1 : i + 1 + n], line[i + 2 : i + 2 + n], line[i + 3 : i + 3 + n], line[i + 4 : i + 4 + n]
    _middle(line[i : i + n], a, b, c, d, e, f, g, h, weights, out)
    for k in range(1 + UNROLLED, i + 1, UNROLLED):
        a, b, c, d = line[i - k :], line[i - k - 1 :], line[i - k - 2 :], line[i - k - 3 :]
        e, f, g, h = line[i + k :], line[i + k + 1 :], line[i + k + 2 :], line[i + k + 3 :]
        _further(a, b, c, d, e, f, g, h, weights, k, out)


@numba.njit(**APART)
def _down(held, at, weights, out):
    """The kernel across rows: [2 radius + 1, n], a ring, the middle one being `at` -> [n]."""
    ring, radius = held.shape[0], len(weights) - 1
    for k in range(1, radius + 1, UNROLLED):
        i, j = at - k, at + k
        a, b = held[i if i >= 0 else i + ring], held[i - 1 if i >= 1 else i - 1 + ring]
        c, d = held[i - 2 if i >= 2 else i - 2 + ring], held[i - 3 if i >= 3 else i - 3 + ring]
        e, f = held[j if j < ring else j - ring], held[j + 1 if j + 1 < ring else j + 1 - ring]
        g, h = held[j + 2 if j + 2 < ring else j + 2 - ring], held[j + 3 if j + 3 < ring else j + 3 - ring]
        if k == 1:
            _middle(held[at], a, b, c, d, e, f, g, h, weights, out)
        else:
            _further(a, b, c, d, e, f, g, h, weights, k, out)


@numba.njit(parallel=True, nogil=True, cache=True, **MATH)
def direct(source, weights, repeat, out):
    """The sampled kernel at full size, of a picture of bytes that is not opaque.

    weights: float32 [radius + 1] from the middle out; radius % UNROLLED == 0."""
    height, width = source.shape
    radius = len(weights) - 1
    tiles, bands = (width + TILE - 1) // TILE, (height + BAND - 1) // BAND
    ring = 2 * radius + 1
    for task in prange(tiles * bands):
        left, first = task % tiles * TILE, task // tiles * BAND
        right, end = min(left + TILE, width), min(first + BAND, height)
        count = right - left
        lines = np.empty((4, count + 2 * radius), np.float32)
        held = np.empty((4, ring, count), np.float32)  # rows filtered across, one after the other, around
        sums = np.empty((4, count), np.float32)
        low, high = max(left - radius, 0), min(right + radius, width)
        before, after = low - (left - radius), high - (left - radius)
        at = 0
        for y in range(first - radius, end + radius):
            if not repeat and not 0 <= y < height:
                held[:, at] = ZERO
            else:
                lines[:] = ZERO
                _add_bytes(source[min(max(y, 0), height - 1)], low, ONE, lines[:, before:after])
                for c in range(4):
                    line = lines[c]
                    if repeat:
                        line[:before] = line[before]
                        line[after:] = line[after - 1]
                    _across(line, weights, held[c, at])
            at = at + 1 if at + 1 < ring else 0
            if y >= first + radius:
                middle = at + radius if at + radius < ring else at + radius - ring
                for c in range(4):
                    _down(held[c], middle, weights, sums[c])
                _put_bytes(sums, out[y - radius], left)


def _of(kind: str, function: Callable[..., None]) -> Any:
    """`function`, compiled for pictures of bytes or of floats."""
    names = {"bytes": {"add": _add_bytes, "put": _put_bytes}, "floats": {"add": _add_floats, "put": _put_floats}}[kind]
    copy = with_names(function, f"{function.__name__}_{kind}", **names)
    return numba.njit(parallel=True, nogil=True, cache=True, **MATH)(copy)


reduce_bytes, reduce_floats = _of("bytes", _reduce), _of("floats", _reduce)
enlarge_bytes, enlarge_floats = _of("bytes", _enlarge), _of("floats", _enlarge)

__all__ = [
    "MARGIN",
    "UNROLLED",
    "direct",
    "enlarge_bytes",
    "enlarge_floats",
    "halve",
    "reduce_bytes",
    "reduce_floats",
]
