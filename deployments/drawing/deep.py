"""Pictures of more than 8 bits a channel: PNG and TIFF of 16, TIFF of 32 bits floating.

Pillow reads their headers and, where they are grey, their pixels; coloured ones it would cut to 8 bits, so OpenCV reads
those, after Pillow has found them whole.
"""

from __future__ import annotations

import cv2
import numpy as np
from PIL import ExifTags, Image

from deployments.media.float_tiff import FloatTiff

MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
"""Pillow's modes of deep grey pictures."""
_BIT_DEPTH = 24
"""Offset of that byte in a PNG."""
_BITS_PER_SAMPLE, _EXTRA_SAMPLES, _PREMULTIPLIED = 258, 338, 1
"""TIFF's tags."""


def pixels(data: bytes, image: Image.Image) -> np.ndarray | None:
    """float32 [h, w, 4], straight RGBA 0..1, upright; None for a picture of 8 bits, or with a colour profile."""
    if image.mode in MODES:
        plane = grey(image)
        return _upright(np.dstack([plane, plane, plane, np.ones_like(plane)]), image)
    if image.info.get("icc_profile") or not _is_deep(data, image):
        return None
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if read is None or read.dtype != np.uint16 or read.shape[:2] != (image.height, image.width):
        return None
    if read.ndim == 2:
        read = read[..., None]
    color = np.repeat(read, 3, 2) if read.shape[2] < 3 else read[..., 2::-1]
    alpha = read[..., -1:] if read.shape[2] in (2, 4) else np.full_like(read[..., :1], 65535)
    return _upright(np.concatenate([color, alpha], 2).astype(np.float32) / np.float32(65535), image)


def grey(image: Image.Image) -> np.ndarray:
    """float32 [h, w], 0..1: whole numbers are of 65535, floating ones of 1."""
    values = np.asarray(image)
    scale = 1 if image.mode == "F" else 65535
    return np.clip(np.nan_to_num(values.astype(np.float64) / scale), 0, 1).astype(np.float32)


def floating(data: bytes, header: FloatTiff) -> np.ndarray:
    """float32 [h, w, 4], straight RGBA 0..1, upright, of a colour TIFF of floats whose size was checked. ValueError
    where OpenCV does not read it as its header says."""
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
    return np.ascontiguousarray(np.clip(np.concatenate([color, alpha], 2), 0, 1))  # a TIFF OpenCV turns in any case


def _is_deep(data: bytes, image: Image.Image) -> bool:
    if image.format == "PNG":
        return data[_BIT_DEPTH] == 16
    if image.format != "TIFF":
        return False
    tags = image.tag_v2  # type: ignore[attr-defined]
    premultiplied = _PREMULTIPLIED in tuple(tags.get(_EXTRA_SAMPLES, ()))
    return max(tags.get(_BITS_PER_SAMPLE, (8,))) == 16 and not premultiplied


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


__all__ = ["MODES", "floating", "grey", "pixels"]
