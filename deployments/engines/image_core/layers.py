"""One layer to pixels on the canvas, in the order of docs/pictures.md: source, crop and fit, adjustments, filters, one
resample, flip and turn on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deployments.drawing import svg, text
from deployments.engines.image_core import decode
from deployments.engines.image_core.place import Box, Frame, Placed, frame, place, place_color
from deployments.operation import Inputs, Tools
from kernels import adjust

JSON = dict[str, Any]
SVG = "image/svg+xml"
Size = tuple[float, float]


class Pictures:
    """The inputs' pixels, each decoded once."""

    def __init__(self, inputs: Inputs, tools: Tools) -> None:
        self.inputs = inputs
        self.threads = tools.settings.threads
        self.max_pixels = tools.settings.max_image_pixels
        self._decoded: dict[str, np.ndarray] = {}

    def of_layer(self, layer: JSON, path: str) -> np.ndarray:
        id, field = named(layer, path)
        if id not in self._decoded:
            source = self.inputs[id]
            if source.media_type == SVG:
                self._decoded[id] = svg.draw(source.read().decode("utf-8", "replace"), 1.0, self.max_pixels, field)
            else:
                self._decoded[id] = decode.picture(source, self.max_pixels, field)
        return self._decoded[id]

    of_selection = of_layer


def named(part: JSON, path: str) -> tuple[str, str]:
    """The id that a layer or selection gives, and the JSON path of its field."""
    name = "asset_id" if "asset_id" in part else "artifact_id"
    return part[name], f"{path}.{name}"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A layer's source as pixels, and what of the source they are."""

    pixels: np.ndarray
    """uint8 [h, w, 4], straight RGBA."""
    region: Box
    """Where the pixels lie in the source, in source units; ink may reach out of the source."""
    natural: Size
    """The source's size in its own units."""


def drawn_layer(layer: JSON, canvas: tuple[int, int], pictures: Pictures, path: str) -> Placed | None:
    """A normalised layer that is no group; None where nothing of it is seen."""
    if layer["type"] == "solid" and not {"filters", "crop"} & layer.keys():
        return place_color(_adjusted_color(layer), frame(layer, canvas), canvas)
    drawn = _source(layer, canvas, pictures, path)
    if drawn is None:
        return None
    if "crop" in layer:
        cropped = _cropped(drawn, Box(*layer["crop"]))
        if cropped is None:
            return None
        drawn = cropped
    where = frame(layer, drawn.natural)
    if "filters" in layer and layer["fit"] == "cover":
        visible = _cropped(drawn, _visible(where, drawn.natural))
        assert visible
        drawn, where = visible, replace(where, content=where.clip)
    if "adjustments" in layer:
        drawn = replace(drawn, pixels=adjust.adjust(drawn.pixels, layer["adjustments"]))
    for item in layer.get("filters", ()):
        drawn = _filtered(drawn, item)
    return place(*_framed(drawn, where, layer), canvas, pictures.threads)


def _source(layer: JSON, canvas: tuple[int, int], pictures: Pictures, path: str) -> Drawn | None:
    match layer["type"]:
        case "raster":
            id, field = named(layer, path)
            source = pictures.inputs[id]
            if source.media_type == SVG:
                return _vector(source.read().decode("utf-8", "replace"), layer, pictures, field)
            pixels = pictures.of_layer(layer, path)
            return _whole(pixels, (pixels.shape[1], pixels.shape[0]))
        case "solid":
            size = (layer.get("width", canvas[0]), layer.get("height", canvas[1]))
            shape = [
                max(1, min(side, math.ceil(wanted))) for side, wanted in zip(canvas[::-1], size[::-1], strict=True)
            ]
            pixels = np.empty((*shape, 4), np.uint8)
            pixels[:] = rgba(layer["color"])
            return _whole(pixels, size)
        case "text":
            return _text(layer, pictures, path)
        case _:
            return _vector(layer["svg"], layer, pictures, f"{path}.svg")


def _whole(pixels: np.ndarray, natural: Size) -> Drawn:
    return Drawn(pixels, Box(0, 0, *natural), natural)


