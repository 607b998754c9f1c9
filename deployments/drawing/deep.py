"""Pictures of more than 8 bits a channel: PNG and TIFF of 16, TIFF of 32 bits floating.

Pillow reads their headers and, where they are grey, their pixels; coloured ones it would cut to 8 bits, so OpenCV reads
those, after Pillow has found them whole.
"""

from __future__ import annotations

import cv2
import numpy as np
from PIL import ExifTags, Image

from deployments.drawing import icc
from deployments.media.float_tiff import FloatTiff

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
        colors = _in_srgb(np.dstack([plane] * 3), image.info.get("icc_profile"))
        return _upright(np.dstack([colors, _opacity(image)]), image)
    if not _is_deep(data, image):
        return None
    profile = image.info.get("icc_profile")
    if told_by_tables(profile):
        return None
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if read is None or read.dtype != np.uint16 or read.shape[:2] != (image.height, image.width):
        return None
    if read.ndim == 2:
        read = read[..., None]
    color = np.repeat(read, 3, 2) if read.shape[2] < 3 else read[..., 2::-1]
    alpha = read[..., -1:] if read.shape[2] in (2, 4) else np.full_like(read[..., :1], 65535)
    planes = np.concatenate([color, alpha], 2).astype(np.float32) / np.float32(65535)
    planes[..., :3] = _in_srgb(planes[..., :3], profile)
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


def told_by_tables(embedded: bytes | None) -> bool:
    """Whether a profile has no formulas by which more than 8 bits are converted."""
    return embedded is not None and not icc.is_srgb(embedded) and icc.formulas(embedded) is None


def _in_srgb(colors: np.ndarray, embedded: bytes | None) -> np.ndarray:
    """float32 [h, w, 3], by the picture's own profile where it has another one that formulas tell."""
    profile = None if embedded is None else icc.formulas(embedded)
    if embedded is None or profile is None or (profile.colored and icc.is_srgb(embedded)):
        return colors
    return profile.in_srgb(colors)


def floating(data: bytes, header: FloatTiff) -> np.ndarray:
    """float32 [h, w, 4], straight RGBA 0..1, upright, of a colour TIFF of floats whose size was checked; in sRGB, but
    where its profile is told by tables. ValueError where OpenCV does not read it as its header says."""
    try:
        read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ValueError("OpenCV cannot read the file") from error
    if read is None or read.dtype != np.float32 or read.shape != (*header.upright[::-1], header.channels):
        raise ValueError("OpenCV cannot read the file")
    values = np.nan_to_num(read, posinf=1, neginf=0)
    alpha = values[..., 3:] if header.channels == 4 else np.ones_like(values[..., :1])
    color = values[..., 2::-1]
    if header.premultiplied:
        color = color / np.where(alpha > 0, alpha, 1)
    planes = np.clip(np.concatenate([color, alpha], 2), 0, 1)  # a TIFF OpenCV turns in any case
    planes[..., :3] = _in_srgb(planes[..., :3], header.icc_profile)
    return planes


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
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)  # of a TIFF 1: Pillow and OpenCV have turned it
    return np.ascontiguousarray(_TURNS.get(orientation, lambda p: p)(picture))


__all__ = ["MODES", "floating", "grey", "pixels", "told_by_tables"]
