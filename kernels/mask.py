"""Selections as coverage: polygons by exact area, ellipses, feather.

Equality policy: `polygon_coverage` is exact but for rounding; `polygon_coverage_reference` samples rows, so the two
agree within 1/`lines` of full scale.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from kernels.blur import gaussian
from kernels.color import luma

try:
    from kernels import mask_numba as fast
    from kernels.compiled import unlocked
except ImportError:  # numba is not installed: the reference does the work
    fast = None  # type: ignore[assignment]

FillRule = Literal["nonzero", "evenodd"]

_ARC_ERROR = 1e-3  # pixels between an ellipse and the polygon that stands for it


def polygon_coverage(
    points: np.ndarray, width: int, height: int, *, fill_rule: FillRule = "nonzero", feather: float = 0.0
) -> np.ndarray:
    """How much of each pixel a closed polygon covers: float32 [height, width], 0..1.

    points: float64 [N >= 3, 2], x and y in pixels, pixel centres at +0.5; it may cross itself and leave the canvas.
    feather: sigma in pixels of a Gaussian on the unbounded plane, so that a shape does not fade at the canvas's edge.
    """
    points = _checked(points)
    margin = math.ceil(4 * feather) + 1 if feather > 0 else 0
    plane = np.empty((height + 2 * margin, width + 2 * margin), np.float32)
    if fast is not None:
        size = plane.shape[::-1]
        fast.fill(points + margin, fill_rule == "evenodd", False, *size, plane.ctypes.data, 0)
    else:
        shifted = torch.from_numpy(points + margin)
        plane[:] = polygon_coverage_reference(shifted, plane.shape[1], plane.shape[0], fill_rule=fill_rule).numpy()
    if not margin:
        return plane
    plane = gaussian(plane, feather)
    return np.ascontiguousarray(plane[margin : margin + height, margin : margin + width])


def polygon_levels(
    points: np.ndarray, width: int, height: int, *, fill_rule: FillRule = "nonzero", inverted: bool = False
) -> np.ndarray:
    """`to_bytes` of `polygon_coverage`, or with `inverted` of 1 less it, byte for byte: uint8 [height, width]. No plane
    of float32 is made."""
    points = _checked(points)
    if fast is None:
        plane = polygon_coverage(points, width, height, fill_rule=fill_rule)
        return to_bytes(1 - plane if inverted else plane)
    levels = np.empty((height, width), np.uint8)
    fast.fill(unlocked(points), fill_rule == "evenodd", inverted, width, height, 0, levels.ctypes.data)
    return levels


def _checked(points: np.ndarray) -> np.ndarray:
    points = np.ascontiguousarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
        raise ValueError(f"a polygon is at least three finite points [N, 2]; got {points.shape}")
    return points


def polygon_coverage_reference(
    points: Tensor, width: int, height: int, *, fill_rule: FillRule = "nonzero", lines: int = 64
) -> Tensor:
    """The same, plain: `lines` horizontal lines a row, exact along each. points: floating [N, 2], any device."""
    x0, y0 = points.unbind(1)
    x1, y1 = points.roll(-1, 0).unbind(1)
    direction = torch.sign(y1 - y0)
    columns = torch.arange(width, dtype=points.dtype, device=points.device)
    out = torch.zeros((height, width), dtype=points.dtype, device=points.device)
    offsets = (torch.arange(lines, dtype=points.dtype, device=points.device)[:, None] + 0.5) / lines
    for row in range(height):
        y = row + offsets
        crossed = ((y0 <= y) & (y < y1)) | ((y1 <= y) & (y < y0))
        x = torch.where(crossed, x0 + (y - y0) / torch.where(y1 == y0, 1, y1 - y0) * (x1 - x0), math.inf)
        x, order = x.sort(1)
        winding = torch.where(crossed, direction, 0).gather(1, order).cumsum(1)
        inside = (winding % 2 if fill_rule == "evenodd" else winding).abs().clamp(max=1)
        change = torch.diff(inside, dim=1, prepend=torch.zeros_like(inside[:, :1]))
        touched = change != 0
        right = (columns + 1 - x[touched][:, None]).clamp(0, 1)
        out[row] = (change[touched][:, None] * right).sum(0) / lines
    return out


def ellipse_points(x: float, y: float, width: float, height: float, rotation: float = 0.0) -> np.ndarray:
    """A polygon float64 [N, 2] within 1/1000 pixel of the ellipse in a box, turned clockwise by `rotation` degrees."""
    largest = max(width, height) / 2
    count = min(8192, max(16, math.ceil(math.pi * math.sqrt(largest / (2 * _ARC_ERROR)))))
    angle = np.arange(count) * (2 * math.pi / count)
    # the polygon lies half outside, half inside the ellipse: its area is the ellipse's
    swell = math.sqrt((2 * math.pi / count) / math.sin(2 * math.pi / count))
    middle = (x + width / 2, y + height / 2)
    across, down = np.cos(angle) * (width / 2 * swell), np.sin(angle) * (height / 2 * swell)
    return turned(np.stack([middle[0] + across, middle[1] + down], 1), middle, rotation)


def rectangle_points(x: float, y: float, width: float, height: float, rotation: float = 0.0) -> np.ndarray:
    """The corners float64 [4, 2] of a rectangle turned clockwise about its centre by `rotation` degrees."""
    corners = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float64)
    return turned(corners, (x + width / 2, y + height / 2), rotation)


def turned(points: np.ndarray, about: tuple[float, float], degrees: float) -> np.ndarray:
    """points float64 [N, 2] turned about a point, clockwise as seen (y grows downwards)."""
    if degrees == 0:
        return points
    cos, sin = unit_circle(degrees)
    return (points - about) @ np.array([[cos, sin], [-sin, cos]]) + about


def unit_circle(degrees: float) -> tuple[float, float]:
    """Cosine and sine, exact at quarter turns: a picture turned by 90 degrees stays on the pixel grid."""
    quarter = {0.0: (1.0, 0.0), 90.0: (0.0, 1.0), 180.0: (-1.0, 0.0), 270.0: (0.0, -1.0)}
    return quarter.get(degrees % 360) or (math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))


def luminance(pixels: np.ndarray) -> np.ndarray:
    """Luma times alpha of uint8 [H, W, 4] straight RGBA: float32 [H, W], 0..1; a grey picture gives its own values."""
    return luma(pixels) * (pixels[..., 3].astype(np.float32) / np.float32(255 * 255))


def alpha(pixels: np.ndarray) -> np.ndarray:
    """The alpha channel of uint8 [H, W, 4]: float32 [H, W], 0..1."""
    return pixels[..., 3].astype(np.float32) / np.float32(255)


def color_range(pixels: np.ndarray, color: str, tolerance: float) -> np.ndarray:
    """Where no channel of uint8 [H, W, 4] differs from a colour (#rrggbb…) by more than `tolerance` of 255: its alpha,
    else 0: float32 [H, W], 0..1."""
    wanted = np.frombuffer(bytes.fromhex(color[1:7]), np.uint8).astype(np.int16)
    apart = np.abs(pixels[..., :3].astype(np.int16) - wanted).max(-1)
    return np.where(apart <= tolerance, alpha(pixels), np.float32(0))


def to_bytes(coverage: np.ndarray) -> np.ndarray:
    """Coverage float32 0..1 as uint8, rounded."""
    if fast is None or coverage.dtype != np.float32 or not coverage.flags.c_contiguous:
        return np.rint(np.clip(coverage, 0, 1) * np.float32(255)).astype(np.uint8)
    levels = np.empty(coverage.shape, np.uint8)
    fast.rounded(unlocked(coverage).reshape(-1), levels.reshape(-1))
    return levels


def warm() -> None:
    """Compiles ahead."""
    to_bytes(polygon_coverage(np.array([[0, 0], [1, 0], [0, 1]], np.float64), 1, 1))


__all__ = [
    "FillRule",
    "alpha",
    "color_range",
    "ellipse_points",
    "luminance",
    "polygon_coverage",
    "polygon_coverage_reference",
    "polygon_levels",
    "rectangle_points",
    "to_bytes",
    "turned",
    "unit_circle",
    "warm",
]
