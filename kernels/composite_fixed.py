"""The compiled compositor's second arithmetic: 16-bit fractions, where an opaque layer lies under modes of
`kernels.blend_fixed`. That is most of what is composited, and a vector holds twice as many of them as of float32.

A tile has two planes of `LANES` fractions, the bytes of its pixels pulled apart: red and blue by turns in the first,
green and alpha in the second. A pixel is two uint16 in memory; the low bytes are the first plane's, the high ones the
second's, and nothing is sorted. What becomes of the alphas is not looked at, for the tile stays opaque.

How near it is. A product is rounded down by less than a unit, a 65,535th; a level of 8 bits is 257. What a mode adds to
the error and how much it makes of that of the layers below stand in its row. As long as the mean and three standard
deviations of the sum stay within half a level the rounded bytes are within 1 of the float64 reference; a stack in which
they do not is blended in float32.
"""

# numba's decorators are untyped, and pointers have no Python type
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def"
from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import sqrt
from typing import Any, Final

import numba
import numpy as np
from numba import types

from kernels import blend_fixed, fixed
from kernels.blend_fixed import FIXED
from kernels.compiled import INLINE, addressable, calling, digest
from kernels.composite_loops import TILE
from kernels.composite_rows import (
    HEIGHT,
    IN_FRACTIONS,
    MASK,
    MASK_STRIDE,
    ROW,
    WIDTH,
    X,
    Y,
    as_bytes,
    as_fractions,
    as_pixels,
    as_row,
    row_of,
)
from kernels.composite_steps import PIXELS, Step
from kernels.fixed import high_byte, low_byte, plus, product, times

HALF_LEVEL: Final = 257 / 2
"""In units: the error that is let through."""
LANES = 2 * TILE
BARE, MASKED = np.float32(65535 * 65536 / 255), np.float32(65535 * 65536 / 255**2)
"""What an opacity is multiplied by, so that times an alpha (times a mask's byte) it has its fraction in 32 bits."""
ROUNDING = np.uint32(1 << 15)
TWICE = np.uint32(0x00010001)
OPAQUE = np.uint32(0xFFFF0000)
HALF, SHARE = np.uint16(128), np.uint16(65281)
"""(p + 128) * 65281 >> 24 is p/257, rounded, for every p."""

FRACTIONS = types.CPointer(types.uint16)
FIXED_LOOP = types.void(FRACTIONS, FRACTIONS, FRACTIONS, types.int64)
"""(pixels, alphas of each lane, planes, count of lanes)"""

call_fixed_loop = calling(FIXED_LOOP)

formula: Any = None
"""The row's, compiled."""


def _loop(pixels, alphas, planes, count):
    for x in range(count):
        two, a = pixels[x], alphas[x]
        planes[x] = formula(planes[x], times(low_byte(two), a), a)
        planes[LANES + x] = formula(planes[LANES + x], times(high_byte(two), a), a)


@numba.njit(**INLINE)
def fill_fixed(pixels, opacity, alphas, count):
    """The alphas of `count` pixels (uint32) times the opacity, 0..1, one for each of their two lanes."""
    share = np.uint32(opacity * BARE + np.float32(0.5))
    for x in range(count):
        a = np.uint32(product(np.uint32(pixels[x] >> 24), share) + ROUNDING) >> 16
        alphas[x] = product(np.uint32(a), TWICE)


@numba.njit(**INLINE)
def fill_fixed_masked(pixels, mask, opacity, alphas, count):
    share = np.uint32(opacity * MASKED + np.float32(0.5))
    for x in range(count):
        shown = product(np.uint32(pixels[x] >> 24), np.uint32(mask[x]))
        a = np.uint32(product(shown, share) + ROUNDING) >> 16
        alphas[x] = product(np.uint32(a), TWICE)


@numba.njit(**INLINE)
def begin_fixed(pixels, planes, count):
    """Takes `count` lanes of an opaque layer."""
    for x in range(count):
        two = pixels[x]
        planes[x] = low_byte(two)
        planes[LANES + x] = high_byte(two)


@numba.njit(**INLINE)
def make_opaque(green_and_alpha, count):
    """Sets the alphas of `count` pixels (uint32) of the second plane."""
    for x in range(count):
        green_and_alpha[x] = np.uint32(green_and_alpha[x] | OPAQUE)


@numba.njit(**INLINE)
def store_fixed(planes, out, count):
    """Writes `count` lanes, rounded."""
    for x in range(count):
        low, high = times(plus(planes[x], HALF), SHARE), times(plus(planes[LANES + x], HALF), SHARE)
        out[x] = np.uint16((low >> 8) | (high & 0xFF00))


@numba.njit(**INLINE)
def tile_in_fractions(table, first, steps, numbers, x0, x1, y, memory, out):
    """A tile whose step `first` is an opaque layer that covers it; `memory` holds the planes, and then the alphas."""
    made = memory + 4 * LANES
    begin_fixed(as_fractions(row_of(as_row(table + first * ROW), x0, y)), as_fractions(memory), 2 * (x1 - x0))
    for i in range(first + 1, steps):
        row = as_row(table + i * ROW)
        line, left, right = y - row[Y], max(x0, row[X]), min(x1, row[X] + row[WIDTH])
        if line < 0 or line >= row[HEIGHT] or left >= right:
            continue
        pixels, count = row_of(row, left, y), right - left
        if row[MASK] != 0:
            mask = as_bytes(row[MASK] + y * row[MASK_STRIDE] + left)
            fill_fixed_masked(as_pixels(pixels), mask, numbers[i], as_pixels(made), count)
        else:
            fill_fixed(as_pixels(pixels), numbers[i], as_pixels(made), count)
        planes = as_fractions(memory + 4 * (left - x0))
        call_fixed_loop(row[IN_FRACTIONS], (as_fractions(pixels), as_fractions(made), planes, 2 * count))
    make_opaque(as_pixels(memory + 2 * LANES), x1 - x0)
    store_fixed(as_fractions(memory), as_fractions(out), 2 * (x1 - x0))


_VERSION = digest(fixed.__file__, blend_fixed.__file__, __file__)


@cache
def loop_of(mode: str) -> Any:
    """The loop that blends by `mode`, compiled or read from numba's cache."""
    part = numba.njit(**INLINE)(FIXED[mode].formula)
    return addressable(FIXED_LOOP, _loop, f"{mode}_fixed_{_VERSION}", formula=part)


def loops_of_steps(steps: Sequence[Step]) -> list[int]:
    """The address of each step's loop where it and all steps after it may be taken in fractions, else 0."""
    found = [0] * len(steps)
    mean, variance, growth = 0.0, 0.0, 1.0
    for i in reversed(range(len(steps))):
        step = steps[i]
        over_picture = step.op == "blend" and step.level == 0 and step.source == step.alphas == PIXELS
        if not over_picture or step.mode not in FIXED or mean + 3 * sqrt(variance) > HALF_LEVEL:
            break
        row = FIXED[step.mode]
        found[i] = int(loop_of(step.mode).address)
        mean += growth * row.lean
        variance += (growth * row.spread) ** 2
        growth *= 1 + (row.gain - 1) * step.opacity
    return found


def compile_all() -> None:
    """Every loop there is, so that none is compiled when it is first needed."""
    for mode in FIXED:
        loop_of(mode)


__all__ = [
    "FRACTIONS",
    "HALF_LEVEL",
    "LANES",
    "compile_all",
    "loop_of",
    "loops_of_steps",
    "store_fixed",
    "tile_in_fractions",
]
