"""Planes put at a place between pixels, and blend modes over planes: what `yuv.blend` then lays over a frame.

A picture of planes (Y [h, w], Cb and Cr [h/2, w/2], h and w even) stands with its top left corner at (x, y) of the
frame, in luma pixels, not whole. It becomes a `Layer` whose place is even: the planes are moved by what is left, 0 to 2
pixels of luma, by bilinear interpolation (exact for whole pixels), and its alpha falls to 0 at the moved edges.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kernels.blend import MODES, dissolve_hash
from kernels.yuv import ONE, WEIGHTS, Layer, Matrix, Planes, to_yuv

Plane = NDArray[np.uint8]


def layer_at(planes: Planes, alpha: Plane | None, x: float, y: float) -> Layer:
    """`alpha` [h, w] 255 = shown; None: all of it. ValueError for planes of odd size."""
    height, width = planes[0].shape
    if height % 2 or width % 2:
        raise ValueError(f"planes have even sizes; got {width}x{height}")
    left, top = 2 * math.floor(x / 2), 2 * math.floor(y / 2)
    dx, dy = x - left, y - top
    shape = np.full((height, width), ONE, np.float32) if alpha is None else alpha.astype(np.float32) * (ONE / 255)
    if dx == 0 and dy == 0:
        luma_alpha, color = shape, planes
    else:
        luma_alpha = _moved(shape, dx, dy, 2, cv2.BORDER_CONSTANT)
        color = (
            _moved(planes[0], dx, dy, 2, cv2.BORDER_REPLICATE),
            _moved(planes[1], dx / 2, dy / 2, 1, cv2.BORDER_REPLICATE),
            _moved(planes[2], dx / 2, dy / 2, 1, cv2.BORDER_REPLICATE),
        )
    blocks = luma_alpha.reshape(luma_alpha.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3))
    return Layer(left, top, color, np.round(luma_alpha).astype(np.uint16), np.round(blocks).astype(np.uint16))


def blended(planes: Planes, picture: Layer, mode: str, matrix: Matrix) -> Layer | None:
    """The part of the layer over the frame, in the colors that the mode makes of them with the frame's.

    Blended normally this gives cb (1 - as) + as B(cb, cs): the mode over an opaque backdrop. Only the layer's rectangle
    is taken to RGB. None: the layer lies outside. KeyError for an unknown mode.
    """
    import torch  # only here: a render without blend modes does without it

    height, width = planes[0].shape
    x0, y0 = max(0, picture.x), max(0, picture.y)
    x1, y1 = min(width, picture.x + picture.color[0].shape[1]), min(height, picture.y + picture.color[0].shape[0])
    if x1 <= x0 or y1 <= y0:
        return None
    below = [
        plane[y0 // step : (y1 + step - 1) // step, x0 // step : (x1 + step - 1) // step]
        for plane, step in _steps(planes)
    ]
    moved = (x0 - picture.x, y0 - picture.y)
    parts = [
        plane[moved[1] // step : (moved[1] + y1 - y0) // step, moved[0] // step : (moved[0] + x1 - x0) // step]
        for plane, step in _steps((*picture.color, picture.luma_alpha))
    ]
    chroma_alpha = picture.chroma_alpha[
        moved[1] // 2 : (moved[1] + y1 - y0) // 2, moved[0] // 2 : (moved[0] + x1 - x0) // 2
    ]
    backdrop, source = (torch.from_numpy(_rgb(p[0], p[1], p[2], matrix)) for p in (below, parts))
    made = MODES[mode].reference(backdrop, source).clamp(0, 1).numpy()
    yuv = to_yuv(made, matrix)
    chroma = [yuv[..., n].reshape(yuv.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3)) for n in (1, 2)]
    color = [np.clip(np.round(plane), 0, 255).astype(np.uint8) for plane in (yuv[..., 0], *chroma)]
    return Layer(x0, y0, (color[0], color[1], color[2]), parts[3].astype(np.uint16), chroma_alpha)


def scattered(picture: Layer, opacity: float) -> Layer:
    """The layer in the mode `dissolve`: each pixel whole or not at all, by the pattern of kernels.blend over the frame;
    chroma has the mean of its four pixels."""
    height, width = picture.luma_alpha.shape
    columns, rows = (
        (np.arange(first, first + count, dtype=np.int64) & 0xFFFFFFFF).astype(np.uint64)
        for first, count in ((picture.x, width), (picture.y, height))
    )
    least = (dissolve_hash(columns, rows[:, None], np.uint64(0)).astype(np.float64) + 0.5) / 4096
    shown = np.where(picture.luma_alpha * (opacity / ONE) > least, ONE, 0)
    blocks = shown.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    return picture._replace(luma_alpha=shown.astype(np.uint16), chroma_alpha=np.round(blocks).astype(np.uint16))


def _steps(planes: Sequence[NDArray[Any]]) -> Iterator[tuple[NDArray[Any], int]]:
    """Each plane with how many luma pixels its samples stand for along a side: Y, Cb, Cr, and an alpha of luma."""
    return zip(planes, (1, 2, 2, 1), strict=False)


def _rgb(y: Plane, cb: Plane, cr: Plane, matrix: Matrix) -> NDArray[np.float32]:
    """[h, w, 3] 0..1 of planes, chroma repeated."""
    kr, kb = WEIGHTS[matrix]
    luma = (y.astype(np.float32) - 16) / 219
    blue, red = (
        np.repeat(np.repeat((plane.astype(np.float32) - 128) / 224, 2, axis=0), 2, axis=1)[: y.shape[0], : y.shape[1]]
        for plane in (cb, cr)
    )
    b, r = luma + np.float32(2 * (1 - kb)) * blue, luma + np.float32(2 * (1 - kr)) * red
    g = (luma - np.float32(kr) * r - np.float32(kb) * b) / np.float32(1 - kr - kb)
    return np.clip(np.stack([r, g, b], axis=-1), 0, 1)


def _moved(plane: NDArray[Any], dx: float, dy: float, room: int, border: int) -> NDArray[Any]:
    """[h + room, w + room] the plane moved right and down by 0 to `room` samples."""
    height, width = plane.shape
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float64)
    return cv2.warpAffine(
        np.ascontiguousarray(plane), matrix, (width + room, height + room), flags=cv2.INTER_LINEAR, borderMode=border
    )


__all__ = ["blended", "layer_at", "scattered"]
