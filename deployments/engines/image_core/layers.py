"""One layer to pixels on the canvas, in the order of docs/pictures.md: source, crop and fit, adjustments, filters, one
resample, flip and turn on the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deployments.drawing.decode import eight_bits
from deployments.engines.image_core.place import ALMOST, Box, Frame, Placed, frame, place, place_color
from deployments.engines.image_core.sources import Drawn, Pictures, Size, drawn_source, rgba
from deployments.errors import InvalidRequest
from kernels import adjust
from kernels.adjustment_layers import recolor, recolored
from kernels.filters import FILTERS, filtered
from kernels.mask import turned
from kernels.ranges import FILTER_RANGES

JSON = dict[str, Any]
MOST_GROWN = 1.5
"""What filters may make a picture grow to, in caps of a picture's pixels: the largest one may still be blurred."""


@dataclass(frozen=True, slots=True)
class OnCanvas:
    """A layer's pixels at their place, which may lie beyond the canvas where its effects need to know."""

    placed: Placed
    bounds: Box
    """The upright box around the layer, whatever of it is seen."""


def drawn_layer(
    layer: JSON, canvas: tuple[int, int], pictures: Pictures, path: str, margin: int = 0
) -> OnCanvas | None:
    """A normalised layer that has pixels, drawn up to `margin` pixels beyond the canvas; None where nothing of it is
    seen."""
    if layer["type"] == "solid" and not {"filters", "crop"} & layer.keys():
        return _at(frame(layer, canvas), canvas, margin, lambda at, size: place_color(_adjusted_color(layer), at, size))
    drawn = drawn_source(layer, canvas, pictures, path)
    if drawn is None:
        return None
    if "crop" in layer:
        cropped = _cropped(drawn, Box(*layer["crop"]))
        if cropped is None:
            return None
        drawn = cropped
    where = frame(layer, drawn.natural)
    if min(where.content.width, where.content.height) < ALMOST:  # a product of tiny sides may be 0
        return None
    if "filters" in layer and layer["fit"] == "cover":
        visible = _cropped(drawn, _visible(where, drawn.natural))
        if visible is None:  # a crop beyond the source, of which the middle is seen
            return None
        drawn, where = visible, replace(where, content=where.clip)
    drawn = replace(drawn, pixels=_adjusted(drawn.pixels, layer, pictures.threads))
    for i, item in enumerate(layer.get("filters", ())):
        drawn = _filtered(drawn, item, pictures.max_pixels, f"{path}.filters[{i}].radius")
    pixels, where = _framed(drawn, where, layer)
    unmixed = layer.get("resample") == "nearest"
    return _at(where, canvas, margin, lambda at, size: place(pixels, at, size, pictures.threads, unmixed=unmixed))


def _at(
    where: Frame, canvas: tuple[int, int], margin: int, draw: Callable[[Frame, tuple[int, int]], Placed | None]
) -> OnCanvas | None:
    """`draw` on a canvas that is wider by the margin on each side."""
    wide = (canvas[0] + 2 * margin, canvas[1] + 2 * margin)
    placed = draw(where.moved(margin), wide)
    if placed is None:
        return None
    corners = turned(where.clip.corners(), where.pivot, where.rotation)
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    bounds = Box(left, top, right - left, bottom - top)
    return OnCanvas(replace(placed, x=placed.x - margin, y=placed.y - margin), bounds)


def _adjusted(pixels: np.ndarray, layer: JSON, threads: int = 1) -> np.ndarray:
    """uint8 [h, w, 4]: the sliders, then the adjustments in Photoshop's units, at the source's own depth."""
    if "adjustments" in layer:
        pixels = adjust.adjust(pixels, layer["adjustments"], threads=threads)
    for item in layer.get("adjustment_stack", ()):
        pixels = recolored(pixels, recolor(item["kind"], item), threads=threads)
    return eight_bits(pixels)


def _per_unit(drawn: Drawn) -> Size:
    """Pixels to a source unit, across and down."""
    return drawn.pixels.shape[1] / drawn.region.width, drawn.pixels.shape[0] / drawn.region.height


