"""The compiled compositor's second arithmetic: 16-bit fractions, where an opaque layer lies under modes of
`kernels.blend_fixed`. That is most of what is composited, and a vector holds twice as many of them as of float32.

A tile is up to `RUN` pixels of a row. It has two planes of `PLANE` fractions, the bytes of its pixels pulled apart: red
and blue by turns in the first, green and alpha in the second. A pixel is two uint16 in memory; the low bytes are the
first plane's, the high ones the second's, and nothing is sorted. What becomes of the alphas is not looked at, for the
tile stays opaque.

A mode has two loops of whole vectors, one for a layer shown as it is, whose alphas are bytes of its pixels, and one
that reads the alphas made of opacity and mask. What is left at a layer's end is copied to where pixels of alpha 0
follow, which no mode lets change anything.

How near it is. A product is rounded down by less than a unit, a 65,535th; a level of 8 bits is 257. What a mode adds to
the error and how much it makes of that of the layers below stand in its row. As long as the mean and three standard
deviations of the sum stay within half a level the rounded bytes are within 1 of the float64 reference; a stack in which
they do not is blended in float32, and so is one in which a mode with steps, hard mix, would meet with an error of more
than 1e-4, by which the policy of `kernels.composite` lets the place of a step be off.
"""

# numba's decorators are untyped, and pointers have no Python type
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir
from numba import types

