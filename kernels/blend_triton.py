"""The blend modes as code of the CUDA kernel: a constant and a branch each.

The formulas are those of `kernels.blend.MODES`, float32, over tensors of any shape. A mode without a branch here is
drawn by the tensor formula (`kernels.composite`).
"""

# triton's decorators are untyped
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def"
from __future__ import annotations

import triton
from triton import language as tl

from kernels.blend import NUMBERS

# How a mode is blended (column FORM): as source-over, on premultiplied colours, on straight ones channel by channel, or
# on straight ones of all channels together.
OVER, MULTIPLIED, STRAIGHT, TOGETHER = (tl.constexpr(i) for i in range(4))
PRODUCTS = frozenset(
    {
        *("darken", "multiply", "linear_burn", "lighten", "screen", "linear_dodge", "overlay", "hard_light"),
        *("linear_light", "pin_light", "difference", "exclusion", "subtract"),
    }
)
"""Modes that `_product` knows: those of multiplications and additions only, which need no division by the alpha."""

EPSILON, NEARLY_ONE, TINY, UNIT = (tl.constexpr(v) for v in (1e-5, 1 - 1e-5, 1e-12, 1 / 255))
NORMAL, DISSOLVE, DARKEN, MULTIPLY = (tl.constexpr(NUMBERS[m]) for m in ("normal", "dissolve", "darken", "multiply"))
COLOR_BURN, LINEAR_BURN = tl.constexpr(NUMBERS["color_burn"]), tl.constexpr(NUMBERS["linear_burn"])
COLOR_DODGE, LINEAR_DODGE = tl.constexpr(NUMBERS["color_dodge"]), tl.constexpr(NUMBERS["linear_dodge"])
DARKER_COLOR, LIGHTER_COLOR = tl.constexpr(NUMBERS["darker_color"]), tl.constexpr(NUMBERS["lighter_color"])
LIGHTEN, SCREEN, OVERLAY = (tl.constexpr(NUMBERS[m]) for m in ("lighten", "screen", "overlay"))
SOFT_LIGHT, HARD_LIGHT = tl.constexpr(NUMBERS["soft_light"]), tl.constexpr(NUMBERS["hard_light"])
VIVID_LIGHT, LINEAR_LIGHT = tl.constexpr(NUMBERS["vivid_light"]), tl.constexpr(NUMBERS["linear_light"])
PIN_LIGHT, HARD_MIX = tl.constexpr(NUMBERS["pin_light"]), tl.constexpr(NUMBERS["hard_mix"])
DIFFERENCE, EXCLUSION = tl.constexpr(NUMBERS["difference"]), tl.constexpr(NUMBERS["exclusion"])
SUBTRACT, DIVIDE = tl.constexpr(NUMBERS["subtract"]), tl.constexpr(NUMBERS["divide"])
HUE, SATURATION = tl.constexpr(NUMBERS["hue"]), tl.constexpr(NUMBERS["saturation"])
COLOR, LUMINOSITY = tl.constexpr(NUMBERS["color"]), tl.constexpr(NUMBERS["luminosity"])
BRANCHED = frozenset(name for name in NUMBERS if name.upper() in globals())
"""Modes that this kernel knows: each has its constant above and its branch below."""


@triton.jit
def channel(mode, b, s):
    """B(b, s) of one channel, straight 0..1; modes without a branch here come out as normal."""
    out = s
    if mode == COLOR_BURN:
        value = 1.0 - tl.minimum(1.0, (1.0 - b) / tl.maximum(s, TINY))
        out = tl.where(b >= NEARLY_ONE, 1.0, tl.where(s <= EPSILON, 0.0, value))
    elif mode == COLOR_DODGE:
        value = tl.minimum(1.0, b / tl.maximum(1.0 - s, TINY))
        out = tl.where(b <= EPSILON, 0.0, tl.where(s >= NEARLY_ONE, 1.0, value))
    elif mode == SOFT_LIGHT:
        d = tl.where(b <= 0.25, ((16.0 * b - 12.0) * b + 4.0) * b, tl.sqrt(tl.maximum(b, 0.0)))
        k = 2.0 * s - 1.0
        out = b + k * tl.where(k <= 0.0, b - b * b, d - b)
    elif mode == VIVID_LIGHT:
        burns = s <= 0.5
        least = tl.maximum(tl.where(burns, 2.0 * s, 2.0 - 2.0 * s), TINY)
        value = tl.minimum(1.0, tl.where(burns, 1.0 - b, b) / least)
        value = tl.where(burns, 1.0 - value, value)
        out = tl.where(s <= EPSILON, 0.0, tl.where(s >= NEARLY_ONE, 1.0, value))
    elif mode == HARD_MIX:
        out = tl.where(b >= tl.where(s <= EPSILON, NEARLY_ONE, 1.0 + EPSILON - s), 1.0, 0.0)
    elif mode == DIVIDE:
        value = tl.minimum(1.0, b / tl.maximum(s, TINY))
        out = tl.where(s <= EPSILON, tl.where(b <= EPSILON, 0.0, 1.0), value)
    return out


