"""Still pictures and masks, read and scaled."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from deployments.drawing import decode
from deployments.errors import UndecodableMedia
from deployments.operation import Source
from kernels.yuv import Plane

MOST_PIXELS = 2 * 89_478_485
"""What Pillow takes for a bomb; an asset was held to MAX_IMAGE_PIXELS when it came."""


def still(source: Source) -> NDArray[np.uint8]:
    """A picture as uint8 [h, w, 4], straight alpha, upright, in sRGB. Raises UndecodableMedia."""
    return decode.eight_bits(decode.picture(source, MOST_PIXELS, f"the picture {source.id}"))


def mask_of(source: Source) -> Plane:
    """A mask artifact as uint8 [h, w], 255 = selected (a 16-bit one is rounded)."""
    image = _read(source)
    if image.mode.startswith("I"):
        return np.round(np.asarray(image, np.float64) / 257).astype(np.uint8)
    return np.asarray(image.convert("L"))


def _read(source: Source) -> Image.Image:
    try:
        with Image.open(io.BytesIO(source.read())) as image:
            upright = ImageOps.exif_transpose(image)
            upright.load()
            return upright
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UndecodableMedia(f"the mask {source.id} cannot be decoded") from error


def scaled(
    rgba: NDArray[np.uint8], size: tuple[int, int], part: tuple[int, int, int, int] | None = None
) -> NDArray[np.uint8]:
    """RGBA uint8 [h, w, 4], straight, at width and height; resampled premultiplied, so no color bleeds in.

    part: left, top, right, bottom of what is wanted of it, in pixels of that size; the rest is not made.
    """
    left, top, right, bottom = part or (0, 0, *size)
    if size == (rgba.shape[1], rgba.shape[0]):
        return rgba[top:bottom, left:right]
    across, down = rgba.shape[1] / size[0], rgba.shape[0] / size[1]
    made = (
        Image.fromarray(rgba, "RGBA")
        .convert("RGBa")
        .resize(
            (right - left, bottom - top),
            Image.Resampling.LANCZOS,
            box=(left * across, top * down, min(right * across, rgba.shape[1]), min(bottom * down, rgba.shape[0])),
            reducing_gap=3.0,
        )
    )
    return np.asarray(made.convert("RGBA"))


def masked(rgba: NDArray[np.uint8], mask: Plane | None) -> NDArray[np.uint8]:
    """The picture, its alpha times the mask of its size. Raises UndecodableMedia for a mask of another size."""
    if mask is None:
        return rgba
    if mask.shape != rgba.shape[:2]:
        raise UndecodableMedia(f"the mask is {mask.shape[::-1]} pixels, the picture {rgba.shape[1::-1]}")
    made = rgba.copy()
    made[..., 3] = np.round(rgba[..., 3] * (mask / 255.0)).astype(np.uint8)
    return made


__all__ = ["mask_of", "masked", "scaled", "still"]
