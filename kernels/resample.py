"""Resizing and affine warps of pictures: premultiplied, one resample, area for minification, Lanczos (4 lobes) or cubic
beyond.

Equality policy. `resize` agrees with `resize_reference` within 1/255 (colours compared premultiplied: at a small
alpha a straight colour is not determined). `warp` agrees with `warp_reference` within 1/255, likewise.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor

try:
    from kernels import resample_numba as fast
    from kernels import resample_passes as passes
    from kernels.compiled import unlocked
    from kernels.threads import at_most
except ImportError:  # numba is not installed: the reference does the work
    fast = passes = None  # type: ignore[assignment]

_STRIP_ROWS = 512
_ROWS_AT_ONCE = 64
_LANCZOS_LOBES = 4
_ALPHA = np.array([0, 0, 0, 255], np.uint8).view(np.uint32)[0]


def is_opaque(pixels: np.ndarray) -> bool:
    """Whether every alpha of uint8 [h, w, 4] is 255."""
    if pixels.strides[2] != 1 or pixels.strides[1] != 4:
        return bool(pixels[..., 3].min(initial=255) == 255)
    words = pixels.view(np.uint32)[..., 0]
    strips = (words[y : y + _ROWS_AT_ONCE] for y in range(0, len(words), _ROWS_AT_ONCE))
    return all(np.bitwise_and.reduce(strip, axis=None) & _ALPHA == _ALPHA for strip in strips)


def premultiplied(pixels: np.ndarray) -> np.ndarray:
    """uint8 [h, w, 4] straight to float32 [h, w, 4] premultiplied, 0..255."""
    out = pixels.astype(np.float32)
    out[..., :3] *= out[..., 3:] * np.float32(1 / 255)
    return out


def straight(pixels: np.ndarray) -> np.ndarray:
    """float32 [h, w, 4] premultiplied, 0..255, to uint8 straight; where the alpha is 0 all is 0."""
    alpha = np.clip(pixels[..., 3:], 0, 255)
    out = np.empty(pixels.shape, np.uint8)
    out[..., 3:] = alpha + np.float32(0.5)
    color = pixels[..., :3] * (255 / np.maximum(alpha, np.float32(1e-6)))
    out[..., :3] = np.clip(color, 0, 255) + np.float32(0.5)
    out[out[..., 3] == 0] = 0
    return out


def resize(
    pixels: np.ndarray,
    width: int,
    height: int,
    *,
    window: tuple[int, int, int, int] | None = None,
    threads: int = 1,
) -> np.ndarray:
    """uint8 [h, w, 4] straight RGBA to uint8 [height, width, 4], or to the part of that which lies in `window`, x, y,
    width and height; the same bytes on any number of threads. ValueError for a size below 1 or a window beyond it."""
    x, y, across, down = window or (0, 0, width, height)
    if min(width, height, across, down) < 1:
        raise ValueError(f"a picture has at least one pixel; got {width}x{height}, and of it {across}x{down}")
    if min(x, y) < 0 or x + across > width or y + down > height:
        raise ValueError(f"a window lies within {width}x{height}; got {across}x{down} at {x}, {y}")
    if pixels.shape[:2] == (height, width):
        return pixels[y : y + down, x : x + across]
    if passes is not None:
        return passes.resize(pixels, (width, height), (x, y, across, down), is_opaque(pixels), threads)
    drawn = straight(resize_reference(pixels, width, height).float().numpy())
    return drawn[y : y + down, x : x + across]


def resize_reference(pixels: np.ndarray, width: int, height: int) -> Tensor:
    """The same, plain: float64 [height, width, 4] premultiplied, 0..255, by one matrix an axis."""
    source = torch.from_numpy(pixels).double()
    source[..., :3] *= source[..., 3:] / 255
    across, down = _axis(pixels.shape[1], width), _axis(pixels.shape[0], height)
    out = torch.einsum("yh,hwc,xw->yxc", down, source, across)
    out[..., 3].clamp_(0, 255)
    return torch.minimum(out.clamp(min=0), out[..., 3:])


def _axis(size: int, wanted: int) -> Tensor:
    """[wanted, size] weights: the overlap of areas where it gets smaller, Lanczos where it grows."""
    if wanted == size:
        return torch.eye(size, dtype=torch.float64)
    ratio = size / wanted
    if wanted < size:
        start = torch.arange(wanted, dtype=torch.float64)[:, None] * ratio
        pixel = torch.arange(size, dtype=torch.float64)[None]
        overlap = torch.minimum(start + ratio, pixel + 1) - torch.maximum(start, pixel)
        return overlap.clamp(min=0) / ratio
    weights = torch.zeros((wanted, size), dtype=torch.float64)
    for i in range(wanted):
        center = (i + 0.5) * ratio - 0.5
        first = math.floor(center) - _LANCZOS_LOBES + 1
        taps = torch.arange(first, first + 2 * _LANCZOS_LOBES)
        distance = taps.double() - center
        value = torch.sinc(distance) * torch.sinc(distance / _LANCZOS_LOBES)
        weights[i].index_add_(0, taps.clamp(0, size - 1), value / value.sum())
    return weights


def warp(pixels: np.ndarray, matrix: np.ndarray, coverage: np.ndarray, *, threads: int = 1) -> np.ndarray:
    """An affine picture of `pixels` in the window of `coverage`.

    pixels: uint8 [h, w, 4] straight RGBA; beyond its edge its outermost pixels go on, `coverage` ends it.
    matrix: float64 [2, 3], from the window's coordinates to the source's, pixel centres at +0.5, of any scale.
    coverage: float32 [H, W], 0..1, multiplies the alpha. Gives uint8 [H, W, 4] straight.
    """
    matrix = np.asarray(matrix, np.float64)
    pixels, matrix = _needed(pixels, matrix, coverage.shape)
    source, matrix, samples = _reduced(pixels, matrix)
    out = np.empty((*coverage.shape, 4), np.uint8)
    if fast is None:
        return straight_covered(_warp_tensor(source, matrix, coverage.shape, samples), coverage)
    with at_most(threads):
        fast.warp(source, matrix, unlocked(np.ascontiguousarray(coverage, np.float32)), samples, out)
    return out


def warp_reference(pixels: np.ndarray, matrix: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """The same, plain: every cubic tap gathered by torch."""
    matrix = np.asarray(matrix, np.float64)
    source, matrix, samples = _reduced(pixels, matrix)
    return straight_covered(_warp_tensor(source, matrix, coverage.shape, samples), coverage)


def straight_covered(color: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """float32 [H, W, 4] premultiplied, its alpha multiplied by coverage [H, W] but its colours kept, as uint8."""
    alpha = np.clip(color[..., 3], 0, 255)
    out = np.empty(color.shape, np.uint8)
    out[..., :3] = np.clip(color[..., :3] * (255 / np.maximum(alpha, 1e-6))[..., None], 0, 255) + 0.5
    out[..., 3] = alpha * coverage + 0.5
    out[out[..., 3] == 0] = 0
    return out


def _warp_tensor(source: np.ndarray, matrix: np.ndarray, shape: tuple[int, ...], samples: int) -> np.ndarray:
    h, w = source.shape[:2]
    data = torch.from_numpy(source).reshape(-1, 4)
    total = torch.zeros((*shape, 4), dtype=torch.float64)
    offsets = [(i + 0.5) / samples for i in range(samples)]
    for dy in offsets:
        for dx in offsets:
            y, x = torch.meshgrid(
                torch.arange(shape[0], dtype=torch.float64) + dy,
                torch.arange(shape[1], dtype=torch.float64) + dx,
                indexing="ij",
            )
            u = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] - 0.5
            v = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] - 0.5
            u0, v0 = u.floor(), v.floor()
            for m in range(-1, 3):
                for n in range(-1, 3):
                    weight = _cubic(v - (v0 + m)) * _cubic(u - (u0 + n)) / samples**2
                    index = (v0 + m).clamp(0, h - 1).long() * w + (u0 + n).clamp(0, w - 1).long()
                    total += weight[..., None] * data[index]
    return total.float().numpy()


def _cubic(distance: Tensor) -> Tensor:
    """Catmull-Rom."""
    d = distance.abs()
    near = (1.5 * d - 2.5) * d * d + 1
    far = ((-0.5 * d + 2.5) * d - 4) * d + 2
    return torch.where(d <= 1, near, torch.where(d < 2, far, 0))


def _needed(pixels: np.ndarray, matrix: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The part of the source that the window shows, with a margin for the filters, and the matrix into it."""
    h, w = pixels.shape[:2]
    corners = np.array([[x, y, 1] for x in (0, shape[1]) for y in (0, shape[0])], np.float64) @ matrix.T
    margin = 4 + 2 * np.abs(matrix[:, :2]).max()
    low = np.floor(corners.min(0) - margin)
    high = np.ceil(corners.max(0) + margin)
    x0, y0 = (int(min(max(v, 0), size - 1)) for v, size in zip(low, (w, h), strict=True))
    x1, y1 = (int(min(max(v, start + 1), size)) for v, start, size in zip(high, (x0, y0), (w, h), strict=True))
    moved = matrix.copy()
    moved[:, 2] -= (x0, y0)
    return pixels[y0:y1, x0:x1], moved


