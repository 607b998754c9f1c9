"""A layer's effects to layers of their own: those that lie under it, and those that are painted within its shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deployments.engines.image_core.place import Box, Placed
from deployments.engines.image_core.sources import drawn_gradient, rgba
from kernels import effects
from kernels.composite import Layer

JSON = dict[str, Any]


@dataclass(slots=True)
class Drawn:
    """What a layer's effects became, bottom to top."""

    under: list[Layer] = field(default_factory=list)
    within: list[Layer] = field(default_factory=list)
    """Their alpha is a share of the layer's shape."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What of the canvas, and around it, a layer covers."""

    cover: np.ndarray
    """float32 [h, w], 0..1."""
    x: int
    y: int
    bounds: Box
    """The upright box around the whole layer."""


def margin(given: list[JSON]) -> int:
    """Pixels beyond the canvas in which a layer matters to its effects on the canvas."""
    reaches = [effects.reach((*item.get("offset", (0, 0)),), item.get("size", 0)) for item in given]
    return max(reaches, default=0)


def shape_of(placed: Placed, mask: np.ndarray | None, bounds: Box, canvas: tuple[int, int], around: int) -> Shape:
    """The layer's alpha times its mask (uint8 of the canvas; beyond it as at its edge), with room around; what is
    further from the canvas than the room is left out."""
    h, w = placed.pixels.shape[:2]
    x0, y0 = max(placed.x - around, -2 * around), max(placed.y - around, -2 * around)
    x1 = min(placed.x + w + around, canvas[0] + 2 * around)
    y1 = min(placed.y + h + around, canvas[1] + 2 * around)
    cover = np.zeros((y1 - y0, x1 - x0), np.float32)
    left, top, right, bottom = max(x0, placed.x), max(y0, placed.y), min(x1, placed.x + w), min(y1, placed.y + h)
    alpha = placed.pixels[top - placed.y : bottom - placed.y, left - placed.x : right - placed.x, 3]
    seen = alpha.astype(np.float32) / 255
    if mask is not None:
        rows = np.clip(np.arange(top, bottom), 0, canvas[1] - 1)
        columns = np.clip(np.arange(left, right), 0, canvas[0] - 1)
        seen = seen * (mask[np.ix_(rows, columns)].astype(np.float32) / 255)
    cover[top - y0 : bottom - y0, left - x0 : right - x0] = seen
    return Shape(cover, x0, y0, bounds)


def drawn_effects(given: list[JSON], shape: Shape, opacity: float) -> Drawn:
    """`opacity` is the layer's. Overlays lie under inner shadows, these under strokes, whatever their order."""
    out = Drawn()
    for kind, draw in EFFECTS.items():
        for item in given:
            if item["type"] == kind:
                draw(item, shape, opacity, out)
    return out


def _layer(item: JSON, shape: Shape, cover: np.ndarray, opacity: float) -> Layer:
    """A colour of this coverage."""
    pixels = np.empty((*cover.shape, 4), np.uint8)
    color = rgba(item["color"])
    pixels[...] = color
    pixels[..., 3] = cover * np.float32(color[3]) + np.float32(0.5)
    return Layer(pixels, shape.x, shape.y, item["opacity"] * opacity, item["blend_mode"])


def _drop_shadow(item: JSON, shape: Shape, opacity: float, out: Drawn) -> None:
    cover = effects.shadow(shape.cover, (*item["offset"],), item["size"], item["spread"])
    out.under.append(_layer(item, shape, cover, opacity))


def _inner_shadow(item: JSON, shape: Shape, opacity: float, out: Drawn) -> None:
    cover = effects.inner_shadow(shape.cover, (*item["offset"],), item["size"], item["spread"])
    out.within.append(_layer(item, shape, cover, 1.0))


def _stroke(item: JSON, shape: Shape, opacity: float, out: Drawn) -> None:
    width = item["size"] / 2 if item["position"] == "center" else item["size"]
    if item["position"] != "inside":
        out.under.append(_layer(item, shape, effects.stroke_outside(shape.cover, width), opacity))
    if item["position"] != "outside":
        out.within.append(_layer(item, shape, effects.stroke_inside(shape.cover, width), 1.0))


def _color_overlay(item: JSON, shape: Shape, opacity: float, out: Drawn) -> None:
    out.within.append(_layer(item, shape, np.ones_like(shape.cover), 1.0))


def _gradient_overlay(item: JSON, shape: Shape, opacity: float, out: Drawn) -> None:
    h, w = shape.cover.shape
    box = shape.bounds
    size = (max(box.width, math.ulp(1)), max(box.height, math.ulp(1)))
    left, top = shape.x - box.x, shape.y - box.y
    pixels = drawn_gradient(item["gradient"], w, h, size, (left, top, left + w, top + h))
    out.within.append(Layer(pixels, shape.x, shape.y, item["opacity"], item["blend_mode"]))


EFFECTS: Mapping[str, Callable[[JSON, Shape, float, Drawn], None]] = {
    "drop_shadow": _drop_shadow,
    "gradient_overlay": _gradient_overlay,
    "color_overlay": _color_overlay,
    "inner_shadow": _inner_shadow,
    "stroke": _stroke,
}
"""In the order in which they are painted."""

__all__ = ["EFFECTS", "Drawn", "Shape", "drawn_effects", "margin", "shape_of"]
