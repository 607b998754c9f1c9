"""Setting text: shadow, stroke and letters over each other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from artifacts.canonical import canonical
from configs.fonts import font, font_path
from deployments.drawing.output import finished
from deployments.engines.typography_core.lines import Line, Setter
from deployments.errors import InvalidRequest
from deployments.operation import Inputs, Output, Plan, Side, Tools
from kernels.blur import gaussian
from kernels.composite import Layer, composite
from kernels.mask import to_bytes

JSON = dict[str, Any]


def render(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """A `text_render`, and beside it its scene. Raises InvalidRequest over the cap of pixels."""
    scene, cap = plan.parameters["scene"], tools.settings.max_image_pixels
    pixels, metrics = drawn(scene, cap, tools.settings.threads)
    media_type, data, meta = finished(
        pixels, plan.parameters["preset_id"], plan.parameters["preset"], cap, tools.settings.threads
    )
    layout = {"layout_hash": plan.parameters["layout_hash"]}
    meta |= layout | {"font": scene["font"], "font_sha256": plan.parameters["font_sha256"], "metrics": metrics}
    size = {"width": pixels.shape[1], "height": pixels.shape[0]}
    side = Side("scene", "vector_scene", "application/json", canonical(scene), layout | size, role="scene")
    return Output(media_type, data, meta, (side,))


def drawn(scene: JSON, cap: int, threads: int) -> tuple[np.ndarray, JSON]:
    """uint8 [h, w, 4] straight RGBA, and the metrics in its pixels. A box of both sides is the picture's size; else it
    holds the whole layout with all that reaches out of it."""
    face = _face(scene)
    setter = Setter(face, scene["tracking"] * scene["size"] / 1000)
    box = scene.get("box", {})
    lines = setter.set(scene["text"], box.get("width"), scene["align"])
    ascent, descent = face.getmetrics()
    step = scene["line_height"] * scene["size"]
    width = box.get("width") or max(line.width for line in lines)
    height = box.get("height") or (len(lines) - 1) * step + ascent + descent
    left, top, right, bottom = (0, 0, box["width"], box["height"]) if "height" in box else _bounds(scene, width, height)
    if (right - left) * (bottom - top) > cap:
        raise InvalidRequest(f"the text would be {right - left}x{bottom - top}, over the cap of pixels", field="text")
    size, origin = (right - left, bottom - top), (-left, ascent - top)
    letters = _ink(lines, face, size, origin, step, 0.0)
    layers = []
    outline = letters
    if stroke := scene.get("stroke"):
        outline = _ink(lines, face, size, origin, step, stroke["width"])
    if shadow := scene.get("shadow"):
        cast = gaussian(outline, shadow["blur"])
        x, y = (round(offset) for offset in shadow["offset"])
        layers.append(_paint(cast, shadow["color"], x, y))
    if stroke:
        layers.append(_paint(outline, stroke["color"]))
    layers.append(_paint(letters, scene["color"]))
    metrics = {
        "ascent": ascent,
        "descent": descent,
        "line_height": step,
        "origin": [-left, -top],
        "layout": [width, height],
        "ink": _ink_box(letters),
        "lines": [
            {"text": line.text, "x": line.x - left, "baseline": ascent - top + i * step, "width": line.width}
            for i, line in enumerate(lines)
        ],
    }
    return composite(layers, *size, threads=threads), metrics


def _face(scene: JSON) -> ImageFont.FreeTypeFont:
    face = ImageFont.truetype(str(font_path(scene["font"])), scene["size"], layout_engine=ImageFont.Layout.RAQM)
    axes = font(scene["font"]).axes
    if scene["variation_settings"]:
        found = face.get_variation_axes()
        values = [scene["variation_settings"].get(tag) for tag in axes]
        face.set_variation_by_axes(
            [float(axis["default"] or 0) if value is None else value for value, axis in zip(values, found, strict=True)]
        )
    return face


def _bounds(scene: JSON, width: float, height: float) -> tuple[int, int, int, int]:
    """The layout's box with a margin for letters that lean out, the stroke and the shadow."""
    around = math.ceil(scene["size"] / 4 + scene.get("stroke", {}).get("width", 0))
    left, top, right, bottom = -around, -around, math.ceil(width) + around, math.ceil(height) + around
    if shadow := scene.get("shadow"):
        reach, (x, y) = math.ceil(3 * shadow["blur"]), (round(offset) for offset in shadow["offset"])
        left, top = min(left, left + x - reach), min(top, top + y - reach)
        right, bottom = max(right, right + x + reach), max(bottom, bottom + y + reach)
    return left, top, right, bottom


def _ink(
    lines: list[Line],
    face: ImageFont.FreeTypeFont,
    size: tuple[int, int],
    origin: tuple[float, float],
    step: float,
    stroke: float,
) -> np.ndarray:
    """float32 [h, w], 0..1."""
    cover = Image.new("L", size)
    pen = ImageDraw.Draw(cover)
    for i, line in enumerate(lines):
        for piece in line.pieces:
            place = (origin[0] + line.x + piece.x, origin[1] + i * step)
            pen.text(place, piece.text, fill=255, font=face, anchor="ls", stroke_width=stroke)
    return np.asarray(cover, np.float32) / np.float32(255)


def _paint(cover: np.ndarray, color: str, x: int = 0, y: int = 0) -> Layer:
    pixels = np.empty((*cover.shape, 4), np.uint8)
    pixels[:] = np.frombuffer(bytes.fromhex(color[1:]), np.uint8)
    pixels[..., 3] = to_bytes(cover * np.float32(int(color[7:], 16) / 255))
    return Layer(pixels, x, y)


def _ink_box(cover: np.ndarray) -> list[int]:
    """x, y, width, height of what is not empty."""
    rows, columns = np.nonzero(cover.any(1))[0], np.nonzero(cover.any(0))[0]
    if not len(rows):
        return [0, 0, 0, 0]
    return [int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)]


__all__ = ["drawn", "render"]
