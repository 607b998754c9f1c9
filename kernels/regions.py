"""Regions of a face as ovals drawn from its box and five landmarks, and their masks. Plain numpy.

The geometry, with d the distance of the eyes, m that of the mouth's corners (each taken as at least `LEAST` of the
box's width, so that a profile has a region too), and axes that follow the line through the eyes or the corners:

- *face*: the ellipse inscribed in the box.
- *eyes*: two ellipses about the eyes' points, semi-axes 0.28 d along and 0.17 d across: lids, not brows.
- *mouth*: an ellipse about the middle of the corners, semi-axes 0.62 m and 0.34 m: the lips, closed or open.
- *teeth*: within the mouth, semi-axes 0.40 m and 0.15 m: where teeth show if they do; no pixel is looked at.
- *skin*: face without eyes and mouth.
- *background*: all that lies outside every face grown by `BACKGROUND`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
REGIONS = ("face", "eyes", "mouth", "teeth", "skin", "background")
MARKED = ("eyes", "mouth", "teeth", "skin")
"""Those that need landmarks."""
EYE, MOUTH, TEETH = (0.28, 0.17), (0.62, 0.34), (0.40, 0.15)
LEAST = 0.3
BACKGROUND = 1.5
LINES = 8
"""Lines a pixel that an oval is measured on."""


class Oval(NamedTuple):
    """An ellipse in pixels; (0, 0) is the frame's top left corner."""

    cx: float
    cy: float
    a: float
    """Semi-axis along `angle`, > 0."""
    b: float
    """The other one, > 0."""
    angle: float = 0.0
    """Radians, clockwise as seen."""

    def bounds(self) -> tuple[float, float, float, float]:
        """x, y, w, h of the box around it."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        w, h = math.hypot(self.a * cos, self.b * sin), math.hypot(self.a * sin, self.b * cos)
        return self.cx - w, self.cy - h, 2 * w, 2 * h


def ovals(region: str, box: Sequence[float], points: Floats) -> list[Oval]:
    """What a region of one face covers; for skin and background the face alone. Empty where landmarks are missing.

    box: x, y, w, h; points [5, 2] in pixels: right eye (left in the picture), left eye, nose, mouth's right and left
    corner, NaN where unknown.
    """
    x, y, w, h = map(float, box)
    if region in ("face", "skin", "background"):
        grown = BACKGROUND if region == "background" else 1.0
        return [Oval(x + w / 2, y + h / 2, grown * w / 2, grown * h / 2)]
    if not np.isfinite(points).all():
        return []
    if region == "eyes":
        apart, angle = _line(points[0], points[1], w)
        return [Oval(float(ex), float(ey), EYE[0] * apart, EYE[1] * apart, angle) for ex, ey in points[:2]]
    apart, angle = _line(points[3], points[4], w)
    cx, cy = map(float, (points[3] + points[4]) / 2)
    along, across = MOUTH if region == "mouth" else TEETH
    return [Oval(cx, cy, along * apart, across * apart, angle)]


def _line(a: Floats, b: Floats, width: float) -> tuple[float, float]:
    """Length, at least LEAST of the width, and direction of the line from a to b."""
    dx, dy = map(float, b - a)
    return max(math.hypot(dx, dy), LEAST * width), math.atan2(dy, dx)


def draw(width: int, height: int, shapes: Sequence[Oval]) -> Bytes:
    """The union of the ovals: uint8 [height, width], 255 inside.

    A pixel at an edge has its covered share: exact along a line, the mean of `LINES` lines across.
    """
    mask = np.zeros((height, width), np.uint8)
    for oval in shapes:
        x, y, w, h = oval.bounds()
        left, right = max(0, math.floor(x)), min(width, math.ceil(x + w))
        top, bottom = max(0, math.floor(y)), min(height, math.ceil(y + h))
        if oval.a > 0 and oval.b > 0 and left < right and top < bottom:
            part = mask[top:bottom, left:right]
            np.maximum(part, _cover(oval, left, right, top, bottom), out=part)
    return mask


def _cover(oval: Oval, left: int, right: int, top: int, bottom: int) -> Bytes:
    """On a line at height dy from the centre the oval lies at A dx² + 2 B dx dy + C dy² <= 1."""
    cos, sin = math.cos(oval.angle), math.sin(oval.angle)
    A = (cos / oval.a) ** 2 + (sin / oval.b) ** 2
    B = cos * sin * (oval.a**-2 - oval.b**-2)
    columns = np.arange(left, right, dtype=np.float32)
    share = np.zeros((bottom - top, right - left), np.float32)
    for step in range(LINES):
        dy = np.arange(top, bottom) + (step + 0.5) / LINES - oval.cy
        half = np.sqrt(np.clip(A - (dy / (oval.a * oval.b)) ** 2, 0.0, None)) / A
        middle = oval.cx - B * dy / A
        low, high = ((middle + half * sign)[:, None].astype(np.float32) for sign in (-1, 1))
        share += np.clip(np.minimum(high, columns + 1) - np.maximum(low, columns), 0.0, None)
    return np.rint(share * (255 / LINES)).astype(np.uint8)


def without(mask: Bytes, taken: Bytes) -> Bytes:
    """`mask` less `taken`, both 255 inside."""
    return np.minimum(mask, 255 - taken)


__all__ = ["BACKGROUND", "MARKED", "REGIONS", "Oval", "draw", "ovals", "without"]
