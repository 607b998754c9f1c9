"""The compiled walk: every step of a table, tile by tile, on a stack of levels that stay in the first-level cache.

How it goes. The canvas is cut into tiles of one row, `TILE` pixels or, in fractions, `RUN`. A level of a tile keeps its
pixels premultiplied, 0..1, in four float32 planes; steps (`kernels.composite_steps`) blend layers into levels and
levels into each other, and level 0 is written once. Three states of a level save work: an *empty* one takes its first
covering layer as a copy, an *opaque* one needs no backdrop alpha, and a *general* one needs everything; the alpha plane
is right in the last two.

What an opaque normal layer of level 0 hides is never read, and a group that a tile does not touch is passed by. Where
such a layer lies under nothing but what `kernels.composite_fixed` can do, that arithmetic takes the tile.

Threads take bands of rows as they come and no pixel depends on another, so bytes do not depend on their number.

The modes' loops and the pass over a band are called by their addresses: `kernels.compiled` says why.
"""

# numba's decorators are untyped, and pointers have no Python type
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import prange, types

from kernels import (
    blend,
    composite_fixed,
    composite_levels,
    composite_loops,
    composite_rows,
    composite_steps,
    composite_tiles,
    fixed,
)
from kernels.compiled import INLINE, MATH, addressable, calling, claim, digest, on_stack
from kernels.composite_fixed import RUN, tile_in_fractions
from kernels.composite_levels import call_filler, call_scatterer
from kernels.composite_loops import TILE, TO_UNIT, call_loop, call_planes_loop
from kernels.composite_rows import (
    ADDED_TO,
    ALPHAS,
    AS_SOURCE,
    BARE,
    BLENDED,
    END,
    FILLER,
    GROUND,
    HEIGHT,
    HIDES,
    IN_FRACTIONS,
    LEVEL,
    LOOP,
    MADE,
    MADE_OPAQUE,
    MASK,
    MASK_STRIDE,
    MET,
    NEEDED,
    ON_OPAQUE,
    ROW,
    SCATTERER,
    SEED,
    SOLID,
    SOURCE,
    STATE,
    VALUES,
    WIDTH,
    X,
    Y,
    as_bytes,
    as_floats,
    as_pixels,
    as_row,
    row_of,
)
from kernels.composite_steps import LEVELS, PIXELS, ZEROS
from kernels.composite_tiles import (
    begin,
    clear,
    fill_alphas,
    fill_masked_alphas,
    hand_on,
    store_general,
    store_opaque,
    straighten,
)

BANDS = 64
EMPTY, OPAQUE, GENERAL = 0, 1, 2
LEVEL_BYTES = 4 * (4 * TILE)

BAND = types.void(*[types.int64] * 8)
"""(table, steps, numbers, out, stride of out in pixels, width, first row, end row): addresses and numbers"""


_levels_on_stack = on_stack(ir.FloatType(), (LEVELS + 1) * 4 * TILE)
_alphas_on_stack = on_stack(ir.FloatType(), TILE)
_states_on_stack = on_stack(ir.IntType(64), LEVELS + 1)

call_band = calling(BAND)


@numba.njit(**INLINE)
def _planes(levels, level, offset):
    return as_floats(levels + level * LEVEL_BYTES + 4 * offset)


@numba.njit(**INLINE)
def _first_visible(table, steps, x0, x1, y):
    """The topmost layer that hides all below it in this tile, else -1."""
    for i in range(steps - 1, -1, -1):
        row = as_row(table + i * ROW)
        if row[HIDES] and row[Y] <= y < row[Y] + row[HEIGHT] and row[X] <= x0 and x1 <= row[X] + row[WIDTH]:
            return i
    return -1


@numba.njit(**INLINE)
def _in_fractions(table, lowest):
    """Whether a tile where `lowest` hides all below it is blended in fractions."""
    return lowest >= 0 and as_row(table + lowest * ROW)[IN_FRACTIONS] != 0


@numba.njit(**INLINE)
def _make_alphas(row, opacity, levels, states, left, offset, y, alphas, count):
    mask = row[MASK] + y * row[MASK_STRIDE] + left
    if row[FILLER] != 0:
        level = max(row[ALPHAS], 0)
        planes = _planes(levels, level if states[level] != EMPTY else ZEROS, offset)
        call_filler(row[FILLER], (planes, mask, opacity, alphas, count))
    elif row[MASK] != 0:
        fill_masked_alphas(as_pixels(row_of(row, left, y)), as_bytes(mask), opacity * TO_UNIT, alphas, count)
    else:
        fill_alphas(as_pixels(row_of(row, left, y)), opacity * TO_UNIT, alphas, count)
    if row[SCATTERER] != 0:
        call_scatterer(row[SCATTERER], (alphas, left, y, row[SEED], count))


@numba.njit(**INLINE)
def _blend(row, opacity, levels, states, left, offset, y, alphas, count, whole):
    level, source = row[LEVEL], row[SOURCE]
    planes, state = _planes(levels, level, offset), states[level]
    solid = whole and row[SOLID] != 0 and (row[ALPHAS] < 0 or states[row[ALPHAS]] == OPAQUE)
    if state == EMPTY:
        if whole and row[BARE] != 0:  # every mode over nothing is the source itself
            begin(as_pixels(row_of(row, left, y)), opacity * TO_UNIT, planes, count)
            states[level] = OPAQUE if solid else GENERAL
            return
        clear(_planes(levels, level, 0))
        state = GENERAL
    if row[MADE] != 0:
        _make_alphas(row, opacity, levels, states, left, offset, y, alphas, count)
    if source == PIXELS:
        loop = row[ON_OPAQUE] if state == OPAQUE else row[LOOP]
        call_loop(loop, (as_pixels(row_of(row, left, y)), alphas, opacity * TO_UNIT, planes, count))
    else:
        colors = _planes(levels, source, offset)
        straighten(colors, count)
        call_planes_loop(row[LOOP], (colors, alphas, opacity, planes, count))
    states[level] = OPAQUE if solid else state


