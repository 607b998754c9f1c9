"""The filters once more, plain: float64, from their definitions. All give [h, w, 4] premultiplied, 0..255.

Each takes uint8 [h, w, 4] straight RGBA and its numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch

from kernels.blur import gaussian_reference
from kernels.noise import normal_noise

Numbers = Mapping[str, float]


def _premultiplied(pixels: np.ndarray) -> np.ndarray:
    out = pixels.astype(np.float64)
    out[..., :3] *= out[..., 3:] / 255
    return out


def _with_alpha(color: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Straight colours, clipped, under the picture's own alpha."""
    alpha = pixels[..., 3:].astype(np.float64)
    return np.concatenate([np.clip(color, 0, 255) * alpha / 255, alpha], -1)


def _gaussian(planes: np.ndarray, sigma: float, edge: str) -> np.ndarray:
    tensor = torch.from_numpy(planes)
    return torch.stack([gaussian_reference(p, sigma, edge=edge) for p in tensor.unbind(-1)], -1).numpy()  # type: ignore[arg-type]


def _smooth(pixels: np.ndarray, sigma: float) -> np.ndarray:
    planes = _gaussian(_premultiplied(pixels), sigma, "replicate")
    return np.asarray(planes[..., :3] / np.maximum(planes[..., 3:], 1e-12) * 255)


def blur(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    return _gaussian(_premultiplied(pixels), p["radius"], "zero")


def box(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    planes = _premultiplied(pixels)
    reach = math.ceil(p["radius"])
    weight = np.clip(p["radius"] + 1 - np.abs(np.arange(-reach, reach + 1)), 0, 1)
    return _correlated(planes, np.outer(weight, weight) / weight.sum() ** 2)


def motion(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    """The line's coverage sampled 33 times each way in a pixel."""
    reach = math.ceil(p["radius"]) + 1
    fine = (np.arange(33) + 0.5) / 33 - 0.5
    at = (np.arange(-reach, reach + 1)[:, None] + fine).ravel()
    cos, sin = math.cos(math.radians(p["angle"])), math.sin(math.radians(p["angle"]))
    along, apart = at[None] * cos + at[:, None] * sin, at[:, None] * cos - at[None] * sin
    inside = (np.abs(along) <= p["radius"] + 0.5) & (np.abs(apart) <= 0.5)
    side = 2 * reach + 1
    kernel = inside.reshape(side, 33, side, 33).mean((1, 3))
    return _correlated(_premultiplied(pixels), kernel / kernel.sum())


def _correlated(planes: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    reach = len(kernel) // 2
    padded = np.pad(planes, ((reach, reach), (reach, reach), (0, 0)))
    h, w = planes.shape[:2]
    out = np.zeros_like(planes)
    for y, x in np.argwhere(kernel > 0):
        out += kernel[y, x] * padded[y : y + h, x : x + w]
    return out


def bilateral(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    """For an opaque picture. Colours are apart by the sum of their channels' differences."""
    color = pixels[..., :3].astype(np.float64)
    reach, h, w = math.ceil(2 * p["radius"]), *pixels.shape[:2]
    padded = np.pad(color, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    total, weights = np.zeros_like(color), np.zeros((h, w, 1))
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if dy * dy + dx * dx > reach * reach:
                continue
            there = padded[reach + dy : reach + dy + h, reach + dx : reach + dx + w]
            apart = np.abs(there - color).sum(-1, keepdims=True)
            near = (dy * dy + dx * dx) / (2 * p["radius"] ** 2)
            weight = np.exp(-near - apart**2 / (2 * (255 * p["threshold"]) ** 2))
            total, weights = total + weight * there, weights + weight
    return _with_alpha(total / weights, pixels)


def median(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    """Of premultiplied values, rounded to 8 bits."""
    reach = round(p["radius"])
    planes = np.pad(np.floor(_premultiplied(pixels) + 0.5), ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(planes, (2 * reach + 1, 2 * reach + 1), (0, 1))
    return np.asarray(np.median(windows, (-2, -1)))


def sharpen(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    color = pixels[..., :3].astype(np.float64)
    change = color - _smooth(pixels, p["radius"])
    if p["threshold"] > 0:
        change[np.abs(change) <= p["threshold"] * 255] = 0
    return _with_alpha(color + p["amount"] * change, pixels)


def high_pass(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    return _with_alpha(pixels[..., :3] - _smooth(pixels, p["radius"]) + 127.5, pixels)


def noise(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    h, w = pixels.shape[:2]
    return _with_alpha(pixels[..., :3] + 255 * p["amount"] * normal_noise(int(p["seed"]), 0, h, w, 3), pixels)


def pixelate(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    side = max(1, round(2 * p["radius"]))
    out = _premultiplied(pixels)
    for y in range(0, len(out), side):
        for x in range(0, out.shape[1], side):
            out[y : y + side, x : x + side] = out[y : y + side, x : x + side].mean((0, 1))
    return out


def vignette_light(
    width: int, height: int, amount: float, threshold: float, first: int = 0, end: int | None = None
) -> np.ndarray:
    """float64 [rows, width]: 1 up to `threshold` of the way from the centre to a corner, then falling smoothly to
    1 - amount at the corner."""
    rows = np.arange(first, height if end is None else end)
    x = (np.arange(width) + 0.5) / width * 2 - 1
    y = (rows + 0.5) / height * 2 - 1
    way = np.sqrt((x[None] ** 2 + y[:, None] ** 2) / 2)
    t = np.clip((way - threshold) / max(1 - threshold, 1e-9), 0, 1)
    return np.asarray(1 - amount * t * t * (3 - 2 * t))


def vignette(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    h, w = pixels.shape[:2]
    return _with_alpha(pixels[..., :3] * vignette_light(w, h, p["amount"], p["threshold"])[..., None], pixels)


__all__ = [
    *("bilateral", "blur", "box", "high_pass", "median", "motion", "noise", "pixelate", "sharpen", "vignette"),
    "vignette_light",
]
