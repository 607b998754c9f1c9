"""The compiled fading stroke: for each pixel the nearest segment, of those whose reach touches its row."""

# numba's decorators are untyped
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call"
from __future__ import annotations

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def fade(segments, radius, width, out):  # type: ignore[no-untyped-def]
    """segments float64 [N, 4]; radius and width of the rim in pixels; out float32 [H, W], 0..1."""
    columns = out.shape[1]
    nearest = np.empty(columns)
    for row in range(out.shape[0]):
        y = row + 0.5
        nearest[:] = math.inf
        for i in range(len(segments)):
            x0, y0, x1, y1 = segments[i]
            if min(y0, y1) - radius > y or max(y0, y1) + radius < y:
                continue
            ax, ay = x1 - x0, y1 - y0
            length = max(ax * ax + ay * ay, 1e-12)
            first = max(0, math.floor(min(x0, x1) - radius))
            end = min(columns, math.ceil(max(x0, x1) + radius) + 1)
            for column in range(first, end):
                dx, dy = column + 0.5 - x0, y - y0
                share = min(1.0, max(0.0, (dx * ax + dy * ay) / length))
                dx -= share * ax
                dy -= share * ay
                nearest[column] = min(nearest[column], dx * dx + dy * dy)
        for column in range(columns):
            inwards = min(1.0, max(0.0, (radius - math.sqrt(nearest[column])) / width))
            out[row, column] = 0.5 - 0.5 * math.cos(math.pi * inwards)


__all__ = ["fade"]
