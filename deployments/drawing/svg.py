"""SVG to pixels, in a child process with limits, after the guard."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from configs.fonts import font, font_path, fonts
from deployments.drawing import svg_guard
from deployments.errors import InvalidRequest

CHILD = Path(__file__).with_name("svg_child.py")
MEMORY_BYTES = 1 << 30
BYTES_PER_PIXEL = 16
"""Of address space, beyond MEMORY_BYTES: the picture, a layer of the library's own, and the PNG."""
CPU_SECONDS = 10
SECONDS = 20.0


def natural_size(svg: str, max_pixels: int, field: str) -> tuple[float, float]:
    """Width and height in pixels of an SVG that may be drawn. Raises InvalidRequest for one that may not."""
    try:
        return svg_guard.check(svg, max_pixels)
    except svg_guard.Refused as error:
        raise InvalidRequest(f"{field}: {error}", field=field) from None


def draw(svg: str, zoom: float, max_pixels: int, field: str) -> np.ndarray:
    """uint8 [h, w, 4], straight RGBA, at `zoom` times its own size. Raises InvalidRequest for an SVG that is refused,
    that would be over the cap, or that cannot be drawn within the limits of memory and time."""
    width, height = natural_size(svg, max_pixels, field)
    pixels = math.ceil(width * zoom) * math.ceil(height * zoom)
    if pixels > max_pixels:
        raise InvalidRequest(f"{field} would be drawn with {pixels} pixels; the cap is {max_pixels}", field=field)
    task = {
        "memory_bytes": MEMORY_BYTES + BYTES_PER_PIXEL * pixels,
        "cpu_seconds": CPU_SECONDS,
        "zoom": zoom,
        "font_files": [str(font_path(name)) for name in fonts()],
        "font_family": font().name,
    }
    said = json.dumps(task).encode() + b"\n" + svg.encode("utf-8", "replace")
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(CHILD)], input=said, capture_output=True, timeout=SECONDS, check=False, env={}
        )
    except subprocess.TimeoutExpired:
        raise InvalidRequest(f"{field} takes more than {SECONDS:g} seconds to draw", field=field) from None
    if done.returncode != 0:
        raise InvalidRequest(f"{field} cannot be drawn within the limits of memory and time", field=field)
    with Image.open(io.BytesIO(done.stdout), formats=["PNG"]) as image:
        return np.asarray(image.convert("RGBA"))


__all__ = ["draw", "natural_size"]