@triton.jit
def product(mode, p, r, a, ab):
    """a*ab*B of one channel, from p = ab*cb and r = a*cs: u = r*ab, v = p*a and t = a*ab stand for s, b and 1."""
    u, v, t = r * ab, p * a, a * ab
    out = u
    if mode == DARKEN:
        out = tl.minimum(u, v)
    elif mode == MULTIPLY:
        out = r * p
    elif mode == LINEAR_BURN:
        out = tl.maximum(0.0, u + v - t)
    elif mode == LIGHTEN:
        out = tl.maximum(u, v)
    elif mode == SCREEN:
        out = u + v - r * p
    elif mode == LINEAR_DODGE:
        out = tl.minimum(t, u + v)
    elif mode == OVERLAY:
        out = 2.0 * r * p - tl.maximum(2.0 * p - ab, 0.0) * (2.0 * r - a)
    elif mode == HARD_LIGHT:
        out = 2.0 * r * p - tl.maximum(2.0 * r - a, 0.0) * (2.0 * p - ab)
    elif mode == LINEAR_LIGHT:
        out = tl.minimum(t, tl.maximum(0.0, v + 2.0 * u - t))
    elif mode == PIN_LIGHT:
        out = tl.maximum(tl.minimum(v, 2.0 * u), 2.0 * u - t)
    elif mode == DIFFERENCE:
        out = tl.abs(u - v)
    elif mode == EXCLUSION:
        out = u + v - 2.0 * r * p
    elif mode == SUBTRACT:
        out = tl.maximum(0.0, v - u)
    return out


@triton.jit
def _luma(r, g, b):
    return 0.3 * r + 0.59 * g + 0.11 * b


@triton.jit
def _spread(r, g, b):
    return tl.maximum(r, tl.maximum(g, b)) - tl.minimum(r, tl.minimum(g, b))


@triton.jit
def _recolor(light, k, r, g, b):
    """As kernels.blend.recolor, on straight colours: stretched by k about the luminosity, moved to `light`, clipped."""
    grey = _luma(r, g, b)
    low, high = tl.minimum(r, tl.minimum(g, b)), tl.maximum(r, tl.maximum(g, b))
    k = tl.minimum(k, light / tl.maximum(grey - low, TINY))
    k = tl.maximum(tl.minimum(k, (1.0 - light) / tl.maximum(high - grey, TINY)), 0.0)
    return light + (r - grey) * k, light + (g - grey) * k, light + (b - grey) * k


@triton.jit
def colors(mode, br, bg, bb, sr, sg, sb):
    """B of the modes that look at all channels together."""
    backdrop, source = _luma(br, bg, bb), _luma(sr, sg, sb)
    r, g, b = sr, sg, sb
    if mode == DARKER_COLOR:
        wins = source - backdrop < -EPSILON
        r, g, b = tl.where(wins, sr, br), tl.where(wins, sg, bg), tl.where(wins, sb, bb)
    elif mode == LIGHTER_COLOR:
        wins = source - backdrop > EPSILON
        r, g, b = tl.where(wins, sr, br), tl.where(wins, sg, bg), tl.where(wins, sb, bb)
    elif mode == HUE:
        spread = _spread(sr, sg, sb)
        k = tl.where(spread > EPSILON, _spread(br, bg, bb) / tl.maximum(spread, EPSILON), 0.0)
        r, g, b = _recolor(backdrop, k, sr, sg, sb)
    elif mode == SATURATION:
        spread = _spread(br, bg, bb)
        k = tl.where(spread > EPSILON, _spread(sr, sg, sb) / tl.maximum(spread, EPSILON), 0.0)
        r, g, b = _recolor(backdrop, k, br, bg, bb)
    elif mode == COLOR:
        r, g, b = _recolor(backdrop, 1.0 + 0.0 * backdrop, sr, sg, sb)
    elif mode == LUMINOSITY:
        r, g, b = _recolor(source, 1.0 + 0.0 * backdrop, br, bg, bb)
    return r, g, b


@triton.jit
def scattered(alpha, x, y, seed):
    """Mode dissolve: kernels.blend.dissolve_hash in 32-bit arithmetic."""
    h = x.to(tl.uint32) * 0x9E3779B1 + y.to(tl.uint32) * 0x85EBCA77 + seed.to(tl.uint32) * 0xC2B2AE3D
    h = (h & 0xFFFFFFFF).to(tl.uint32)
    for _ in tl.static_range(2):
        h = (((h ^ (h >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF).to(tl.uint32)
        h = (((h ^ (h >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF).to(tl.uint32)
        h = h ^ (h >> 16)
    return tl.where(alpha > ((h >> 20).to(tl.float32) + 0.5) / 4096.0, 1.0, 0.0)


@triton.jit
def _power(base, exponent):
    return tl.exp2(exponent * tl.log2(base))


@triton.jit
def to_linear(value):
    """As kernels.color.to_linear."""
    return tl.where(value <= 0.04045, value * (1 / 12.92), _power((value + 0.055) * (1 / 1.055), 2.4))


@triton.jit
def to_srgb(value):
    """As kernels.color.to_srgb."""
    return tl.where(value <= 0.0031308, value * 12.92, 1.055 * _power(tl.maximum(value, 0.0031308), 1 / 2.4) - 0.055)


__all__ = [
    "BRANCHED",
    "DISSOLVE",
    "MULTIPLIED",
    "OVER",
    "PRODUCTS",
    "STRAIGHT",
    "TINY",
    "TOGETHER",
    "UNIT",
    "channel",
    "colors",
    "product",
    "scattered",
    "to_linear",
    "to_srgb",
]
