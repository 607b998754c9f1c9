"""The compositor as one CUDA kernel: the whole stack in one launch, uint8 in and out.

Mode, opacity, mask and box of every layer are data in a table, so that no composition compiles anything. A program
keeps one tile's premultiplied colours in registers while all layers that touch it pass by, and writes it once. A
condition on a number of the table is a true branch, so one mode is evaluated; inside a formula `tl.where` chooses.

Equality policy: that of `kernels.composite`. The formulas are those of `kernels.blend.MODES` on straight colours. With
TRITON_INTERPRET=1 the same kernel runs without a GPU, slowly: that is how it is tested where there is none.
"""

# triton's decorators are untyped
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def, index"
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import triton
from triton import language as tl

from kernels.blend import NUMBERS, canonical

if TYPE_CHECKING:
    from kernels.composite import Layer

TILE_WIDTH, TILE_HEIGHT = 64, 4

# Columns of the table: addresses, strides in pixels and in bytes, boxes in pixels, all int64.
PIXELS, STRIDE, LEFT, TOP, WIDTH, HEIGHT, MODE, MASK, MASK_STRIDE, SEED, COLUMNS = (tl.constexpr(i) for i in range(11))

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
def _hard_light(b, s):
    return tl.where(s <= 0.5, 2.0 * b * s, 1.0 - 2.0 * (1.0 - b) * (1.0 - s))


