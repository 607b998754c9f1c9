"""Transfer functions and luma."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.blend import LUMA

if TYPE_CHECKING:  # pictures are decoded where there is no need of torch, which takes 140 MB
    from torch import Tensor


def to_linear(srgb: Tensor) -> Tensor:
    """sRGB values 0..1, floating, any shape, to linear light 0..1 (IEC 61966-2-1)."""
    return (srgb / 12.92).where(srgb <= 0.04045, ((srgb + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: Tensor) -> Tensor:
    """Linear light 0..1, floating, any shape, to sRGB values 0..1."""
    bent = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return (linear * 12.92).where(linear <= 0.0031308, bent)


def luma(pixels: np.ndarray) -> np.ndarray:
    """0.30 R + 0.59 G + 0.11 B of encoded values: [..., 3 or more] of any dtype to float32 [...], the same scale."""
    r, g, b = (pixels[..., i].astype(np.float32) for i in range(3))
    return np.float32(LUMA[0]) * r + np.float32(LUMA[1]) * g + np.float32(LUMA[2]) * b


__all__ = ["luma", "to_linear", "to_srgb"]
