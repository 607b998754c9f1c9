"""Gradients: colours at places along a line, around a centre or about it.

Between two stops colours are mixed premultiplied, as everywhere else here. Beyond the outer stops their colours go on.
Equality policy: `gradient` agrees with `gradient_reference` within 1/255 of premultiplied colours.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from kernels.resample import straight

Stops = Sequence[tuple[float, tuple[int, int, int, int]]]
"""(place 0..1, RGBA 0..255), places not falling."""
Size = tuple[float, float]
_ROWS_AT_A_TIME = 256


def _linear(x: np.ndarray, y: np.ndarray, size: Size, angle: float, radius: float) -> np.ndarray:
    cos, sin = math.cos(angle), math.sin(angle)
    length = abs(size[0] * cos) + abs(size[1] * sin)  # both ends of the line just reach a corner
    return (x * cos + y * sin) / length + 0.5


def _radial(x: np.ndarray, y: np.ndarray, size: Size, angle: float, radius: float) -> np.ndarray:
    return np.sqrt(x * x + y * y) / radius


def _conic(x: np.ndarray, y: np.ndarray, size: Size, angle: float, radius: float) -> np.ndarray:
    return (np.arctan2(y, x) - angle) / (2 * math.pi) % 1


PLACES: Mapping[str, Callable[..., np.ndarray]] = MappingProxyType(
    {"linear": _linear, "radial": _radial, "conic": _conic}
)
"""Type -> (x, y from the centre, size, angle, radius) -> the place along the gradient, 0..1 between its outer stops.
Angles run clockwise from rightwards."""


def gradient(
    kind: str,
    width: int,
    height: int,
    stops: Stops,
    *,
    angle: float = 0.0,
    center: tuple[float, float] = (0.5, 0.5),
    radius: float | None = None,
    size: tuple[float, float] | None = None,
    part: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
    """uint8 [height, width, 4] straight RGBA.

    `size` is that of the plane the gradient belongs to, `part` (x0, y0, x1, y1) what of it is drawn, both in its own
    units; left out, one unit is a pixel and all of it is drawn. `angle` in degrees, `center` in fractions of the
    size, `radius` in units, by default to the farthest corner. ValueError for an unknown type or fewer than two stops.
    """
    if kind not in PLACES:
        raise ValueError(f"no gradient {kind!r}; the types are {', '.join(PLACES)}")
    size = size or (width, height)
    x0, y0, x1, y1 = part or (0.0, 0.0, *size)
    at, colors = _ramp(stops)
    across, down = center[0] * size[0], center[1] * size[1]
    if radius is None:
        radius = math.hypot(max(across, size[0] - across), max(down, size[1] - down))
    x = x0 + (np.arange(width, dtype=np.float64) + 0.5) * ((x1 - x0) / width) - across
    y = y0 + (np.arange(height, dtype=np.float64) + 0.5) * ((y1 - y0) / height) - down
    out = np.empty((height, width, 4), np.uint8)
    for first in range(0, height, _ROWS_AT_A_TIME):
        rows = slice(first, min(height, first + _ROWS_AT_A_TIME))
        where = PLACES[kind](x[None], y[rows, None], size, math.radians(angle), max(radius, 1e-9))
        where = np.broadcast_to(where, (rows.stop - rows.start, width))
        mixed = np.stack([np.interp(where, at, colors[:, i]) for i in range(4)], -1)
        out[rows] = straight(mixed.astype(np.float32))
    return out


def _ramp(stops: Stops) -> tuple[np.ndarray, np.ndarray]:
    """Places and premultiplied colours 0..255; equal places make a hard edge."""
    if len(stops) < 2:
        raise ValueError(f"a gradient has at least two stops; got {len(stops)}")
    at = np.array([place for place, _ in stops], np.float64)
    if (np.diff(at) < 0).any():
        raise ValueError("the stops of a gradient are in rising order")
    colors = np.array([color for _, color in stops], np.float64)
    colors[:, :3] *= colors[:, 3:] / 255
    return at + np.arange(len(at)) * 1e-9, colors


def gradient_reference(kind: str, width: int, height: int, stops: Stops, **where: float) -> Tensor:
    """The same, plain: float64 [height, width, 4] premultiplied 0..1, pixel by pixel from the definition."""
    angle = math.radians(where.get("angle", 0.0))
    out = torch.zeros((height, width, 4), dtype=torch.float64)
    farthest = math.hypot(width, height) / 2
    for row in range(height):
        for column in range(width):
            x, y = column + 0.5 - width / 2, row + 0.5 - height / 2
            if kind == "linear":
                half = (abs(width * math.cos(angle)) + abs(height * math.sin(angle))) / 2
                at = (x * math.cos(angle) + y * math.sin(angle) + half) / (2 * half)
            elif kind == "radial":
                at = math.hypot(x, y) / where.get("radius", farthest)
            else:
                at = ((math.atan2(y, x) - angle) / (2 * math.pi)) % 1
            out[row, column] = _mixed(stops, at)
    return out


def _mixed(stops: Stops, at: float) -> Tensor:
    full = [(place, torch.tensor([*(c * rgba[3] / 255 for c in rgba[:3]), rgba[3]]) / 255) for place, rgba in stops]
    if at <= full[0][0]:
        return full[0][1]
    for (left, before), (right, after) in itertools.pairwise(full):
        if at <= right:
            return before + (after - before) * (at - left) / max(right - left, 1e-12)
    return full[-1][1]


__all__ = ["PLACES", "Stops", "gradient", "gradient_reference"]
