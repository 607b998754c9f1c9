"""Colour profiles of pictures: to sRGB, as littleCMS does it for 8 bits, by the profile's own formulas for more.

littleCMS is reached through Pillow, which hands it bytes alone. So pictures of more bits are converted here, where
their profile is a matrix and curves (ICC.1:2022, 8.3.3 and 8.4.3); what only tables tell is left to 8 bits.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, cast

import numpy as np
from PIL import Image, ImageCms

SRGB = ImageCms.createProfile("sRGB")
OWN = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
"""A profile's colour space, and Pillow's mode of pictures in it."""
GREYS = ("1", "L", "LA", "La")
_BROKEN = (ImageCms.PyCMSError, OSError, ValueError)
_SAME = 1
"""Of 255: so far apart sRGB profiles of different makers may be."""
_ROWS_AT_A_TIME = 256

Curve = Callable[[np.ndarray], np.ndarray]
"""(values 0..1) -> light 0..1, of the same shape"""


def converted(image: Image.Image) -> Image.Image:
    """In sRGB, transparency kept, by the picture's own profile where it has another one; a broken profile, or one of
    another kind of picture, is as good as none. Of modes L, RGB or RGBA where something was changed."""
    embedded = image.info.get("icc_profile")
    if image.mode == "LAB" and not embedded:
        return _through(image, ImageCms.createProfile("LAB"), "LAB")
    if not embedded:
        return image
    try:
        profile: Any = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
        space = profile.profile.xcolor_space.strip()
        if not _fits(image.mode, space) or (space == "RGB" and is_srgb(embedded)):
            return image
        return _through(image, profile, OWN[space])
    except _BROKEN:
        return image


def _fits(mode: str, space: str) -> bool:
    """Whether colours of this mode can be told in the space: grey ones in RGB too, none of another kind."""
    if space == "GRAY":
        return mode in GREYS
    if space == "RGB":
        return mode not in ("CMYK", "LAB")
    return mode == OWN.get(space)


def _through(image: Image.Image, profile: Any, mode: str) -> Image.Image:
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    colors = image if image.mode == mode else image.convert("RGBA").convert(mode)
    made = cast("Image.Image", ImageCms.profileToProfile(colors, profile, SRGB, outputMode="RGB"))
    if alpha is not None:
        made.putalpha(alpha)
    return made


@lru_cache(16)
def is_srgb(embedded: bytes) -> bool:
    """Whether an RGB profile leaves every colour where it is, whatever it calls itself; a broken one does not."""
    steps = np.array([0, 32, 64, 96, 128, 160, 192, 224, 255], np.uint8)
    colors = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(-1, 9, 3)
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
        made = ImageCms.profileToProfile(Image.fromarray(colors), profile, SRGB, outputMode="RGB")
    except _BROKEN:
        return False
    return bool(np.abs(np.asarray(made, np.int16) - colors).max() <= _SAME)


@dataclass(frozen=True, slots=True)
class Formulas:
    """A profile that is a matrix and curves, or one curve of grey."""

    curves: tuple[Curve, Curve, Curve]
    matrix: np.ndarray
    """float64 [3, 3]: its linear light to sRGB's"""
    colored: bool = True

    def in_srgb(self, colors: np.ndarray) -> np.ndarray:
        """float32 [h, w, 3], 0..1, encoded as the profile says, to the same in sRGB; what sRGB has not is clipped."""
        out = np.empty_like(colors)
        for first in range(0, len(colors), _ROWS_AT_A_TIME):
            part = colors[first : first + _ROWS_AT_A_TIME]
            with np.errstate(all="ignore"):  # a curve may have any exponent
                light = np.stack([curve(part[..., i]) for i, curve in enumerate(self.curves)], -1)
            light = np.clip(np.nan_to_num(np.clip(light, 0, 1)) @ self.matrix.T, 0, 1)
            bent = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
            out[first : first + _ROWS_AT_A_TIME] = np.where(light <= 0.0031308, light * 12.92, bent)
        return out


def formulas(embedded: bytes) -> Formulas | None:
    """None for a profile that has tables besides, of other colours than RGB and grey, or that is broken."""
    try:
        tags = _tags(embedded)
        if embedded[20:24] != b"XYZ " or b"A2B0" in tags:
            return None
        if embedded[16:20] == b"GRAY":
            curve = _curve(tags[b"kTRC"])
            return Formulas((curve, curve, curve), np.eye(3), colored=False)
        if embedded[16:20] != b"RGB ":
            return None
        red, green, blue = (_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
        return Formulas((red, green, blue), np.linalg.inv(_srgb_columns()) @ _columns(tags))
    except (KeyError, struct.error, ValueError, IndexError, np.linalg.LinAlgError):
        return None


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    rows = [struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(count, 100))]
    return {name: profile[start : start + size] for name, start, size in rows}


def _columns(tags: dict[bytes, bytes]) -> np.ndarray:
    """float64 [3, 3]: linear light to XYZ of D50."""
    return np.array([_fixed(tags[name], 8, 3) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]).T


@cache
def _srgb_columns() -> np.ndarray:
    return _columns(_tags(ImageCms.ImageCmsProfile(SRGB).tobytes()))


def _fixed(data: bytes, at: int, count: int) -> list[float]:
    return [value / 65536 for value in struct.unpack_from(f">{count}i", data, at)]


_PARAMETERS = (1, 3, 4, 5, 7)
"""Of a parametric curve, by its type."""


def _curve(data: bytes) -> Curve:
    """A tone curve (ICC.1:2022, 10.6 and 10.18). ValueError for none."""
    if data[:4] == b"curv":
        (count,) = struct.unpack_from(">I", data, 8)
        values = np.array(struct.unpack_from(f">{count}H", data, 12), np.float64)
        if count > 1:
            return lambda v: np.interp(v, np.linspace(0, 1, count), values / 65535)
        gamma = values[0] / 256 if count else 1.0
        return lambda v: np.power(v, gamma)
    if data[:4] != b"para":
        raise ValueError("a tone curve is curv or para")
    kind = struct.unpack_from(">H", data, 8)[0]
    g, a, b, c, d, e, f = [*_fixed(data, 12, _PARAMETERS[kind]), *[0.0] * 6][:7]
    if kind == 0:
        return lambda v: np.power(v, g)
    if kind < 3 and a == 0:
        raise ValueError("the curve begins nowhere")
    if kind < 3:  # below where the line meets 0 there is c, of type 1 nothing
        return lambda v: np.where(v >= -b / a, np.power(np.maximum(a * v + b, 0), g), 0) + c
    return lambda v: np.where(v >= d, np.power(np.maximum(a * v + b, 0), g) + e, c * v + f)


__all__ = ["Formulas", "converted", "formulas", "is_srgb"]