from kernels import blend_fixed, fixed
from kernels.blend_fixed import FIXED, Fixed
from kernels.compiled import INLINE, addressable, calling, digest, on_stack
from kernels.composite_rows import (
    AS_IT_IS,
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
from kernels.fixed import (
    VECTOR,
    all_lanes,
    alphas_of,
    fetch,
    green_and_alpha,
    load,
    opaque_pixels,
    plus,
    product,
    red_and_blue,
    store,
    times,
)

HALF_LEVEL: Final = 257 / 2
"""In units: the error that is let through."""
BESIDE_A_STEP: Final = 65535e-4
"""And of the backdrop of a mode with steps: pixels that stand so near to a step are not held to the reference."""
RUN: Final = 960
"""Pixels of a tile: two of them are a row of 1080p, and planes, alphas and pixels stay in the first-level cache."""
AHEAD: Final = 2 * RUN
"""How far ahead, in lanes, a layer's pixels are asked for: the next tile's, while this one's are blended. The layers'
rows are too many and too short streams for the processor to foresee them."""
PLANE: Final = 3072
"""From plane to plane: room for a run and a vector beyond it, and not so that a place in one plane shares the last
twelve bits of its address with a place of the other that was just written."""
BARE, MASKED = np.float32(65535 * 65536 / 255), np.float32(65535 * 65536 / 255**2)
"""What an opacity is multiplied by, so that times an alpha (times a mask's byte) it has its fraction in 32 bits."""
ROUNDING = np.uint32(1 << 15)
TWICE = np.uint32(0x00010001)
HALF, SHARE = np.uint16(128), np.uint16(65281)
"""(p + 128) * 65281 >> 24 is p/257, rounded, for every p."""

FRACTIONS = types.CPointer(types.uint16)
FIXED_LOOP = types.void(FRACTIONS, FRACTIONS, FRACTIONS, types.int64)
"""(pixels, alphas of each lane, planes, count of lanes)"""

call_fixed_loop = calling(FIXED_LOOP)
_planes_on_stack = on_stack(ir.IntType(16), 2 * PLANE)
_alphas_on_stack = on_stack(ir.IntType(16), 2 * RUN + VECTOR)
_pixels_on_stack = on_stack(ir.IntType(16), VECTOR)

formula: Any = None
"""The row's, compiled."""


def _shown_as_it_is(pixels, alphas, planes, count):
    for x in range(0, count, VECTOR):
        fetch(pixels, x + AHEAD)
        two = load(pixels, x)
        a, s, t = alphas_of(two), red_and_blue(two), green_and_alpha(two)
        store(planes, x, formula(load(planes, x), s, times(s, a), a))
        store(planes, PLANE + x, formula(load(planes, PLANE + x), t, times(t, a), a))


def _with_alphas(pixels, alphas, planes, count):
    for x in range(0, count, VECTOR):
        fetch(pixels, x + AHEAD)
        two, a = load(pixels, x), load(alphas, x)
        s, t = red_and_blue(two), green_and_alpha(two)
        store(planes, x, formula(load(planes, x), s, times(s, a), a))
        store(planes, PLANE + x, formula(load(planes, PLANE + x), t, times(t, a), a))


@numba.njit(**INLINE)
def fill_fixed(pixels, opacity, alphas, count):
    """The alphas of `count` pixels (uint32) times the opacity, 0..1, one for each of their two lanes."""
    share = np.uint32(opacity * BARE + np.float32(0.5))
    for x in range(count):
        a = np.uint32(product(np.uint32(pixels[x] >> 24), share) + ROUNDING) >> 16
        alphas[x] = product(np.uint32(a), TWICE)
    for x in range(VECTOR // 2):
        alphas[count + x] = np.uint32(0)


@numba.njit(**INLINE)
def fill_fixed_masked(pixels, mask, opacity, alphas, count):
    share = np.uint32(opacity * MASKED + np.float32(0.5))
    for x in range(count):
        shown = product(np.uint32(pixels[x] >> 24), np.uint32(mask[x]))
        a = np.uint32(product(shown, share) + ROUNDING) >> 16
        alphas[x] = product(np.uint32(a), TWICE)
    for x in range(VECTOR // 2):
        alphas[count + x] = np.uint32(0)


@numba.njit(**INLINE)
def _last(lanes, spare, count):
    """`count` lanes, fewer than a vector, where zeros follow them; addresses."""
    source, target = as_fractions(lanes), as_fractions(spare)
    for x in range(VECTOR):
        target[x] = source[x] if x < count else np.uint16(0)
    return target


@numba.njit(**INLINE)
def begin_fixed(pixels, planes, spare, count):
    """Takes `count` lanes of an opaque layer; addresses."""
    whole = count // VECTOR * VECTOR
    for x in range(0, count, VECTOR):
        fetch(as_fractions(pixels), x + AHEAD)
        two = load(as_fractions(pixels), x) if x < whole else load(_last(pixels + 2 * x, spare, count - x), 0)
        store(as_fractions(planes), x, red_and_blue(two))
        store(as_fractions(planes), PLANE + x, green_and_alpha(two))


@numba.njit(**INLINE)
def blend_fixed_layer(loop, pixels, alphas, planes, spare, count):
    """`count` lanes of a layer by its loop; addresses. Alphas after the last are 0."""
    whole = count // VECTOR * VECTOR
    if whole > 0:
        call_fixed_loop(loop, (as_fractions(pixels), as_fractions(alphas), as_fractions(planes), whole))
    if whole < count:
        last = _last(pixels + 2 * whole, spare, count - whole)
        call_fixed_loop(loop, (last, as_fractions(alphas + 2 * whole), as_fractions(planes + 2 * whole), VECTOR))


@numba.njit(**INLINE)
def store_fixed(planes, out, spare, count):
    """Writes `count` lanes, rounded, as opaque pixels; addresses."""
    whole = count // VECTOR * VECTOR
    half, share = all_lanes(HALF), all_lanes(SHARE)
    for x in range(0, count, VECTOR):
        low = times(plus(load(as_fractions(planes), x), half), share)
        high = times(plus(load(as_fractions(planes), PLANE + x), half), share)
        store(as_fractions(out if x < whole else spare - 2 * x), x, opaque_pixels(low, high))
    source, target = as_fractions(spare), as_fractions(out + 2 * whole)
    for x in range(count - whole):
        target[x] = source[x]


@numba.njit(**INLINE)
def tile_in_fractions(table, first, steps, numbers, x0, x1, y, out):
    """A tile of at most `RUN` pixels, columns x0 to x1 of row y; its step `first` is an opaque layer that covers it."""
    planes, made, spare = _planes_on_stack(), _alphas_on_stack(), _pixels_on_stack()
    begin_fixed(row_of(as_row(table + first * ROW), x0, y), planes, spare, 2 * (x1 - x0))
    for i in range(first + 1, steps):
        row = as_row(table + i * ROW)
        line, left, right = y - row[Y], max(x0, row[X]), min(x1, row[X] + row[WIDTH])
        if line < 0 or line >= row[HEIGHT] or left >= right:
            continue
        pixels, count = row_of(row, left, y), right - left
        if row[MASK] != 0:
            mask = as_bytes(row[MASK] + y * row[MASK_STRIDE] + left)
            fill_fixed_masked(as_pixels(pixels), mask, numbers[i], as_pixels(made), count)
        elif row[AS_IT_IS] == 0:
            fill_fixed(as_pixels(pixels), numbers[i], as_pixels(made), count)
        blend_fixed_layer(row[IN_FRACTIONS], pixels, made, planes + 4 * (left - x0), spare, 2 * count)
    store_fixed(planes, out, spare, 2 * (x1 - x0))


_VERSION = digest(fixed.__file__, blend_fixed.__file__, __file__)


@cache
def loop_of(mode: str, as_it_is: bool) -> Any:
    """The loop that blends by `mode` a layer shown as it is, or one with alphas; compiled or read from the cache."""
    part = numba.njit(**INLINE)(FIXED[mode].formula)
    loop, name = (_shown_as_it_is, "bare") if as_it_is else (_with_alphas, "alphas")
    return addressable(FIXED_LOOP, loop, f"{mode}_{name}_{_VERSION}", formula=part)


def shown_as_it_is(step: Step) -> bool:
    """Whether its alphas are those of its pixels."""
    return step.mask is None and step.opacity == 1


@dataclass(slots=True)
class _Error:
    """What the roundings of layers make of the value that one place above them sees."""

    bound: float
    mean: float = 0.0
    variance: float = 0.0
    growth: float = 1.0
    """Of an error of the layers not yet counted."""

    @property
    def small(self) -> bool:
        return self.mean + 3 * sqrt(self.variance) <= self.bound

    def count(self, row: Fixed, opacity: float) -> None:
        """The next layer below."""
        self.mean += self.growth * row.lean
        self.variance += (self.growth * row.spread) ** 2
        self.growth *= 1 + (row.gain - 1) * opacity


def loops_of_steps(steps: Sequence[Step]) -> list[int]:
    """The address of each step's loop where it and all steps after it may be taken in fractions, else 0."""
    found = [0] * len(steps)
    errors = [_Error(HALF_LEVEL)]
    for i in reversed(range(len(steps))):
        step = steps[i]
        over_picture = step.op == "blend" and step.level == 0 and step.source == step.alphas == PIXELS
        if not over_picture or step.mode not in FIXED or not all(error.small for error in errors):
            break
        row = FIXED[step.mode]
        found[i] = int(loop_of(step.mode, shown_as_it_is(step)).address)
        for error in errors:
            error.count(row, step.opacity)
        if row.jumps and len(errors) == 1:  # of several the topmost has the most below it
            errors.append(_Error(BESIDE_A_STEP))
    return found


def compile_all() -> None:
    """Every loop there is, so that none is compiled when it is first needed."""
    for mode in FIXED:
        loop_of(mode, True)
        loop_of(mode, False)


__all__ = [
    "BESIDE_A_STEP",
    "FRACTIONS",
    "HALF_LEVEL",
    "PLANE",
    "RUN",
    "compile_all",
    "loop_of",
    "loops_of_steps",
    "shown_as_it_is",
    "store_fixed",
    "tile_in_fractions",
]
