"""Where a layer lies on the canvas, and its pixels there: one resample at most."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deployments.engines.image_core.held import unpinned
from kernels import composite
from kernels.mask import polygon_coverage, turned, unit_circle
from kernels.nearest import nearest
from kernels.resample import is_opaque, resize, warp

JSON = dict[str, Any]
ALMOST = 1e-6  # pixels: 0.1 * 30 is meant to be 3


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the canvas, before rotation, in pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def whole(self) -> bool:
        """Whether its edges lie on the pixel grid, at least a pixel apart."""
        edges = (self.x, self.y, self.width, self.height)
        return min(self.width, self.height) > 0.5 and all(abs(v - round(v)) < ALMOST for v in edges)

    def rounded(self) -> Box:
        return Box(round(self.x), round(self.y), max(1, round(self.width)), max(1, round(self.height)))

    def corners(self) -> np.ndarray:
        left, top, right, bottom = self.x, self.y, self.x + self.width, self.y + self.height
        return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


@dataclass(frozen=True, slots=True)
class Frame:
    """A layer's place: where its source is drawn, where it is cut, and how it is turned."""

    content: Box
    """The whole source."""
    clip: Box
    """What of it is seen."""
    pivot: tuple[float, float]
    rotation: float
    """Degrees, clockwise."""

    def moved(self, by: float) -> Frame:
        """The same, so many pixels further right and down."""
        content, clip = (replace(box, x=box.x + by, y=box.y + by) for box in (self.content, self.clip))
        return Frame(content, clip, (self.pivot[0] + by, self.pivot[1] + by), self.rotation)

    @property
    def upright(self) -> bool:
        return self.rotation % 360 == 0

    @property
    def on_grid(self) -> bool:
        return self.upright and self.content.whole and self.clip.whole


@dataclass(frozen=True, slots=True)
class Placed:
    """Pixels at their place on the canvas: the geometry of a composite.Layer."""

    pixels: np.ndarray
    """uint8 [h, w, 4], straight RGBA."""
    x: int
    y: int
    opaque: bool


def layer_box(layer: JSON, natural: tuple[float, float]) -> Box:
    """The layer's own rectangle, scaled. `natural` is the source's size; one given side keeps its shape."""
    width, height = layer.get("width"), layer.get("height")
    if width is None:
        width = natural[0] if height is None else natural[0] * height / natural[1]
    if height is None:
        height = natural[1] if layer.get("width") is None else natural[1] * width / natural[0]
    return Box(layer["x"], layer["y"], width * layer["scale"], height * layer["scale"])


def frame(layer: JSON, natural: tuple[float, float]) -> Frame:
    """Where a source of this size is drawn: the layer's box, `fit`, rotation about the anchor."""
    box = layer_box(layer, natural)
    content = box
    if layer["fit"] != "stretch":
        ratios = (box.width / natural[0], box.height / natural[1])
        ratio = min(ratios) if layer["fit"] == "contain" else max(ratios)
        width, height = natural[0] * ratio, natural[1] * ratio
        content = Box(box.x + (box.width - width) / 2, box.y + (box.height - height) / 2, width, height)
        if box.whole and layer["rotation"] % 360 == 0:
            content = content.rounded()  # a picture that is fitted into whole pixels stays sharp
    clip = box if layer["fit"] == "cover" else content
    pivot = (box.x + layer["anchor"][0] * box.width, box.y + layer["anchor"][1] * box.height)
    return Frame(content, clip, pivot, layer["rotation"])


def place(
    pixels: np.ndarray, where: Frame, canvas: tuple[int, int], threads: int, *, unmixed: bool = False
) -> Placed | None:
    """A picture, uint8 [h, w, 4], drawn at its frame on a canvas (width, height); None where nothing is seen of it.
    Unmixed, each pixel is one of the picture's."""
    window = _window(where, canvas)
    if window is None:
        return None
    x, y, width, height = window
    content = where.content
    if unmixed:
        out = nearest(pixels, _to_source(where, window, pixels.shape), _coverage(where, window))
        return Placed(out, x, y, is_opaque(out))
    if where.on_grid and content.width * content.height <= 4 * canvas[0] * canvas[1]:
        content = content.rounded()
        left, top = x - int(content.x), y - int(content.y)
        seen = (left, top, min(width, int(content.width) - left), min(height, int(content.height) - top))
        part = unpinned(resize(pixels, int(content.width), int(content.height), window=seen, threads=threads))
        return Placed(part, x, y, is_opaque(part))
    out = warp(pixels, _to_source(where, window, pixels.shape), _coverage(where, window), threads=threads)
    return Placed(out, x, y, False)


def place_color(color: tuple[int, int, int, int], where: Frame, canvas: tuple[int, int]) -> Placed | None:
    """A plain colour in a frame: no picture is made of it where it lies on the pixel grid."""
    window = _window(where, canvas)
    if window is None:
        return None
    x, y, width, height = window
    if where.on_grid:
        row = np.ascontiguousarray(np.broadcast_to(np.array(color, np.uint8), (1, width, 4)))
        return Placed(np.broadcast_to(row, (height, width, 4)), x, y, color[3] == 255)
    pixels = np.empty((height, width, 4), np.uint8)
    pixels[:] = color
    pixels[..., 3] = np.rint(_coverage(where, window) * color[3])
    return Placed(pixels, x, y, False)


def as_layer(placed: Placed, layer: JSON, mask: np.ndarray | None) -> composite.Layer:
    """What the compositor takes. mask: uint8 [H, W] of the canvas."""
    return composite.Layer(
        placed.pixels, placed.x, placed.y, layer["opacity"], layer["blend_mode"], mask, placed.opaque
    )


def _window(where: Frame, canvas: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """x, y, width, height of the canvas's pixels that the frame touches; None where there are none."""
    corners = turned(where.clip.corners(), where.pivot, where.rotation)
    low, high = corners.min(0) + ALMOST, corners.max(0) - ALMOST
    x0, y0 = max(0, math.floor(low[0])), max(0, math.floor(low[1]))
    x1, y1 = min(canvas[0], math.ceil(high[0])), min(canvas[1], math.ceil(high[1]))
    return (x0, y0, x1 - x0, y1 - y0) if x0 < x1 and y0 < y1 else None


def _coverage(where: Frame, window: tuple[int, int, int, int]) -> np.ndarray:
    """How much of each of the window's pixels the frame covers: its edges are exact, whatever the source's are."""
    corners = turned(where.clip.corners(), where.pivot, where.rotation) - window[:2]
    return polygon_coverage(corners, window[2], window[3])


def _to_source(where: Frame, window: tuple[int, int, int, int], shape: tuple[int, ...]) -> np.ndarray:
    """float64 [2, 3]: the window's coordinates to the source's."""
    cos, sin = unit_circle(where.rotation)
    back = np.array([[cos, sin], [-sin, cos]])  # turns by -rotation
    scale = np.array([shape[1] / where.content.width, shape[0] / where.content.height])
    origin = back @ (np.array(window[:2], np.float64) - where.pivot) + where.pivot
    offset = origin - (where.content.x, where.content.y)
    return np.hstack([back * scale[:, None], (offset * scale)[:, None]])


__all__ = ["ALMOST", "Box", "Frame", "Placed", "as_layer", "frame", "layer_box", "place", "place_color"]
