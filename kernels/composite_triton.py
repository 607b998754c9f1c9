"""The compositor as one CUDA kernel: whole stacks in one launch, uint8 in and out.

Mode, opacity, mask and box of every layer are data in a table, so that no composition compiles anything. A program
keeps one tile's premultiplied colours in registers while all layers that touch it pass by, and writes it once; it
begins at the topmost layer that hides what lies below. While a layer is blended, the pixels of the next are on the way.
A condition on a number of the table is a true branch, so one mode is evaluated; inside a formula `tl.where` chooses.

Every plane lies in one arena (`kernels.composite_cuda`), padded so that columns of the canvas that are multiples of
four begin at multiples of 16 bytes: a thread reads four pixels at once. Padding is transparent, and what is transparent
changes nothing in any mode, so no formula asks where a layer ends.

Equality policy: that of `kernels.composite`. The formulas are those of `kernels.blend_triton`. With TRITON_INTERPRET=1
the same kernel runs without a GPU, slowly: that is how it is tested where there is none.
"""

# triton's decorators are untyped
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def, index"
from __future__ import annotations

import triton
from triton import language as tl

from kernels.blend_triton import (
    DISSOLVE,
    MULTIPLIED,
    OVER,
    TINY,
    TOGETHER,
    UNIT,
    channel,
    colors,
    product,
    scattered,
    to_linear,
    to_srgb,
)

TILE_WIDTH, WARPS = 128, 4
"""A warp reads 512 bytes of a row: 16 a thread."""

SPAN, HIDER, COLUMNS = (tl.constexpr(n) for n in (4, 8, 12))
"""int32 numbers to a row of each table; rows begin at multiples of 16 bytes."""
# Columns of a layer. PIXELS, STRIDE and MASK count 16 bytes, LEFT and RIGHT four columns; MASK is -1 where none is. The
# stride of a mask counts four bytes: were it known to be a multiple of 16, the compiler would give a thread as many of
# the pixels side by side as 16 bytes of mask have, and a warp's loads of pixels would no longer follow each other.
PIXELS, STRIDE, LEFT, RIGHT, TOP, BOTTOM, FORM, MODE, OPACITY, MASK, MASK_STRIDE, SEED = (
    tl.constexpr(i) for i in range(12)
)
# Columns of a layer that hides what is below: its number, and the pixels that it covers.
INDEX, FROM_X, TO_X, FROM_Y, TO_Y = (tl.constexpr(i) for i in range(5))


@triton.jit
def _level(word):
    """The lowest byte of a word as float32 0..255: 2^23 + byte is a float whose last bits are the byte. A conversion of
    bytes would go to the unit of the special functions."""
    return ((word & 255) | 0x4B000000).to(tl.float32, bitcast=True) - 8388608.0


@triton.jit
def _byte(value):
    return (tl.minimum(tl.maximum(value, 0.0), 1.0) * 255.0 + 0.5).to(tl.uint32)


@triton.jit
def _pixels(planes, row, x, y):
    """A layer's pixels at x, y of the canvas: uint32, 0 where it has none."""
    left, right = tl.load(row + LEFT) * 4, tl.load(row + RIGHT) * 4
    top, bottom = tl.load(row + TOP), tl.load(row + BOTTOM)
    seen = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    line = (tl.load(row + PIXELS) + (y - top) * tl.load(row + STRIDE)).to(tl.int64) * 4
    return tl.load(planes + line + (x - left), mask=seen, other=0)


