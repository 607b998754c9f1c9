"""Gaussian blur of planes and pictures, at any sigma.

Below `DIRECT_BELOW` the sampled kernel runs at full size. Beyond, the picture is halved, blurred by what is left of
the sigma, and brought back by a cubic B-spline: each part widens the whole by a variance that is known, and is taken
off the Gaussian's.

Equality policy: the fast execution agrees with `gaussian_reference` within 1/255 of full scale, rounding to bytes (half
of it) included; but an opaque picture below `DIRECT_BELOW` goes to OpenCV's filter of bytes as it is, within 4/255: its
weights have 8 bits, and nothing here is as fast. Bytes do not depend on the number of threads.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any, Literal

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

LEAST_SIGMA = 2.0
"""The sigma in pixels of the smallest plane, at least: of 2 the error before rounding is a fifth of 1/255, of 1.5 over
a half of it."""
DIRECT_BELOW = 2 * LEAST_SIGMA
"""Sigma in pixels up to which the kernel is applied at full size; beyond, on a reduced plane."""

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
    if sigma == 0 or not plane.size:
        return plane.copy()
    if torch.device(device).type != "cpu":
        return import_module("kernels.blur_torch").gaussian(plane, sigma, edge=edge, device=device)
    if sigma < DIRECT_BELOW or fast is None:
        return _direct(plane, sigma, edge)
    height, width = plane.shape[:2]
    channels = plane.shape[2] if plane.ndim == 3 else 1
    source = unlocked(np.ascontiguousarray(plane)).reshape(height, width * channels)
    out = np.empty_like(source)
    _reduced(source, channels, sigma, edge, threads, out)
    return out.reshape(plane.shape)


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
    if sigma == 0 or not pixels.size:
        return pixels.copy()
    if torch.device(device).type != "cpu":
        return import_module("kernels.blur_torch").gaussian_rgba(pixels, sigma, edge=edge, device=device)
    if fast is None:
        return _rgba_by_floats(pixels, sigma, edge)
    source = unlocked(np.ascontiguousarray(pixels)).view(np.uint32)[..., 0]
    opaque = edge == "replicate" and _is_opaque(source)
    if opaque and sigma < DIRECT_BELOW:
        return cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    channels = 3 if opaque else 4
    out = np.empty_like(source)
    if sigma < DIRECT_BELOW:
        with at_most(threads):
            fast.direct(source, _half_kernel(sigma), edge == "replicate", out)
    else:
        _reduced(source, channels, sigma, edge, threads, out)
    return out.view(np.uint8).reshape(pixels.shape)


def _is_opaque(source: np.ndarray) -> bool:
    """Whether every alpha of uint32 [H, W], the highest byte, is 255: one pass at the memory's speed."""
    return bool(source.min() >= 0xFF000000)


def _half_kernel(sigma: float) -> np.ndarray:
    """float32 [radius + 1] from the middle out, the whole of it summing to 1; 4 sigmas or more to each side."""
    radius = fast.UNROLLED * math.ceil(4 * sigma / fast.UNROLLED)
    kernel = np.exp(-(np.arange(radius + 1) ** 2) / (2 * sigma**2))
    return (kernel / (2 * kernel.sum() - 1)).astype(np.float32)


def _rgba_by_floats(pixels: np.ndarray, sigma: float, edge: Edge) -> np.ndarray:
    """`gaussian_rgba` where numba is not installed."""
    planes = pixels.astype(np.float32)
    planes[..., :3] *= planes[..., 3:] / 255
    planes = _direct(planes, sigma, edge)
    planes[..., :3] *= 255 / np.maximum(planes[..., 3:], 1e-3)
    return (np.clip(planes, 0, 255) + np.float32(0.5)).astype(np.uint8)


def _direct(plane: np.ndarray, sigma: float, edge: Edge) -> np.ndarray:
    size = 2 * math.ceil(4 * sigma) + 1
    return cv2.GaussianBlur(plane, (size, size), sigma, borderType=_BORDERS[edge])


def _reduced(source: np.ndarray, channels: int, sigma: float, edge: Edge, threads: int, out: np.ndarray) -> None:
    """source, out: uint32 [H, W] of straight RGBA, or float32 [H, W*channels]. Halved until a sigma is few pixels."""
    height, width = out.shape[0], out.shape[1] // (1 if out.dtype == np.uint32 else channels)
    reduce, enlarge = _WAYS[out.dtype]
    power = math.floor(math.log2(sigma / LEAST_SIGMA))
    factor = 1 << power
    # variances, in pixels²: of each halving (3/4 of its pixel's square), of the B-spline (1/3 of the last's)
    spent = sum(0.75 * 4**i for i in range(power)) + 4**power / 3
    left = math.sqrt(sigma**2 - spent) / factor
    rows, columns = -(-height // factor), -(-width // factor)

    def planes(cell: int) -> np.ndarray:
        size = (rows * factor // cell + 2 * fast.MARGIN, columns * factor // cell + 2 * fast.MARGIN)
        return np.empty((channels, *size), np.float32)

    with at_most(threads):
        small = planes(2)
        reduce(source, width, edge == "replicate", small)
        for i in range(2, power + 1):
            larger, small = small, planes(1 << i)
            fast.halve(larger, small)
        for plane in small:
            plane[:] = _direct(plane, left, edge)
        enlarge(small, width, factor, out)


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


_WAYS: Any = {}
if fast is not None:
    _WAYS = {
        np.dtype(np.uint32): (fast.reduce_bytes, fast.enlarge_bytes),
        np.dtype(np.float32): (fast.reduce_floats, fast.enlarge_floats),
    }


def _check(plane: np.ndarray, sigma: float) -> None:
    if plane.dtype != np.float32 or plane.ndim not in (2, 3):
        raise ValueError(f"a plane is float32 [H, W] or [H, W, C]; got {plane.dtype} {plane.shape}")
    _check_sigma(sigma)


def _check_sigma(sigma: float) -> None:
    if not (math.isfinite(sigma) and sigma >= 0):
        raise ValueError(f"sigma is finite and not negative; got {sigma}")


def warm() -> None:
    """Compiles ahead what wide sigmas need, of bytes and of floats."""
    for sigma in (DIRECT_BELOW / 2, 2 * DIRECT_BELOW):
        gaussian_rgba(np.zeros((8, 8, 4), np.uint8), sigma)
    gaussian(np.zeros((8, 8), np.float32), 2 * DIRECT_BELOW)


__all__ = ["DIRECT_BELOW", "Edge", "gaussian", "gaussian_reference", "gaussian_rgba", "warm"]