@numba.njit(**INLINE)
def _work(row, number, levels, states, left, offset, y, alphas, count):
    """Any step but a blend."""
    level, source, state = row[LEVEL], row[SOURCE], row[STATE]
    read = states[source] if source != PIXELS else OPAQUE
    if state == MADE_OPAQUE:
        states[level] = OPAQUE
    elif state == AS_SOURCE:
        states[level] = read
        if read == EMPTY:
            return
    elif state == MET:
        if states[level] == EMPTY:
            if read == EMPTY:
                return
            clear(_planes(levels, level, 0))
        states[level] = OPAQUE if states[level] == OPAQUE and read == OPAQUE else GENERAL
    elif state == ADDED_TO:
        if states[level] == EMPTY:
            clear(_planes(levels, level, 0))
        states[level] = GENERAL
    planes, other = _planes(levels, level, offset), alphas
    if source == PIXELS:
        if row[VALUES] != 0:
            other = as_floats(row[VALUES])
        call_loop(row[LOOP], (as_pixels(row_of(row, left, y)), other, number, planes, count))
        return
    if row[MADE] != 0:
        _make_alphas(row, number, levels, states, left, offset, y, alphas, count)
    elif row[VALUES] != 0:
        other = as_floats(row[VALUES])
    else:
        other = _planes(levels, row[GROUND] if states[row[GROUND]] != EMPTY else ZEROS, offset)
    call_planes_loop(
        row[LOOP], (_planes(levels, source if read != EMPTY else ZEROS, offset), other, number, planes, count)
    )


@numba.njit(**INLINE)
def _tile(table, steps, numbers, lowest, x0, x1, y, levels, states, alphas, line_of_out):
    """Takes every step for one tile, columns x0 to x1 of row y, and writes it; `lowest` is what hides all below it."""
    out = as_pixels(line_of_out)
    if lowest >= 0 and lowest == steps - 1:  # nothing is blended
        hand_on(as_pixels(row_of(as_row(table + lowest * ROW), x0, y)), out, x1 - x0)
        return
    if _in_fractions(table, lowest):
        tile_in_fractions(table, lowest, steps, numbers, x0, x1, y, line_of_out)
        return
    states[0] = EMPTY
    i = max(lowest, 0)
    while i < steps:
        row, number = as_row(table + i * ROW), numbers[i]
        line, left, right = y - row[Y], max(x0, row[X]), min(x1, row[X] + row[WIDTH])
        beside = line < 0 or line >= row[HEIGHT] or left >= right
        if beside or (row[NEEDED] != 0 and states[row[SOURCE]] == EMPTY):
            i = row[END]
            continue
        i += 1
        offset, count = left - x0, right - left
        if row[STATE] == BLENDED:
            whole = left == x0 and right == x1
            _blend(row, number, levels, states, left, offset, y, alphas, count, whole)
        else:
            _work(row, number, levels, states, left, offset, y, alphas, count)
    planes = _planes(levels, 0, 0)
    if states[0] == OPAQUE:
        store_opaque(planes, out, x1 - x0)
    elif states[0] == GENERAL:
        store_general(planes, out, x1 - x0)
    else:
        for x in range(x1 - x0):
            out[x] = np.uint32(0)


def _band(table, steps, numbers, out, stride, width, first, end):
    """Rows `first` to `end` of the canvas, tile by tile."""
    levels, states, alphas = _levels_on_stack(), as_row(_states_on_stack()), as_floats(_alphas_on_stack())
    clear(_planes(levels, ZEROS, 0))
    states[ZEROS] = EMPTY
    for y in range(first, end):
        x0 = 0
        while x0 < width:
            x1 = min(x0 + RUN, width)
            lowest = _first_visible(table, steps, x0, x1, y)
            if not _in_fractions(table, lowest):
                x1 = min(x0 + TILE, width)
                lowest = _first_visible(table, steps, x0, x1, y)
            line = out + 4 * (y * stride + x0)
            _tile(table, steps, as_floats(numbers), lowest, x0, x1, y, levels, states, alphas, line)
            x0 = x1


@numba.njit(parallel=True, cache=True, nogil=True, **MATH)
def bands(band, table, steps, numbers, out, stride, width, height, taken, threads):
    """The whole canvas; `band` is the address of `compiled_band`, `taken` that of an int64 of 0. Each thread takes the
    next band: one that wakes late, or has less of its core, takes fewer."""
    step = (height + BANDS - 1) // BANDS
    for _ in prange(threads):
        i = claim(taken)
        while i < BANDS:
            call_band(band, (table, steps, numbers, out, stride, width, i * step, min(height, (i + 1) * step)))
            i = claim(taken)


@cache
def compiled_band() -> Any:
    """The pass over a band, compiled or read from numba's cache."""
    parts = (
        *(blend, composite_fixed, composite_levels, composite_loops),
        *(composite_rows, composite_steps, composite_tiles, fixed),
    )
    return addressable(BAND, _band, f"band_{digest(*(str(one.__file__) for one in parts))}")
