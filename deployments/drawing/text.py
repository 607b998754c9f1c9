"""Text to pixels: lines set by HarfBuzz (raqm), FreeType outlines; shadow, stroke and letters over each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from configs.fonts import font, font_path
from deployments.drawing.lines import Line, Setter
from deployments.errors import InvalidRequest
from kernels.blur import gaussian
from kernels.composite import Layer, composite
from kernels.grow import near
from kernels.mask import to_bytes

JSON = dict[str, Any]
SMALLEST, LARGEST = 0.5, 8192.0
"""Pixels to the em. Below the smallest FreeType has no glyphs, and nothing would be seen of them."""

LARGEST_PIECE = 89_000_000
"""Pixels of letters that are drawn at once; the library draws no more of them without complaint."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A rectangle, in pixels from the layout's corner."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in whole pixels."""
        return math.ceil(self.right - self.left), math.ceil(self.bottom - self.top)

    def moved(self, x: float, y: float) -> Bounds:
        return Bounds(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def wider(self, by: float) -> Bounds:
        return Bounds(self.left - by, self.top - by, self.right + by, self.bottom + by)


@dataclass(frozen=True, slots=True)
class Layout:
    """Lines in their places: what is known of a text before it is drawn."""

    lines: tuple[Line, ...]
    ascent: int
    """Pixels from the top to the first baseline, by the font that was asked for."""
    descent: int
    step: float
    """Pixels from one baseline to the next."""
    width: float
    """The box's, or the longest line's advance; at least 1."""
    height: float
    """The box's, or ascent, descent and the steps between the lines."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Text as a picture, and where its layout lies in it."""

    pixels: np.ndarray
    """uint8 [h, w, 4], straight RGBA."""
    x: int
    """Left edge of the picture from the layout's, in pixels; negative where ink may lean out."""
    y: int
    layout: Layout
    ink: list[int]
    """x, y, width, height of the letters in the picture."""


def draw(scene: JSON, *, max_pixels: int, threads: int, field: str) -> Drawn:
    """A normalised scene (the fields of POST /typography/render without the preset), its size at least SMALLEST. With a
    box of both sides the picture is the box; else it holds the whole layout with all that reaches out of it. Raises
    InvalidRequest over a cap."""
    if scene["size"] > LARGEST:
        said = f"{field} would be drawn at {scene['size']:g} pixels to the em; at most {LARGEST:g}"
        raise InvalidRequest(said, field=field)
    layout = laid_out(scene)
    rim = scene.get("stroke", {}).get("width", 0.0)
    inks = _inks(layout, rim)
    picture, window = _bounds(scene, layout, inks, rim)
    (width, height), size = picture.size, window.size
    piece = max((math.prod(ink.size) for ink in inks), default=0)  # drawn whole, whatever of it is seen
    if math.prod(size) > max_pixels or piece > min(max_pixels, LARGEST_PIECE):
        said = f"{field} would be drawn with {max(math.prod(size), piece)} pixels, over the cap"
        raise InvalidRequest(said, field=field)
    origin = (-window.left, layout.ascent - window.top)
    letters = outline = _ink(layout, size, origin, 0.0)
    if rim:
        outline = _ink(layout, size, origin, rim)
        outline[near(letters, rim - 1)] = 1  # an outliner leaves holes where its line is wider than what it follows
    layers = []
    if shadow := scene.get("shadow"):
        x, y = (round(offset) for offset in shadow["offset"])
        layers.append(_paint(gaussian(outline, shadow["blur"], threads=threads), shadow["color"], x, y))
    if rim:
        layers.append(_paint(outline, scene["stroke"]["color"]))
    layers.append(_paint(letters, scene["color"]))
    left, top = int(picture.left - window.left), int(picture.top - window.top)
    pixels = composite(layers, *size, threads=threads)[top : top + height, left : left + width]
    ink = _ink_box(letters[top : top + height, left : left + width])
    return Drawn(pixels, int(picture.left), int(picture.top), layout, ink)