@triton.jit
def _channel(mode, b, s):
    """B(b, s) of one channel, straight 0..1; modes without a branch here come out as normal."""
    out = s
    if mode == DARKEN:
        out = tl.minimum(b, s)
    elif mode == MULTIPLY:
        out = b * s
    elif mode == COLOR_BURN:
        value = 1.0 - tl.minimum(1.0, (1.0 - b) / tl.maximum(s, TINY))
        out = tl.where(b >= NEARLY_ONE, 1.0, tl.where(s <= EPSILON, 0.0, value))
    elif mode == LINEAR_BURN:
        out = tl.maximum(0.0, b + s - 1.0)
    elif mode == LIGHTEN:
        out = tl.maximum(b, s)
    elif mode == SCREEN:
        out = b + s - b * s
    elif mode == COLOR_DODGE:
        value = tl.minimum(1.0, b / tl.maximum(1.0 - s, TINY))
        out = tl.where(b <= EPSILON, 0.0, tl.where(s >= NEARLY_ONE, 1.0, value))
    elif mode == LINEAR_DODGE:
        out = tl.minimum(1.0, b + s)
    elif mode == OVERLAY:
        out = _hard_light(s, b)
    elif mode == SOFT_LIGHT:
        d = tl.where(b <= 0.25, ((16.0 * b - 12.0) * b + 4.0) * b, tl.sqrt(tl.maximum(b, 0.0)))
        k = 2.0 * s - 1.0
        out = b + k * tl.where(k <= 0.0, b - b * b, d - b)
    elif mode == HARD_LIGHT:
        out = _hard_light(b, s)
    elif mode == VIVID_LIGHT:
        burns = s <= 0.5
        least = tl.maximum(tl.where(burns, 2.0 * s, 2.0 - 2.0 * s), TINY)
        value = tl.minimum(1.0, tl.where(burns, 1.0 - b, b) / least)
        value = tl.where(burns, 1.0 - value, value)
        out = tl.where(s <= EPSILON, 0.0, tl.where(s >= NEARLY_ONE, 1.0, value))
    elif mode == LINEAR_LIGHT:
        out = tl.minimum(1.0, tl.maximum(0.0, b + 2.0 * s - 1.0))
    elif mode == PIN_LIGHT:
        out = tl.where(s <= 0.5, tl.minimum(b, 2.0 * s), tl.maximum(b, 2.0 * s - 1.0))
    elif mode == HARD_MIX:
        out = tl.where(b >= tl.where(s <= EPSILON, NEARLY_ONE, 1.0 + EPSILON - s), 1.0, 0.0)
    elif mode == DIFFERENCE:
        out = tl.abs(b - s)
    elif mode == EXCLUSION:
        out = b + s - 2.0 * b * s
    elif mode == SUBTRACT:
        out = tl.maximum(0.0, b - s)
    elif mode == DIVIDE:
        value = tl.minimum(1.0, b / tl.maximum(s, TINY))
        out = tl.where(s <= EPSILON, tl.where(b <= EPSILON, 0.0, 1.0), value)
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
def _colors(mode, br, bg, bb, sr, sg, sb):
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
def _scattered(alpha, x, y, seed):
    """Mode dissolve: kernels.blend.dissolve_hash in 32-bit arithmetic."""
    h = x.to(tl.uint32) * 0x9E3779B1 + y.to(tl.uint32) * 0x85EBCA77 + seed.to(tl.uint32) * 0xC2B2AE3D
    h = (h & 0xFFFFFFFF).to(tl.uint32)
    for _ in tl.static_range(2):
        h = (((h ^ (h >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF).to(tl.uint32)
        h = (((h ^ (h >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF).to(tl.uint32)
        h = h ^ (h >> 16)
    return tl.where(alpha > ((h >> 20).to(tl.float32) + 0.5) / 4096.0, 1.0, 0.0)


@triton.jit
def _byte(value):
    return (tl.minimum(tl.maximum(value, 0.0), 1.0) * 255.0 + 0.5).to(tl.uint32)


@triton.jit
def _stack(table, opacities, out, count, width, height, BX: tl.constexpr, BY: tl.constexpr):
    left, top = tl.program_id(0) * BX, tl.program_id(1) * BY
    x, y = left + tl.arange(0, BX)[None, :], top + tl.arange(0, BY)[:, None]
    inside = (x < width) & (y < height)
    r = tl.zeros((BY, BX), tl.float32)
    g, b, alpha = r, r, r
    for i in range(count):
        row = table + i * COLUMNS
        x0, y0 = tl.load(row + LEFT), tl.load(row + TOP)
        x1, y1 = x0 + tl.load(row + WIDTH), y0 + tl.load(row + HEIGHT)
        if (left < x1) & (left + BX > x0) & (top < y1) & (top + BY > y0):
            mode, mask = tl.load(row + MODE), tl.load(row + MASK)
            seen = inside & (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
            pixels = tl.load(row + PIXELS).to(tl.pointer_type(tl.uint32))
            pixel = tl.load(pixels + (y - y0) * tl.load(row + STRIDE) + (x - x0), mask=seen, other=0)
            a = (pixel >> 24).to(tl.float32) * (tl.load(opacities + i) * UNIT)
            if mask != 0:
                shown = mask.to(tl.pointer_type(tl.uint8)) + y * tl.load(row + MASK_STRIDE) + x
                a = a * (tl.load(shown, mask=seen, other=0).to(tl.float32) * UNIT)
            if mode == DISSOLVE:
                a = _scattered(a, x, y, tl.load(row + SEED))
            sr = (pixel & 255).to(tl.float32) * UNIT
            sg = ((pixel >> 8) & 255).to(tl.float32) * UNIT
            sb = ((pixel >> 16) & 255).to(tl.float32) * UNIT
            rest = 1.0 - a
            if (mode == NORMAL) | (mode == DISSOLVE):
                r, g, b = a * sr + rest * r, a * sg + rest * g, a * sb + rest * b
            else:
                inverse = 1.0 / tl.maximum(alpha, TINY)
                br, bg, bb = tl.minimum(r * inverse, 1.0), tl.minimum(g * inverse, 1.0), tl.minimum(b * inverse, 1.0)
                if (mode == DARKER_COLOR) | (mode == LIGHTER_COLOR) | ((mode >= HUE) & (mode <= LUMINOSITY)):
                    cr, cg, cb = _colors(mode, br, bg, bb, sr, sg, sb)
                else:
                    cr, cg, cb = _channel(mode, br, sr), _channel(mode, bg, sg), _channel(mode, bb, sb)
                fresh, both = a * (1.0 - alpha), a * alpha
                r = fresh * sr + rest * r + both * cr
                g = fresh * sg + rest * g + both * cg
                b = fresh * sb + rest * b + both * cb
            alpha = a + rest * alpha
    k = 1.0 / tl.maximum(alpha, TINY)
    level = _byte(alpha)
    packed = _byte(r * k) | (_byte(g * k) << 8) | (_byte(b * k) << 16) | (level << 24)
    tl.store(out + y * width + x, tl.where(level > 0, packed, 0).to(tl.uint32), mask=inside)


def composite(layers: Sequence[Layer], width: int, height: int, device: torch.device | str) -> np.ndarray:
    """`kernels.composite.composite` on a CUDA device, or on "cpu" in Triton's interpreter. The layers are checked,
    their modes among BRANCHED."""
    kept: list[torch.Tensor] = []

    def address(plane: np.ndarray) -> int:
        kept.append(torch.from_numpy(np.ascontiguousarray(plane)).to(device))
        return kept[-1].data_ptr()

    table = np.zeros((len(layers), COLUMNS.value), np.int64)
    for row, layer in zip(table, layers, strict=True):
        h, w = layer.pixels.shape[:2]
        mask = 0 if layer.mask is None else address(layer.mask)
        number = NUMBERS[canonical(layer.mode)]
        row[:] = (address(layer.pixels), w, layer.x, layer.y, w, h, number, mask, width, layer.seed)
    rows = torch.from_numpy(table).to(device)
    opacities = torch.tensor([layer.opacity for layer in layers], dtype=torch.float32, device=device)
    out = torch.zeros((height, width), dtype=torch.int32, device=device).view(torch.uint32)
    grid = (triton.cdiv(width, TILE_WIDTH), triton.cdiv(height, TILE_HEIGHT))
    _stack[grid](rows, opacities, out, len(layers), width, height, TILE_WIDTH, TILE_HEIGHT)
    return out.view(torch.uint8).reshape(height, width, 4).cpu().numpy()


__all__ = ["BRANCHED", "composite"]
