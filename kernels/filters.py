"""Filters of pictures: one table. A row is what a filter makes of pixels, fast and plain, and how far these grow.

A filter takes uint8 [h, w, 4] straight RGBA and its numbers (docs/pictures.md; radii in pixels of that picture). To add
one, add a row to `FILTERS`, its numbers to `kernels.ranges.FILTER_RANGES`, and its fields to the request's model.

Equality policy: `apply` agrees with `reference` within 1/255 of premultiplied colours; `bilateral`, whose weights the
fast execution takes from tables, within 2/255.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np

from kernels import filters_reference as plain
from kernels.adjust import blurred, sharpened, smooth_colors
from kernels.blur import gaussian
from kernels.mask import polygon_coverage, turned
from kernels.noise import normal_noise
from kernels.resample import is_opaque, premultiplied, straight

Numbers = Mapping[str, float]
_ROWS_AT_A_TIME = 256


@dataclass(frozen=True, slots=True)
class Filter:
    """One row."""

    apply: Callable[[np.ndarray, Numbers], np.ndarray]
    """(uint8 [h, w, 4] straight, numbers) -> the same shape."""
    reference: Callable[[np.ndarray, Numbers], np.ndarray]
    """(the same) -> float64 [h, w, 4] premultiplied, 0..255, not rounded."""
    reach: Callable[[Numbers], int] = lambda numbers: 0
    """Pixels by which the picture grows on each side: beyond its edge there is nothing."""


def _box(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    """The mean of a square of side 2 radius + 1; a fraction of a pixel counts by its share."""
    planes = premultiplied(pixels)
    whole = math.floor(p["radius"])
    share = p["radius"] - whole
    for across in (True, False):
        planes = _mean(planes, whole, across) * (2 * whole + 1) * (1 - share) + _mean(planes, whole + 1, across) * (
            (2 * whole + 3) * share
        )
        planes /= 2 * p["radius"] + 1
    return straight(planes)


def _mean(planes: np.ndarray, radius: int, across: bool) -> np.ndarray:
    side = 2 * radius + 1
    return cv2.blur(planes, (side, 1) if across else (1, side), borderType=cv2.BORDER_CONSTANT)


def motion_kernel(radius: float, angle: float) -> np.ndarray:
    """float64 [n, n], sum 1: how much of each pixel a line of width 1 and length 2 radius + 1 covers."""
    side = 2 * math.ceil(radius) + 3
    middle = side / 2
    line = np.array([[-radius - 0.5, -0.5], [radius + 0.5, -0.5], [radius + 0.5, 0.5], [-radius - 0.5, 0.5]]) + middle
    cover = polygon_coverage(turned(line, (middle, middle), angle), side, side).astype(np.float64)
    return cover / cover.sum()


def _motion(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    kernel = motion_kernel(p["radius"], p["angle"]).astype(np.float32)
    return straight(cv2.filter2D(premultiplied(pixels), -1, kernel, borderType=cv2.BORDER_CONSTANT))


def _bilateral(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    if p["radius"] == 0 or p["threshold"] == 0:
        return pixels
    color = np.ascontiguousarray(filled_colors(pixels, p["radius"]))
    side = 2 * math.ceil(2 * p["radius"]) + 1
    out = pixels.copy()
    out[..., :3] = cv2.bilateralFilter(color, side, p["threshold"] * 255, p["radius"], borderType=cv2.BORDER_REPLICATE)
    return out


def filled_colors(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """uint8 [h, w, 3]: where a picture is transparent, the colours around take the place of its own."""
    if is_opaque(pixels):
        return pixels[..., :3]
    planes = gaussian(premultiplied(pixels), max(1.0, sigma), edge="replicate")
    around = planes[..., :3] * (255 / np.maximum(planes[..., 3:], np.float32(1e-3)))
    bare = pixels[..., 3:] == 0
    return np.where(bare, np.clip(around + np.float32(0.5), 0, 255).astype(np.uint8), pixels[..., :3])


def _median(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    side = 2 * round(p["radius"]) + 1
    if side == 1:
        return pixels
    if is_opaque(pixels):
        return cv2.medianBlur(np.ascontiguousarray(pixels), side)
    planes = (premultiplied(pixels) + np.float32(0.5)).astype(np.uint8)
    return straight(cv2.medianBlur(planes, side).astype(np.float32))


def _high_pass(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    out = pixels.copy()
    change = pixels[..., :3].astype(np.float32) - smooth_colors(pixels, p["radius"])
    out[..., :3] = np.clip(change + np.float32(127.5), 0, 255) + np.float32(0.5)
    return out


def _noise(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    out = pixels.copy()
    for first in range(0, len(pixels), _ROWS_AT_A_TIME):
        rows = slice(first, min(len(pixels), first + _ROWS_AT_A_TIME))
        grain = normal_noise(int(p["seed"]), rows.start, rows.stop, pixels.shape[1], 3)
        color = pixels[rows, :, :3] + np.float32(255 * p["amount"]) * grain.astype(np.float32)
        out[rows, :, :3] = np.clip(color, 0, 255) + np.float32(0.5)
    return out


def _pixelate(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    side = max(1, round(2 * p["radius"]))
    h, w = pixels.shape[:2]
    starts = [np.arange(0, size, side) for size in (h, w)]
    sums = np.add.reduceat(np.add.reduceat(premultiplied(pixels).astype(np.float64), starts[0], 0), starts[1], 1)
    counts = [np.diff([*start, size]) for start, size in zip(starts, (h, w), strict=True)]
    means = straight((sums / (counts[0][:, None, None] * counts[1][None, :, None])).astype(np.float32))
    return means.repeat(counts[0], 0).repeat(counts[1], 1)


def _vignette(pixels: np.ndarray, p: Numbers) -> np.ndarray:
    h, w = pixels.shape[:2]
    out = pixels.copy()
    for first in range(0, h, _ROWS_AT_A_TIME):
        rows = slice(first, min(h, first + _ROWS_AT_A_TIME))
        light = plain.vignette_light(w, h, p["amount"], p["threshold"], rows.start, rows.stop).astype(np.float32)
        out[rows, :, :3] = pixels[rows, :, :3] * light[..., None] + np.float32(0.5)
    return out


def _radius(p: Numbers) -> int:
    return math.ceil(p["radius"]) + 1


FILTERS: Mapping[str, Filter] = MappingProxyType(
    {
        "blur": Filter(lambda x, p: blurred(x, p["radius"]), plain.blur, lambda p: math.ceil(3 * p["radius"])),
        "box": Filter(_box, plain.box, _radius),
        "motion": Filter(_motion, plain.motion, _radius),
        "bilateral": Filter(_bilateral, plain.bilateral),
        "median": Filter(_median, plain.median),
        "sharpen": Filter(lambda x, p: sharpened(x, p["radius"], p["amount"], p["threshold"]), plain.sharpen),
        "high_pass": Filter(_high_pass, plain.high_pass),
        "noise": Filter(_noise, plain.noise),
        "pixelate": Filter(_pixelate, plain.pixelate),
        "vignette": Filter(_vignette, plain.vignette),
    }
)


def filtered(kind: str, pixels: np.ndarray, numbers: Numbers) -> tuple[np.ndarray, int]:
    """The filtered picture, and by how many pixels it is larger on each side. ValueError for an unknown filter."""
    if kind not in FILTERS:
        raise ValueError(f"no filter {kind!r}; the filters are {', '.join(FILTERS)}")
    row = FILTERS[kind]
    grown = row.reach(numbers) if numbers.get("radius", 1) > 0 else 0
    if grown:
        pixels = np.pad(pixels, ((grown, grown), (grown, grown), (0, 0)))
    return row.apply(pixels, numbers), grown


__all__ = ["FILTERS", "Filter", "filled_colors", "filtered", "motion_kernel"]