def laid_out(scene: JSON) -> Layout:
    """Lines broken and placed; nothing is drawn."""
    face_of, box = cache(partial(_face, scene)), scene.get("box", {})
    setter = Setter(scene["font"], face_of, scene["tracking"] * scene["size"] / 1000)
    lines = setter.set(scene["text"], box.get("width"), scene["align"])
    ascent, descent = face_of(scene["font"]).getmetrics()
    step = scene["line_height"] * scene["size"]
    width = box.get("width") or max(1.0, *(line.width for line in lines))
    height = box.get("height") or (len(lines) - 1) * step + ascent + descent
    return Layout(tuple(lines), ascent, descent, step, width, height)


def _face(scene: JSON, name: str) -> ImageFont.FreeTypeFont:
    """A font of the table as the scene wants it; another than the scene's takes of its axes what it has."""
    face = ImageFont.truetype(str(font_path(name)), scene["size"], layout_engine=ImageFont.Layout.RAQM)
    if given := scene["variation_settings"]:
        ranges = font(name).axes
        axes = zip(ranges.items(), face.get_variation_axes(), strict=True)
        face.set_variation_by_axes(
            [min(high, max(low, given.get(tag, float(axis["default"] or 0)))) for (tag, (low, high)), axis in axes]
        )
    return face


def _inks(layout: Layout, stroke: float) -> list[Bounds]:
    """Of each piece."""
    inks = []
    for i, line in enumerate(layout.lines):
        for piece in line.pieces:
            ink = Bounds(*piece.face.getbbox(piece.text, direction=piece.direction, anchor="ls"))
            inks.append(ink.moved(line.x + piece.x, layout.ascent + i * layout.step).wider(stroke))
    return inks


def _bounds(scene: JSON, layout: Layout, inks: list[Bounds], stroke: float) -> tuple[Bounds, Bounds]:
    """The picture; and what is drawn, more than the picture where a box cuts ink whose stroke or shadow is seen."""
    box = Bounds(0, 0, math.ceil(layout.width), math.ceil(layout.height))
    whole = cast = _around([box.wider(math.ceil(scene["size"] / 4 + stroke)), *inks])
    reach = math.ceil(stroke) + 1 if stroke else 0
    if shadow := scene.get("shadow"):
        blur, (x, y) = math.ceil(3 * shadow["blur"]), (round(offset) for offset in shadow["offset"])
        cast = cast.wider(blur)  # where it is blurred, before it is moved
        whole = _around([whole, cast.moved(x, y)])
        reach += blur + max(abs(x), abs(y))
    if "height" not in scene.get("box", {}):
        return whole, whole
    near = box.wider(reach)
    left, top = max(cast.left, near.left), max(cast.top, near.top)
    return box, Bounds(left, top, min(cast.right, near.right), min(cast.bottom, near.bottom))


def _around(boxes: list[Bounds]) -> Bounds:
    """The smallest of whole pixels that holds all."""
    left, top = math.floor(min(box.left for box in boxes)), math.floor(min(box.top for box in boxes))
    return Bounds(left, top, math.ceil(max(box.right for box in boxes)), math.ceil(max(box.bottom for box in boxes)))


def _ink(layout: Layout, size: tuple[int, int], origin: tuple[float, float], stroke: float) -> np.ndarray:
    """float32 [h, w], 0..1."""
    cover = Image.new("L", size)
    pen = ImageDraw.Draw(cover)
    for i, line in enumerate(layout.lines):
        for piece in line.pieces:
            place = (origin[0] + line.x + piece.x, origin[1] + i * layout.step)
            way, face = piece.direction, piece.face
            pen.text(place, piece.text, fill=255, font=face, anchor="ls", stroke_width=stroke, direction=way)
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


__all__ = ["LARGEST", "SMALLEST", "Drawn", "Layout", "draw", "laid_out"]