def _text(layer: JSON, pictures: Pictures, path: str) -> Drawn | None:
    """Drawn at the size it will have, so that scaling a text is not enlarging a picture of it."""
    scale = layer["scale"]
    if layer["text_size"] * scale < text.SMALLEST:
        return None
    ink = text.draw(
        layer["text"],
        font=layer["text_font"],
        size=layer["text_size"] * scale,
        color=rgba(layer["text_color"]),
        align=layer["align"],
        line_height=layer["line_height"],
        max_pixels=pictures.max_pixels,
        field=f"{path}.text",
    )
    height, width = ink.pixels.shape[:2]
    region = Box(ink.x / scale, ink.y / scale, width / scale, height / scale)
    return Drawn(ink.pixels, region, (ink.width / scale, ink.height / scale))


def _vector(source: str, layer: JSON, pictures: Pictures, field: str) -> Drawn:
    """Drawn at the size it will have."""
    natural = svg.natural_size(source, pictures.max_pixels, field)
    crop = layer.get("crop")
    shown = frame(layer, (crop[2], crop[3]) if crop else natural).content
    seen = (crop[2], crop[3]) if crop else natural
    zoom = max(shown.width / seen[0], shown.height / seen[1], 1 / min(natural))
    return _whole(svg.draw(source, zoom, pictures.max_pixels, field), natural)


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


def _filtered(drawn: Drawn, item: JSON) -> Drawn:
    """A blur makes the picture larger by 3 sigma, since beyond its edge there is nothing."""
    across, down = _per_unit(drawn)
    sigma = item["radius"] * math.sqrt(across * down)
    if item["type"] == "sharpen":
        return replace(drawn, pixels=adjust.sharpened(drawn.pixels, sigma, item["amount"], item["threshold"]))
    grown = adjust.margin(sigma)
    pixels = adjust.blurred(np.pad(drawn.pixels, ((grown, grown), (grown, grown), (0, 0))), sigma)
    region, x, y = drawn.region, grown / across, grown / down
    region = Box(region.x - x, region.y - y, region.width + 2 * x, region.height + 2 * y)
    return replace(drawn, pixels=pixels, region=region)


def _framed(drawn: Drawn, where: Frame, layer: JSON) -> tuple[np.ndarray, Frame]:
    """Where the pixels lie on the canvas, mirrored within the layer's box where it is flipped."""
    across, down = where.content.width / drawn.natural[0], where.content.height / drawn.natural[1]
    box, region, pixels = where.content, drawn.region, drawn.pixels
    content = Box(box.x + region.x * across, box.y + region.y * down, region.width * across, region.height * down)
    grown = any(item["type"] == "blur" for item in layer.get("filters", ()))
    clip = content
    if not grown and (layer["fit"] == "cover" or "crop" in layer):
        clip = _overlap(where.clip, content)
    flip = layer.get("flip", "")
    if flip in ("h", "both"):
        pixels = pixels[:, ::-1]
        content, clip = (replace(one, x=2 * box.x + box.width - one.x - one.width) for one in (content, clip))
    if flip in ("v", "both"):
        pixels = pixels[::-1]
        content, clip = (replace(one, y=2 * box.y + box.height - one.y - one.height) for one in (content, clip))
    return np.ascontiguousarray(pixels), Frame(content, clip, where.pivot, where.rotation)


def _overlap(one: Box, other: Box) -> Box:
    left, top = max(one.x, other.x), max(one.y, other.y)
    right = min(one.x + one.width, other.x + other.width)
    bottom = min(one.y + one.height, other.y + other.height)
    return Box(left, top, right - left, bottom - top)


def _adjusted_color(layer: JSON) -> tuple[int, int, int, int]:
    color = rgba(layer["color"])
    if "adjustments" not in layer:
        return color
    r, g, b, a = adjust.adjust(np.array([[color]], np.uint8), layer["adjustments"])[0, 0].tolist()
    return r, g, b, a


def rgba(color: str) -> tuple[int, int, int, int]:
    """A normalised #rrggbbaa as four bytes."""
    r, g, b, a = bytes.fromhex(color[1:])
    return r, g, b, a


__all__ = ["Drawn", "Pictures", "drawn_layer", "named", "rgba"]
