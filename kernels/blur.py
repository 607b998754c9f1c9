"""Gaussian blur of planes and pictures, at any sigma.

Below `DIRECT_BELOW` the sampled kernel runs at full size (OpenCV). Beyond, the picture is reduced to cells, blurred
there by what is left of the sigma, and brought back by a cubic B-spline: each part widens the whole by a variance that
is known, and is taken off the Gaussian's.

Equality policy: the fast execution agrees with `gaussian_reference` within 1/255 of full scale, rounding to bytes (half
of it) included. Bytes do not depend on the number of threads.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

try:
    from kernels import blur_numba as fast
    from kernels.compiled import unlocked
    from kernels.threads import at_most
except ImportError:  # numba is not installed: the sampled kernel does the work
    fast = None  # type: ignore[assignment]

Edge = Literal["zero", "replicate"]
"""What lies beyond the plane: nothing, or its outermost values."""

DIRECT_BELOW = 12.0
"""Sigma in pixels up to which the kernel is applied at full size; beyond, on a reduced plane."""

_CELLS_PER_SIGMA = 3
_HALVINGS = 2
_BORDERS = {"zero": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE}


def gaussian(
    plane: np.ndarray,
    sigma: float,
    *,
    edge: Edge = "zero",
    threads: int = 2,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """A Gaussian of `sigma` pixels. plane: float32 [H, W] or [H, W, C <= 4], C premultiplied; the same comes back. On
    another device than the CPU it is done by `kernels.blur_torch`.

    ValueError for a sigma that is negative or not finite; 0 gives a copy.
    """
    _check(plane, sigma)
    if sigma == 0:
        return plane.copy()
    if torch.device(device).type != "cpu":
        return import_module("kernels.blur_torch").gaussian(plane, sigma, edge=edge, device=device)
    if sigma < DIRECT_BELOW or fast is None:
        return _direct(plane, sigma, edge)
    return _reduced(plane, sigma, edge, False, threads)


def gaussian_rgba(
    pixels: np.ndarray,
    sigma: float,
    *,
    edge: Edge = "replicate",
    threads: int = 2,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """The same of a picture: uint8 [H, W, 4], straight RGBA, blurred premultiplied; the same comes back.

    ValueError for another type or shape, and as `gaussian`.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 4:
        raise ValueError(f"a picture is uint8 [H, W, 4]; got {pixels.dtype} {pixels.shape}")
    _check_sigma(sigma)
    if sigma == 0:
        return pixels.copy()
    if torch.device(device).type != "cpu":
        return import_module("kernels.blur_torch").gaussian_rgba(pixels, sigma, edge=edge, device=device)
    if sigma >= DIRECT_BELOW and fast is not None:
        return _reduced(pixels, sigma, edge, True, threads)
    if (pixels[..., 3] == 255).all() and edge == "replicate":
        return _direct(pixels, sigma, edge)
    planes = pixels.astype(np.float32)
    planes[..., :3] *= planes[..., 3:] / 255
    planes = _direct(planes, sigma, edge)
    planes[..., :3] *= 255 / np.maximum(planes[..., 3:], 1e-3)
    return (np.clip(planes, 0, 255) + np.float32(0.5)).astype(np.uint8)


def _direct(plane: np.ndarray, sigma: float, edge: Edge) -> np.ndarray:
    size = 2 * math.ceil(4 * sigma) + 1
    return cv2.GaussianBlur(plane, (size, size), sigma, borderType=_BORDERS[edge])


def _reduced(picture: np.ndarray, sigma: float, edge: Edge, straight: bool, threads: int) -> np.ndarray:
    """float32 [H, W(, C)], or uint8 [H, W, 4] that is `straight`: by cells of a power of two."""
    height, width = picture.shape[:2]
    channels = picture.shape[2] if picture.ndim == 3 else 1
    power = max(1, math.floor(math.log2(sigma / _CELLS_PER_SIGMA)))
    halvings = min(_HALVINGS, power)
    factor, cell = 1 << power, 1 << power - halvings
    # variances, in pixels²: of a cell's mean, of each halving (3/4 of its pixel's square), of the B-spline (1/3)
    spent = (cell**2 - 1) / 12 + sum(0.75 * (cell << i) ** 2 for i in range(halvings)) + factor**2 / 3
    left = math.sqrt(sigma**2 - spent) / factor
    pad = math.ceil(4 * left) + 3
    rows, columns = -(-height // factor), -(-width // factor)
    source = unlocked(np.ascontiguousarray(picture)).reshape(height, width * channels)
    wide, many = pad << halvings, 1 << halvings
    cells = np.empty((rows * many + 2 * wide, (columns * many + 2 * wide) * channels), np.float32)
    out = np.empty_like(source)
    with at_most(threads):
        fast.means(source, channels, cell, wide, edge == "replicate", straight, cells)
        cells[: wide - 1] = cells[wide - 1]
        cells[-wide + 1 :] = cells[-wide]
        for _ in range(halvings):
            smaller = np.empty((cells.shape[0] // 2, cells.shape[1] // 2), np.float32)
            fast.halve(cells, channels, smaller)
            cells = smaller
        small = _direct(cells.reshape(cells.shape[0], -1, channels), left, "replicate")
        fast.enlarge(small.reshape(cells.shape), channels, factor, pad, straight, out)
    return out.reshape(picture.shape)


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
    _check_sigma(sigma)


def _check_sigma(sigma: float) -> None:
    if not (math.isfinite(sigma) and sigma >= 0):
        raise ValueError(f"sigma is finite and not negative; got {sigma}")


def warm() -> None:
    """Compiles ahead what wide sigmas need, of bytes and of floats."""
    gaussian_rgba(np.zeros((8, 8, 4), np.uint8), 2 * DIRECT_BELOW)
    gaussian(np.zeros((8, 8), np.float32), 2 * DIRECT_BELOW)


__all__ = ["DIRECT_BELOW", "Edge", "gaussian", "gaussian_reference", "gaussian_rgba", "warm"]
