"""The compositor's inner loops: one for each blend mode, made from the rows of `kernels.blend.MODES`, for an opaque and
for a general backdrop. Nothing here names a mode but normal.

A loop blends `count` pixels of a layer into the planes of a tile: R, G, B and alpha, premultiplied, 0..1, float32,
`TILE` floats apart. Pixels come as uint32, R in the lowest byte, straight; alphas as float32, 0..1, opacity and mask
applied.

What makes it fast, and looks odd: pointers instead of arrays (an index with an offset keeps numba from vectorising), a
pixel is one 32-bit load and shifts through int32 (numba would widen otherwise), constants are float32.
"""

# numba's decorators are untyped
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call"
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.extending import register_jitable

from kernels import blend
from kernels.blend import MODES, NUMBERS, ONE, TINY, Mode

TILE = 128
TO_UNIT = np.float32(1 / 255)
LEAST = np.float32(1e-8)  # of a divisor: sources are 0 or at least 1/255

INLINE: dict[str, Any] = {"fastmath": True, "boundscheck": False, "error_model": "numpy", "nogil": True}


@numba.njit(**INLINE)
def channel(pixel, shift):  # type: ignore[no-untyped-def]
    """One channel of a pixel, 0..255 as float32."""
    return np.float32(np.int32((pixel >> shift) & 255))


@numba.njit(**INLINE)
def alpha_of(pixel):  # type: ignore[no-untyped-def]
    return np.float32(np.int32(pixel >> 24))


def _normal_loop(opaque: bool, masked: bool) -> Callable[..., None]:
    """Normal mode has loops of its own: it is most of the work, and without a mask it needs no alpha buffer."""

    @numba.njit(**INLINE)
    def loop(pixels, alphas, opacity, planes, count):  # type: ignore[no-untyped-def]
        for x in range(count):
            pixel = pixels[x]
            a = alphas[x] if masked else alpha_of(pixel) * opacity
            k, rest = a * TO_UNIT, ONE - a
            planes[x] = channel(pixel, 0) * k + planes[x] * rest
            planes[TILE + x] = channel(pixel, 8) * k + planes[TILE + x] * rest
            planes[2 * TILE + x] = channel(pixel, 16) * k + planes[2 * TILE + x] * rest
            if not opaque:
                planes[3 * TILE + x] = a + planes[3 * TILE + x] * rest

    return loop


def _channels_loop(mix: Any, opaque: bool) -> Callable[..., None]:
    """A loop over pixels whose channels are blended by `mix(byte, p, a, ab, inverse of ab)`, each by itself."""

    @numba.njit(**INLINE)
    def loop(pixels, alphas, planes, count):  # type: ignore[no-untyped-def]
        for x in range(count):
            pixel, a = pixels[x], alphas[x]
            ab = ONE if opaque else planes[3 * TILE + x]
            inverse = ONE if opaque else ONE / max(ab, TINY)
            planes[x] = mix(channel(pixel, 0), planes[x], a, ab, inverse)
            planes[TILE + x] = mix(channel(pixel, 8), planes[TILE + x], a, ab, inverse)
            planes[2 * TILE + x] = mix(channel(pixel, 16), planes[2 * TILE + x], a, ab, inverse)
            if not opaque:
                planes[3 * TILE + x] = a + ab * (ONE - a)

    return loop


def _premultiplied_loop(mode: Mode, opaque: bool) -> Callable[..., None]:
    fast = _inlined(mode.fast)

    @numba.njit(**INLINE)
    def mix(byte, p, a, ab, inverse):  # type: ignore[no-untyped-def]
        r = byte * (a * TO_UNIT)
        return r * (ONE - ab) + p * (ONE - a) + fast(p, r, a, ab)

    return _channels_loop(mix, opaque)


def _straight_loop(mode: Mode, opaque: bool) -> Callable[..., None]:
    fast = _inlined(mode.fast)

    @numba.njit(**INLINE)
    def mix(byte, p, a, ab, inverse):  # type: ignore[no-untyped-def]
        s = byte * TO_UNIT
        return a * s * (ONE - ab) + p * (ONE - a) + a * ab * fast(min(p * inverse, ONE), s)

    return _channels_loop(mix, opaque)