@triton.jit(do_not_specialize=["width", "height"])
def stack(
    planes,
    masks,
    spans,
    rows,
    hiders,
    out,
    width,
    height,
    BX: tl.constexpr,
    BY: tl.constexpr,
    LINEAR: tl.constexpr,
    FORMS: tl.constexpr,
):
    """One tile of one composition: program (tile, composition).

    planes: uint32 and masks: uint8, the same arena. spans: int32 [N, SPAN], first and end row of `rows`, of `hiders`.
    rows: int32 [.., COLUMNS], an empty one behind each span. hiders: int32 [.., HIDER]. out: uint32 [N, height, width
    rounded up to 4]. LINEAR: blend in linear light. FORMS: no layer has a form beyond it.
    """
    across = tl.cdiv(width, BX)
    left, top = (tl.program_id(0) % across) * BX, (tl.program_id(0) // across) * BY
    right, bottom = tl.minimum(left + BX, width), tl.minimum(top + BY, height)
    pitch = tl.cdiv(width, 4) * 4
    span = spans + tl.program_id(1) * SPAN
    first, end = tl.load(span), tl.load(span + 1)
    for k in range(tl.load(span + 2), tl.load(span + 3)):
        hider = hiders + k * HIDER
        across_it = (tl.load(hider + FROM_X) <= left) & (tl.load(hider + TO_X) >= right)
        down_it = (tl.load(hider + FROM_Y) <= top) & (tl.load(hider + TO_Y) >= bottom)
        first = tl.where(across_it & down_it, tl.load(hider + INDEX), first)
    x, y = left + tl.arange(0, BX)[None, :], top + tl.arange(0, BY)[:, None]
    r = tl.zeros((BY, BX), tl.float32)
    g, b, alpha = r, r, r
    ahead = _pixels(planes, rows + first * COLUMNS, x, y)
    for i in range(first, end):
        row, pixel = rows + i * COLUMNS, ahead
        ahead = _pixels(planes, row + COLUMNS, x, y)
        beside = (tl.load(row + LEFT) * 4 >= right) | (tl.load(row + RIGHT) * 4 <= left)
        if (not beside) & (tl.load(row + TOP) < bottom) & (tl.load(row + BOTTOM) > top):
            form, mode = tl.load(row + FORM), tl.load(row + MODE)
            a = _level(pixel >> 24) * (tl.load(row + OPACITY).to(tl.float32, bitcast=True) * UNIT)
            mask = tl.load(row + MASK)
            if mask >= 0:
                shown = masks + mask.to(tl.int64) * 16 + (y.to(tl.int64) * (tl.load(row + MASK_STRIDE) * 4) + x)
                a = a * (tl.load(shown, mask=(x < pitch) & (y < height), other=0).to(tl.float32) * UNIT)
            if mode == DISSOLVE:
                a = scattered(a, x, y, tl.load(row + SEED))
            sr, sg, sb, scale = _level(pixel), _level(pixel >> 8), _level(pixel >> 16), UNIT
            if LINEAR:
                sr, sg, sb, scale = to_linear(sr * UNIT), to_linear(sg * UNIT), to_linear(sb * UNIT), 1.0
            weight, rest = a * scale, 1.0 - a
            pr, pg, pb = weight * sr, weight * sg, weight * sb
            if form == OVER:
                r, g, b = pr + rest * r, pg + rest * g, pb + rest * b
            elif FORMS > OVER:
                if (FORMS == MULTIPLIED) | (form == MULTIPLIED):  # the first is known when it is compiled
                    cr, cg = product(mode, r, pr, a, alpha), product(mode, g, pg, a, alpha)
                    cb = product(mode, b, pb, a, alpha)
                else:
                    sr, sg, sb = sr * scale, sg * scale, sb * scale
                    inverse, both = 1.0 / tl.maximum(alpha, TINY), a * alpha
                    br = tl.minimum(r * inverse, 1.0)
                    bg, bb = tl.minimum(g * inverse, 1.0), tl.minimum(b * inverse, 1.0)
                    if form == TOGETHER:
                        cr, cg, cb = colors(mode, br, bg, bb, sr, sg, sb)
                    else:
                        cr, cg, cb = channel(mode, br, sr), channel(mode, bg, sg), channel(mode, bb, sb)
                    cr, cg, cb = cr * both, cg * both, cb * both
                clear = 1.0 - alpha
                r, g, b = clear * pr + rest * r + cr, clear * pg + rest * g + cg, clear * pb + rest * b + cb
            alpha = a + rest * alpha
    k = 1.0 / tl.maximum(alpha, TINY)
    r, g, b = r * k, g * k, b * k
    if LINEAR:
        r, g, b = to_srgb(r), to_srgb(g), to_srgb(b)
    level = _byte(alpha)
    packed = _byte(r) | (_byte(g) << 8) | (_byte(b) << 16) | (level << 24)
    line = (tl.program_id(1).to(tl.int64) * height + y) * pitch
    tl.store(out + line + x, tl.where(level > 0, packed, 0).to(tl.uint32), mask=(x < pitch) & (y < height))


__all__ = ["COLUMNS", "HIDER", "SPAN", "TILE_WIDTH", "WARPS", "stack"]
