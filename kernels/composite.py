"""Compositing a stack of layers: the plain reference, and the call that takes the fastest execution there is.

Equality policy. `composite` agrees with `composite_reference` in float64, rounded half up, within 1 of 255 in every
channel, except at pixels where that reference itself moves by more than that under ±1e-4 of input; such pixels exist
only in the discontinuous modes (dissolve, color_burn, color_dodge, vivid_light, hard_mix, divide, darker_color,
lighter_color) and are at most 200 ppm. Colours are compared where the alpha is not 0. Bytes do not depend on the number
of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from kernels import color, pages
from kernels.blend import DISSOLVE, canonical, dissolved, source_over

try:
    from kernels import composite_numba as fast
except ImportError:  # numba is not installed: the reference does the work
    fast = None  # type: ignore[assignment]

_ROWS_AT_A_TIME = 256


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a stack, its pixels where they will lie on the canvas."""

    pixels: np.ndarray
    """uint8 [h, w, 4], straight RGBA; each row contiguous (the row stride may be 0)."""
    x: int = 0
    """Column of the canvas where the first column lies; may be negative."""
    y: int = 0
    opacity: float = 1.0
    """0..1"""
    mode: str = "normal"
    mask: np.ndarray | None = None
    """uint8 [H, W] in the canvas's coordinates and of its size: 255 shows the layer, 0 hides it."""
    opaque: bool = False
    """Whether every pixel's alpha is 255; when known, what lies below may be skipped."""
    seed: int = 0
    """Of mode dissolve: another one scatters in another pattern, 0..2^32-1."""

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] != 4:
            raise ValueError(f"a layer's pixels are uint8 [h, w, 4]; got {self.pixels.dtype} {self.pixels.shape}")
        # by flags: the stride of an axis of length 1 may be anything
        if not self.pixels[:1].flags.c_contiguous or (len(self.pixels) > 1 and self.pixels.strides[0] % 4):
            raise ValueError("a layer's rows must be contiguous")
        if not 0 <= self.opacity <= 1:
            raise ValueError(f"opacity is 0..1; got {self.opacity}")
        canonical(self.mode)
        if not 0 <= self.seed < 1 << 32:
            raise ValueError(f"a seed is 0..2^32-1; got {self.seed}")
        mask = self.mask
        if mask is not None and (mask.dtype != np.uint8 or mask.ndim != 2 or not mask[:1].flags.c_contiguous):
            raise ValueError(f"a layer's mask is uint8 [H, W]; got {mask.dtype} {mask.shape}")


def composite(
    layers: Sequence[Layer],
    width: int,
    height: int,
    *,
    threads: int = 1,
    linear: bool = False,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """The layers, bottom to top, over a transparent canvas: uint8 [height, width, 4], straight RGBA.

    `threads` caps the compiled loops. `linear` blends in linear light (pixels are sRGB either way; on the CPU done by
    the reference). `device`: a CUDA device takes the Triton kernel, or the reference where triton is not installed or
    a mode has no branch in it yet.
    ValueError where a mask is not of the canvas's size.
    """
    return composite_batch([layers], width, height, threads=threads, linear=linear, device=device)[0]


def composite_batch(
    stacks: Sequence[Sequence[Layer]],
    width: int,
    height: int,
    *,
    threads: int = 1,
    linear: bool = False,
    device: torch.device | str = "cpu",
) -> list[np.ndarray]:
    """`composite` of several stacks on canvases of one size: in one launch on CUDA, one after the other elsewhere. What
    becomes of a stack does not depend on the others."""
    for layers in stacks:
        _check(layers, width, height)
    shown = [[one for one in layers if one.opacity > 0 and one.pixels.size > 0] for layers in stacks]
    cuda = torch.device(device).type == "cuda"
    kernel = cuda_kernel() if cuda else None
    if kernel is not None and all(canonical(one.mode) in kernel.BRANCHED for layers in shown for one in layers):
        return kernel.composite_batch(shown, width, height, device, linear=linear)
    if fast is None or linear or cuda:
        return [_by_reference(layers, width, height, linear, device) for layers in shown]
    return [fast.composite(layers, width, height, threads) for layers in shown]


def composite_reference(
    layers: Sequence[Layer],
    width: int,
    height: int,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    linear: bool = False,
    rows: tuple[int, int] | None = None,
) -> Tensor:
    """The same, plain: floating [rows, width, 4], straight RGBA 0..1, not rounded; `rows` = (first, end) of the canvas.

    With `linear` the layers are taken to linear light, blended there and brought back.
    """
    _check(layers, width, height)
    first, end = rows or (0, height)
    canvas = torch.zeros((end - first, width, 4), dtype=dtype, device=device)
    for layer in layers:
        h, w = layer.pixels.shape[:2]
        x0, x1 = max(layer.x, 0), min(layer.x + w, width)
        y0, y1 = max(layer.y, first), min(layer.y + h, end)
        if x0 >= x1 or y0 >= y1:
            continue
        part = layer.pixels[y0 - layer.y : y1 - layer.y, x0 - layer.x : x1 - layer.x]
        source = torch.from_numpy(part.copy()).to(device=device, dtype=dtype) / 255
        if linear:
            source[..., :3] = color.to_linear(source[..., :3])
        source[..., 3] *= layer.opacity
        if layer.mask is not None:
            mask = torch.from_numpy(np.ascontiguousarray(layer.mask[y0:y1, x0:x1]))
            source[..., 3] *= mask.to(device=device, dtype=dtype) / 255
        if layer.mode == DISSOLVE:
            source[..., 3:] = dissolved(source[..., 3:], x0, y0, layer.seed)
        window = canvas[y0 - first : y1 - first, x0:x1]
        window.copy_(source_over(window, source, layer.mode))
    if linear:
        canvas[..., :3] = color.to_srgb(canvas[..., :3])
    return canvas


def cuda_kernel() -> ModuleType | None:
    """The Triton execution, imported when first asked for; None where triton (the extra `cuda`) is not installed."""
    try:
        return import_module("kernels.composite_cuda")
    except ImportError:
        return None


def _by_reference(
    layers: Sequence[Layer], width: int, height: int, linear: bool, device: torch.device | str
) -> np.ndarray:
    out = pages.empty((height, width, 4))
    for first in range(0, height, _ROWS_AT_A_TIME):
        end = min(height, first + _ROWS_AT_A_TIME)
        part = composite_reference(layers, width, height, device=device, linear=linear, rows=(first, end))
        out[first:end] = (part.clamp(0, 1) * 255 + 0.5).to(torch.uint8).cpu().numpy()
    out[out[..., 3] == 0] = 0
    return out


def _check(layers: Sequence[Layer], width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ValueError(f"a canvas has at least one pixel; got {width}x{height}")
    for layer in layers:
        if layer.mask is not None and layer.mask.shape != (height, width):
            raise ValueError(f"a mask has the canvas's size {width}x{height}; got {layer.mask.shape[::-1]}")


def warm(device: torch.device | str = "cpu") -> None:
    """Compiles ahead (seconds the first time on a machine, then read from the compilers' caches); for a CUDA device its
    kernel too."""
    if fast is not None:
        fast.warm()
    if torch.device(device).type == "cuda" and (kernel := cuda_kernel()) is not None:
        kernel.warm(device)


__all__ = ["Layer", "composite", "composite_batch", "composite_reference", "warm"]
