"""The compiled compositor: one fused pass over tiles, uint8 in and out, the blend mode a number in the layer table.

How it goes. The canvas is cut into tiles of `TILE` pixels of one row. A tile keeps its pixels premultiplied, 0..1, in
four float32 planes that stay in the first-level cache while every layer that touches the tile is blended into it; it is
written once. Three states save work: an *empty* tile takes its first covering layer as a copy, an *opaque* one needs no
backdrop alpha, and a *general* one needs everything. What an opaque normal layer hides is never read.

Rows are shared out in bands and no pixel depends on another, so bytes do not depend on the number of threads.
"""

# numba's decorators are untyped, and pointers have no Python type
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call"
from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import prange, types
from numba.extending import intrinsic

from kernels import blend, composite_loops
from kernels.blend import HALF, NUMBERS, ONE, TINY, ZERO
from kernels.composite_loops import (
    INLINE,
    TILE,
    TO_UNIT,
    alpha_of,
    blend_on_general,
    blend_on_opaque,
    channel,
    masked_normal_on_general,
    masked_normal_on_opaque,
    normal_on_general,
    normal_on_opaque,
)
from kernels.threads import at_most

BANDS = 64
NORMAL, SCATTER = NUMBERS["normal"], NUMBERS[blend.DISSOLVE]
EMPTY, OPAQUE, GENERAL = 0, 1, 2
TO_BYTE = np.float32(255)

# Columns of the layer table, int64.
POINTER, STRIDE, X, Y, WIDTH, HEIGHT, MODE, MASK, MASK_STRIDE, SOLID, SEED, COLUMNS = range(12)

PLANES = 4 * TILE  # floats before the tile's alpha buffer
SCRATCH = 5 * TILE + 16  # and 64 bytes to align them


def _pointer_to(element: Any) -> Any:
    """An intrinsic that makes an address (int64) a pointer to `element`."""

    @intrinsic
    def pointer(context, address):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            return builder.inttoptr(arguments[0], context.get_value_type(types.CPointer(element)))

        return types.CPointer(element)(types.int64), generate

    return pointer


as_pixels = _pointer_to(types.uint32)
as_floats = _pointer_to(types.float32)
as_bytes = _pointer_to(types.uint8)
dissolve_hash = numba.njit(**INLINE)(blend.dissolve_hash)
LEVEL = np.float32(1 / 4096)


@numba.njit(**INLINE)
def _copy(pixels, opacity, planes, count):  # type: ignore[no-untyped-def]
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
def _clear(planes):  # type: ignore[no-untyped-def]
    for x in range(4 * TILE):
        planes[x] = ZERO


@numba.njit(**INLINE)
def _alphas(pixels, opacity, alphas, count):  # type: ignore[no-untyped-def]
    for x in range(count):
        alphas[x] = alpha_of(pixels[x]) * opacity


@numba.njit(**INLINE)
def _masked_alphas(pixels, mask, opacity, alphas, count):  # type: ignore[no-untyped-def]
    scaled = opacity * TO_UNIT
    for x in range(count):
        alphas[x] = alpha_of(pixels[x]) * (np.float32(np.int32(mask[x])) * scaled)


@numba.njit(**INLINE)
def _scatter(alphas, x, y, seed, count):  # type: ignore[no-untyped-def]
    """Mode dissolve: pixels are shown whole or not at all. x, y: where the first one lies on the canvas."""
    for i in range(count):
        level = dissolve_hash(np.uint64(x + i), np.uint64(y), np.uint64(seed))
        alphas[i] = ONE if alphas[i] > (np.float32(np.int32(level)) + HALF) * LEVEL else ZERO


@numba.njit(**INLINE)
def _byte(value):  # type: ignore[no-untyped-def]
    """Rounded half up: 0..1 to 0..255."""
    return np.int32(min(value, ONE) * TO_BYTE + HALF)


@numba.njit(**INLINE)
def _store_opaque(planes, out, count):  # type: ignore[no-untyped-def]
    for x in range(count):
        r, g, b = _byte(planes[x]), _byte(planes[TILE + x]), _byte(planes[2 * TILE + x])
        out[x] = np.uint32(r | (g << 8) | (b << 16) | 0xFF000000)


@numba.njit(**INLINE)
def _store_general(planes, out, count):  # type: ignore[no-untyped-def]
    for x in range(count):
        a = planes[3 * TILE + x]
        k = ONE / max(a, TINY)
        r, g, b = _byte(planes[x] * k), _byte(planes[TILE + x] * k), _byte(planes[2 * TILE + x] * k)
        alpha = _byte(a)
        # alpha 0 has no colour: equal pictures are equal bytes
        out[x] = np.uint32(r | (g << 8) | (b << 16) | (alpha << 24)) if alpha > 0 else np.uint32(0)


@numba.njit(**INLINE)
def _pass(pixels, out, count):  # type: ignore[no-untyped-def]
    for x in range(count):
        out[x] = pixels[x]


@numba.njit(**INLINE)
def _row_of(row, x, y):  # type: ignore[no-untyped-def]
    """The address of a layer's pixel at x, y of the canvas."""
    return row[POINTER] + 4 * ((y - row[Y]) * row[STRIDE] + x - row[X])


