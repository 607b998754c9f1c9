"""Rendering compositions and making masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from artifacts.canonical import canonical
from configs.settings import Settings
from deployments.engines.image_core import decode, svg, text
from deployments.engines.image_core.encode import COLOR_PROFILE, MEDIA_TYPES, encode, encode_mask
from deployments.engines.image_core.place import Box, Frame, Placed, as_layer, frame, place, place_color
from deployments.engines.image_core.selections import coverage
from deployments.operation import Inputs, Output, Plan, Side, Stopped, Tools
from kernels import composite, resample
from kernels import mask as mask_kernels

JSON = dict[str, Any]
SVG = "image/svg+xml"
WHITE = (255, 255, 255)


def render(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """An `image_render`, and beside it its `image_composition`. Raises UndecodableMedia, InvalidRequest, Stopped."""
    composition, output = plan.parameters["composition"], plan.parameters["output"]
    pixels = compose(composition, inputs, tools)
    background = rgba(composition["background_color"])
    data = encode(
        _laid_out(pixels, output, background),
        output["format"],
        quality=output["quality"],
        dpi=output["dpi"],
        background=background[:3] if background[3] else WHITE,
    )
    common = {
        "layers_count": len(composition["layers"]),
        "composition_hash": plan.parameters["composition_hash"],
    }
    meta = common | {
        "width": output["width"],
        "height": output["height"],
        "pipeline_hash": plan.parameters["pipeline_hash"],
        "preset_id": output["preset_id"],
        "format": output["format"],
        "color_profile": COLOR_PROFILE,
        "dpi": output["dpi"],
        "device": "cpu",
    }
    side_meta = common | {"width": composition["width"], "height": composition["height"]}
    scene = canonical(composition)
    side = Side("composition", "image_composition", "application/json", scene, side_meta, role="composition")
    return Output(MEDIA_TYPES[output["format"]], data, meta, (side,))


def mask(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """A `mask`: PNG of one channel, 8 bits. Raises UndecodableMedia, InvalidRequest."""
    given = plan.parameters
    pictures = _Pictures(inputs, tools)
    cover = coverage(given["selection"], given["width"], given["height"], pictures.of_selection, "selection")
    meta = {
        "width": given["width"],
        "height": given["height"],
        "feather": given["selection"]["feather_radius"],
        "selection_hash": given["selection_hash"],
        "selection": given["selection"],
        "device": "cpu",
    }
    return Output("image/png", encode_mask(cover), meta)


def compose(composition: JSON, inputs: Inputs, tools: Tools) -> np.ndarray:
    """A normalised composition as uint8 [height, width, 4], straight RGBA."""
    size = (composition["width"], composition["height"])
    pictures = _Pictures(inputs, tools)
    stack: list[composite.Layer] = []
    background = rgba(composition["background_color"])
    if background[3]:
        whole = Box(0, 0, *size)
        placed = place_color(background, Frame(whole, whole, (0, 0), 0), size)
        assert placed
        stack.append(composite.Layer(placed.pixels, opaque=placed.opaque))
    layers = composition["layers"]
    for i, layer in enumerate(layers):
        if tools.stop.is_set():
            raise Stopped
        tools.progress(i, len(layers))
        if not layer["visible"] or layer["opacity"] == 0 or layer["scale"] == 0:
            continue
        path = f"composition.layers[{i}]"
        placed = _placed(layer, size, pictures, path)
        if placed is not None:
            stack.append(as_layer(placed, layer, _mask(layer, size, pictures, path)))
    linear = composition["color_space"] == "linear"
    return composite.composite(stack, *size, threads=tools.settings.threads, linear=linear)


class _Pictures:
    """The inputs' pixels, each decoded once."""

    def __init__(self, inputs: Inputs, tools: Tools) -> None:
        self.inputs = inputs
        self.threads = tools.settings.threads
        self.max_pixels = tools.settings.max_image_pixels
        self._decoded: dict[str, np.ndarray] = {}

    def of_layer(self, layer: JSON, path: str) -> np.ndarray:
        id, field = _named(layer, path)
        if id not in self._decoded:
            source = self.inputs[id]
            if source.media_type == SVG:
                self._decoded[id] = svg.draw(source.read().decode("utf-8", "replace"), 1.0, self.max_pixels, field)
            else:
                self._decoded[id] = decode.picture(source, self.max_pixels, field)
        return self._decoded[id]

    of_selection = of_layer


