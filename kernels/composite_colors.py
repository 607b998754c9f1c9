"""The steps that recolour a level by a formula of the whole colour: `kernels.color_formulas` over the planes of a tile.

Levels, planes and the form of a loop are those of `kernels.composite_levels`. A loop reads a locked level and writes
another one, opaque; its numbers lie in `values`, float32, in the order in which it reads them.
"""

# numba's decorators are untyped, and pointers have no Python type
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def"
from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba.extending import register_jitable

from kernels import blend, color_formulas, composite_loops
from kernels.blend import ONE, ZERO
from kernels.color_formulas import filtered, grey_of, hue_of, saturated, tinted, unit, weight_in
from kernels.compiled import INLINE, addressable, digest
from kernels.composite_loops import PLANES_LOOP, TILE

LEAST = np.float32(1e-9)
RANGE = 7
"""Numbers of a range of hues: begin, rising, end, falling; what it adds to hue, saturation and lightness."""

for shared in (
    *(blend.luma, blend.recolor),
    *(unit, hue_of, color_formulas._reach, saturated, weight_in, grey_of, tinted, filtered),
):
    register_jitable(**INLINE)(shared)


def _hue_saturation(source, values, number, planes, count):
    """values: what colours are multiplied by and what is added then, so that they are lighter or darker; the turn in
    sextants; the factors on saturation and between them vibrance."""
    scale, lift, turn, before, vibrance, after = values[0], values[1], values[2], values[3], values[4], values[5]
    for x in range(count):
        r, g, b = unit(source[x]), unit(source[TILE + x]), unit(source[2 * TILE + x])
        r, g, b = r * scale + lift, g * scale + lift, b * scale + lift
        r, g, b = saturated(r, g, b, hue_of(r, g, b) + turn, before, vibrance, after)
        planes[x], planes[TILE + x], planes[2 * TILE + x], planes[3 * TILE + x] = r, g, b, ONE


def _hue_ranges(source, values, number, planes, count):
    """values: turn in sextants, saturation and lightness -1..1 of all hues; how many ranges there are, and `RANGE`
    numbers of each, whose lightness is of a colour that is all chroma. The planes hold the sums until they are used."""
    turn, boost, light, ranges = values[0], values[1], values[2], np.int64(values[3])
    for x in range(count):
        r, g, b = unit(source[x]), unit(source[TILE + x]), unit(source[2 * TILE + x])
        planes[x], planes[TILE + x], planes[2 * TILE + x], planes[3 * TILE + x] = turn, boost, light, hue_of(r, g, b)
    for i in range(ranges):
        at = 4 + i * RANGE
        start, rising, out, falling = values[at], values[at + 1], values[at + 2], values[at + 3]
        turned, boosted, lit = values[at + 4], values[at + 5], values[at + 6]
        for x in range(count):
            r, g, b = unit(source[x]), unit(source[TILE + x]), unit(source[2 * TILE + x])
            weight = weight_in(planes[3 * TILE + x], start, rising, out, falling)
            planes[x] += weight * turned
            planes[TILE + x] += weight * boosted
            planes[2 * TILE + x] += weight * lit * (max(r, max(g, b)) - min(r, min(g, b)))
    for x in range(count):
        r, g, b = unit(source[x]), unit(source[TILE + x]), unit(source[2 * TILE + x])
        light = min(max(planes[2 * TILE + x], -ONE), ONE)
        scale, lift = ONE - abs(light), max(light, ZERO)
        boost = min(max(planes[TILE + x], -ONE), ONE)
        after = (ONE + min(boost, ZERO)) / max(ONE - max(boost, ZERO), LEAST)
        r, g, b = r * scale + lift, g * scale + lift, b * scale + lift
        r, g, b = saturated(r, g, b, planes[3 * TILE + x] + planes[x], ONE, ZERO, after)
        planes[x], planes[TILE + x], planes[2 * TILE + x], planes[3 * TILE + x] = r, g, b, ONE


def _colorize(source, values, number, planes, count):
    """values: what the lightness is multiplied by and what is added then; of R, G and B what is taken off, a share of
    what lies between the lightness and the nearer of black and white."""
    scale, lift, red, green, blue = values[0], values[1], values[2], values[3], values[4]
    for x in range(count):
        r, g, b = unit(source[x]), unit(source[TILE + x]), unit(source[2 * TILE + x])
        light = (max(r, max(g, b)) + min(r, min(g, b))) * color_formulas.HALF * scale + lift
        room = min(light, ONE - light)
        planes[x] = light - room * red
        planes[TILE + x] = light - room * green
        planes[2 * TILE + x] = light - room * blue
        planes[3 * TILE + x] = ONE


def _black_white(source, values, number, planes, count):
    """values: the shares of reds, yellows, greens, cyans, blues, magentas; the colour that tints, or a grey."""
    reds, yellows, greens, cyans, blues, magentas = values[0], values[1], values[2], values[3], values[4], values[5]
    red, green, blue = values[6], values[7], values[8]
    for x in range(count):
        r, g, b = unit(source[x]), unit(source[TILE + x]), unit(source[2 * TILE + x])
        grey = grey_of(r, g, b, reds, yellows, greens, cyans, blues, magentas)
        r, g, b = tinted(grey, red, green, blue)
        planes[x], planes[TILE + x], planes[2 * TILE + x], planes[3 * TILE + x] = r, g, b, ONE


def _photo_filter(source, values, number, planes, count):
    """values: what of R, G and B comes through."""
    red, green, blue = values[0], values[1], values[2]
    for x in range(count):
        r, g, b = unit(source[x]), unit(source[TILE + x]), unit(source[2 * TILE + x])
        r, g, b = filtered(r, g, b, red, green, blue)
        planes[x], planes[TILE + x], planes[2 * TILE + x], planes[3 * TILE + x] = r, g, b, ONE


_COLORS = {
    "hue_saturation": _hue_saturation,
    "hue_ranges": _hue_ranges,
    "colorize": _colorize,
    "black_white": _black_white,
    "photo_filter": _photo_filter,
}
_VERSION = digest(blend.__file__, color_formulas.__file__, composite_loops.__file__, __file__)
NAMES = frozenset(_COLORS)


@cache
def _compiled(name: str) -> Any:
    return addressable(PLANES_LOOP, _COLORS[name], f"color_{name}_{_VERSION}")


def color_loop_of(name: str) -> int:
    """Address of the loop of a formula: compiled or read from numba's cache when first asked for."""
    return int(_compiled(name).address)


def compile_all() -> None:
    """Every loop there is, so that none is compiled when it is first needed."""
    for name in _COLORS:
        color_loop_of(name)


__all__ = ["NAMES", "color_loop_of", "compile_all"]
