"""The compiled affine warp: cubic convolution at exact coordinates, premultiplied, the layer's coverage applied."""

# numba's decorators are untyped
# mypy: disable-error-code="misc, untyped-decorator"
from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import prange

BANDS = 64
ONE, TWO, HALF = np.float32(1), np.float32(2), np.float32(0.5)
SHARPNESS = np.float32(-0.5)  # Catmull-Rom
FULL = np.float32(255)

_OPTIONS: dict[str, Any] = {
    "fastmath": True,
    "boundscheck": False,
    "error_model": "numpy",
    "nogil": True,
    "cache": True,
}


@numba.njit(**_OPTIONS)
def _weights(t):  # type: ignore[no-untyped-def]
    """Of the four samples about a point at t, 0..1, between the two middle ones."""
    t2, t3 = t * t, t * t * t
    return (
        SHARPNESS * (t3 - TWO * t2 + t),
        (SHARPNESS + TWO) * t3 - (SHARPNESS + TWO + ONE) * t2 + ONE,
        -(SHARPNESS + TWO) * t3 + (TWO * SHARPNESS + TWO + ONE) * t2 - SHARPNESS * t,
        SHARPNESS * (t2 - t3),
    )


@numba.njit(parallel=True, **_OPTIONS)
def warp(source, matrix, coverage, samples, out):  # type: ignore[no-untyped-def]
    """source: float32 [h, w, 4], premultiplied, 0..255. matrix: float64 [2, 3] from output to source coordinates, both
    with pixel centres at +0.5. coverage: float32 [H, W]. samples: a side, within each output pixel. out: uint8
    [H, W, 4], straight."""
    h, w = source.shape[:2]
    rows, columns = out.shape[:2]
    step = (rows + BANDS - 1) // BANDS
    share = ONE / np.float32(samples * samples)
    for band in prange(BANDS):
        for y in range(band * step, min(rows, (band + 1) * step)):
            for x in range(columns):
                if coverage[y, x] <= 0:
                    out[y, x] = 0
                    continue
                r = g = b = a = np.float32(0)
                for j in range(samples):
                    for i in range(samples):
                        px, py = x + (i + 0.5) / samples, y + (j + 0.5) / samples
                        u = matrix[0, 0] * px + matrix[0, 1] * py + matrix[0, 2] - 0.5
                        v = matrix[1, 0] * px + matrix[1, 1] * py + matrix[1, 2] - 0.5
                        u0, v0 = int(np.floor(u)), int(np.floor(v))
                        across, down = _weights(np.float32(u - u0)), _weights(np.float32(v - v0))
                        for m in range(4):
                            line = source[min(max(v0 - 1 + m, 0), h - 1)]
                            for n in range(4):
                                pixel = line[min(max(u0 - 1 + n, 0), w - 1)]
                                k = down[m] * across[n] * share
                                r += pixel[0] * k
                                g += pixel[1] * k
                                b += pixel[2] * k
                                a += pixel[3] * k
                a = min(max(a, np.float32(0)), FULL)
                straight = FULL / max(a, np.float32(1e-6))
                alpha = np.uint8(a * coverage[y, x] + HALF)
                if alpha == 0:
                    out[y, x] = 0
                else:
                    out[y, x, 0] = np.uint8(min(max(r * straight, np.float32(0)), FULL) + HALF)
                    out[y, x, 1] = np.uint8(min(max(g * straight, np.float32(0)), FULL) + HALF)
                    out[y, x, 2] = np.uint8(min(max(b * straight, np.float32(0)), FULL) + HALF)
                    out[y, x, 3] = alpha


__all__ = ["warp"]
