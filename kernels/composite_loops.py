"""The compositor's inner loops: for each blend mode one over an opaque and one over a general backdrop, and one that
blends a group; made from the rows of `kernels.blend.MODES`. Nothing here names a mode but normal and dissolve.

A loop blends `count` pixels of a layer into the planes of a tile: R, G, B and alpha, premultiplied, 0..1, float32,
`TILE` floats apart. Pixels come as uint32, R in the lowest byte, straight; alphas as float32, 0..1, opacity and mask
applied. A group comes as planes too, its colours straight and 0..255, so that what blends one pixel is the same.

What makes it fast, and looks odd: pointers instead of arrays (an index with an offset keeps numba from vectorising), a
pixel is one 32-bit load and shifts through int32 (numba would widen otherwise), constants are float32.

Each loop is compiled by itself and called by its address: `kernels.compiled` says why.
"""

# numba's decorators are untyped, and pointers have no Python type
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def"
from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import register_jitable

from kernels import blend
from kernels.blend import DISSOLVE, MODES, ONE, TINY, Mode
from kernels.compiled import INLINE, addressable, calling, digest, with_names

TILE = 128
TO_UNIT, TO_BYTE = np.float32(1 / 255), np.float32(255)
LEAST = np.float32(1e-8)  # of a divisor: sources are 0 or at least 1/255

PIXELS, FLOATS = types.CPointer(types.uint32), types.CPointer(types.float32)
LOOP = types.void(PIXELS, FLOATS, types.float32, FLOATS, types.int64)
"""(pixels, alphas, opacity 0..1/255, planes, count)"""


PLANES_LOOP = types.void(FLOATS, FLOATS, types.float32, FLOATS, types.int64)
"""(planes of the source, alphas or another thing, a number, planes, count)"""

call_loop = calling(LOOP)
call_planes_loop = calling(PLANES_LOOP)


@numba.njit(**INLINE)
def channel(pixel, shift):
    """One channel of a pixel, 0..255 as float32."""
    return np.float32(np.int32((pixel >> shift) & 255))


@numba.njit(**INLINE)
def alpha_of(pixel):
    return np.float32(np.int32(pixel >> 24))


# One pixel (sr, sg, sb: 0..255) blended into the planes at x, alpha apart, for each form of row. `with_names` gives
# each copy its own names.

formula: Any = None
"""The row's, compiled."""
divisor: Any = None
"""The row's, compiled."""
one: Any = None
"""What blends one pixel: a form below with its formula."""


def _premultiplied(sr, sg, sb, a, ab, planes, x):
    k, fresh, rest = a * TO_UNIT, ONE - ab, ONE - a
    r, g, b = sr * k, sg * k, sb * k
    pr, pg, pb = planes[x], planes[TILE + x], planes[2 * TILE + x]
    planes[x] = r * fresh + pr * rest + formula(pr, r, a, ab)
    planes[TILE + x] = g * fresh + pg * rest + formula(pg, g, a, ab)
    planes[2 * TILE + x] = b * fresh + pb * rest + formula(pb, b, a, ab)


def _straight(sr, sg, sb, a, ab, planes, x):
    inverse, fresh, rest, both = ONE / max(ab, TINY), a * (ONE - ab), ONE - a, a * ab
    r, p = sr * TO_UNIT, planes[x]
    planes[x] = r * fresh + p * rest + both * formula(min(p * inverse, ONE), r)
    g, p = sg * TO_UNIT, planes[TILE + x]
    planes[TILE + x] = g * fresh + p * rest + both * formula(min(p * inverse, ONE), g)
    b, p = sb * TO_UNIT, planes[2 * TILE + x]
    planes[2 * TILE + x] = b * fresh + p * rest + both * formula(min(p * inverse, ONE), b)


def _quotient(sr, sg, sb, a, ab, planes, x):
    fresh, rest, t = a * (ONE - ab), ONE - a, a * ab
    r, g, b = sr * TO_UNIT, sg * TO_UNIT, sb * TO_UNIT
    dr, dg, db = max(divisor(r), LEAST), max(divisor(g), LEAST), max(divisor(b), LEAST)
    q = ONE / (dr * dg * db)  # one division for three: 1/dr is dg*db of it
    pr, pg, pb = planes[x], planes[TILE + x], planes[2 * TILE + x]
    planes[x] = r * fresh + pr * rest + formula(pr * a, r, t, q * (dg * db))
    planes[TILE + x] = g * fresh + pg * rest + formula(pg * a, g, t, q * (dr * db))
    planes[2 * TILE + x] = b * fresh + pb * rest + formula(pb * a, b, t, q * (dr * dg))


