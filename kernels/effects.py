"""What is drawn from a layer's shape: shadows and strokes, as coverage.

A shape is float32 [H, W], 0..1, on a plane wide enough for what is drawn of it; beyond it there is nothing.
Equality policy: each agrees with its reference within 1/255, strokes where `kernels.grow` does.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor

from kernels.blur import gaussian, gaussian_reference
from kernels.grow import grown, grown_reference

Offset = tuple[float, float]
"""x, y in pixels."""


def reach(offset: Offset, size: float) -> int:
    """Pixels beyond the shape that a shadow or a stroke of this size may touch."""
    return math.ceil(max(abs(offset[0]), abs(offset[1])) + 2 * size) + 2


def shadow(shape: np.ndarray, offset: Offset, size: float, spread: float) -> np.ndarray:
    """The shape grown by spread * size, blurred by a Gaussian of sigma (1 - spread) * size / 2, moved."""
    return _shadow(shape, offset, size, spread, 0.0)


def inner_shadow(shape: np.ndarray, offset: Offset, size: float, spread: float) -> np.ndarray:
    """The shadow that all but the shape casts; to be shown inside the shape alone."""
    return _shadow(1 - shape, offset, size, spread, 1.0)


def _shadow(shape: np.ndarray, offset: Offset, size: float, spread: float, beyond: float) -> np.ndarray:
    cast = grown(shape, spread * size)
    sigma = (1 - spread) * size / 2
    cast = gaussian(cast, sigma, edge="replicate" if beyond else "zero") if sigma > 0 else cast
    if offset == (0, 0):
        return cast
    move = np.array([[1, 0, offset[0]], [0, 1, offset[1]]], np.float64)
    size_ = (shape.shape[1], shape.shape[0])
    return cv2.warpAffine(
        cast, move, size_, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(beyond,)
    )


def stroke_outside(shape: np.ndarray, width: float) -> np.ndarray:
    """What of a line outside the outline lies under a layer of this shape: behind its soft edge it goes on, behind what
    is solid it ends."""
    return _share(grown(shape, width) - shape, 1 - shape)


def stroke_inside(shape: np.ndarray, width: float) -> np.ndarray:
    """The share of the shape that a line inside its outline takes."""
    return _share(shape - grown(shape, -width), shape)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, np.clip(part / np.maximum(whole, np.float32(1e-6)), 0, 1), 0).astype(np.float32)


def shadow_reference(shape: Tensor, offset: tuple[int, int], size: float, spread: float) -> Tensor:
    """The same, plain: floating [H, W]; whole offsets, nothing of it beyond the plane."""
    cast = gaussian_reference(grown_reference(shape, spread * size), (1 - spread) * size / 2)
    return torch.roll(cast, (offset[1], offset[0]), (0, 1))


def stroke_reference(shape: Tensor, width: float, inside: bool) -> Tensor:
    """Both strokes, plain: floating [H, W]."""
    part = shape - grown_reference(shape, -width) if inside else grown_reference(shape, width) - shape
    whole = shape if inside else 1 - shape
    return torch.where(whole > 0, (part / whole.clamp(min=1e-6)).clamp(0, 1), 0)


__all__ = [
    *("Offset", "inner_shadow", "reach", "shadow", "shadow_reference"),
    *("stroke_inside", "stroke_outside", "stroke_reference"),
]
