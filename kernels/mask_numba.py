"""The compiled polygon filler: exact areas, any number of self-crossings.

A row of pixels is cut into slabs at every vertex and every crossing inside it. Within a slab no two edges cross, so the
fill rule decides once which edges bound the inside, and each of them adds the exact area to its right, or takes it off.
A row's differences are added up, rounded where bytes are asked for, and written at once, and between the blocks of
columns that an edge touches the sum does not change: what is left is about what the edges take.
"""

# numba's decorators are untyped
# mypy: disable-error-code="misc, untyped-decorator"
from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types

from kernels.compiled import pointer_to

ROW_BUDGET = 50_000
"""Edges looked at in one row, over all its slabs, before the row is done in `COARSE` plain slabs instead: only a
scribble of thousands of crossing edges gets there, and it must not take minutes."""
COARSE = 8
EXACT, COARSELY = np.bool_(True), np.bool_(False)
"""Not Python's: for those `_slab` would be compiled twice."""
BLOCK = 32
"""Columns."""
FEW = 24
"""Numbers that are sorted by insertion: a general sort takes a microsecond to begin."""
SHORTEST = 1e-7  # of a row: rounding must not keep a crossing from being passed

as_floats, as_bytes = pointer_to(types.float32), pointer_to(types.uint8)

