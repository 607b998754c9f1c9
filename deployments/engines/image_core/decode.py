"""Stored pictures to pixels: caps before decoding, upright, in sRGB."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps

from deployments.engines.image_core import deep, icc
from deployments.errors import InvalidRequest, UndecodableMedia
from deployments.media.readers import PICTURES
from deployments.operation import Source
from kernels.color import luma

_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError, OverflowError, MemoryError)


def picture(source: Source, max_pixels: int, field: str) -> np.ndarray:
    """[h, w, 4], straight RGBA in sRGB, turned upright by its EXIF orientation; of an animation the first frame. uint8,
    or float32 0..1 of a file with more bits a channel (one whose profile only tables tell is converted in 8 bits).

    Raises UndecodableMedia for bytes that are no picture or over the cap.
    """
    with _opened(source, max_pixels, field) as image:
        plane = deep.pixels(source.read(), image)
        if plane is not None:
            return plane
        return np.asarray(icc.converted(ImageOps.exif_transpose(image)).convert("RGBA"))


def eight_bits(pixels: np.ndarray) -> np.ndarray:
    """A picture's values rounded to uint8, where they are float32 0..1."""
    if pixels.dtype == np.uint8:
        return pixels
    return (np.clip(pixels, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def mask(source: Source, max_pixels: int, width: int, height: int, field: str) -> np.ndarray:
    """uint8 [height, width], full scale = selected: a grey picture of 1, 8 or 16 bits; of a coloured one its luma times
    alpha. Raises InvalidRequest for another size, UndecodableMedia."""
    with _opened(source, max_pixels, field) as image:
        if image.size != (width, height):
            raise InvalidRequest(
                f"{field} is {image.width}x{image.height}; it must have the size of the canvas, {width}x{height}",
                field=field,
            )
        if image.mode in deep.MODES:
            return eight_bits(deep.grey(image))
        if image.mode in ("1", "L"):
            return np.array(image.convert("L"))
        pixels = np.asarray(image.convert("RGBA"))
        return np.rint(luma(pixels) * (pixels[..., 3] / 255)).astype(np.uint8)


@contextmanager
def _opened(source: Source, max_pixels: int, field: str) -> Iterator[Image.Image]:
    """The picture, its size checked from the header alone, errors of reading as ours."""
    if source.media_type not in PICTURES:
        raise InvalidRequest(f"{field} is {source.media_type}; give one of {', '.join(PICTURES)}", field=field)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged EXIF harms nobody, and the cap below stands instead of Pillow's
        try:
            with Image.open(io.BytesIO(source.read()), formats=[PICTURES[source.media_type]]) as image:
                if image.width * image.height > max_pixels:
                    raise UndecodableMedia(
                        f"{field} is {image.width}x{image.height}, over the cap of {max_pixels} pixels", field=field
                    )
                image.load()
                yield image
        except Image.DecompressionBombError:
            raise UndecodableMedia(f"{field} is over the cap of {max_pixels} pixels", field=field) from None
        except _DAMAGED as error:
            raise UndecodableMedia(f"{field} cannot be decoded as {source.media_type}", field=field) from error


__all__ = ["eight_bits", "mask", "picture"]
