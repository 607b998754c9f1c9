"""Gaussian blur of planes, at any sigma.

Equality policy: the fast execution agrees with `gaussian_reference` within 1/255 of full scale.
"""

from __future__ import annotations

import math
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Edge = Literal["zero", "replicate"]
"""What lies beyond the plane: nothing, or its outermost values."""

DIRECT_BELOW = 12.0
"""Sigma in pixels up to which the kernel is applied at full size; beyond, on a reduced plane."""

_CELLS_PER_SIGMA = 5
_BORDERS = {"zero": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE}


def gaussian(plane: np.ndarray, sigma: float, *, edge: Edge = "zero") -> np.ndarray:
    """A Gaussian of `sigma` pixels. plane: float32 [H, W] or [H, W, C <= 4], C premultiplied; the same comes back.

    ValueError for a sigma that is negative or not finite; 0 gives a copy.
    """
    _check(plane, sigma)
    if sigma == 0:
        return plane.copy()
    if sigma < DIRECT_BELOW:
        return _direct(plane, sigma, edge)
    return _reduced(plane, sigma, edge)


def _direct(plane: np.ndarray, sigma: float, edge: Edge) -> np.ndarray:
    size = 2 * math.ceil(4 * sigma) + 1
    return cv2.GaussianBlur(plane, (size, size), sigma, borderType=_BORDERS[edge])


def _reduced(plane: np.ndarray, sigma: float, edge: Edge) -> np.ndarray:
    """Means of square cells, a small Gaussian on them, linear enlargement. The variances of the parts are taken off the
    Gaussian's, so that the whole has the sigma asked for."""
    cell = max(3, int(sigma / _CELLS_PER_SIGMA) // 2 * 2 + 1)
    h, w = plane.shape[:2]
    margin = cell * (math.ceil(4 * sigma / cell) + 2)
    bottom, right = margin + -h % cell, margin + -w % cell
    padded = cv2.copyMakeBorder(plane, margin, bottom, margin, right, _BORDERS[edge])
    size = (padded.shape[1], padded.shape[0])
    # one mean alone lets fine texture through as false waves; an odd cell keeps the second one in place
    smooth = cv2.blur(padded, (cell, cell), borderType=cv2.BORDER_REPLICATE)
    small = cv2.resize(smooth, (size[0] // cell, size[1] // cell), interpolation=cv2.INTER_AREA)
    means, enlargement = 2 * (cell**2 - 1) / 12, cell**2 / 6 + 1 / 12
    small = _direct(small, math.sqrt(sigma**2 - means - enlargement) / cell, "replicate")
    large = cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(large[margin : margin + h, margin : margin + w])


def gaussian_reference(plane: Tensor, sigma: float, *, edge: Edge = "zero") -> Tensor:
    """The same, plain: floating [H, W], any device; the kernel sampled to 6 sigma and normalised."""
    if sigma == 0:
        return plane.clone()
    radius = math.ceil(6 * sigma)
    offsets = torch.arange(-radius, radius + 1, dtype=plane.dtype, device=plane.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    out = plane[None, None]
    for shape, padding in (((1, 1, 1, -1), (radius, radius, 0, 0)), ((1, 1, -1, 1), (0, 0, radius, radius))):
        mode = "constant" if edge == "zero" else "replicate"
        out = functional.conv2d(functional.pad(out, padding, mode=mode), kernel.reshape(shape))
    return out[0, 0]


def _check(plane: np.ndarray, sigma: float) -> None:
    if plane.dtype != np.float32 or plane.ndim not in (2, 3):
        raise ValueError(f"a plane is float32 [H, W] or [H, W, C]; got {plane.dtype} {plane.shape}")
    if not (math.isfinite(sigma) and sigma >= 0):
        raise ValueError(f"sigma is finite and not negative; got {sigma}")


__all__ = ["DIRECT_BELOW", "Edge", "gaussian", "gaussian_reference"]
