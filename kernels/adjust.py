"""Adjustments of colours and filters of pictures: one table of each.

An adjustment is a row: what it makes of colours. Rows run in one order, without rounding between them, each clamped to
0..1. Values are encoded sRGB; alpha stays.

A chain in which something looks at the whole colour is a table, a formula and a table, which the compiled compositor
takes (`kernels.lookup`), of float pictures any chain is; where a table of what lies between bytes would be too steep it
is plain tensor code.

Equality policy: `adjust` agrees with `adjust_reference` within 1/255 (its colours are rounded half up), `blurred` and
`sharpened` with their references within 1/255 of premultiplied colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from kernels.blur import gaussian, gaussian_reference, gaussian_rgba
from kernels.composite import Layer
from kernels.lookup import SMOOTH, ColorRow, Table, formula
from kernels.ranges import RANGES
from kernels.resample import is_opaque, premultiplied

try:
    from kernels import composite_numba as fast
except ImportError:  # numba is not installed: plain tensor code does the work
    fast = None  # type: ignore[assignment]

_ROWS_AT_A_TIME = 256
GAMMA = 2.2
"""Of the transfer that exposure works in."""
LEAST_GAMMA = 0.01
"""Stands for a gamma of 0, whose power would be infinite."""
SHARPNESS_SIGMA = 1.0
"""Pixels."""
WARMTH = 0.25
"""Gain of a channel at a temperature or tint of 1."""
STEEPEST = 1e-3
"""How far a table may be off half way between its first two places."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """One row."""

    reach: Literal["channel", "color", "neighbours"]
    """What one value depends on: its channel's own, all three channels of its pixel, or the pixels beside it."""
    apply: Callable[[Tensor, float], Tensor]
    """(colours [..., 3] 0..1 floating, value) -> the same shape, not yet clamped."""
    number: tuple[int, float] = (0, 1.0)
    """Of a `color`: which of the numbers of the formula `hue_saturation` its value is, and what it is multiplied by."""


def _exposure(c: Tensor, stops: float) -> Tensor:
    return (c**GAMMA * 2.0**stops).clamp(0, 1) ** (1 / GAMMA)


def _brightness(c: Tensor, factor: float) -> Tensor:
    return c + (factor - 1) * (100 / 255)


def _contrast(c: Tensor, slope: float) -> Tensor:
    return (c - 0.5) * slope + 0.5


def _gamma(c: Tensor, gamma: float) -> Tensor:
    return c ** (1 / max(gamma, LEAST_GAMMA))


def _saturation(c: Tensor, factor: float) -> Tensor:
    hue, saturation, lightness = to_hsl(c)
    return from_hsl(hue, (saturation * factor).clamp(0, 1), lightness)


def _vibrance(c: Tensor, amount: float) -> Tensor:
    hue, saturation, lightness = to_hsl(c)
    return from_hsl(hue, (saturation * (1 + amount * (1 - saturation))).clamp(0, 1), lightness)


def _hue(c: Tensor, degrees: float) -> Tensor:
    hue, saturation, lightness = to_hsl(c)
    return from_hsl((hue + degrees / 360) % 1, saturation, lightness)


def _temperature(c: Tensor, warmth: float) -> Tensor:
    return c * c.new_tensor([1 + WARMTH * warmth, 1, 1 - WARMTH * warmth])


def _tint(c: Tensor, magenta: float) -> Tensor:
    return c * c.new_tensor([1, 1 - WARMTH * magenta, 1])


def _sharpness(c: Tensor, factor: float) -> Tensor:
    raise NotImplementedError  # the pixels beside it are needed: adjust and adjust_reference do it themselves


ADJUSTMENTS: Mapping[str, Adjustment] = MappingProxyType(
    {
        "exposure": Adjustment("channel", _exposure),
        "brightness": Adjustment("channel", _brightness),
        "contrast": Adjustment("channel", _contrast),
        "saturation": Adjustment("color", _saturation, (3, 1.0)),
        "vibrance": Adjustment("color", _vibrance, (4, 1.0)),
        "hue": Adjustment("color", _hue, (2, 1 / 60)),
        "temperature": Adjustment("channel", _temperature),
        "tint": Adjustment("channel", _tint),
        "gamma": Adjustment("channel", _gamma),
        "sharpness": Adjustment("neighbours", _sharpness),
    }
)
"""By name; `kernels.ranges.RANGES` holds neutral values, ranges and the order in which they are applied."""


