"""What the compiled compositor's steps do to a level but blending, and how alphas are made: one small loop each.

Levels, planes and pixels are those of `kernels.composite_walk` and `kernels.composite_loops`; alphas lie in a buffer of
`TILE` floats, 0..1. The loops of the table `_OPS` are the steps of `kernels.composite_steps` that bear their names.

Each is compiled by itself and called by its address, as the modes' are.
"""

# numba's decorators are untyped, and pointers have no Python type
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from kernels import blend, composite_loops, light
from kernels.blend import HALF, HASH_ONE, HASH_SEED, HASH_TWO, HASH_X, HASH_Y, ONE, TINY, ZERO, luma
from kernels.compiled import addressable, calling, digest, pointer_to
from kernels.composite_loops import FLOATS, LOOP, PLANES_LOOP, TILE, TO_UNIT, channel
from kernels.light import encoded_of, light_of

LEVEL, LEAST = np.float32(1 / 4096), np.float32(1e-9)
FILLER = types.void(FLOATS, types.int64, types.float32, FLOATS, types.int64)
"""(planes, address of the mask, opacity, alphas, count)"""
SCATTERER = types.void(FLOATS, types.int64, types.int64, types.int64, types.int64)
"""(alphas, x, y, seed, count)"""

as_bytes = pointer_to(types.uint8)
call_filler = calling(FILLER)
call_scatterer = calling(SCATTERER)

# Alphas: a level's, or 1; times the opacity, and times a mask. Those of pixels are made by `kernels.composite_tiles`.


def _of_level(source, mask, opacity, alphas, count):
    for x in range(count):
        alphas[x] = source[3 * TILE + x] * opacity


def _of_masked_level(source, mask, opacity, alphas, count):
    shown, scaled = as_bytes(mask), opacity * TO_UNIT
    for x in range(count):
        alphas[x] = source[3 * TILE + x] * (np.float32(np.int32(shown[x])) * scaled)


def _equal(source, mask, opacity, alphas, count):
    for x in range(count):
        alphas[x] = opacity


def _of_mask(source, mask, opacity, alphas, count):
    shown, scaled = as_bytes(mask), opacity * TO_UNIT
    for x in range(count):
        alphas[x] = np.float32(np.int32(shown[x])) * scaled


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


def _scatter(alphas, x, y, seed, count):
    """Mode dissolve: pixels are shown whole or not at all, by the pattern of `kernels.blend.dissolve_hash`. x, y: where
    the first one lies on the canvas."""
    row = np.uint32(np.uint64(y) * HASH_Y + np.uint64(seed) * HASH_SEED)
    for i in range(count):
        level = _pattern(np.uint32(x + i), row)
        alphas[i] = ONE if alphas[i] > (np.float32(level) + HALF) * LEVEL else ZERO


# The steps. `source` is the level that is read, `planes` the one that is written.


def _copy(source, other, number, planes, count):
    for plane in range(0, 4 * TILE, TILE):
        for x in range(count):
            planes[plane + x] = source[plane + x]


def _lock_pixels(pixels, alphas, opacity, planes, count):
    for x in range(count):
        pixel = pixels[x]
        planes[x] = channel(pixel, 0) * TO_UNIT
        planes[TILE + x] = channel(pixel, 8) * TO_UNIT
        planes[2 * TILE + x] = channel(pixel, 16) * TO_UNIT
        planes[3 * TILE + x] = ONE


def _lock_light(pixels, alphas, opacity, planes, count):
    for x in range(count):
        pixel = pixels[x]
        planes[x] = light_of(channel(pixel, 0) * TO_UNIT)
        planes[TILE + x] = light_of(channel(pixel, 8) * TO_UNIT)
        planes[2 * TILE + x] = light_of(channel(pixel, 16) * TO_UNIT)
        planes[3 * TILE + x] = ONE


def _lock(source, other, number, planes, count):
    for x in range(count):
        k = ONE / max(source[3 * TILE + x], TINY)
        planes[x] = min(source[x] * k, ONE)
        planes[TILE + x] = min(source[TILE + x] * k, ONE)
        planes[2 * TILE + x] = min(source[2 * TILE + x] * k, ONE)
        planes[3 * TILE + x] = ONE


def _unlock(source, other, number, planes, count):
    for x in range(count):
        a = planes[3 * TILE + x]
        planes[x] = source[x] * a
        planes[TILE + x] = source[TILE + x] * a
        planes[2 * TILE + x] = source[2 * TILE + x] * a


def _mix(source, alphas, number, planes, count):
    for plane in range(0, 4 * TILE, TILE):
        for x in range(count):
            p = planes[plane + x]
            planes[plane + x] = p + (source[plane + x] - p) * alphas[x]


def _add(source, ground, number, planes, count):
    for plane in range(0, 4 * TILE, TILE):
        for x in range(count):
            value = planes[plane + x] + (source[plane + x] - ground[plane + x])
            planes[plane + x] = min(max(value, ZERO), ONE)


def _refill(source, neutral, missing, planes, count):
    """`missing` is what the fill leaves out, 1 - fill, of a colour that is neutral[0] in all channels."""
    for x in range(count):
        a = (ONE - source[3 * TILE + x]) * missing
        c = a * neutral[0]
        planes[x] -= c
        planes[TILE + x] -= c
        planes[2 * TILE + x] -= c
        planes[3 * TILE + x] -= a


