"""Faces made unrecognisable: cells of a face, and an ellipse painted from them, on planar YUV 4:2:0, 8 bits.

The mathematics, and why:

- *Ellipse*. A box w × h grown by `grow` about its centre, and the ellipse of the same proportions that passes through
  the grown box's corners: semi-axes `grow · w / √2` and `grow · h / √2`. So no pixel of the grown box stays outside.
  The feather lies outside the ellipse: coverage is 1 up to radius 1, a smoothstep down to 0 at radius 1 + FEATHER.
- *Cells*. A grid over the ellipse's bounding rectangle: `across` cells on its longer side, as many of about the same
  size on the shorter one. A cell is the mean of its pixels, of Y, Cb and Cr as they are coded (gamma-encoded values:
  a mean in linear light would only be brighter, not less revealing). Where a cell would be narrower than `least`
  pixels there is one cell, one colour.
- *Quantising*. Held cells are rounded to multiples of 32 in luma and 16 in chroma: 3 bits and at most 4 + 4 bits a
  cell, 16 cells: what is left of a face is below what a recogniser or a least-squares search can use.
- *Holding*. Cells that are computed anew in each frame sample the face at ever other shifts, and detail inside the
  cells can be solved for. So the caller computes them once for a track and shot, and passes them again for each frame:
  the grid moves and scales with the box, and nothing of the later frames' faces is in what is painted.
- *Painting*. `mosaic` takes the cell under the pixel's centre; `blur` is the uniform cubic B-spline over the cells
  (edge cells repeated), which is smoother than bilinear and, being a convex mean, never overshoots; `solid` is one
  cell. All three are a separable weighted sum of the cells, so that one loop serves them.

Pairs: `*_reference` is plain numpy and has the same signature. Policy: bit-equal (both work in float32 without fused
or reordered operations, so the bytes do not follow the machine either).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.compiled import compiled, unlocked, whole_rows

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]
Floats = NDArray[np.float32]
Style = Literal["blur", "mosaic", "solid"]

FEATHER = 0.12
"""The feather's width, as a share of the ellipse's semi-axes."""
LUMA_STEP, CHROMA_STEP = 32.0, 16.0
NO_MASK: Plane = np.zeros((0, 0), np.uint8)


class Ellipse(NamedTuple):
    """An ellipse with upright axes, in luma pixels; (0, 0) is the frame's top left corner."""

    cx: float
    cy: float
    a: float
    """Horizontal semi-axis, > 0."""
    b: float
    """Vertical semi-axis, > 0."""


class Cells(NamedTuple):
    """A face reduced to a grid of colours."""

    y: Floats  # [gy, gx] 0..255
    u: Floats  # [gy, gx] 0..255
    v: Floats  # [gy, gx] 0..255


def circumscribe(x: float, y: float, w: float, h: float, grow: float) -> Ellipse:
    """The ellipse around the box (x, y, w, h: pixels, w and h > 0) grown by `grow` >= 1."""
    if not (w > 0 and h > 0 and grow >= 1 and math.isfinite(x + y + w + h)):
        raise ValueError(f"a box needs finite numbers and a size above 0, and grow >= 1; got {(x, y, w, h)}, {grow}")
    return Ellipse(x + w / 2, y + h / 2, grow * w / math.sqrt(2), grow * h / math.sqrt(2))


def grid(face: Ellipse, across: int, least: float) -> tuple[int, int]:
    """(rows, columns) of the face's cells: at most `across` on the longer side, none under `least` pixels."""
    long, short = max(face.a, face.b) * 2, min(face.a, face.b) * 2
    many = min(across, int(long / least))
    few = min(max(1, round(many * short / long)), int(short / least)) if many else 0
    if many < 2 or few < 1:
        return 1, 1
    return (many, few) if face.b >= face.a else (few, many)


def reduce(planes: Planes, face: Ellipse, shape: tuple[int, int]) -> Cells:
    """The means of the face's cells, float32, on Y [H, W] and Cb, Cr [ceil(H/2), ceil(W/2)].

    A cell outside the frame takes the mean of those inside; a face wholly outside is mid grey.
    """
    return Cells(*(_reduce(plane, face, shape, index, _mean) for index, plane in enumerate(planes)))


def reduce_reference(planes: Planes, face: Ellipse, shape: tuple[int, int]) -> Cells:
    return Cells(*(_reduce(plane, face, shape, index, _mean_reference) for index, plane in enumerate(planes)))


def quantise(cells: Cells) -> Cells:
    """The cells rounded to the coarse steps, still 16..235 and 16..240."""
    y = np.clip(np.round(cells.y / LUMA_STEP) * LUMA_STEP, 16, 235)
    u, v = (np.clip(np.round(c / CHROMA_STEP) * CHROMA_STEP, 16, 240) for c in (cells.u, cells.v))
    return Cells(y.astype(np.float32), u.astype(np.float32), v.astype(np.float32))