def to_hsl(c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """[..., 3] RGB 0..1 to hue (turns), saturation and lightness [...], 0..1."""
    high, low = c.amax(-1), c.amin(-1)
    spread, lightness = high - low, (high + low) / 2
    r, g, b = c.unbind(-1)
    step = spread.clamp(min=1e-12)
    hue = torch.where(high == r, (g - b) / step % 6, torch.where(high == g, (b - r) / step + 2, (r - g) / step + 4))
    saturation = (spread / (1 - (2 * lightness - 1).abs()).clamp(min=1e-12)).clamp(0, 1)
    return torch.where(spread > 0, hue / 6, 0), saturation, lightness


def from_hsl(hue: Tensor, saturation: Tensor, lightness: Tensor) -> Tensor:
    """The reverse of to_hsl."""
    reach = saturation * torch.minimum(lightness, 1 - lightness)
    parts = []
    for n in (0, 8, 4):
        k = (n + hue * 12) % 12
        parts.append(lightness - reach * torch.minimum(k - 3, 9 - k).clamp(-1, 1))
    return torch.stack(parts, -1)


def _active(values: Mapping[str, float]) -> list[tuple[Adjustment, float]]:
    if unknown := set(values) - set(ADJUSTMENTS):
        raise ValueError(f"no adjustment {min(unknown)!r}; the adjustments are {', '.join(ADJUSTMENTS)}")
    return [
        (ADJUSTMENTS[name], values[name])
        for name, row in RANGES.items()
        if values.get(name, row.neutral) != row.neutral
    ]


def adjust(pixels: np.ndarray, values: Mapping[str, float], *, threads: int = 1) -> np.ndarray:
    """[h, w, 4] straight RGBA, adjusted; `values` by the table's names. uint8, or float32 0..1: the same comes back, of
    sharpness uint8. `threads` caps the compiled loops. ValueError for an unknown name."""
    active = _active(values)
    pointwise = [(row, value) for row, value in active if row.reach != "neighbours"]
    if pointwise:
        pixels = _pointwise(pixels, pointwise, threads)
    for row, value in active:
        if row.reach == "neighbours":
            pixels = sharpened(_whole(pixels), SHARPNESS_SIGMA, value - 1)
    return pixels


def _whole(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.dtype == np.uint8 else (pixels * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _pointwise(pixels: np.ndarray, active: list[tuple[Adjustment, float]], threads: int) -> np.ndarray:
    whole = pixels.dtype == np.uint8
    if pixels.size and whole and _channelwise(active):
        return _by_table(pixels, active)
    rows = None if fast is None or not pixels.size else _rows(active, of_bytes=whole)
    if fast is None or rows is None:
        return _by_strips(pixels, active)
    if whole:
        return fast.recolored(Layer(np.ascontiguousarray(pixels)), rows, threads)
    return fast.recolored_floats(pixels, rows, threads)


def _rows(active: list[tuple[Adjustment, float]], *, of_bytes: bool) -> list[ColorRow] | None:
    """What stands for a chain; None where a table would have to be steeper than its places allow."""
    rows: list[ColorRow] = []
    for reach, run in groupby(active, key=lambda one: one[0].reach):
        if reach == "color":
            numbers = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]
            for row, value in run:
                place, factor = row.number
                numbers[place] = value * factor
            rows.append(formula("hue_saturation", *numbers))
        elif (table := _table(list(run), of_bytes=of_bytes and not rows)) is not None:
            rows.append(table)
        else:
            return None
    return rows


def _table(run: list[tuple[Adjustment, float]], *, of_bytes: bool) -> Table | None:
    if of_bytes:
        return Table(_of_greys(256, run).T.float().contiguous().numpy(), "look_up_steps")
    first, between, second = _of_greys(3, run, 1 / (SMOOTH - 1))  # a power is steepest where it begins
    if (between - (first + second) / 2).abs().max() > STEEPEST:
        return None
    return Table(_of_greys(SMOOTH, run).T.float().contiguous().numpy())


def _of_greys(places: int, active: list[tuple[Adjustment, float]], last: float = 1.0) -> Tensor:
    """float64 [places, 3]: what becomes of the greys from 0 to the last one."""
    ramp = torch.arange(places, dtype=torch.float64) / (places - 1) * last
    return _chain(ramp[:, None].expand(places, 3), active)


def _channelwise(active: list[tuple[Adjustment, float]]) -> bool:
    return all(row.reach == "channel" for row, _ in active)


def _by_table(pixels: np.ndarray, active: list[tuple[Adjustment, float]]) -> np.ndarray:
    """A table of 256 values a channel."""
    table = _bytes(_of_greys(256, active)).numpy()
    out = np.empty_like(pixels)
    for channel in range(3):
        np.take(table[:, channel], pixels[..., channel], out=out[..., channel])
    out[..., 3] = pixels[..., 3]
    return out


def _by_strips(pixels: np.ndarray, active: list[tuple[Adjustment, float]]) -> np.ndarray:
    out = pixels.copy()
    whole = pixels.dtype == np.uint8
    for y in range(0, len(pixels), _ROWS_AT_A_TIME):
        strip = torch.from_numpy(np.ascontiguousarray(pixels[y : y + _ROWS_AT_A_TIME, :, :3]))
        # in float64, since a steep power makes a level of what float32 leaves beside a hue's 0
        changed = _chain(strip.double() / 255 if whole else strip.double().clamp(0, 1), active)
        out[y : y + _ROWS_AT_A_TIME, :, :3] = (_bytes(changed) if whole else changed).numpy()
    return out


def _chain(colors: Tensor, active: list[tuple[Adjustment, float]]) -> Tensor:
    for row, value in active:
        colors = row.apply(colors, value).clamp(0, 1)
    return colors


def _bytes(colors: Tensor) -> Tensor:
    return (colors * 255 + 0.5).to(torch.uint8)


def adjust_reference(pixels: np.ndarray, values: Mapping[str, float]) -> Tensor:
    """The same, plain: float64 [h, w, 4] straight RGBA 0..1, not rounded."""
    out = torch.from_numpy(pixels).double() / (255 if pixels.dtype == np.uint8 else 1)
    for row, value in _active(values):
        if row.reach == "neighbours":
            out[..., :3] = _unsharp_reference(out, SHARPNESS_SIGMA, value - 1, 0)
        else:
            out[..., :3] = row.apply(out[..., :3], value).clamp(0, 1)
    return out


def blurred(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian of `sigma` pixels over premultiplied uint8 [h, w, 4]; beyond the edge there is nothing. The same size
    comes back: who wants the whole of it pads first."""
    return gaussian_rgba(pixels, sigma, edge="zero") if sigma > 0 else pixels


def blurred_reference(pixels: np.ndarray, sigma: float) -> Tensor:
    """The same, plain: float64 [h, w, 4] premultiplied 0..255."""
    planes = torch.from_numpy(pixels).double()
    planes[..., :3] *= planes[..., 3:] / 255
    return torch.stack([gaussian_reference(plane, sigma) for plane in planes.unbind(-1)], -1)


def sharpened(pixels: np.ndarray, sigma: float, amount: float, threshold: float = 0.0) -> np.ndarray:
    """Unsharp mask of straight colours: c + amount * (c - Gaussian of c) where that differs by more than `threshold`
    (0..1). Alpha stays, and what is transparent has no part in the Gaussian. A negative amount softens."""
    color = pixels[..., :3].astype(np.float32)
    change = color - smooth_colors(pixels, sigma)
    if threshold > 0:
        change[np.abs(change) <= threshold * 255] = 0
    out = pixels.copy()
    out[..., :3] = np.clip(color + np.float32(amount) * change, 0, 255) + np.float32(0.5)
    return out


def smooth_colors(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """float32 [h, w, 3] straight, 0..255: a Gaussian of uint8 [h, w, 4] in which what is transparent has no part."""
    if is_opaque(pixels):
        return gaussian(pixels[..., :3].astype(np.float32), sigma, edge="replicate")
    planes = gaussian(premultiplied(pixels), sigma, edge="replicate")
    return planes[..., :3] * (255 / np.maximum(planes[..., 3:], np.float32(1e-6)))


def _unsharp_reference(picture: Tensor, sigma: float, amount: float, threshold: float) -> Tensor:
    color, alpha = picture[..., :3], picture[..., 3:]
    planes = torch.cat([color * alpha, alpha], -1)
    smooth = torch.stack([gaussian_reference(plane, sigma, edge="replicate") for plane in planes.unbind(-1)], -1)
    change = color - smooth[..., :3] / smooth[..., 3:].clamp(min=1e-12)
    change = torch.where((change.abs() <= threshold) & (threshold > 0), 0, change)
    return (color + amount * change).clamp(0, 1)


def sharpened_reference(pixels: np.ndarray, sigma: float, amount: float, threshold: float = 0.0) -> Tensor:
    """The same, plain: float64 [h, w, 3] straight colours 0..1."""
    return _unsharp_reference(torch.from_numpy(pixels).double() / 255, sigma, amount, threshold)


def margin(sigma: float) -> int:
    """Pixels by which a blurred picture is larger on each side."""
    return math.ceil(3 * sigma)


__all__ = [
    "ADJUSTMENTS",
    "Adjustment",
    "adjust",
    "adjust_reference",
    "blurred",
    "blurred_reference",
    "from_hsl",
    "margin",
    "sharpened",
    "sharpened_reference",
    "smooth_colors",
    "to_hsl",
]
