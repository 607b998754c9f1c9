"""Pixels to files: PNG, WEBP, JPEG, TIFF and AVIF with an sRGB profile, equal bytes for equal pixels."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image, ImageCms

from deployments.drawing import nvjpeg
from kernels.png import encode_png

COLOR_PROFILE = "sRGB IEC61966-2.1"
"""What meta calls the profile that every output carries."""

MEDIA_TYPES = {
    "PNG": "image/png",
    "WEBP": "image/webp",
    "JPEG": "image/jpeg",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
}
FULL_CHROMA_FROM = 90
"""JPEG quality from which the colours are not halved."""


@cache
def srgb_profile() -> bytes:
    """An ICC profile; the moment of its making, which the library writes into it, is taken out."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes((7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))  # 2000-01-01 00:00
    return bytes(profile)


def flattened(pixels: np.ndarray, background: tuple[int, int, int]) -> np.ndarray:
    """uint8 [h, w, 4] straight RGBA over an opaque colour: uint8 [h, w, 3]."""
    alpha = pixels[..., 3:].astype(np.float32) / 255
    over = pixels[..., :3] * alpha + np.array(background, np.float32) * (1 - alpha)
    return np.rint(over).astype(np.uint8)


def encode(
    pixels: np.ndarray,
    format: str,
    *,
    quality: int | None,
    dpi: int,
    background: tuple[int, int, int],
    threads: int = 1,
    encoder: str | None = None,
) -> bytes:
    """uint8 [h, w, 4] straight RGBA as a file. `background` is what JPEG, which has no alpha, is laid on; `threads` are
    PNG's, whose bytes do not depend on them; `encoder` is another than JPEG's own, see drawing/nvjpeg.py."""
    file = io.BytesIO()
    profile = srgb_profile()
    if format == "PNG":
        return encode_png(pixels, threads=threads, dpi=dpi, profile=profile)
    if format == "WEBP":
        Image.fromarray(pixels).save(file, "WEBP", quality=quality, method=2, icc_profile=profile)
    elif format == "JPEG":
        assert quality is not None
        if encoder:
            opaque = flattened(pixels, background)
            return nvjpeg.encode_jpeg(opaque, quality=quality, dpi=dpi, profile=profile)
        chroma = 0 if quality >= FULL_CHROMA_FROM else 2
        image = Image.fromarray(flattened(pixels, background))
        image.save(file, "JPEG", quality=quality, subsampling=chroma, icc_profile=profile, dpi=(dpi, dpi))
    elif format == "TIFF":
        image = Image.fromarray(pixels)
        image.save(file, "TIFF", compression="tiff_adobe_deflate", icc_profile=profile, dpi=(dpi, dpi))
    elif format == "AVIF":  # one thread: the bytes do not depend on the machine
        image = Image.fromarray(pixels)
        # speed 9 takes a third of 8's time for a tenth more bytes
        image.save(file, "AVIF", quality=quality, speed=9, max_threads=1, icc_profile=profile)
    else:
        raise ValueError(f"no format {format!r}; the formats are {', '.join(MEDIA_TYPES)}")
    return file.getvalue()


def encode_mask(coverage: np.ndarray, threads: int = 1) -> bytes:
    """uint8 or uint16 [h, w], full scale = selected, as a PNG of one channel."""
    return encode_png(coverage, threads=threads)


__all__ = ["COLOR_PROFILE", "MEDIA_TYPES", "encode", "encode_mask", "flattened", "srgb_profile"]
