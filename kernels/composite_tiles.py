"""How the compiled compositor begins a tile, makes a layer's alphas and writes the tile out: what the walk has inlined.

Planes and pixels are those of `kernels.composite_loops`; alphas lie in a buffer of `TILE` floats, 0..1.
"""

# numba's decorators are untyped, and pointers have no Python type
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

import numba
import numpy as np

from kernels.blend import HALF, ONE, TINY, ZERO
from kernels.compiled import INLINE
from kernels.composite_loops import TILE, TO_BYTE, TO_UNIT, alpha_of, channel


@numba.njit(**INLINE)
def begin(pixels, opacity, planes, count):
    """The first layer of a tile: premultiplied, no backdrop to blend with."""
    for x in range(count):
        pixel = pixels[x]
        a = alpha_of(pixel) * opacity
        k = a * TO_UNIT
        planes[x] = channel(pixel, 0) * k
        planes[TILE + x] = channel(pixel, 8) * k
        planes[2 * TILE + x] = channel(pixel, 16) * k
        planes[3 * TILE + x] = a


@numba.njit(**INLINE)
def clear(planes):
    for x in range(4 * TILE):
        planes[x] = ZERO


@numba.njit(**INLINE)
def fill_alphas(pixels, opacity, alphas, count):
    for x in range(count):
        alphas[x] = alpha_of(pixels[x]) * opacity


@numba.njit(**INLINE)
def fill_masked_alphas(pixels, mask, opacity, alphas, count):
    scaled = opacity * TO_UNIT
    for x in range(count):
        alphas[x] = alpha_of(pixels[x]) * (np.float32(np.int32(mask[x])) * scaled)


@numba.njit(**INLINE)
def straighten(planes, count):
    """Premultiplied colours to straight ones, 0..255, in place, before they are blended; the alphas stay."""
    for x in range(count):
        k = TO_BYTE / max(planes[3 * TILE + x], TINY)
        planes[x] = min(planes[x] * k, TO_BYTE)
        planes[TILE + x] = min(planes[TILE + x] * k, TO_BYTE)
        planes[2 * TILE + x] = min(planes[2 * TILE + x] * k, TO_BYTE)


@numba.njit(**INLINE)
def _byte(value):
    """Rounded half up: 0..1 to 0..255."""
    return np.int32(min(value, ONE) * TO_BYTE + HALF)


@numba.njit(**INLINE)
def store_opaque(planes, out, count):
    for x in range(count):
        r, g, b = _byte(planes[x]), _byte(planes[TILE + x]), _byte(planes[2 * TILE + x])
        out[x] = np.uint32(r | (g << 8) | (b << 16) | 0xFF000000)


@numba.njit(**INLINE)
def store_general(planes, out, count):
    for x in range(count):
        a = planes[3 * TILE + x]
        k = ONE / max(a, TINY)
        r, g, b = _byte(planes[x] * k), _byte(planes[TILE + x] * k), _byte(planes[2 * TILE + x] * k)
        alpha = _byte(a)
        # alpha 0 has no colour: equal pictures are equal bytes
        out[x] = np.uint32(r | (g << 8) | (b << 16) | (alpha << 24)) if alpha > 0 else np.uint32(0)


@numba.njit(**INLINE)
def hand_on(pixels, out, count):
    for x in range(count):
        out[x] = pixels[x]


__all__ = [
    "begin",
    "clear",
    "fill_alphas",
    "fill_masked_alphas",
    "hand_on",
    "store_general",
    "store_opaque",
    "straighten",
]
