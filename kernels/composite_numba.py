"""The compiled compositor: one fused pass over tiles, uint8 in and out, the blend mode a number in the layer table.

How it goes. The canvas is cut into tiles of `TILE` pixels of one row. A tile keeps its pixels premultiplied, 0..1, in
four float32 planes that stay in the first-level cache while every layer that touches the tile is blended into it; it is
written once. Three states save work: an *empty* tile takes its first covering layer as a copy, an *opaque* one needs no
backdrop alpha, and a *general* one needs everything. What an opaque normal layer hides is never read.

What makes it fast, and looks odd: pointers instead of arrays (an index with an offset keeps numba from vectorising), a
pixel is one 32-bit load and shifts through int32 (numba would widen otherwise), constants are float32. Rows are shared
out in bands and no pixel depends on another, so bytes do not depend on the number of threads.

The inner loops are made from the rows of `kernels.blend.MODES`: nothing here names a mode but normal.
"""

# numba's decorators are untyped, and pointers have no Python type
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call"
from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import prange, types
from numba.extending import intrinsic, register_jitable

from kernels import blend
from kernels.blend import HALF, MODES, NUMBERS, ONE, TINY, ZERO, Mode
from kernels.threads import at_most

TILE = 128
BANDS = 64
NORMAL = NUMBERS["normal"]
EMPTY, OPAQUE, GENERAL = 0, 1, 2

# Columns of the layer table, int64.
POINTER, STRIDE, X, Y, WIDTH, HEIGHT, MODE, MASK, MASK_STRIDE, SOLID, COLUMNS = range(11)

TO_UNIT, TO_BYTE = np.float32(1 / 255), np.float32(255)
PLANES = 4 * TILE  # floats before the tile's alpha buffer
SCRATCH = 5 * TILE + 16  # and 64 bytes to align them

_INLINE: dict[str, Any] = {"fastmath": True, "boundscheck": False, "error_model": "numpy", "nogil": True}


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


@numba.njit(**_INLINE)
def _channel(pixel, shift):  # type: ignore[no-untyped-def]
    """One channel of a pixel, 0..255 as float32."""
    return np.float32(np.int32((pixel >> shift) & 255))


@numba.njit(**_INLINE)
def _alpha(pixel):  # type: ignore[no-untyped-def]
    return np.float32(np.int32(pixel >> 24))


def _normal_loop(opaque: bool, masked: bool) -> Callable[..., None]:
    """Normal mode has loops of its own: it is most of the work, and without a mask it needs no alpha buffer."""

    @numba.njit(**_INLINE)
    def loop(pixels, alphas, opacity, planes, count):  # type: ignore[no-untyped-def]
        for x in range(count):
            pixel = pixels[x]
            a = alphas[x] if masked else _alpha(pixel) * opacity
            k, rest = a * TO_UNIT, ONE - a
            planes[x] = _channel(pixel, 0) * k + planes[x] * rest
            planes[TILE + x] = _channel(pixel, 8) * k + planes[TILE + x] * rest
            planes[2 * TILE + x] = _channel(pixel, 16) * k + planes[2 * TILE + x] * rest
            if not opaque:
                planes[3 * TILE + x] = a + planes[3 * TILE + x] * rest

    return loop


def _premultiplied_loop(fast: Any, opaque: bool) -> Callable[..., None]:
    @numba.njit(**_INLINE)
    def mix(byte, p, a, ab):  # type: ignore[no-untyped-def]
        r = byte * (a * TO_UNIT)
        return r * (ONE - ab) + p * (ONE - a) + fast(p, r, a, ab)

    @numba.njit(**_INLINE)
    def loop(pixels, alphas, planes, count):  # type: ignore[no-untyped-def]
        for x in range(count):
            pixel, a = pixels[x], alphas[x]
            ab = ONE if opaque else planes[3 * TILE + x]
            planes[x] = mix(_channel(pixel, 0), planes[x], a, ab)
            planes[TILE + x] = mix(_channel(pixel, 8), planes[TILE + x], a, ab)
            planes[2 * TILE + x] = mix(_channel(pixel, 16), planes[2 * TILE + x], a, ab)
            if not opaque:
                planes[3 * TILE + x] = a + ab * (ONE - a)

    return loop


