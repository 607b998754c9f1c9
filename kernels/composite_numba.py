"""The compiled compositor: one fused pass over tiles, uint8 in and out, the blend mode a number in the layer table.

How it goes. The canvas is cut into tiles of `TILE` pixels of one row. A tile keeps its pixels premultiplied, 0..1, in
four float32 planes that stay in the first-level cache while every layer that touches the tile is blended into it; it is
written once. Three states save work: an *empty* tile takes its first covering layer as a copy, an *opaque* one needs no
backdrop alpha, and a *general* one needs everything. What an opaque normal layer hides is never read.

Rows are shared out in bands and no pixel depends on another, so bytes do not depend on the number of threads.

The modes' loops and the pass over a band are called by their addresses: `kernels.compiled` says why.
"""

# numba's decorators are untyped, and pointers have no Python type
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from kernels import blend, composite_loops, composite_tiles
from kernels.blend import DISSOLVE, canonical
from kernels.compiled import INLINE, MATH, addressable, calling, digest, pointer_to
from kernels.composite_loops import TILE, TO_UNIT, call_loop, compile_all, loops_of
from kernels.composite_tiles import (
    begin,
    clear,
    fill_alphas,
    fill_masked_alphas,
    hand_on,
    scatter,
    store_general,
    store_opaque,
)
from kernels.threads import at_most

if TYPE_CHECKING:
    from kernels.composite import Layer

BANDS = 64
EMPTY, OPAQUE, GENERAL = 0, 1, 2

# Columns of the layer table, int64.
POINTER, STRIDE, X, Y, WIDTH, HEIGHT, MASK, MASK_STRIDE, ALPHAS, SOLID, HIDES, SEED, ON_OPAQUE, ON_GENERAL = range(14)
COLUMNS = 14
ROW = 8 * COLUMNS
"""Bytes."""

IN_LOOP, BUFFERED, SCATTERED = 0, 1, 2
"""Where a layer's alphas are (column ALPHAS): made in its loop, in the tile's buffer, there and 0 or 1 by dissolve."""

BAND = types.void(*[types.int64] * 8)
"""(table, layers, opacities, out, stride of out in pixels, width, first row, end row): addresses and numbers"""

as_pixels = pointer_to(types.uint32)
as_floats = pointer_to(types.float32)
as_bytes = pointer_to(types.uint8)
as_row = pointer_to(types.int64)


@intrinsic
def _scratch(typing_context):
    """The address (int64) of a tile's planes and its alphas behind them, on the stack, aligned to a line of cache."""

    def generate(context, builder, signature, arguments):
        floats = cgutils.alloca_once(builder, ir.ArrayType(ir.FloatType(), 5 * TILE))
        floats.align = 64
        return builder.ptrtoint(floats, ir.IntType(64))

    return types.int64(), generate


call_band = calling(BAND)


@numba.njit(**INLINE)
def _row_of(row, x, y):
    """The address of a layer's pixel at x, y of the canvas."""
    return row[POINTER] + 4 * ((y - row[Y]) * row[STRIDE] + x - row[X])


@numba.njit(**INLINE)
def _first_visible(table, layers, x0, x1, y):
    """The topmost layer that hides all below it in this tile, else -1."""
    for i in range(layers - 1, -1, -1):
        row = as_row(table + i * ROW)
        if row[HIDES] and row[Y] <= y < row[Y] + row[HEIGHT] and row[X] <= x0 and x1 <= row[X] + row[WIDTH]:
            return i
    return -1