def _reduced(pixels: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The source premultiplied, float32, and already reduced by whole cells where the warp makes it much smaller; what
    is left below a factor of two is left to several samples a pixel."""
    rate = np.hypot(matrix[:, 0], matrix[:, 1])  # source pixels for one pixel of the window, across and down
    cells = [max(1, math.floor(v + 1e-9)) for v in rate]
    cells = [min(cell, size) for cell, size in zip(cells, (pixels.shape[1], pixels.shape[0]), strict=True)]
    scaled = matrix / np.array(cells, np.float64)[:, None]
    samples = 1 if (rate / cells).max() < 1.05 else 2
    if cells == [1, 1]:
        return np.ascontiguousarray(premultiplied(pixels)), scaled, samples
    across, down = cells
    right, rows = -pixels.shape[1] % across, down * max(1, _STRIP_ROWS // down)
    strips = []
    for y in range(0, pixels.shape[0], rows):
        strip = premultiplied(pixels[y : y + rows])
        strip = cv2.copyMakeBorder(strip, 0, -strip.shape[0] % down, 0, right, cv2.BORDER_REPLICATE)
        size = (strip.shape[1] // across, strip.shape[0] // down)
        strips.append(cv2.resize(strip, size, interpolation=cv2.INTER_AREA))
    return np.concatenate(strips), scaled, samples


def warm() -> None:
    """Compiles ahead."""
    warp(np.zeros((1, 1, 4), np.uint8), np.eye(2, 3), np.ones((1, 1), np.float32))
    if passes is not None:
        passes.warm()


__all__ = [
    "is_opaque",
    "premultiplied",
    "resize",
    "resize_reference",
    "straight",
    "warm",
    "warp",
    "warp_reference",
]