def _colors(sr, sg, sb, a, ab, planes, x):
    fresh, rest = a * (ONE - ab), ONE - a
    sr, sg, sb = sr * TO_UNIT, sg * TO_UNIT, sb * TO_UNIT
    pr, pg, pb = planes[x], planes[TILE + x], planes[2 * TILE + x]
    r, g, b = formula(pr, pg, pb, sr, sg, sb, ab)
    planes[x] = fresh * sr + rest * pr + a * r
    planes[TILE + x] = fresh * sg + rest * pg + a * g
    planes[2 * TILE + x] = fresh * sb + rest * pb + a * b


def _normal(sr, sg, sb, a, ab, planes, x):
    k, rest = a * TO_UNIT, ONE - a
    planes[x] = sr * k + planes[x] * rest
    planes[TILE + x] = sg * k + planes[TILE + x] * rest
    planes[2 * TILE + x] = sb * k + planes[2 * TILE + x] * rest


# The loops themselves.


def _on_opaque(pixels, alphas, opacity, planes, count):
    for x in range(count):
        pixel = pixels[x]
        one(channel(pixel, 0), channel(pixel, 8), channel(pixel, 16), alphas[x], ONE, planes, x)


def _on_general(pixels, alphas, opacity, planes, count):
    for x in range(count):
        pixel, a, ab = pixels[x], alphas[x], planes[3 * TILE + x]
        one(channel(pixel, 0), channel(pixel, 8), channel(pixel, 16), a, ab, planes, x)
        planes[3 * TILE + x] = a + ab * (ONE - a)


# Without a mask normal mode needs no buffer of alphas, and it is most of the work.


def _bare_on_opaque(pixels, alphas, opacity, planes, count):
    for x in range(count):
        pixel = pixels[x]
        a = alpha_of(pixel) * opacity
        one(channel(pixel, 0), channel(pixel, 8), channel(pixel, 16), a, ONE, planes, x)


def _bare_on_general(pixels, alphas, opacity, planes, count):
    for x in range(count):
        pixel, ab = pixels[x], planes[3 * TILE + x]
        a = alpha_of(pixel) * opacity
        one(channel(pixel, 0), channel(pixel, 8), channel(pixel, 16), a, ab, planes, x)
        planes[3 * TILE + x] = a + ab * (ONE - a)


# A group is blended over any backdrop by one loop, which keeps the number of loops down: over an opaque one ab is 1.


def _planes_on_general(source, alphas, number, planes, count):
    for x in range(count):
        a, ab = alphas[x], planes[3 * TILE + x]
        one(source[x], source[TILE + x], source[2 * TILE + x], a, ab, planes, x)
        planes[3 * TILE + x] = a + ab * (ONE - a)


_FORMS: dict[str, Callable[..., None]] = {
    "premultiplied": _premultiplied,
    "quotient": _quotient,
    "straight": _straight,
    "colors": _colors,
}

for shared in (blend.luma, blend.recolor):  # the modes that call them see them compiled
    register_jitable(**INLINE)(shared)


_VERSION = digest(blend.__file__, __file__)


@cache
def _one(mode: str) -> Any:
    """What blends one pixel by the mode, compiled."""
    row: Mode = MODES[mode]
    if mode == "normal":
        return numba.njit(**INLINE)(_normal)  # its formula says no more
    used = {"formula": row.fast, "divisor": row.divisor or row.fast}
    parts = {name: numba.njit(**INLINE)(part) for name, part in used.items()}
    return numba.njit(**INLINE)(with_names(_FORMS[row.form], mode, **parts))


@cache
def _compiled(mode: str, loop: Callable[..., None], signature: Any) -> Any:
    return addressable(signature, loop, f"{mode}{loop.__name__}_{_VERSION}", one=_one(mode))


def _shape_of(mode: str) -> str:
    """The mode whose loops serve: dissolve is normal of whole pixels."""
    return "normal" if mode == DISSOLVE else mode


@cache
def loops_of(mode: str, buffered: bool) -> tuple[int, int]:
    """Addresses of the loops that blend by `mode` over an opaque and over a general backdrop: compiled or read from
    numba's cache when first asked for. `buffered`: whether alphas are others than the pixels' times the opacity."""
    bare = mode == "normal" and not buffered
    loops = (_bare_on_opaque, _bare_on_general) if bare else (_on_opaque, _on_general)
    opaque, general = (_compiled(_shape_of(mode), loop, LOOP).address for loop in loops)
    return opaque, general


@cache
def planes_loop_of(mode: str) -> int:
    """Address of the loop that blends planes by `mode`."""
    return int(_compiled(_shape_of(mode), _planes_on_general, PLANES_LOOP).address)


def compile_all() -> None:
    """Every loop there is, so that none is compiled when it is first needed."""
    for mode in MODES:
        for buffered in (False, True):
            loops_of(mode, buffered)
        planes_loop_of(mode)


__all__ = [
    "FLOATS",
    "LOOP",
    "PIXELS",
    "PLANES_LOOP",
    "TILE",
    "TO_BYTE",
    "TO_UNIT",
    "alpha_of",
    "call_loop",
    "call_planes_loop",
    "channel",
    "compile_all",
    "loops_of",
    "planes_loop_of",
]
