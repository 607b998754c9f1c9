"""What a layer shows before it is placed: a picture, a colour, a gradient, a text or a drawing, as pixels."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from deployments.drawing import decode, svg, text
from deployments.drawing.markup import markup
from deployments.engines.image_core.place import Box, frame
from deployments.engines.vector_core.models import Scene
from deployments.errors import InvalidRequest
from deployments.operation import Inputs, Tools
from kernels.gradient import gradient

JSON = dict[str, Any]
SVG = "image/svg+xml"
TEXT_LENGTHS = {"stroke": "width", "shadow": "blur"}
"""Of a text layer, those that the text's own cap of size bounds."""
MOST_DECODED = 1 << 30
"""Bytes of decoded pictures that are kept for other layers; the last one is kept in any case."""
Size = tuple[float, float]


class Pictures:
    """The inputs' pixels, each decoded once as long as the last ones fit into `MOST_DECODED`."""

    def __init__(self, inputs: Inputs, tools: Tools) -> None:
        self.inputs = inputs
        self.threads = tools.settings.threads
        self.max_pixels = tools.settings.max_image_pixels
        self._decoded: OrderedDict[str, np.ndarray] = OrderedDict()

    def of_layer(self, layer: JSON, path: str) -> np.ndarray:
        """[h, w, 4]: uint8, or float32 0..1 of a file with more bits."""
        id, field = named(layer, path)
        if id not in self._decoded:
            source = self.inputs[id]
            if source.media_type == SVG:
                self._decoded[id] = svg.draw(source.read().decode("utf-8", "replace"), 1.0, self.max_pixels, field)
            else:
                self._decoded[id] = decode.picture(source, self.max_pixels, field)
        self._decoded.move_to_end(id)
        while len(self._decoded) > 1 and sum(one.nbytes for one in self._decoded.values()) > MOST_DECODED:
            self._decoded.popitem(last=False)
        return self._decoded[id]

    def of_selection(self, selection: JSON, path: str) -> np.ndarray:
        """uint8 [h, w, 4]."""
        return decode.eight_bits(self.of_layer(selection, path))


def named(part: JSON, path: str) -> tuple[str, str]:
    """The id that a layer or selection gives, and the JSON path of its field."""
    name = "asset_id" if "asset_id" in part else "artifact_id"
    return part[name], f"{path}.{name}"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A layer's source as pixels, and what of the source they are."""

    pixels: np.ndarray
    """[h, w, 4], straight RGBA: uint8, or float32 0..1 of a file with more bits."""
    region: Box
    """Where the pixels lie in the source, in source units; ink may reach out of the source."""
    natural: Size
    """The source's size in its own units."""
    grown: bool = False
    """Whether a filter made it larger than its source."""


def drawn_source(layer: JSON, canvas: tuple[int, int], pictures: Pictures, path: str) -> Drawn | None:
    """What a layer with pixels shows before anything is done to it; None where there is nothing."""
    match layer["type"]:
        case "raster":
            id, field = named(layer, path)
            source = pictures.inputs[id]
            if source.media_type == SVG:
                return _vector(source.read().decode("utf-8", "replace"), layer, pictures, field)
            pixels = pictures.of_layer(layer, path)
            return _whole(pixels, (pixels.shape[1], pixels.shape[0]))
        case "solid":
            size, shape = _plain_size(layer, canvas)
            pixels = np.empty((*shape, 4), np.uint8)
            pixels[:] = rgba(layer["color"])
            return _whole(pixels, size)
        case "gradient":
            size, (height, width) = _plain_size(layer, canvas)
            return _whole(drawn_gradient(layer["gradient"], width, height, size), size)
        case "text":
            return _text(layer, pictures, path)
        case _ if "vector_scene" in layer:
            scene = Scene.model_validate(layer["vector_scene"])
            return _vector(markup(scene), layer, pictures, f"{path}.vector_scene")
        case _:
            return _vector(layer["svg"], layer, pictures, f"{path}.svg")


def drawn_gradient(
    given: JSON, width: int, height: int, size: Size, part: tuple[float, float, float, float] | None = None
) -> np.ndarray:
    """uint8 [height, width, 4]: a normalised gradient over a plane of this size, or a part of it."""
    stops = [(place, rgba(color)) for place, color in given["stops"]]
    where = {"angle": given["angle"], "center": tuple(given["center"]), "radius": given.get("radius")}
    return gradient(given["type"], width, height, stops, **where, size=size, part=part)


def _plain_size(layer: JSON, canvas: tuple[int, int]) -> tuple[Size, tuple[int, int]]:
    """The size of what has none of its own, by default the canvas's; and the rows and columns it is drawn in."""
    size = (float(layer.get("width", canvas[0])), float(layer.get("height", canvas[1])))
    width, height = (max(1, min(most, math.ceil(wanted))) for most, wanted in zip(canvas, size, strict=True))
    return size, (height, width)


def _whole(pixels: np.ndarray, natural: Size) -> Drawn:
    return Drawn(pixels, Box(0, 0, *natural), natural)


def _text(layer: JSON, pictures: Pictures, path: str) -> Drawn | None:
    """Drawn at the size it will have, so that scaling a text is not enlarging a picture of it."""
    scale = layer["scale"]
    if layer["text_size"] * scale < text.SMALLEST:
        return None
    scene = _text_scene(layer, path)
    ink = text.draw(scene, max_pixels=pictures.max_pixels, threads=pictures.threads, field=f"{path}.text")
    height, width = ink.pixels.shape[:2]
    region = Box(ink.x / scale, ink.y / scale, width / scale, height / scale)
    return Drawn(ink.pixels, region, (ink.layout.width / scale, ink.layout.height / scale))


def _text_scene(layer: JSON, path: str) -> JSON:
    """A text layer as a scene of POST /typography/render, every length in pixels times the layer's scale."""
    scale = layer["scale"]
    scene = {
        "text": layer["text"],
        "font": layer["text_font"],
        "size": layer["text_size"] * scale,
        "color": layer["text_color"],
        "align": layer["align"],
        "line_height": layer["line_height"],
        "tracking": layer.get("text_tracking", 0.0),
        "variation_settings": layer.get("text_variation_settings", {}),
    }
    if "box" in layer:
        scene["box"] = {name: side * scale for name, side in layer["box"].items()}
    for name, length in TEXT_LENGTHS.items():
        if name in layer:
            scaled = layer[name][length] * scale
            if scaled > text.LARGEST:
                field = f"{path}.{name}.{length}"
                raise InvalidRequest(f"{field} would be {scaled:g} pixels; at most {text.LARGEST:g}", field=field)
            scene[name] = layer[name] | {length: scaled}
    if "shadow" in scene:
        scene["shadow"]["offset"] = [offset * scale for offset in layer["shadow"]["offset"]]
    return scene


def _vector(source: str, layer: JSON, pictures: Pictures, field: str) -> Drawn:
    """Drawn at the size it will have."""
    natural = svg.natural_size(source, pictures.max_pixels, field)
    crop = layer.get("crop")
    shown = frame(layer, (crop[2], crop[3]) if crop else natural).content
    seen = (crop[2], crop[3]) if crop else natural
    zoom = max(shown.width / seen[0], shown.height / seen[1], 1 / min(natural))
    return _whole(svg.draw(source, zoom, pictures.max_pixels, field), natural)


def rgba(color: str) -> tuple[int, int, int, int]:
    """A normalised #rrggbbaa as four bytes."""
    r, g, b, a = bytes.fromhex(color[1:])
    return r, g, b, a


__all__ = ["Drawn", "Pictures", "Size", "drawn_gradient", "drawn_source", "named", "rgba"]
