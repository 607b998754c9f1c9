"""Pictures blended onto planar YUV 4:2:0, 8 bits, limited range: only the rectangle concerned is read and written.

A picture (RGBA, straight alpha) is converted once, by `layer`, into the planes of the frame it will lie on: colour and
alpha at luma and at chroma resolution. Blending is then one multiply-add a sample.

- Matrix: Y = 16 + 219 (Kr R + Kg G + Kb B), Cb = 128 + 224 (B - Y') / (2 (1 - Kb)), Cr likewise, R G B in 0..1; Kr and
  Kb by the stream's colour space (ITU-R BT.601, BT.709, BT.2020).
- A chroma sample covers the four pixels of its 2 × 2 block of the *frame*, so a layer at an odd position is padded to
  whole blocks. Its alpha is the mean alpha of the block, its colour the alpha-weighted mean: that is exactly what the
  mean of the four blended pixels would be. (H.264's chroma sits a quarter of a block to the left of the block's
  centre; nobody sees that at an overlay's edge, and the block keeps planes and pixels in step.)
- Alpha is 0..32768 (15 bits), so opacity and masks keep their precision and 255 · 32768 fits in int32.

Pairs: `blend_reference` is numpy; policy: bit-equal (integers).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.compiled import compiled, whole_rows

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]
Alpha = NDArray[np.uint16]
Matrix = Literal["bt601", "bt709", "bt2020"]

WEIGHTS: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}
"""Kr, Kb."""
ONE = 32768
BLACK = (16, 128, 128)


class Layer(NamedTuple):
    """A picture ready to be blended; its place in the frame is fixed, for chroma follows the frame's 2 × 2 blocks."""

    x: int
    """Even; the luma column of the first sample, may be negative."""
    y: int
    color: Planes  # [h, w], [h/2, w/2], [h/2, w/2]; h and w even
    luma_alpha: Alpha  # [h, w] 0..32768
    chroma_alpha: Alpha  # [h/2, w/2] 0..32768


def to_yuv(rgb: NDArray[np.floating], matrix: Matrix) -> NDArray[np.float64]:
    """RGB [..., 3] in 0..1 as limited-range Y, Cb, Cr [..., 3] (16..235, 16..240), unrounded."""
    kr, kb = WEIGHTS[matrix]
    red, green, blue = (rgb[..., i].astype(np.float64) for i in range(3))
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    return np.stack([16 + 219 * luma, 128 + 224 * cb, 128 + 224 * cr], axis=-1)


def recolored(planes: Planes, given: Matrix, wanted: Matrix) -> Planes:
    """The same colors in another matrix; within 1 of 255 of the way through RGB, of which nothing is cut off.

    Y [h, w], Cb and Cr [ceil(h/2), ceil(w/2)]: new planes. A grey is the same in every matrix, so that luma changes by
    a weighted sum of both chromas, and these by one another's.
    """
    weights = np.round(_change(given, wanted) * ONE).astype(np.int32)
    y, cb, cr = (whole_rows(plane) for plane in planes)
    luma, blue, red = (np.empty(plane.shape, np.uint8) for plane in planes)
    _recolor(y, cb, cr, luma, blue, red, weights)
    return luma, blue, red


def _change(given: Matrix, wanted: Matrix) -> NDArray[np.float64]:
    """[3, 2] What Cb - 128 and Cr - 128 of one matrix add to Y, and give of Cb and of Cr, of another."""
    (kr, kb), (to_r, to_b) = WEIGHTS[given], WEIGHTS[wanted]
    red, blue = np.array([0, 2 * (1 - kr)]), np.array([2 * (1 - kb), 0])
    green = -(kr * red + kb * blue) / (1 - kr - kb)
    luma = to_r * red + (1 - to_r - to_b) * green + to_b * blue
    return np.stack([luma * (219 / 224), (blue - luma) / (2 * (1 - to_b)), (red - luma) / (2 * (1 - to_r))])


def layer(
    rgba: NDArray[np.uint8], x: int, y: int, matrix: Matrix, opacity: float = 1.0, mask: Plane | None = None
) -> Layer:
    """RGBA [h, w, 4] uint8 straight, its top left pixel at (x, y) of the frame, times `opacity` 0..1 and `mask` [h, w]
    (255 = shown)."""
    if rgba.ndim != 3 or rgba.shape[2] != 4 or rgba.dtype != np.uint8:
        raise ValueError(f"a picture is uint8 [h, w, 4]; got {rgba.dtype} {rgba.shape}")
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity is 0..1; got {opacity}")
    if mask is not None and mask.shape != rgba.shape[:2]:
        raise ValueError(f"the mask is {mask.shape}, the picture {rgba.shape[:2]}")
    share = rgba[..., 3] / 255.0 * opacity
    if mask is not None:
        share = share * (mask / 255.0)
    yuv = to_yuv(rgba[..., :3] / 255.0, matrix)
    left, top = x & 1, y & 1
    pad = ((top, (rgba.shape[0] + top) & 1), (left, (rgba.shape[1] + left) & 1))
    share, yuv = np.pad(share, pad), np.pad(yuv, (*pad, (0, 0)))
    weight = _blocks(share)
    chroma = [
        np.divide(_blocks(yuv[..., i] * share), weight, out=np.full_like(weight, 128), where=weight > 0) for i in (1, 2)
    ]
    colors = [np.clip(np.round(plane), 0, 255).astype(np.uint8) for plane in (yuv[..., 0], *chroma)]
    return Layer(
        x - left,
        y - top,
        (colors[0], colors[1], colors[2]),
        np.round(share * ONE).astype(np.uint16),
        np.round(weight * ONE).astype(np.uint16),
    )


