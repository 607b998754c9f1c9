"""Text to pixels: FreeType outlines, HarfBuzz shaping by raqm."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from configs.fonts import font_path
from deployments.errors import InvalidRequest

SMALLEST, LARGEST = 0.5, 8192.0
"""Pixels to the em. Below the smallest FreeType has no glyphs, and nothing would be seen of them."""
TAB = 4
"""Spaces."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Text as a picture, and where its layout's box lies in it."""

    pixels: np.ndarray
    """uint8 [h, w, 4], straight RGBA: the ink, which may reach out of the box."""
    x: int
    """Left edge of the ink from the box's, in pixels; negative where letters lean out."""
    y: int
    width: float
    """Of the box: the longest line's advance."""
    height: float
    """Of the box: ascent, descent, and the steps between the lines."""


def draw(
    text: str,
    *,
    font: str,
    size: float,
    color: tuple[int, int, int, int],
    align: str,
    line_height: float,
    max_pixels: int,
    field: str,
) -> Drawn:
    """Lines of text; `size` in pixels to the em, at least SMALLEST, `line_height` in sizes. Raises InvalidRequest over
    a cap."""
    if size > LARGEST:
        raise InvalidRequest(f"{field} would be drawn at {size:g} pixels to the em; at most {LARGEST:g}", field=field)
    face = ImageFont.truetype(str(font_path(font)), size, layout_engine=ImageFont.Layout.RAQM)
    lines = [_printable(line) for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    advances = [face.getlength(line) for line in lines]
    ascent, descent = face.getmetrics()
    step, width = line_height * size, max(advances)
    starts = [{"left": 0.0, "center": (width - advance) / 2, "right": width - advance}[align] for advance in advances]
    places = [(start, ascent + i * step) for i, start in enumerate(starts)]
    inks = [face.getbbox(line, anchor="ls") for line in lines]
    left = math.floor(min(x + ink[0] for (x, _), ink in zip(places, inks, strict=True)))
    top = math.floor(min(y + ink[1] for (_, y), ink in zip(places, inks, strict=True)))
    right = math.ceil(max(x + ink[2] for (x, _), ink in zip(places, inks, strict=True))) + 1
    bottom = math.ceil(max(y + ink[3] for (_, y), ink in zip(places, inks, strict=True))) + 1
    if (right - left) * (bottom - top) > max_pixels:
        raise InvalidRequest(f"{field} would be {right - left}x{bottom - top}, over the cap of pixels", field=field)
    cover = Image.new("L", (right - left, bottom - top))
    pen = ImageDraw.Draw(cover)
    for line, (x, y) in zip(lines, places, strict=True):
        pen.text((x - left, y - top), line, fill=255, font=face, anchor="ls")
    pixels = np.empty((cover.height, cover.width, 4), np.uint8)
    pixels[:] = color
    pixels[..., 3] = np.rint(np.asarray(cover) * (color[3] / 255))
    return Drawn(pixels, left, top, max(width, 1.0), (len(lines) - 1) * step + ascent + descent)


def _printable(line: str) -> str:
    """Without control characters, for which fonts have boxes; a tab is spaces."""
    return "".join(letter for letter in line.expandtabs(TAB) if unicodedata.category(letter) != "Cc")


__all__ = ["SMALLEST", "Drawn", "draw"]
