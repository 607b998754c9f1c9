"""Brush strokes as coverage: round ends and joins, a hard or a fading rim.

Equality policy: a hard stroke is a polygon and as exact as `kernels.mask`; a fading one agrees with
`faded_reference` within 1/255.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from kernels.mask import polygon_coverage

try:
    from kernels import brush_numba as fast
except ImportError:  # numba is not installed: the reference does the work
    fast = None  # type: ignore[assignment]

_ARC_ERROR = 2e-3
"""Pixels between a round end and the polygon that stands for it."""
NARROWEST_FADE = 1.0
"""Pixels: a rim that fades in less is a hard one at half the way."""


def stroke_coverage(points: np.ndarray, width: int, height: int, *, diameter: float, hardness: float) -> np.ndarray:
    """How much of each pixel one stroke covers: float32 [height, width], 0..1. Where it crosses itself it is no denser.

    points: float64 [N >= 1, 2], x and y in pixels, pixel centres at +0.5. diameter in pixels. hardness 0..1: the share
    of the radius that is full; from there it fades along a cosine to the rim.
    """
    radius = diameter / 2
    fade = (1 - hardness) * radius
    if fade < NARROWEST_FADE:
        return polygon_coverage(_outline(points, radius - fade / 2), width, height)
    if fast is None:
        return faded_reference(torch.from_numpy(points), width, height, radius=radius, fade=fade).float().numpy()
    out = np.empty((height, width), np.float32)
    fast.fade(_segments(points), radius, fade, out)
    return out


def faded_reference(points: Tensor, width: int, height: int, *, radius: float, fade: float) -> Tensor:
    """The fading stroke, plain: how far each pixel's centre is from the nearest segment. points: floating [N, 2]."""
    rows, columns = (torch.arange(size, dtype=points.dtype) + 0.5 for size in (height, width))
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    nearest = torch.full((height, width), math.inf, dtype=points.dtype)
    ends = points[1:] if len(points) > 1 else points
    for start, end in zip(points, ends, strict=False):
        along = end - start
        share = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / (along @ along).clamp(min=1e-12)
        share = share.clamp(0, 1)
        apart = (x - start[0] - share * along[0]) ** 2 + (y - start[1] - share * along[1]) ** 2
        nearest = torch.minimum(nearest, apart)
    inwards = ((radius - nearest.sqrt()) / fade).clamp(0, 1)
    return 0.5 - 0.5 * torch.cos(math.pi * inwards)


def _segments(points: np.ndarray) -> np.ndarray:
    """float64 [N, 4]: x0, y0, x1, y1; a single point is a segment without length."""
    ends = points[1:] if len(points) > 1 else points
    return np.ascontiguousarray(np.hstack([points[: len(ends)], ends]), np.float64)


def _outline(points: np.ndarray, radius: float) -> np.ndarray:
    """One closed polygon float64 [N, 2], to be filled nonzero: the capsules of the segments, all turning the same way,
    joined by lines that are walked forth and back and so count for nothing."""
    count = max(8, math.ceil(math.pi * math.sqrt(radius / (2 * _ARC_ERROR))))
    angle = np.arange(count // 2 + 1) * (math.pi / (count // 2))
    step = math.pi / (count // 2)
    reach = radius * math.sqrt(step / math.sin(step))  # the area of the circle, not of the polygon inside it
    parts, starts = [], []
    for x0, y0, x1, y1 in _segments(points):
        turn = math.atan2(y1 - y0, x1 - x0)
        to_far, to_near = turn - math.pi / 2 + angle, turn + math.pi / 2 + angle
        far = np.array([x1, y1]) + reach * np.stack([np.cos(to_far), np.sin(to_far)], 1)
        near = np.array([x0, y0]) + reach * np.stack([np.cos(to_near), np.sin(to_near)], 1)
        parts += [far, near, far[:1]]
        starts.append(far[:1])
    return np.concatenate([*parts, *reversed(starts)])


def warm() -> None:
    """Compiles fading strokes ahead."""
    stroke_coverage(np.ones((1, 2)), 2, 2, diameter=4, hardness=0)


__all__ = ["faded_reference", "stroke_coverage", "warm"]
