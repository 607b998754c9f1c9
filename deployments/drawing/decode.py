"""Stored pictures to pixels: caps before decoding, upright, in sRGB."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps

from deployments.drawing import deep, icc
from deployments.errors import InvalidRequest, UndecodableMedia
from deployments.media import float_tiff
from deployments.media.readers import PICTURES
from deployments.operation import Source
from kernels.color import luma

_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError, OverflowError, MemoryError)


def picture(source: Source, max_pixels: int, field: str) -> np.ndarray:
    """[h, w, 4], straight RGBA in sRGB, turned upright by its EXIF orientation; of an animation the first frame. uint8,
    or float32 0..1 of a file with more bits a channel (one whose profile only tables tell is converted in 8 bits).

    Raises UndecodableMedia for bytes that are no picture or over the cap.
    """
    if (plane := _floating(source, max_pixels, field)) is not None:
        return plane
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
    if (deep_colors := _floating(source, max_pixels, field)) is not None:
        _check_size((deep_colors.shape[1], deep_colors.shape[0]), (width, height), field)
        return np.rint(luma(eight_bits(deep_colors)) * deep_colors[..., 3]).astype(np.uint8)
    with _opened(source, max_pixels, field) as image:
        _check_size(image.size, (width, height), field)
        if image.mode in deep.MODES:
            return eight_bits(deep.grey(image))
        if image.mode in ("1", "L"):
            return np.array(image.convert("L"))
        pixels = np.asarray(image.convert("RGBA"))
        return np.rint(luma(pixels) * (pixels[..., 3] / 255)).astype(np.uint8)


def _check_size(size: tuple[int, int], wanted: tuple[int, int], field: str) -> None:
    if size != wanted:
        raise InvalidRequest(
            f"{field} is {size[0]}x{size[1]}; it must have the size of the canvas, {wanted[0]}x{wanted[1]}", field=field
        )


def _floating(source: Source, max_pixels: int, field: str) -> np.ndarray | None:
    """A colour TIFF of floats as `picture` gives it, its size checked from the header alone; None for another file."""
    if source.media_type != "image/tiff":
        return None
    data = source.read()
    try:
        header = float_tiff.header(io.BytesIO(data))
        if header is None:
            return None
        if header.pixels > max_pixels:
            raise UndecodableMedia(
                f"{field} is {header.width}x{header.height}, over the cap of {max_pixels} pixels", field=field
            )
        pixels = deep.floating(data, header)
    except _DAMAGED as error:
        raise UndecodableMedia(f"{field} cannot be decoded as image/tiff", field=field) from error
    if not deep.told_by_tables(header.icc_profile):
        return pixels
    image = Image.fromarray(eight_bits(pixels))
    image.info["icc_profile"] = header.icc_profile
    return np.asarray(icc.converted(image).convert("RGBA"))


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
