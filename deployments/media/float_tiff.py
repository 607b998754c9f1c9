"""Colour TIFF of 32-bit floating samples: what Pillow has no mode for. Its header alone, by Pillow's reader of TIFF's
directories; the pixels are read by whoever needs them. Light.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO, Any, Final

from PIL import TiffImagePlugin

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _PLANAR = 256, 257, 258, 262, 274, 277, 284
_TILE_WIDTH, _TILE_HEIGHT, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _ICC_PROFILE = 322, 323, 338, 339, 34675
_PARTS: Final = ((273, 279), (324, 325))
"""Where strips or tiles begin, and how many bytes they have."""
_FLOATING, _RGB, _SIDE_BY_SIDE, _PREMULTIPLIED = 3, 2, 1, 1
_LYING: Final = 5
"""The first of EXIF's orientations in which a picture lies on its side."""
_SIGNATURES: Final = (b"II*\0", b"MM\0*")


@dataclass(frozen=True, slots=True)
class FloatTiff:
    """Of the first picture in the file."""

    width: int
    height: int
    channels: int
    """3, or 4 with an alpha."""
    premultiplied: bool
    orientation: int
    """EXIF's, 1..8."""
    icc_profile: bytes | None
    largest_part: int
    """Pixels that are decoded at once where it is cut into tiles, which may be larger than the picture."""

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as it is shown."""
        return (self.height, self.width) if self.orientation >= _LYING else (self.width, self.height)

    @property
    def pixels(self) -> int:
        """What a cap on pixels counts."""
        return max(self.width * self.height, self.largest_part)


def header(file: IO[bytes]) -> FloatTiff | None:
    """What a file is, read from its start; None where it is no RGB or RGBA TIFF of 32-bit floats, samples side by side.

    Raises ValueError where strips or tiles lie beyond the file's end or the directory is damaged, and what Pillow
    raises of such.
    """
    start = file.read(8)
    if start[:4] not in _SIGNATURES:
        return None
    try:
        return _of_directory(start, file)
    except (struct.error, AssertionError, IndexError) as error:
        raise ValueError("the file's directory is damaged") from error


def _of_directory(start: bytes, file: IO[bytes]) -> FloatTiff | None:
    tags: Any = TiffImagePlugin.ImageFileDirectory_v2(start)
    file.seek(tags.next)
    tags.load(file)
    bits, formats = _all(tags, _BITS), _all(tags, _SAMPLE_FORMAT)
    channels = tags.get(_SAMPLES, 1)
    if set(bits) != {32} or set(formats) != {_FLOATING} or channels not in (3, 4):
        return None
    if tags.get(_PHOTOMETRIC) != _RGB or tags.get(_PLANAR, _SIDE_BY_SIDE) != _SIDE_BY_SIDE:
        return None
    _check_parts(tags, file.seek(0, 2))
    sides = tags[_WIDTH], tags[_HEIGHT]
    tile = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_HEIGHT, 0)
    if not all(isinstance(side, int) for side in (*sides, *tile)) or min(sides) < 1:
        raise ValueError("a side of the picture is no size")
    orientation, profile = tags.get(_ORIENTATION, 1), tags.get(_ICC_PROFILE)
    return FloatTiff(
        *sides,
        channels,
        channels == 4 and _PREMULTIPLIED in _all(tags, _EXTRA_SAMPLES),
        orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1,
        profile if isinstance(profile, bytes) else None,
        tile[0] * tile[1],
    )


def _all(tags: Any, name: int) -> tuple[Any, ...]:
    values = tags.get(name, ())
    return values if isinstance(values, tuple) else (values,)


def _check_parts(tags: Any, size: int) -> None:
    for begins, lengths in _PARTS:
        parts = list(zip(_all(tags, begins), _all(tags, lengths), strict=True))
        if parts:
            if any(begin + length > size for begin, length in parts):
                raise ValueError("a part of the picture lies beyond the end of the file")
            return
    raise ValueError("the file has no pixels")


__all__ = ["FloatTiff", "header"]
