"""The compositor's inner loops: for each blend mode one over an opaque and one over a general backdrop, made from the
rows of `kernels.blend.MODES`. Nothing here names a mode but normal and dissolve.

A loop blends `count` pixels of a layer into the planes of a tile: R, G, B and alpha, premultiplied, 0..1, float32,
`TILE` floats apart. Pixels come as uint32, R in the lowest byte, straight; alphas as float32, 0..1, opacity and mask
applied.

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
TO_UNIT = np.float32(1 / 255)
LEAST = np.float32(1e-8)  # of a divisor: sources are 0 or at least 1/255

PIXELS, FLOATS = types.CPointer(types.uint32), types.CPointer(types.float32)
LOOP = types.void(PIXELS, FLOATS, types.float32, FLOATS, types.int64)
"""(pixels, alphas, opacity 0..1/255, planes, count)"""


call_loop = calling(LOOP)


@numba.njit(**INLINE)
def channel(pixel, shift):
    """One channel of a pixel, 0..255 as float32."""
    return np.float32(np.int32((pixel >> shift) & 255))


@numba.njit(**INLINE)
def alpha_of(pixel):
    return np.float32(np.int32(pixel >> 24))


# One pixel blended into the planes at x, alpha apart, for each form of row. `with_names` gives each copy its own names.

formula: Any = None
"""The row's, compiled."""
divisor: Any = None
"""The row's, compiled."""
one: Any = None
"""What blends one pixel: a form below with its formula."""


def _premultiplied(pixel, a, ab, planes, x):
    k, fresh, rest = a * TO_UNIT, ONE - ab, ONE - a
    r, g, b = channel(pixel, 0) * k, channel(pixel, 8) * k, channel(pixel, 16) * k
    pr, pg, pb = planes[x], planes[TILE + x], planes[2 * TILE + x]
    planes[x] = r * fresh + pr * rest + formula(pr, r, a, ab)
    planes[TILE + x] = g * fresh + pg * rest + formula(pg, g, a, ab)
    planes[2 * TILE + x] = b * fresh + pb * rest + formula(pb, b, a, ab)


def _straight(pixel, a, ab, planes, x):
    inverse, fresh, rest, both = ONE / max(ab, TINY), a * (ONE - ab), ONE - a, a * ab
    r, p = channel(pixel, 0) * TO_UNIT, planes[x]
    planes[x] = r * fresh + p * rest + both * formula(min(p * inverse, ONE), r)
    g, p = channel(pixel, 8) * TO_UNIT, planes[TILE + x]
    planes[TILE + x] = g * fresh + p * rest + both * formula(min(p * inverse, ONE), g)
    b, p = channel(pixel, 16) * TO_UNIT, planes[2 * TILE + x]
    planes[2 * TILE + x] = b * fresh + p * rest + both * formula(min(p * inverse, ONE), b)


def _quotient(pixel, a, ab, planes, x):
    fresh, rest, t = a * (ONE - ab), ONE - a, a * ab
    r, g, b = channel(pixel, 0) * TO_UNIT, channel(pixel, 8) * TO_UNIT, channel(pixel, 16) * TO_UNIT
    dr, dg, db = max(divisor(r), LEAST), max(divisor(g), LEAST), max(divisor(b), LEAST)
    q = ONE / (dr * dg * db)  # one division for three: 1/dr is dg*db of it
    pr, pg, pb = planes[x], planes[TILE + x], planes[2 * TILE + x]
    planes[x] = r * fresh + pr * rest + formula(pr * a, r, t, q * (dg * db))
    planes[TILE + x] = g * fresh + pg * rest + formula(pg * a, g, t, q * (dr * db))
    planes[2 * TILE + x] = b * fresh + pb * rest + formula(pb * a, b, t, q * (dr * dg))


def _colors(pixel, a, ab, planes, x):
    fresh, rest = a * (ONE - ab), ONE - a
    sr, sg, sb = channel(pixel, 0) * TO_UNIT, channel(pixel, 8) * TO_UNIT, channel(pixel, 16) * TO_UNIT
    pr, pg, pb = planes[x], planes[TILE + x], planes[2 * TILE + x]
    r, g, b = formula(pr, pg, pb, sr, sg, sb, ab)
    planes[x] = fresh * sr + rest * pr + a * r
    planes[TILE + x] = fresh * sg + rest * pg + a * g
    planes[2 * TILE + x] = fresh * sb + rest * pb + a * b


def _normal(pixel, a, ab, planes, x):
    k, rest = a * TO_UNIT, ONE - a
    planes[x] = channel(pixel, 0) * k + planes[x] * rest
    planes[TILE + x] = channel(pixel, 8) * k + planes[TILE + x] * rest
    planes[2 * TILE + x] = channel(pixel, 16) * k + planes[2 * TILE + x] * rest


# The loops themselves.


def _on_opaque(pixels, alphas, opacity, planes, count):
    for x in range(count):
        one(pixels[x], alphas[x], ONE, planes, x)


def _on_general(pixels, alphas, opacity, planes, count):
    for x in range(count):
        a, ab = alphas[x], planes[3 * TILE + x]
        one(pixels[x], a, ab, planes, x)
        planes[3 * TILE + x] = a + ab * (ONE - a)


# Without a mask normal mode needs no buffer of alphas, and it is most of the work.


def _bare_on_opaque(pixels, alphas, opacity, planes, count):
    for x in range(count):
        one(pixels[x], alpha_of(pixels[x]) * opacity, ONE, planes, x)


def _bare_on_general(pixels, alphas, opacity, planes, count):
    for x in range(count):
        a, ab = alpha_of(pixels[x]) * opacity, planes[3 * TILE + x]
        one(pixels[x], a, ab, planes, x)
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
def _pair(mode: str, bare: bool) -> tuple[Any, Any]:
    """The mode's compiled loops over an opaque and over a general backdrop."""
    row: Mode = MODES[mode]
    if mode in ("normal", DISSOLVE):
        one = numba.njit(**INLINE)(_normal)  # its formula says no more
    else:
        used = {"formula": row.fast, "divisor": row.divisor or row.fast}
        parts = {name: numba.njit(**INLINE)(part) for name, part in used.items()}
        one = numba.njit(**INLINE)(with_names(_FORMS[row.form], mode, **parts))
    loops = (_bare_on_opaque, _bare_on_general) if bare else (_on_opaque, _on_general)
    opaque, general = (addressable(LOOP, loop, f"{mode}{loop.__name__}_{_VERSION}", one=one) for loop in loops)
    return opaque, general


def loops_of(mode: str, masked: bool) -> tuple[int, int]:
    """Addresses of the loops that blend by `mode` over an opaque and over a general backdrop: compiled or read from
    numba's cache when first asked for. `masked`: whether the layer has a mask."""
    opaque, general = _pair("normal" if mode == DISSOLVE else mode, mode == "normal" and not masked)
    return opaque.address, general.address


def compile_all() -> None:
    """Every loop there is, so that none is compiled when it is first needed."""
    for mode in MODES:
        for masked in (False, True):
            loops_of(mode, masked)


__all__ = ["TILE", "TO_UNIT", "alpha_of", "call_loop", "channel", "compile_all", "loops_of"]