def paint(planes: Planes, face: Ellipse, cells: Cells, style: Style, mask: Planes | None = None) -> None:
    """Paints the face into the planes, in place, inside the feathered ellipse's rectangle alone.

    `mask`: (luma, chroma, chroma) sized uint8, 255 where painting is allowed; its share scales the coverage.
    """
    _paint(planes, face, cells, style, mask, _fill)


def paint_reference(planes: Planes, face: Ellipse, cells: Cells, style: Style, mask: Planes | None = None) -> None:
    _paint(planes, face, cells, style, mask, _fill_reference)


def rectangle(face: Ellipse, height: int, width: int) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) of the luma pixels that `paint` may touch, cut to the frame; empty where x1 <= x0, y1 <= y0."""
    reach = 1 + FEATHER
    # two pixels more on each side: a chroma sample covers two, and its ellipse is a sample wider
    x0, x1 = face.cx - reach * (face.a + 2) - 2, face.cx + reach * (face.a + 2) + 2
    y0, y1 = face.cy - reach * (face.b + 2) - 2, face.cy + reach * (face.b + 2) + 2
    return max(0, int(x0)), max(0, int(y0)), min(width, math.ceil(x1)), min(height, math.ceil(y1))


def _nearest(position: NDArray[np.float64], count: int) -> Floats:
    """The cell under each position (in cells, 0..count), with weight 1."""
    under = np.clip(np.floor(position), 0, count - 1)
    return (under == np.arange(count)[:, None]).astype(np.float32)


@compiled
def _spline(position: NDArray[np.float64], count: int) -> Floats:
    """The uniform cubic B-spline over the cells' centres, edge cells repeated."""
    weights = np.zeros((count, position.shape[0]), np.float32)
    for x in range(position.shape[0]):
        inside = min(max(position[x] - 0.5, -0.5), count - 0.5)
        base = math.floor(inside)
        t = inside - base
        back = 1 - t
        parts = (
            back * back * back,
            (3 * t - 6) * t * t + 4,
            (3 * back - 6) * back * back + 4,
            t * t * t,
        )
        for k in range(4):
            cell = min(max(base + k - 1, 0), count - 1)
            weights[cell, x] += np.float32(parts[k] / 6)
    return weights


WEIGHTS: dict[Style, Callable[[NDArray[np.float64], int], Floats]] = {
    "blur": _spline,
    "mosaic": _nearest,
    "solid": _nearest,
}
"""(positions [n] in cells, number of cells) -> weights [cells, n], each column sums to 1."""


def _in_plane(face: Ellipse, index: int) -> Ellipse:
    """The ellipse in a plane's own samples. In chroma it is a sample wider, so that a sample is covered as soon as one
    of its four pixels is."""
    if index == 0:
        return face
    return Ellipse(face.cx / 2, face.cy / 2, face.a / 2 + 1, face.b / 2 + 1)


def _edges(centre: float, half: float, count: int, size: int) -> NDArray[np.int32]:
    """[count + 1] The cells' edges in whole samples, cut to 0..size."""
    edges = np.round(centre - half + np.arange(count + 1) * (2 * half / count))
    return np.clip(edges, 0, size).astype(np.int32)


def _reduce(
    plane: Plane, face: Ellipse, shape: tuple[int, int], index: int, mean: Callable[[Plane, int, int, int, int], float]
) -> Floats:
    scale, rows = (1.0 if index == 0 else 0.5), whole_rows(plane)
    ys = _edges(face.cy * scale, face.b * scale, shape[0], plane.shape[0])
    xs = _edges(face.cx * scale, face.a * scale, shape[1], plane.shape[1])
    cells = np.array(
        [[mean(rows, ys[j], ys[j + 1], xs[i], xs[i + 1]) for i in range(shape[1])] for j in range(shape[0])]
    )
    known = ~np.isnan(cells)
    cells[~known] = cells[known].mean() if known.any() else 128
    return cells.astype(np.float32)


@compiled
def _mean(plane: Plane, y0: int, y1: int, x0: int, x1: int) -> float:
    """The mean of a rectangle, NaN where it is empty: an exact sum, so no order of adding matters."""
    if y1 <= y0 or x1 <= x0:
        return math.nan
    total = 0
    for y in range(y0, y1):
        row = plane[y, x0:x1]
        for i in range(row.shape[0]):
            total += row[i]
    return float(total) / float((y1 - y0) * (x1 - x0))


def _mean_reference(plane: Plane, y0: int, y1: int, x0: int, x1: int) -> float:
    part = plane[y0:y1, x0:x1]
    return float(part.sum(dtype=np.int64)) / part.size if part.size else math.nan