def _straight_loop(fast: Any, opaque: bool) -> Callable[..., None]:
    @numba.njit(**_INLINE)
    def mix(byte, p, a, ab, inverse):  # type: ignore[no-untyped-def]
        s = byte * TO_UNIT
        return a * s * (ONE - ab) + p * (ONE - a) + a * ab * fast(min(p * inverse, ONE), s)

    @numba.njit(**_INLINE)
    def loop(pixels, alphas, planes, count):  # type: ignore[no-untyped-def]
        for x in range(count):
            pixel, a = pixels[x], alphas[x]
            ab = ONE if opaque else planes[3 * TILE + x]
            inverse = ONE if opaque else ONE / max(ab, TINY)
            planes[x] = mix(_channel(pixel, 0), planes[x], a, ab, inverse)
            planes[TILE + x] = mix(_channel(pixel, 8), planes[TILE + x], a, ab, inverse)
            planes[2 * TILE + x] = mix(_channel(pixel, 16), planes[2 * TILE + x], a, ab, inverse)
            if not opaque:
                planes[3 * TILE + x] = a + ab * (ONE - a)

    return loop


def _colors_loop(fast: Any, opaque: bool) -> Callable[..., None]:
    @numba.njit(**_INLINE)
    def loop(pixels, alphas, planes, count):  # type: ignore[no-untyped-def]
        for x in range(count):
            pixel, a = pixels[x], alphas[x]
            ab = ONE if opaque else planes[3 * TILE + x]
            inverse = ONE if opaque else ONE / max(ab, TINY)
            sr, sg, sb = _channel(pixel, 0) * TO_UNIT, _channel(pixel, 8) * TO_UNIT, _channel(pixel, 16) * TO_UNIT
            pr, pg, pb = planes[x], planes[TILE + x], planes[2 * TILE + x]
            r, g, b = fast(pr * inverse, pg * inverse, pb * inverse, sr, sg, sb)
            fresh, rest, both = a * (ONE - ab), ONE - a, a * ab
            planes[x] = fresh * sr + rest * pr + both * r
            planes[TILE + x] = fresh * sg + rest * pg + both * g
            planes[2 * TILE + x] = fresh * sb + rest * pb + both * b
            if not opaque:
                planes[3 * TILE + x] = a + ab * rest

    return loop


_FORMS: dict[str, Callable[[Any, bool], Callable[..., None]]] = {
    "premultiplied": _premultiplied_loop,
    "straight": _straight_loop,
    "colors": _colors_loop,
}


def _dispatch(modes: list[Mode], opaque: bool) -> Callable[..., None]:
    """A function that runs the loop of mode number `mode`: a chain of one link for each row of the table."""
    chain: Any = None
    for mode in reversed(modes):
        fast = numba.njit(inline="always", **_INLINE)(mode.fast)  # a call would keep the loop from being vectorised
        chain = _link(NUMBERS[mode.name], _FORMS[mode.form](fast, opaque), chain)
    return chain


def _link(number: int, loop: Any, others: Any) -> Any:
    if others is None:

        @numba.njit(**_INLINE)
        def last(mode, pixels, alphas, planes, count):  # type: ignore[no-untyped-def]
            loop(pixels, alphas, planes, count)

        return last

    @numba.njit(**_INLINE)
    def link(mode, pixels, alphas, planes, count):  # type: ignore[no-untyped-def]
        if mode == number:
            loop(pixels, alphas, planes, count)
        else:
            others(mode, pixels, alphas, planes, count)

    return link


register_jitable(inline="always")(blend.recolor)  # the modes that call it see it compiled
_blend_on_opaque = _dispatch(list(MODES.values()), opaque=True)
_blend_on_general = _dispatch(list(MODES.values()), opaque=False)
_normal_on_opaque = _normal_loop(opaque=True, masked=False)
_normal_on_general = _normal_loop(opaque=False, masked=False)
_masked_normal_on_opaque = _normal_loop(opaque=True, masked=True)
_masked_normal_on_general = _normal_loop(opaque=False, masked=True)


@numba.njit(**_INLINE)
def _copy(pixels, opacity, planes, count):  # type: ignore[no-untyped-def]
    """The first layer of a tile: premultiplied, no backdrop to blend with."""
    for x in range(count):
        pixel = pixels[x]
        a = _alpha(pixel) * opacity
        k = a * TO_UNIT
        planes[x] = _channel(pixel, 0) * k
        planes[TILE + x] = _channel(pixel, 8) * k
        planes[2 * TILE + x] = _channel(pixel, 16) * k
        planes[3 * TILE + x] = a