@numba.njit(**INLINE)
def _first_visible(table, opacities, x0, x1, y):  # type: ignore[no-untyped-def]
    """The topmost layer that hides all below it in this tile, else -1."""
    for i in range(table.shape[0] - 1, -1, -1):
        row = table[i]
        if (
            row[MODE] == NORMAL
            and row[SOLID] == 1
            and row[MASK] == 0
            and opacities[i] == ONE
            and row[Y] <= y < row[Y] + row[HEIGHT]
            and row[X] <= x0
            and x1 <= row[X] + row[WIDTH]
        ):
            return i
    return -1


@numba.njit(**INLINE)
def _tile(table, opacities, x0, x1, y, planes, address, out):  # type: ignore[no-untyped-def]
    """Blends every layer into one tile, columns x0 to x1 of row y, and writes it."""
    alphas = as_floats(address + 4 * PLANES)
    lowest = _first_visible(table, opacities, x0, x1, y)
    if lowest >= 0 and lowest == table.shape[0] - 1:  # nothing is blended
        _pass(as_pixels(_row_of(table[lowest], x0, y)), out, x1 - x0)
        return
    state = EMPTY
    for i in range(max(lowest, 0), table.shape[0]):
        row = table[i]
        line = y - row[Y]
        left, right = max(x0, row[X]), min(x1, row[X] + row[WIDTH])
        if line < 0 or line >= row[HEIGHT] or left >= right:
            continue
        opacity, count, whole = opacities[i] * TO_UNIT, right - left, left == x0 and right == x1
        pixels = as_pixels(_row_of(row, left, y))
        part = as_floats(address + 4 * (left - x0))
        masked, mode = row[MASK] != 0, row[MODE]
        solid = whole and not masked and row[SOLID] == 1 and opacities[i] == ONE
        if state == EMPTY:
            if whole and not masked and mode != SCATTER:  # every mode over nothing is the source itself
                _copy(pixels, opacity, planes, count)
                state = OPAQUE if solid else GENERAL
                continue
            _clear(planes)
            state = GENERAL
        if masked:
            _masked_alphas(pixels, as_bytes(row[MASK] + y * row[MASK_STRIDE] + left), opacity, alphas, count)
        elif mode != NORMAL:
            _alphas(pixels, opacity, alphas, count)
        if mode == SCATTER:
            _scatter(alphas, left, y, row[SEED], count)
            masked, mode = True, NORMAL
        if mode == NORMAL:
            if state == OPAQUE:
                if masked:
                    masked_normal_on_opaque(pixels, alphas, opacity, part, count)
                else:
                    normal_on_opaque(pixels, alphas, opacity, part, count)
            elif masked:
                masked_normal_on_general(pixels, alphas, opacity, part, count)
            else:
                normal_on_general(pixels, alphas, opacity, part, count)
        elif state == OPAQUE:
            blend_on_opaque(mode, pixels, alphas, part, count)
        else:
            blend_on_general(mode, pixels, alphas, part, count)
        if solid:
            state = OPAQUE
    if state == OPAQUE:
        _store_opaque(planes, out, x1 - x0)
    elif state == GENERAL:
        _store_general(planes, out, x1 - x0)
    else:
        for x in range(x1 - x0):
            out[x] = np.uint32(0)


def _entry(digest: int) -> Any:
    """The one cached function. numba looks only at this function when it asks whether its cache is fresh; the digest
    of the sources, a constant of the closure, makes a changed formula another cache entry."""

    @numba.njit(parallel=True, cache=True, **INLINE)
    def run(table, opacities, out, out_stride, width, height):  # type: ignore[no-untyped-def]
        step = (height + BANDS - 1) // BANDS
        for band in prange(BANDS):
            scratch = np.empty(SCRATCH, np.float32)
            address = (scratch.ctypes.data + 63) // 64 * 64
            planes = as_floats(address)
            for y in range(band * step, min(height, (band + 1) * step)):
                for x0 in range(0, width, TILE):
                    line = as_pixels(out + 4 * (y * out_stride + x0))
                    _tile(table, opacities, x0, min(x0 + TILE, width), y, planes, address, line)
            scratch[0] = ZERO  # keeps the buffer alive to here
        return digest

    return run


_SOURCES = (blend.__file__, composite_loops.__file__, __file__)


def _digest() -> int:
    sources = b"".join(Path(source).read_bytes() for source in _SOURCES)
    return int.from_bytes(hashlib.sha256(sources).digest()[:6], "big")


_run = _entry(_digest())


def run(table: np.ndarray, opacities: np.ndarray, out: np.ndarray, threads: int) -> None:
    """Composites the layers of `table` into `out`.

    table: int64 [layers, COLUMNS], bottom to top; addresses must stay valid during the call.
    opacities: float32 [layers], 0..1. out: uint8 [H, W, 4], rows contiguous. threads: see kernels.threads.
    """
    with at_most(threads):
        _run(table, opacities, out.ctypes.data, out.strides[0] // 4, out.shape[1], out.shape[0])


__all__ = ["COLUMNS", "run"]
