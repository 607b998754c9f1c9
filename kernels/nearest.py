"""Affine pictures without mixing: each pixel shows the one of the source that its middle falls on."""

from __future__ import annotations

import numpy as np

_ROWS_AT_A_TIME = 256


def nearest(pixels: np.ndarray, matrix: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """An affine picture of `pixels` in the window of `coverage`, for art that is made of pixels.

    pixels: uint8 [h, w, 4] straight RGBA; beyond its edge its outermost pixels go on, `coverage` ends it.
    matrix: float64 [2, 3], from the window's coordinates to the source's, pixel centres at +0.5, of any scale.
    coverage: float32 [H, W], 0..1, multiplies the alpha. Gives uint8 [H, W, 4] straight.
    """
    height, width = coverage.shape
    out = np.empty((height, width, 4), np.uint8)
    x = np.arange(width) + 0.5
    for first in range(0, height, _ROWS_AT_A_TIME):
        rows = slice(first, min(height, first + _ROWS_AT_A_TIME))
        y = np.arange(rows.start, rows.stop)[:, None] + 0.5
        across, down = (np.floor(a * x + b * y + c) for a, b, c in np.asarray(matrix, np.float64))
        column = across.clip(0, pixels.shape[1] - 1).astype(np.intp)
        row = down.clip(0, pixels.shape[0] - 1).astype(np.intp)
        part = pixels[row, column]
        part[..., 3] = part[..., 3] * coverage[rows] + np.float32(0.5)
        part[part[..., 3] == 0] = 0
        out[rows] = part
    return out


__all__ = ["nearest"]