@numba.njit(**_INLINE)
def _clear(planes):  # type: ignore[no-untyped-def]
    for x in range(4 * TILE):
        planes[x] = ZERO


@numba.njit(**_INLINE)
def _alphas(pixels, opacity, alphas, count):  # type: ignore[no-untyped-def]
    for x in range(count):
        alphas[x] = _alpha(pixels[x]) * opacity


@numba.njit(**_INLINE)
def _masked_alphas(pixels, mask, opacity, alphas, count):  # type: ignore[no-untyped-def]
    scaled = opacity * TO_UNIT
    for x in range(count):
        alphas[x] = _alpha(pixels[x]) * (np.float32(np.int32(mask[x])) * scaled)


@numba.njit(**_INLINE)
def _byte(value):  # type: ignore[no-untyped-def]
    """Rounded half up: 0..1 to 0..255."""
    return np.int32(min(value, ONE) * TO_BYTE + HALF)


@numba.njit(**_INLINE)
def _store_opaque(planes, out, count):  # type: ignore[no-untyped-def]
    for x in range(count):
        r, g, b = _byte(planes[x]), _byte(planes[TILE + x]), _byte(planes[2 * TILE + x])
        out[x] = np.uint32(r | (g << 8) | (b << 16) | 0xFF000000)


@numba.njit(**_INLINE)
def _store_general(planes, out, count):  # type: ignore[no-untyped-def]
    for x in range(count):
        a = planes[3 * TILE + x]
        k = ONE / max(a, TINY)
        r, g, b = _byte(planes[x] * k), _byte(planes[TILE + x] * k), _byte(planes[2 * TILE + x] * k)
        alpha = _byte(a)
        # alpha 0 has no colour: equal pictures are equal bytes
        out[x] = np.uint32(r | (g << 8) | (b << 16) | (alpha << 24)) if alpha > 0 else np.uint32(0)


@numba.njit(**_INLINE)
def _first_visible(table, opacities, x0, x1, y):  # type: ignore[no-untyped-def]
    """The topmost layer that hides all below it in this tile, else 0."""
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
    return 0


@numba.njit(**_INLINE)
def _tile(table, opacities, x0, x1, y, planes, address, out):  # type: ignore[no-untyped-def]
    """Blends every layer into one tile, columns x0 to x1 of row y, and writes it."""
    alphas = as_floats(address + 4 * PLANES)
    state = EMPTY
    for i in range(_first_visible(table, opacities, x0, x1, y), table.shape[0]):
        row = table[i]
        line = y - row[Y]
        left, right = max(x0, row[X]), min(x1, row[X] + row[WIDTH])
        if line < 0 or line >= row[HEIGHT] or left >= right:
            continue
        opacity, count, whole = opacities[i] * TO_UNIT, right - left, left == x0 and right == x1
        pixels = as_pixels(row[POINTER] + 4 * (line * row[STRIDE] + left - row[X]))
        part = as_floats(address + 4 * (left - x0))
        masked, mode = row[MASK] != 0, row[MODE]
        solid = whole and not masked and row[SOLID] == 1 and opacities[i] == ONE
        if state == EMPTY:
            if whole and not masked:  # every mode over nothing is the source itself
                _copy(pixels, opacity, planes, count)
                state = OPAQUE if solid else GENERAL
                continue
            _clear(planes)
            state = GENERAL
        if masked:
            _masked_alphas(pixels, as_bytes(row[MASK] + y * row[MASK_STRIDE] + left), opacity, alphas, count)
        elif mode != NORMAL:
            _alphas(pixels, opacity, alphas, count)
        if mode == NORMAL:
            if state == OPAQUE:
                if masked:
                    _masked_normal_on_opaque(pixels, alphas, opacity, part, count)
                else:
                    _normal_on_opaque(pixels, alphas, opacity, part, count)
            elif masked:
                _masked_normal_on_general(pixels, alphas, opacity, part, count)
            else:
                _normal_on_general(pixels, alphas, opacity, part, count)
        elif state == OPAQUE:
            _blend_on_opaque(mode, pixels, alphas, part, count)
        else:
            _blend_on_general(mode, pixels, alphas, part, count)
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

    @numba.njit(parallel=True, cache=True, **_INLINE)
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


def _digest() -> int:
    sources = b"".join(Path(str(module)).read_bytes() for module in (blend.__file__, __file__))
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