def _cropped(drawn: Drawn, crop: Box) -> Drawn | None:
    """The crop's whole pixels, in coordinates of the crop; what of an outermost pixel lies beyond is cut on placing."""
    across, down = _per_unit(drawn)
    left, top = (crop.x - drawn.region.x) * across, (crop.y - drawn.region.y) * down
    x0, y0 = max(0, math.floor(left + 1e-6)), max(0, math.floor(top + 1e-6))
    x1 = min(drawn.pixels.shape[1], math.ceil(left + crop.width * across - 1e-6))
    y1 = min(drawn.pixels.shape[0], math.ceil(top + crop.height * down - 1e-6))
    if x0 >= x1 or y0 >= y1:
        return None
    region = Box(
        drawn.region.x + x0 / across - crop.x,
        drawn.region.y + y0 / down - crop.y,
        (x1 - x0) / across,
        (y1 - y0) / down,
    )
    return Drawn(np.ascontiguousarray(drawn.pixels[y0:y1, x0:x1]), region, (crop.width, crop.height))


def _visible(where: Frame, natural: Size) -> Box:
    """What of the source a covering layer shows, in source units."""
    across, down = natural[0] / where.content.width, natural[1] / where.content.height
    left, top = (where.clip.x - where.content.x) * across, (where.clip.y - where.content.y) * down
    return Box(left, top, where.clip.width * across, where.clip.height * down)


def _filtered(drawn: Drawn, item: JSON, max_pixels: int, field: str) -> Drawn:
    """A blur makes the picture larger, since beyond its edge there is nothing. A text or a drawing is filtered in the
    pixels that it is drawn with, so its radius, and what it grows to, are known only here."""
    across, down = _per_unit(drawn)
    kind, numbers = item["type"], {name: value for name, value in item.items() if name != "type"}
    if "radius" in numbers:
        numbers["radius"] *= math.sqrt(across * down)
        radius, most = numbers["radius"], FILTER_RANGES[kind]["radius"].high
        if radius > most * (1 + ALMOST):
            raise InvalidRequest(
                f"{field} would be {radius:g} pixels at this layer's size; at most {most:g}", field=field
            )
        h, w = (side + 2 * FILTERS[kind].reach(numbers) for side in drawn.pixels.shape[:2])
        if h * w > MOST_GROWN * max_pixels:
            said = f"{field}: the layer would grow to {w}x{h} pixels by its filters"
            raise InvalidRequest(f"{said}; at most {MOST_GROWN * max_pixels:g} pixels", field=field)
    pixels, grown = filtered(kind, drawn.pixels, numbers)
    region, x, y = drawn.region, grown / across, grown / down
    region = Box(region.x - x, region.y - y, region.width + 2 * x, region.height + 2 * y)
    return replace(drawn, pixels=pixels, region=region, grown=drawn.grown or grown > 0)


def _framed(drawn: Drawn, where: Frame, layer: JSON) -> tuple[np.ndarray, Frame]:
    """Where the pixels lie on the canvas, mirrored within the layer's box where it is flipped."""
    across, down = where.content.width / drawn.natural[0], where.content.height / drawn.natural[1]
    box, region, pixels = where.content, drawn.region, drawn.pixels
    content = Box(box.x + region.x * across, box.y + region.y * down, region.width * across, region.height * down)
    clip = content
    if not drawn.grown and (layer["fit"] == "cover" or "crop" in layer):
        clip = _overlap(where.clip, content)
    flip = layer.get("flip", "")
    if flip in ("h", "both"):
        pixels = pixels[:, ::-1].copy()  # of one column too, whose stride would stay negative
        content, clip = (replace(one, x=2 * box.x + box.width - one.x - one.width) for one in (content, clip))
    if flip in ("v", "both"):
        pixels = pixels[::-1].copy()
        content, clip = (replace(one, y=2 * box.y + box.height - one.y - one.height) for one in (content, clip))
    return np.ascontiguousarray(pixels), Frame(content, clip, where.pivot, where.rotation)


def _overlap(one: Box, other: Box) -> Box:
    left, top = max(one.x, other.x), max(one.y, other.y)
    right = min(one.x + one.width, other.x + other.width)
    bottom = min(one.y + one.height, other.y + other.height)
    return Box(left, top, right - left, bottom - top)


def _adjusted_color(layer: JSON) -> tuple[int, int, int, int]:
    r, g, b, a = _adjusted(np.array([[rgba(layer["color"])]], np.uint8), layer)[0, 0].tolist()
    return r, g, b, a


__all__ = ["OnCanvas", "drawn_layer"]
