"""Pictures of more than 8 bits a channel: PNG and TIFF of 16, grey TIFF of 32 bits floating.

Pillow reads their headers and, where they are grey, their pixels; coloured ones it would cut to 8 bits, so OpenCV reads
those, after Pillow has found them whole.
"""

from __future__ import annotations

import cv2
import numpy as np
from PIL import ExifTags, Image

from deployments.engines.image_core import icc

MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
"""Pillow's modes of deep grey pictures."""
_BIT_DEPTH = 24
"""Offset of that byte in a PNG."""
_BITS_PER_SAMPLE, _COMPRESSION, _PHOTOMETRIC, _PLANES, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 258, 259, 262, 284, 338, 339
"""TIFF's tags."""
_WHITE_IS_ZERO, _BLACK_IS_ZERO = 0, 1
_APART = 2
_PREMULTIPLIED = 1
_UNSIGNED = 1


def pixels(data: bytes, image: Image.Image) -> np.ndarray | None:
    """float32 [h, w, 4], straight RGBA 0..1 in sRGB, upright; None for a picture of 8 bits, and for a coloured one
    whose profile is to be had in 8 bits alone. Raises ValueError for a file that Pillow reads wrongly."""
    if image.mode in MODES:
        plane = grey(image)
        return _upright(np.dstack([_in_srgb(np.dstack([plane] * 3), image), _opacity(image)]), image)
    if not _is_deep(data, image):
        return None
    profile = image.info.get("icc_profile")
    if profile and not icc.is_srgb(profile) and icc.formulas(profile) is None:
        return None
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if read is None or read.dtype != np.uint16 or read.shape[:2] != (image.height, image.width):
        return None
    if read.ndim == 2:
        read = read[..., None]
    color = np.repeat(read, 3, 2) if read.shape[2] < 3 else read[..., 2::-1]
    alpha = read[..., -1:] if read.shape[2] in (2, 4) else np.full_like(read[..., :1], 65535)
    planes = np.concatenate([color, alpha], 2).astype(np.float32) / np.float32(65535)
    planes[..., :3] = _in_srgb(planes[..., :3], image)
    return _upright(planes, image)


def grey(image: Image.Image) -> np.ndarray:
    """float32 [h, w], 0..1: whole numbers are of 65535, those of 32 bits without a sign of 2^32 - 1, floating ones of
    1."""
    values = np.asarray(image)
    scale = 1 if image.mode == "F" else 65535
    whole = image.mode == "I" and _of_tiff(image, _BITS_PER_SAMPLE, 0) == 32
    if whole and _of_tiff(image, _SAMPLE_FORMAT, _UNSIGNED) == _UNSIGNED:
        values, scale = values.view(np.uint32), 2**32 - 1
    plane = np.clip(np.nan_to_num(values.astype(np.float64) / scale), 0, 1).astype(np.float32)
    if _of_tiff(image, _PHOTOMETRIC, _BLACK_IS_ZERO) == _WHITE_IS_ZERO:
        return 1 - plane
    return plane


def _opacity(image: Image.Image) -> np.ndarray:
    """float32 [h, w]: 0 where a grey PNG has the one value that it calls transparent, else 1."""
    see_through = image.info.get("transparency")
    if not isinstance(see_through, int):
        return np.ones((image.height, image.width), np.float32)
    return (np.asarray(image) != see_through).astype(np.float32)


def _in_srgb(colors: np.ndarray, image: Image.Image) -> np.ndarray:
    """float32 [h, w, 3], by the picture's own profile where it has another one that formulas tell."""
    embedded = image.info.get("icc_profile")
    profile = icc.formulas(embedded) if embedded else None
    if profile is None or (profile.colored and icc.is_srgb(embedded)):
        return colors
    return profile.in_srgb(colors)


def _is_deep(data: bytes, image: Image.Image) -> bool:
    if image.format == "PNG":
        return data[_BIT_DEPTH] == 16
    if image.format != "TIFF":
        return False
    if _of_tiff(image, _BITS_PER_SAMPLE, 8) != 16:
        return False
    if _of_tiff(image, _PLANES, 1) == _APART and _of_tiff(image, _COMPRESSION, 1) == 1:
        raise ValueError("Pillow mixes the channels of 16 bits that lie apart, uncompressed")
    return _of_tiff(image, _EXTRA_SAMPLES, 0) != _PREMULTIPLIED


def _of_tiff(image: Image.Image, tag: int, default: int) -> int:
    """The largest value of a tag, which every channel may have; the default for a file that is no TIFF."""
    value = getattr(image, "tag_v2", {}).get(tag, default)
    return int(max(value) if isinstance(value, tuple) else value)


_TURNS = {
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: p.swapaxes(0, 1)[:, ::-1],
    7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
    8: lambda p: p.swapaxes(0, 1)[::-1],
}
"""EXIF orientation -> what shows the picture upright."""


def _upright(picture: np.ndarray, image: Image.Image) -> np.ndarray:
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return np.ascontiguousarray(_TURNS.get(orientation, lambda p: p)(picture))


__all__ = ["MODES", "grey", "pixels"]