def _paint(
    planes: Planes, face: Ellipse, cells: Cells, style: Style, mask: Planes | None, fill: Callable[..., None]
) -> None:
    height, width = planes[0].shape
    x0, y0, x1, y1 = rectangle(face, height, width)
    if x1 <= x0 or y1 <= y0:
        return
    for index, (plane, values) in enumerate(zip(planes, cells, strict=True)):
        if index == 0:
            left, top, right, bottom = x0, y0, x1, y1
        else:
            left, top, right, bottom = x0 // 2, y0 // 2, (x1 + 1) // 2, (y1 + 1) // 2
        own = _in_plane(face, index)
        xs, ys = np.arange(left, right) + 0.5 - own.cx, np.arange(top, bottom) + 0.5 - own.cy
        rows, columns = values.shape
        fill(
            whole_rows(plane),
            (top, left),
            values,
            WEIGHTS[style]((ys / own.b + 1) * (rows / 2), rows),
            WEIGHTS[style]((xs / own.a + 1) * (columns / 2), columns),
            ((ys / own.b) ** 2).astype(np.float32),
            ((xs / own.a) ** 2).astype(np.float32),
            NO_MASK if mask is None else unlocked(np.ascontiguousarray(mask[index][top:bottom, left:right])),
        )


OUTER = np.float32((1 + FEATHER) ** 2)
REACH, WIDTH = np.float32(1 + FEATHER), np.float32(FEATHER)
ONE, TWO, THREE, HALF, FULL = (np.float32(n) for n in (1, 2, 3, 0.5, 255))


@compiled
def _fill(
    plane: Plane,  # [H, W] C-contiguous, changed in place
    at: tuple[int, int],  # the row and column of the first sample
    cells: Floats,  # [gy, gx]
    wy: Floats,  # [gy, h]
    wx: Floats,  # [gx, w]
    yy: Floats,  # [h] (dy / b)²
    xx: Floats,  # [w] (dx / a)²
    mask: Plane,  # [h, w] C-contiguous, or [0, 0] for none
) -> None:
    rows, columns = cells.shape
    buffer = np.empty(xx.shape[0], np.float32)
    for y in range(yy.shape[0]):
        first, last = 0, xx.shape[0]
        while first < last and yy[y] + xx[first] >= OUTER:
            first += 1
        while last > first and yy[y] + xx[last - 1] >= OUTER:
            last -= 1
        inner, end = first, last  # where nothing of the picture shows through
        while inner < end and yy[y] + xx[inner] > ONE:
            inner += 1
        while end > inner and yy[y] + xx[end - 1] > ONE:
            end -= 1
        # slices, so that every loop runs from 0: only then does the compiler use vectors
        value = buffer[first:last]
        for column in range(columns):
            line = wy[0, y] * cells[0, column]
            for row in range(1, rows):
                line += wy[row, y] * cells[row, column]
            weight = wx[column, first:last]
            if column == 0:
                for i in range(value.shape[0]):
                    value[i] = weight[i] * line
            else:
                for i in range(value.shape[0]):
                    value[i] += weight[i] * line
        if mask.shape[0]:
            inner, end = last, last
        full, out = buffer[inner:end], plane[at[0] + y, at[1] + inner : at[1] + end]
        for i in range(full.shape[0]):
            out[i] = np.uint8(np.int32(full[i] + HALF))
        for x in range(first, last):
            if inner <= x < end:
                continue
            radius = yy[y] + xx[x]
            share = ONE
            if radius > ONE:
                t = (REACH - np.sqrt(radius)) / WIDTH
                share = t * t * (THREE - TWO * t)
            if mask.shape[0]:
                share = share * (np.float32(mask[y, x]) / FULL)
            old = np.float32(plane[at[0] + y, at[1] + x])
            plane[at[0] + y, at[1] + x] = np.uint8(np.int32(old * (ONE - share) + buffer[x] * share + HALF))


def _fill_reference(
    plane: Plane, at: tuple[int, int], cells: Floats, wy: Floats, wx: Floats, yy: Floats, xx: Floats, mask: Plane
) -> None:
    rows, columns = cells.shape
    part = plane[at[0] : at[0] + len(yy), at[1] : at[1] + len(xx)]
    lines = sum((wy[row, :, None] * cells[row] for row in range(1, rows)), wy[0, :, None] * cells[0])
    value = sum((wx[c] * lines[:, c, None] for c in range(1, columns)), wx[0] * lines[:, 0, None])
    radius = yy[:, None] + xx
    t = np.clip((REACH - np.sqrt(radius)) / WIDTH, 0, 1).astype(np.float32)
    share = np.where(radius > ONE, t * t * (THREE - TWO * t), ONE).astype(np.float32)
    if mask.size:
        share = share * (mask.astype(np.float32) / FULL)
    mixed = part.astype(np.float32) * (ONE - share) + value * share + HALF
    inside = radius < OUTER
    part[inside] = mixed.astype(np.uint8)[inside]


def warm() -> None:
    """Compiles ahead."""
    luma, chroma = np.zeros((8, 8), np.uint8), np.zeros((4, 4), np.uint8)
    planes, face = (luma, chroma, chroma.copy()), Ellipse(4, 4, 3, 3)
    paint(planes, face, reduce(planes, face, (2, 2)), "blur", planes)


__all__ = [
    "Cells",
    "Ellipse",
    "Plane",
    "Planes",
    "Style",
    "circumscribe",
    "grid",
    "paint",
    "paint_reference",
    "quantise",
    "rectangle",
    "reduce",
    "reduce_reference",
    "warm",
]