@numba.njit(**INLINE)
def _tile(table, layers, opacities, x0, x1, y, address, out):
    """Blends every layer into one tile, columns x0 to x1 of row y, and writes it."""
    planes, alphas = as_floats(address), as_floats(address + 4 * (4 * TILE))
    lowest = _first_visible(table, layers, x0, x1, y)
    if lowest >= 0 and lowest == layers - 1:  # nothing is blended
        hand_on(as_pixels(_row_of(as_row(table + lowest * ROW), x0, y)), out, x1 - x0)
        return
    state = EMPTY
    for i in range(max(lowest, 0), layers):
        row = as_row(table + i * ROW)
        line = y - row[Y]
        left, right = max(x0, row[X]), min(x1, row[X] + row[WIDTH])
        if line < 0 or line >= row[HEIGHT] or left >= right:
            continue
        opacity, count, whole = opacities[i] * TO_UNIT, right - left, left == x0 and right == x1
        pixels, solid, source = as_pixels(_row_of(row, left, y)), whole and row[SOLID] != 0, row[ALPHAS]
        if state == EMPTY:
            if whole and row[MASK] == 0 and source != SCATTERED:  # every mode over nothing is the source itself
                begin(pixels, opacity, planes, count)
                state = OPAQUE if solid else GENERAL
                continue
            clear(planes)
            state = GENERAL
        if row[MASK] != 0:
            fill_masked_alphas(pixels, as_bytes(row[MASK] + y * row[MASK_STRIDE] + left), opacity, alphas, count)
        elif source != IN_LOOP:
            fill_alphas(pixels, opacity, alphas, count)
        if source == SCATTERED:
            scatter(alphas, left, y, row[SEED], count)
        loop = row[ON_OPAQUE] if state == OPAQUE else row[ON_GENERAL]
        call_loop(loop, (pixels, alphas, opacity, as_floats(address + 4 * (left - x0)), count))
        if solid:
            state = OPAQUE
    if state == OPAQUE:
        store_opaque(planes, out, x1 - x0)
    elif state == GENERAL:
        store_general(planes, out, x1 - x0)
    else:
        for x in range(x1 - x0):
            out[x] = np.uint32(0)


def _band(table, layers, opacities, out, stride, width, first, end):
    """Rows `first` to `end` of the canvas, tile by tile."""
    address = _scratch()
    for y in range(first, end):
        for x0 in range(0, width, TILE):
            line = as_pixels(out + 4 * (y * stride + x0))
            _tile(table, layers, as_floats(opacities), x0, min(x0 + TILE, width), y, address, line)


@numba.njit(parallel=True, cache=True, nogil=True, **MATH)
def _bands(band, table, layers, opacities, out, stride, width, height):
    step = (height + BANDS - 1) // BANDS
    for i in prange(BANDS):
        first, end = i * step, min(height, (i + 1) * step)
        call_band(band, (table, layers, opacities, out, stride, width, first, end))


@cache
def _compiled_band() -> Any:
    sources = digest(blend.__file__, composite_loops.__file__, composite_tiles.__file__)
    return addressable(BAND, _band, f"band_{sources}")


def composite(layers: Sequence[Layer], width: int, height: int, threads: int) -> np.ndarray:
    """`kernels.composite.composite` on up to `threads` threads (see kernels.threads); the layers are checked."""
    table = np.zeros((len(layers), COLUMNS), np.int64)
    for row, layer in zip(table, layers, strict=True):
        row[:] = _row(layer)
    opacities = np.array([layer.opacity for layer in layers], np.float32)
    out = np.empty((height, width, 4), np.uint8)
    sizes = (out.strides[0] // 4, width, height)
    addresses = (one.ctypes.data for one in (opacities, out))
    with at_most(threads):
        _bands(_compiled_band().address, table.ctypes.data, len(layers), *addresses, *sizes)
    return out


def _row(layer: Layer) -> tuple[int, ...]:
    (h, w), mode, masked = layer.pixels.shape[:2], canonical(layer.mode), layer.mask is not None
    mask = (0, 0) if layer.mask is None else (layer.mask.ctypes.data, layer.mask.strides[0])
    bare = mode == "normal" and not masked
    alphas = SCATTERED if mode == DISSOLVE else IN_LOOP if bare else BUFFERED
    solid = layer.opaque and not masked and layer.opacity == 1
    box = (layer.pixels.ctypes.data, layer.pixels.strides[0] // 4, layer.x, layer.y, w, h)
    return (*box, *mask, alphas, solid, solid and bare, layer.seed, *loops_of(mode, masked))


def warm() -> None:
    """Compiles every loop, so that none is compiled when it is first needed."""
    compile_all()
    composite([], 1, 1, 1)


__all__ = ["composite", "warm"]
