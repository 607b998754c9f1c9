"""What the compiled compositor does to a tile around the blend loops: begin it, make a layer's alphas, write it out.

Planes and pixels are those of `kernels.composite_loops`; alphas lie in a buffer of `TILE` floats, 0..1.
"""

# numba's decorators are untyped, and pointers have no Python type
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from kernels.blend import HALF, HASH_ONE, HASH_SEED, HASH_TWO, HASH_X, HASH_Y, ONE, TINY, ZERO
from kernels.compiled import INLINE
from kernels.composite_loops import TILE, TO_UNIT, alpha_of, channel

TO_BYTE = np.float32(255)
LEVEL = np.float32(1 / 4096)


@intrinsic
def _pattern(typing_context, x, row):
    """`kernels.blend.dissolve_hash` as int32, for x and y * HASH_Y + seed * HASH_SEED as uint32. Spelled in 32 bits:
    numba would widen it to 64, of which half as many fit into a vector."""

    def generate(context, builder, signature, arguments):
        h, word = arguments[0], ir.IntType(32)
        h = builder.add(builder.mul(h, word(int(HASH_X))), arguments[1])
        for _ in range(2):
            for shift, factor in ((16, HASH_ONE), (13, HASH_TWO)):
                h = builder.mul(builder.xor(h, builder.lshr(h, word(shift))), word(int(factor)))
            h = builder.xor(h, builder.lshr(h, word(16)))
        return builder.lshr(h, word(20))

    return types.int32(types.uint32, types.uint32), generate


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
def scatter(alphas, x, y, seed, count):
    """Mode dissolve: pixels are shown whole or not at all, by the pattern of `kernels.blend.dissolve_hash`. x, y: where
    the first one lies on the canvas."""
    row = np.uint32(np.uint64(y) * HASH_Y + np.uint64(seed) * HASH_SEED)
    for i in range(count):
        level = _pattern(np.uint32(x + i), row)
        alphas[i] = ONE if alphas[i] > (np.float32(level) + HALF) * LEVEL else ZERO


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


__all__ = ["begin", "clear", "fill_alphas", "fill_masked_alphas", "hand_on", "scatter", "store_general", "store_opaque"]