def _named(part: JSON, path: str) -> tuple[str, str]:
    name = "asset_id" if "asset_id" in part else "artifact_id"
    return part[name], f"{path}.{name}"


def _placed(layer: JSON, size: tuple[int, int], pictures: _Pictures, path: str) -> Placed | None:
    match layer["type"]:
        case "raster":
            id, field = _named(layer, path)
            source = pictures.inputs[id]
            if source.media_type == SVG:
                return _vector(source.read().decode("utf-8", "replace"), layer, size, pictures, field)
            pixels = pictures.of_layer(layer, path)
            return place(pixels, frame(layer, (pixels.shape[1], pixels.shape[0])), size, pictures.threads)
        case "solid":
            return place_color(rgba(layer["color"]), frame(layer, size), size)
        case "text":
            return _text(layer, size, pictures, path)
        case _:
            return _vector(layer["svg"], layer, size, pictures, f"{path}.svg")


def _text(layer: JSON, size: tuple[int, int], pictures: _Pictures, path: str) -> Placed | None:
    """Drawn at the size it will have, so that scaling a text is not enlarging a picture of it."""
    scale = layer["scale"]
    if layer["text_size"] * scale < text.SMALLEST:
        return None
    drawn = text.draw(
        layer["text"],
        font=layer["text_font"],
        size=layer["text_size"] * scale,
        color=rgba(layer["text_color"]),
        align=layer["align"],
        line_height=layer["line_height"],
        max_pixels=pictures.max_pixels,
        field=f"{path}.text",
    )
    where = frame(layer, (drawn.width / scale, drawn.height / scale))
    # the ink may reach out of the box that is placed and turned
    across, down = where.content.width / drawn.width, where.content.height / drawn.height
    left, top = where.content.x + drawn.x * across, where.content.y + drawn.y * down
    ink = Box(left, top, drawn.pixels.shape[1] * across, drawn.pixels.shape[0] * down)
    clip = where.clip if layer["fit"] == "cover" else ink
    return place(drawn.pixels, Frame(ink, clip, where.pivot, where.rotation), size, pictures.threads)


def _vector(source: str, layer: JSON, size: tuple[int, int], pictures: _Pictures, field: str) -> Placed | None:
    """Drawn at the size it will have."""
    natural = svg.natural_size(source, pictures.max_pixels, field)
    where = frame(layer, natural)
    zoom = max(where.content.width / natural[0], where.content.height / natural[1], 1 / min(natural))
    return place(svg.draw(source, zoom, pictures.max_pixels, field), where, size, pictures.threads)


def _mask(layer: JSON, size: tuple[int, int], pictures: _Pictures, path: str) -> np.ndarray | None:
    """uint8 [H, W] of the canvas."""
    if "mask" in layer:
        return coverage(layer["mask"], *size, pictures.of_selection, f"{path}.mask")
    if "mask_artifact_id" in layer:
        source = pictures.inputs[layer["mask_artifact_id"]]
        return decode.mask(source, pictures.max_pixels, *size, f"{path}.mask_artifact_id")
    return None


def _laid_out(pixels: np.ndarray, output: JSON, background: tuple[int, int, int, int]) -> np.ndarray:
    """The picture scaled into its output and padded with the background."""
    x, y, width, height = output["content"]
    scaled = resample.resize(pixels, width, height)
    if (x, y, width, height) == (0, 0, output["width"], output["height"]):
        return scaled
    out = np.empty((output["height"], output["width"], 4), np.uint8)
    out[:] = background if background[3] else 0
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, output["width"]), min(y + height, output["height"])
    out[top:bottom, left:right] = scaled[top - y : bottom - y, left - x : right - x]
    return out


def rgba(color: str) -> tuple[int, int, int, int]:
    """A normalised #rrggbbaa as four bytes."""
    r, g, b, a = bytes.fromhex(color[1:])
    return r, g, b, a


def warm(settings: Settings) -> None:
    """Compiles the kernels ahead; the first time on a machine this takes a minute."""
    composite.warm()
    mask_kernels.polygon_coverage(np.array([[0, 0], [1, 0], [0, 1]], np.float64), 1, 1)
    resample.warm()


__all__ = ["compose", "mask", "render", "rgba", "warm"]