def _quotient_loop(mode: Mode, opaque: bool) -> Callable[..., None]:
    fast, divisor = _inlined(mode.fast), _inlined(mode.divisor)

    @numba.njit(**INLINE)
    def mix(s, p, a, ab, q):  # type: ignore[no-untyped-def]
        t = a * ab
        return a * s * (ONE - ab) + p * (ONE - a) + fast(min(p * a, t), s, t, q)

    @numba.njit(**INLINE)
    def loop(pixels, alphas, planes, count):  # type: ignore[no-untyped-def]
        for x in range(count):
            pixel, a = pixels[x], alphas[x]
            ab = ONE if opaque else planes[3 * TILE + x]
            sr, sg, sb = channel(pixel, 0) * TO_UNIT, channel(pixel, 8) * TO_UNIT, channel(pixel, 16) * TO_UNIT
            dr, dg, db = max(divisor(sr), LEAST), max(divisor(sg), LEAST), max(divisor(sb), LEAST)
            q = ONE / (dr * dg * db)  # one division for three: 1/dr is dg*db of it
            planes[x] = mix(sr, planes[x], a, ab, q * (dg * db))
            planes[TILE + x] = mix(sg, planes[TILE + x], a, ab, q * (dr * db))
            planes[2 * TILE + x] = mix(sb, planes[2 * TILE + x], a, ab, q * (dr * dg))
            if not opaque:
                planes[3 * TILE + x] = a + ab * (ONE - a)

    return loop


def _colors_loop(mode: Mode, opaque: bool) -> Callable[..., None]:
    fast = _inlined(mode.fast)

    @numba.njit(**INLINE)
    def loop(pixels, alphas, planes, count):  # type: ignore[no-untyped-def]
        for x in range(count):
            pixel, a = pixels[x], alphas[x]
            ab = ONE if opaque else planes[3 * TILE + x]
            sr, sg, sb = channel(pixel, 0) * TO_UNIT, channel(pixel, 8) * TO_UNIT, channel(pixel, 16) * TO_UNIT
            pr, pg, pb = planes[x], planes[TILE + x], planes[2 * TILE + x]
            r, g, b = fast(pr, pg, pb, sr, sg, sb, ab)
            fresh, rest = a * (ONE - ab), ONE - a
            planes[x] = fresh * sr + rest * pr + a * r
            planes[TILE + x] = fresh * sg + rest * pg + a * g
            planes[2 * TILE + x] = fresh * sb + rest * pb + a * b
            if not opaque:
                planes[3 * TILE + x] = a + ab * rest

    return loop


def _inlined(formula: Any) -> Any:
    """A row's formula, compiled; a call would keep the loop from being vectorised."""
    return numba.njit(inline="always", **INLINE)(formula)


_FORMS: dict[str, Callable[[Mode, bool], Callable[..., None]]] = {
    "premultiplied": _premultiplied_loop,
    "quotient": _quotient_loop,
    "straight": _straight_loop,
    "colors": _colors_loop,
}


def _dispatch(modes: list[Mode], opaque: bool) -> Callable[..., None]:
    """A function that runs the loop of mode number `mode`: a chain of one link for each row of the table."""
    chain: Any = None
    for mode in reversed(modes):
        chain = _link(NUMBERS[mode.name], _FORMS[mode.form](mode, opaque), chain)
    return chain


def _link(number: int, loop: Any, others: Any) -> Any:
    if others is None:

        @numba.njit(**INLINE)
        def last(mode, pixels, alphas, planes, count):  # type: ignore[no-untyped-def]
            loop(pixels, alphas, planes, count)

        return last

    @numba.njit(**INLINE)
    def link(mode, pixels, alphas, planes, count):  # type: ignore[no-untyped-def]
        if mode == number:
            loop(pixels, alphas, planes, count)
        else:
            others(mode, pixels, alphas, planes, count)

    return link


for shared in (blend.luma, blend.recolor):  # the modes that call them see them compiled
    register_jitable(inline="always")(shared)
blend_on_opaque = _dispatch(list(MODES.values()), opaque=True)
blend_on_general = _dispatch(list(MODES.values()), opaque=False)
normal_on_opaque = _normal_loop(opaque=True, masked=False)
normal_on_general = _normal_loop(opaque=False, masked=False)
masked_normal_on_opaque = _normal_loop(opaque=True, masked=True)
masked_normal_on_general = _normal_loop(opaque=False, masked=True)


__all__ = [
    "INLINE",
    "TILE",
    "TO_UNIT",
    "alpha_of",
    "blend_on_general",
    "blend_on_opaque",
    "channel",
    "masked_normal_on_general",
    "masked_normal_on_opaque",
    "normal_on_general",
    "normal_on_opaque",
]
