"""Still pictures and masks as what is blended over frames."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from deployments.errors import UndecodableMedia
from deployments.operation import Inputs, Source
from kernels.yuv import Layer, Matrix, Plane, layer

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Overlay:
    """A picture over the frames of a span of time."""

    layer: Layer
    start: Fraction
    """Seconds on the timeline."""
    end: Fraction | None
    """None: to the end."""

    def on(self, at: Fraction) -> bool:
        return self.start <= at and (self.end is None or at < self.end)


def overlays(rows: Sequence[JSON], inputs: Inputs, canvas: tuple[int, int], matrix: Matrix) -> list[Overlay]:
    """Bottom to top. What lies outside the canvas (width, height) is left out before it is converted."""
    made = []
    for row in rows:
        image = _read(inputs[row["id"]], "RGBA")
        mask = None if row["mask_artifact_id"] is None else mask_of(inputs[row["mask_artifact_id"]])
        rgba = _scaled(image, mask, row["scale"])
        x, y = row["position"]
        left, top = max(0, -x), max(0, -y)
        rgba = rgba[top : max(top, canvas[1] - y), left : max(left, canvas[0] - x)]
        if rgba.size and rgba[..., 3].any():
            picture = layer(rgba, x + left, y + top, matrix, row["opacity"])
            end = None if row["end_ms"] is None else Fraction(row["end_ms"], 1000)
            made.append(Overlay(picture, Fraction(row["start_ms"], 1000), end))
    return made


def still(source: Source) -> NDArray[np.uint8]:
    """A picture as uint8 [h, w, 4], straight alpha, upright."""
    return np.array(_read(source, "RGBA"))


def mask_of(source: Source) -> Plane:
    """A mask artifact as uint8 [h, w], 255 = selected (a 16-bit one is rounded)."""
    image = _read(source, None)
    if image.mode.startswith("I"):
        return np.round(np.asarray(image, np.float64) / 257).astype(np.uint8)
    return np.asarray(image.convert("L"))


def _read(source: Source, mode: str | None) -> Image.Image:
    try:
        with Image.open(io.BytesIO(source.read())) as image:
            upright = ImageOps.exif_transpose(image)
            upright.load()
            return upright if mode is None else upright.convert(mode)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UndecodableMedia(f"the picture {source.id} cannot be decoded") from error


def _scaled(image: Image.Image, mask: Plane | None, scale: float) -> NDArray[np.uint8]:
    """RGBA uint8 [h, w, 4], straight, its alpha times the mask; resampled premultiplied, so no color bleeds in."""
    rgba = np.array(image)
    if mask is not None:
        if mask.shape != rgba.shape[:2]:
            raise UndecodableMedia(f"the mask is {mask.shape[::-1]} pixels, the picture {image.size}")
        rgba[..., 3] = np.round(rgba[..., 3] * (mask / 255.0)).astype(np.uint8)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if size == image.size:
        return rgba
    made = Image.fromarray(rgba, "RGBA").convert("RGBa").resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.asarray(made.convert("RGBA"))


__all__ = ["Overlay", "mask_of", "overlays", "still"]