def subsample(mask: Plane) -> Planes:
    """A mask [H, W] 0..255 at luma and (twice) at chroma resolution [ceil(H/2), ceil(W/2)]: the mean of each block."""
    padded = np.pad(mask.astype(np.float64), [(0, n & 1) for n in mask.shape], mode="edge")
    chroma = np.round(_blocks(padded)).astype(np.uint8)
    return mask, chroma, chroma


def blend(planes: Planes, picture: Layer, opacity: float = 1.0) -> None:
    """The layer, times `opacity` 0..1, over Y [H, W] and Cb, Cr [ceil(H/2), ceil(W/2)], in place; what lies outside the
    frame is left out."""
    for plane, color, alpha in _overlaps(planes, picture):
        _mix(plane, color, alpha, np.int32(round(opacity * ONE)))


def blend_reference(planes: Planes, picture: Layer, opacity: float = 1.0) -> None:
    for plane, color, alpha in _overlaps(planes, picture):
        old = plane.astype(np.int32)
        share = (alpha.astype(np.int32) * round(opacity * ONE) + ONE // 2) >> 15
        plane[...] = old + (((color - old) * share + ONE // 2) >> 15)


def _blocks(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """[h, w] -> [h/2, w/2] The mean of each 2 × 2 block."""
    return plane.reshape(plane.shape[0] // 2, 2, plane.shape[1] // 2, 2).mean(axis=(1, 3))


def _overlaps(planes: Planes, picture: Layer) -> list[tuple[Plane, Plane, Alpha]]:
    """For each plane the part under the layer, and the layer's part over it."""
    parts = []
    for index, (plane, color) in enumerate(zip(planes, picture.color, strict=True)):
        alpha = picture.chroma_alpha if index else picture.luma_alpha
        x, y = (picture.x // 2, picture.y // 2) if index else (picture.x, picture.y)
        x0, y0 = max(0, x), max(0, y)
        x1, y1 = min(plane.shape[1], x + color.shape[1]), min(plane.shape[0], y + color.shape[0])
        if x1 > x0 and y1 > y0:
            inside = slice(y0 - y, y1 - y), slice(x0 - x, x1 - x)
            over = np.ascontiguousarray(color[inside]), np.ascontiguousarray(alpha[inside])
            parts.append((plane[y0:y1, x0:x1], *over))
    return parts


@compiled
def _mix(plane: Plane, color: Plane, alpha: Alpha, opacity: np.int32) -> None:
    """plane [h, w] += (color - plane) · alpha · opacity, in place."""
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            old = np.int32(plane[y, x])
            share = (np.int32(alpha[y, x]) * opacity + np.int32(16384)) >> np.int32(15)
            change = (np.int32(color[y, x]) - old) * share + np.int32(16384)
            plane[y, x] = np.uint8(old + (change >> np.int32(15)))


@compiled
def _recolor(y, cb, cr, out_y, out_cb, out_cr, weights):  # type: ignore[no-untyped-def]
    for row in range(out_cb.shape[0]):
        for column in range(out_cb.shape[1]):
            blue, red = np.int32(cb[row, column]) - 128, np.int32(cr[row, column]) - 128
            add = (blue * weights[0, 0] + red * weights[0, 1] + 16384) >> 15
            for i in range(2 * row, min(2 * row + 2, out_y.shape[0])):
                for j in range(2 * column, min(2 * column + 2, out_y.shape[1])):
                    out_y[i, j] = min(max(np.int32(y[i, j]) + add, 0), 255)
            out_cb[row, column] = min(max(128 + ((blue * weights[1, 0] + red * weights[1, 1] + 16384) >> 15), 0), 255)
            out_cr[row, column] = min(max(128 + ((blue * weights[2, 0] + red * weights[2, 1] + 16384) >> 15), 0), 255)


@compiled
def coarse(luma: Plane, width: int, rows: int, columns: int) -> Plane:
    """The mean luma, rounded down, of a grid of equal rectangles: uint8 [rows, columns].

    `luma` [h, w], of which the first `width` columns count, has at least so many rows and columns; of large rectangles
    some four by four samples are read.
    """
    down, across = luma.shape[0] // rows, width // columns
    small = np.empty((rows, columns), np.uint8)
    for row in range(rows):
        for column in range(columns):
            total, count = 0, 0
            for y in range(row * down, (row + 1) * down, max(1, down // 4)):
                for x in range(column * across, (column + 1) * across, max(1, across // 4)):
                    total += luma[y, x]
                    count += 1
            small[row, column] = total // count
    return small


def coarse_reference(luma: Plane, width: int, rows: int, columns: int) -> Plane:
    """The same in NumPy."""
    down, across = luma.shape[0] // rows, width // columns
    part = luma[: rows * down, : columns * across].reshape(rows, down, columns, across)
    means = part[:, :: max(1, down // 4), :, :: max(1, across // 4)].mean(axis=(1, 3))
    return means.astype(np.uint8)


def warm() -> None:
    """Compiles ahead."""
    luma, chroma = np.zeros((8, 8), np.uint8), np.zeros((4, 4), np.uint8)
    for side in (4, 8):  # a part of the rows, and whole ones
        blend((luma, chroma, chroma), layer(np.zeros((side, side, 4), np.uint8), 0, 0, "bt709"))
    coarse(luma, 8, 1, 1)
    recolored((luma, chroma, chroma), "bt601", "bt709")


__all__ = [
    "BLACK",
    "ONE",
    "Layer",
    "Matrix",
    "Plane",
    "Planes",
    "blend",
    "blend_reference",
    "coarse",
    "coarse_reference",
    "layer",
    "recolored",
    "subsample",
    "to_yuv",
    "warm",
]
