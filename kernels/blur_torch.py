"""The Gaussian as products of matrices, for CUDA: each axis by itself, wide sigmas by way of a reduced plane.

A line is cut into windows that overlap, and all windows go through one matrix: products in float32 keep their precision
on CUDA, where convolutions round to 10 bits unless a global switch forbids it. A wide Gaussian is taken at one pixel in
`step` and brought back by a cubic B-spline, whose variance (a third of the square of `step`) is taken off before.

Equality policy: that of `kernels.blur`. Runs on any device of torch.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kernels.blur import Edge

Device = torch.device | str

WIDE_FROM = 12.0
"""Sigma in pixels from which it is taken at some of the pixels alone."""
_STEPS_PER_SIGMA = 3
_REACH = 4
"""Sigmas."""
_BLOCK = 64
"""Values of a line that one window gives where none is left out."""


def gaussian_planes(planes: Tensor, sigma: float, *, edge: Edge = "zero") -> Tensor:
    """Floating [..., H, W], any scale, to the same: `kernels.blur.gaussian` of each plane. sigma > 0."""
    down = _line(planes.transpose(-1, -2).contiguous(), sigma, edge)
    return _line(down.transpose(-1, -2).contiguous(), sigma, edge)


def gaussian(plane: np.ndarray, sigma: float, *, edge: Edge, device: Device) -> np.ndarray:
    """`kernels.blur.gaussian` on a device: float32 [H, W] or [H, W, C]."""
    given = torch.from_numpy(np.ascontiguousarray(plane)).to(device)
    planes = given if plane.ndim == 2 else given.movedim(-1, 0)
    out = gaussian_planes(planes, sigma, edge=edge)
    return (out if plane.ndim == 2 else out.movedim(0, -1)).contiguous().cpu().numpy()


def gaussian_rgba(pixels: np.ndarray, sigma: float, *, edge: Edge, device: Device) -> np.ndarray:
    """`kernels.blur.gaussian_rgba` on a device: uint8 [H, W, 4], which alone travels."""
    planes = torch.from_numpy(np.ascontiguousarray(pixels)).to(device).movedim(-1, 0).float()
    planes[:3] *= planes[3] / 255
    planes = gaussian_planes(planes, sigma, edge=edge)
    planes[:3] *= 255 / planes[3].clamp(min=1e-3)
    return (planes.clamp(0, 255) + 0.5).to(torch.uint8).movedim(0, -1).contiguous().cpu().numpy()


def _line(lines: Tensor, sigma: float, edge: Edge) -> Tensor:
    """[..., n]: the Gaussian along the last axis."""
    count = lines.shape[-1]
    if sigma < WIDE_FROM:
        weights = _weights(sigma)
        blocks = -(-count // _BLOCK)
        around = _padded(lines, len(weights) // 2, blocks * _BLOCK - count + len(weights) // 2, edge)
        return _through(around, _shifted(weights, _BLOCK, 1), _BLOCK)[..., :count]
    step = 1 << math.floor(math.log2(sigma / _STEPS_PER_SIGMA))
    weights = _weights(math.sqrt(sigma**2 - step**2 / 3))
    block = max(1, _BLOCK // 4)
    cells = -(-count // step) + 3  # from the one before the line to the second behind it
    blocks = -(-cells // block)
    before = step + len(weights) // 2
    behind = (blocks * block - 2) * step + len(weights) // 2 - (count - 1)
    reduced = _through(_padded(lines, before, behind, edge), _shifted(weights, block, step), block * step)[..., :cells]
    return _through(reduced, _spline(step), 1)[..., :count]


def _weights(sigma: float) -> np.ndarray:
    """float64 [odd], sum 1."""
    radius = math.ceil(_REACH * sigma)
    weights = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    return weights / weights.sum()


def _shifted(weights: np.ndarray, count: int, step: int) -> np.ndarray:
    """[count, (count - 1) * step + len(weights)]: the weights once a row, each `step` further right."""
    matrix = np.zeros((count, (count - 1) * step + len(weights)))
    for i in range(count):
        matrix[i, i * step : i * step + len(weights)] = weights
    return matrix


def _spline(step: int) -> np.ndarray:
    """[step, 4]: the cubic B-spline between the second and the third of four cells, at each pixel."""
    u = np.arange(step) / step
    return np.stack([(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3], 1) / 6


def _through(lines: Tensor, matrix: np.ndarray, step: int) -> Tensor:
    """[..., n] -> [..., m]: windows as long as the matrix's rows, `step` apart, through the matrix."""
    windows = lines.unfold(-1, matrix.shape[1], step)
    return (windows @ torch.from_numpy(matrix.T.copy()).to(lines)).flatten(-2)


def _padded(lines: Tensor, before: int, behind: int, edge: Edge) -> Tensor:
    if edge == "zero":
        return functional.pad(lines, (before, behind))
    first, last = lines[..., :1], lines[..., -1:]
    shape = lines.shape[:-1]
    return torch.cat([first.expand(*shape, before), lines, last.expand(*shape, behind)], -1)


__all__ = ["WIDE_FROM", "gaussian", "gaussian_planes", "gaussian_rgba"]