_OPTIONS: dict[str, Any] = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
_INNER = _OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Of what only compiled code calls."""


@numba.njit(**_INNER)
def _sort(keys, count, rank):  # type: ignore[no-untyped-def]
    """Writes to `rank` the places of the first `count` keys, the least first."""
    if count > FEW:
        sorted_places = np.argsort(keys[:count])
        for i in range(count):
            rank[i] = sorted_places[i]
        return
    for i in range(count):
        j = i
        while j > 0 and keys[rank[j - 1]] > keys[i]:
            rank[j] = rank[j - 1]
            j -= 1
        rank[j] = i


@numba.njit(**_INNER)
def _add(row, touched, xa, xb, height, width):  # type: ignore[no-untyped-def]
    """Adds to the differences `row` the area right of a straight piece from xa to xb that is `height` tall, and marks
    the blocks that it changes."""
    if xa > xb:
        xa, xb = xb, xa
    if xb <= 0:
        row[0] += height
        touched[0] = 1
        return
    if xa >= width:
        return
    if xa < 0:
        outside = -xa / (xb - xa)
        row[0] += height * outside
        touched[0] = 1
        height *= 1 - outside
        xa = 0.0
    if xb > width:
        height *= (width - xa) / (xb - xa)
        xb = float(width)
    first, last = int(xa), min(int(xb), width - 1)
    for i in range(first // BLOCK, (last + 1) // BLOCK + 1):
        touched[i] = 1
    if first == last:
        middle = (xa + xb) / 2 - first
        row[first] += height * (1 - middle)
        row[first + 1] += height * middle
        return
    slope = height / (xb - xa)
    for i in range(first, last + 1):
        left, right = max(xa, float(i)), min(xb, float(i + 1))
        part, middle = slope * (right - left), (left + right) / 2 - i
        row[i] += part * (1 - middle)
        row[i + 1] += part * middle


@numba.njit(**_INNER)
def _slab(row, touched, edges, active, count, top, bottom, evenodd, width, exact, order, xa, xb, keys, rank):  # type: ignore[no-untyped-def]
    """Fills one slab down to `bottom` or to the first crossing; gives the y reached."""
    used = 0
    for j in range(count):
        e = edges[active[j]]
        if e[1] <= top and e[3] >= bottom:
            slope = (e[2] - e[0]) / (e[3] - e[1])
            xa[used] = e[0] + (top - e[1]) * slope
            xb[used] = e[0] + (bottom - e[1]) * slope
            order[used] = active[j]
            used += 1
    # just below the top: at a crossing the x are equal there, and the slopes decide
    early = 1e-3 if exact else 0.5
    for j in range(used):
        keys[j] = xa[j] + (xb[j] - xa[j]) * early
    _sort(keys, used, rank)
    reached = bottom
    if exact:
        for j in range(used - 1):
            near, far = rank[j], rank[j + 1]
            if xb[near] > xb[far]:
                gap, overlap = xa[far] - xa[near], xb[near] - xb[far]
                crossing = top + (bottom - top) * max(gap, 0.0) / (max(gap, 0.0) + overlap)
                reached = min(reached, max(crossing, top + SHORTEST))
    share = (reached - top) / (bottom - top)
    winding = 0
    for j in range(used):
        k = rank[j]
        before = winding
        winding += int(edges[order[k], 4])
        was, now = (before & 1, winding & 1) if evenodd else (int(before != 0), int(winding != 0))
        if was != now:
            _add(row, touched, xa[k], xa[k] + (xb[k] - xa[k]) * share, (reached - top) * (now - was), width)
    return reached


@numba.njit(**_INNER)
def _level(value):  # type: ignore[no-untyped-def]
    """0..1 rounded to 0..255."""
    return np.uint8(np.int32(np.rint(min(max(value, np.float32(0)), np.float32(1)) * np.float32(255))))


@numba.njit(**_INNER)
def _write(row, touched, part, inverted, floats, levels, width):  # type: ignore[no-untyped-def]
    """Adds up a row of differences into float32 at the address `floats`, or into bytes at `levels` where that is not 0,
    and clears it."""
    line, rounded, covered, left = as_floats(floats), as_bytes(levels), 0.0, 0
    while left < width:
        right = min(left + BLOCK, width)
        if touched[left // BLOCK]:
            touched[left // BLOCK] = 0
            for x in range(left, right):
                covered += row[x]
                row[x] = 0
                part[x - left] = min(max(covered, 0.0), 1.0)
            if inverted:
                for x in range(BLOCK):
                    part[x] = np.float32(1) - part[x]
            for x in range(left, right):
                if levels != 0:
                    rounded[x] = _level(part[x - left])
                else:
                    line[x] = part[x - left]
        else:
            while right < width and not touched[right // BLOCK]:
                right = min(right + BLOCK, width)
            value = np.float32(min(max(covered, 0.0), 1.0))
            value = np.float32(1) - value if inverted else value
            level = _level(value)
            for x in range(left, right):
                if levels != 0:
                    rounded[x] = level
                else:
                    line[x] = value
        left = right
    row[width] = 0
    touched[-1] = 0


@numba.njit(cache=True, **_OPTIONS)
def fill(points, evenodd, inverted, width, height, floats, levels):  # type: ignore[no-untyped-def]
    """The coverage of points float64 [N, 2], or with `inverted` the rest, 0..1: float32 [height, width] at the address
    `floats`, or rounded to uint8 at the address `levels` where that is not 0."""
    n = len(points)
    edges = np.empty((n, 5), np.float64)  # x and y of the upper end, x and y of the lower, direction
    total = 0
    for i in range(n):
        x0, y0, x1, y1 = points[i, 0], points[i, 1], points[(i + 1) % n, 0], points[(i + 1) % n, 1]
        if y0 == y1 or max(y0, y1) <= 0 or min(y0, y1) >= height:
            continue
        down = y0 < y1
        edges[total, 0], edges[total, 1] = (x0, y0) if down else (x1, y1)
        edges[total, 2], edges[total, 3] = (x1, y1) if down else (x0, y0)
        edges[total, 4] = 1.0 if down else -1.0
        total += 1
    tops = np.empty(total, np.float64)
    for i in range(total):
        tops[i] = edges[i, 1]
    starts = np.argsort(tops)
    active, order = np.empty(total, np.int64), np.empty(total, np.int64)
    xa, xb = np.empty(total, np.float64), np.empty(total, np.float64)
    keys, rank = np.empty(2 * total + 2, np.float64), np.empty(2 * total + 2, np.int64)
    cuts, ys = np.empty(2 * total + 2, np.float64), np.empty(2 * total + 2, np.int64)
    row, touched = np.zeros(width + 2, np.float64), np.zeros(width // BLOCK + 2, np.uint8)
    part = np.zeros(BLOCK, np.float32)
    count, waiting = 0, 0
    for y in range(height):
        kept = 0
        for j in range(count):
            if edges[active[j], 3] > y:
                active[kept] = active[j]
                kept += 1
        count = kept
        while waiting < total and edges[starts[waiting], 1] < y + 1:
            if edges[starts[waiting], 3] > y:
                active[count] = starts[waiting]
                count += 1
            waiting += 1
        cuts[0], cuts[1] = y, y + 1
        found = 2 if count > 0 else 0
        for j in range(count):
            for end in (1, 3):
                if y < edges[active[j], end] < y + 1:
                    cuts[found] = edges[active[j], end]
                    found += 1
        _sort(cuts, found, ys)
        budget = ROW_BUDGET
        for j in range(found - 1):
            top, bottom = cuts[ys[j]], cuts[ys[j + 1]]
            while top < bottom and budget > 0:
                top = _slab(
                    row, touched, edges, active, count, top, bottom, evenodd, width, EXACT, order, xa, xb, keys, rank
                )
                budget -= count
        if budget <= 0:
            row[:] = 0
            for j in range(COARSE):
                low = y + (j + 0.5) / COARSE - SHORTEST
                high = low + 2 * SHORTEST
                _slab(
                    row, touched, edges, active, count, low, high, evenodd, width, COARSELY, order, xa, xb, keys, rank
                )
            row *= 1 / (COARSE * 2 * SHORTEST)
        line = y * width
        levels_of_row = levels + line if levels != 0 else 0
        _write(row, touched, part, inverted, floats + 4 * line, levels_of_row, width)


@numba.njit(cache=True, **_OPTIONS)
def rounded(plane, levels):  # type: ignore[no-untyped-def]
    """Coverage, float32 of one axis, held to 0..1 and rounded to uint8."""
    for i in range(len(plane)):
        levels[i] = _level(plane[i])


__all__ = ["fill", "rounded"]