def _hard_mix(source, other, fill, planes, count):
    """Hard mix of a locked level whose fill is less than 1, at full alpha: a slope where it has a step."""
    k = ONE / max(ONE - fill, LEAST)
    for plane in range(0, 3 * TILE, TILE):
        for x in range(count):
            s, ab = source[plane + x], planes[3 * TILE + x]
            mixed = (planes[plane + x] - ab * fill * (ONE - s)) * k
            planes[plane + x] = (ONE - ab) * fill * s + min(max(mixed, ZERO), ab)
    for x in range(count):
        planes[3 * TILE + x] += (ONE - planes[3 * TILE + x]) * fill


def _cover(source, alphas, number, planes, count):
    """Of a shape, which is a level's alpha: what the alphas add to it."""
    for x in range(count):
        planes[3 * TILE + x] += alphas[x] * (ONE - planes[3 * TILE + x])


def _take_out(source, ground, number, planes, count):
    """A shape's own colours, of a level that shows it over its ground: source-over in normal mode, solved for them."""
    for plane in range(0, 3 * TILE, TILE):
        for x in range(count):
            shape, below = planes[3 * TILE + x], ground[3 * TILE + x]
            ours = source[plane + x] / max(source[3 * TILE + x], TINY)
            theirs = ground[plane + x] / max(below, TINY)
            c = ours + (ours - theirs) * (below / max(shape, TINY) - below)
            planes[plane + x] = min(max(c, ZERO), ONE) * shape


def _encode(source, other, number, planes, count):
    for x in range(count):
        planes[x] = encoded_of(min(max(source[x], ZERO), ONE))
        planes[TILE + x] = encoded_of(min(max(source[TILE + x], ZERO), ONE))
        planes[2 * TILE + x] = encoded_of(min(max(source[2 * TILE + x], ZERO), ONE))
        planes[3 * TILE + x] = ONE


def _look_up(source, values, places, planes, count):
    """`values`: `places` of them a channel, and what lies between two is linear."""
    last, row = places - ONE, np.int64(places)
    for c in range(3):
        for x in range(count):
            v = min(max(source[c * TILE + x], ZERO), ONE) * last
            at = min(np.int64(v), row - 2)
            low, high = values[c * row + at], values[c * row + at + 1]
            planes[c * TILE + x] = low + (high - low) * (v - np.float32(at))
    for x in range(count):
        planes[3 * TILE + x] = ONE


def _look_up_steps(source, values, places, planes, count):
    """Each value takes the nearest place's."""
    last, row = places - ONE, np.int64(places)
    for c in range(3):
        for x in range(count):
            v = min(max(source[c * TILE + x], ZERO), ONE) * last
            planes[c * TILE + x] = values[c * row + np.int64(np.rint(v))]
    for x in range(count):
        planes[3 * TILE + x] = ONE


def _look_up_light(source, values, places, planes, count):
    """The nearest place's of the luminosity, in all channels."""
    last, row = places - ONE, np.int64(places)
    for x in range(count):
        value = luma(source[x], source[TILE + x], source[2 * TILE + x])
        at = np.int64(np.rint(min(max(value, ZERO), ONE) * last))
        for c in range(3):
            planes[c * TILE + x] = values[c * row + at]
        planes[3 * TILE + x] = ONE


_ALPHAS = {
    "level": (_of_level, _of_masked_level),
    "nothing": (_equal, _of_mask),
}
_OPS = {
    "copy": _copy,
    "lock": _lock,
    "unlock": _unlock,
    "mix": _mix,
    "add": _add,
    "refill": _refill,
    "hard_mix": _hard_mix,
    "cover": _cover,
    "take_out": _take_out,
    "encode": _encode,
    "look_up": _look_up,
    "look_up_steps": _look_up_steps,
    "look_up_light": _look_up_light,
}
_VERSION = digest(blend.__file__, composite_loops.__file__, light.__file__, __file__)


_KEPT: list[Any] = []
"""What is compiled: an address can be called as long as this lives."""


def _address(signature: Any, loop: Any) -> int:
    _KEPT.append(addressable(signature, loop, f"{loop.__name__}_{_VERSION}"))
    return int(_KEPT[-1].address)


@cache
def filler_of(source: str, masked: bool) -> int:
    """Address of the loop that makes alphas of a "level" or of "nothing", which is 1."""
    return _address(FILLER, _ALPHAS[source][masked])


@cache
def scatterer() -> int:
    """Address of the loop that makes alphas those of mode dissolve."""
    return _address(SCATTERER, _scatter)


@cache
def op_of(name: str) -> int:
    """Address of the loop of a step that reads a level."""
    return _address(PLANES_LOOP, _OPS[name])


@cache
def lock_of_pixels(as_light: bool) -> int:
    """Address of the loop of a lock that reads a layer's pixels, as they are or as light."""
    return _address(LOOP, _lock_light if as_light else _lock_pixels)


def compile_all() -> None:
    """Every loop there is, so that none is compiled when it is first needed."""
    for source in _ALPHAS:
        for masked in (False, True):
            filler_of(source, masked)
    for name in _OPS:
        op_of(name)
    scatterer()
    for as_light in (False, True):
        lock_of_pixels(as_light)


__all__ = ["call_filler", "call_scatterer", "compile_all", "filler_of", "lock_of_pixels", "op_of", "scatterer"]
