"""Pictures by Pillow; an SVG by its root element, after the guard that also stands before each drawing."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat

from PIL import Image

from configs.settings import Settings
from deployments.drawing.svg_guard import Refused
from deployments.drawing.svg_guard import check as check_svg
from deployments.errors import UndecodableMedia
from deployments.media import float_tiff
from deployments.media.limits import refuse, within
from deployments.media.readers import PICTURES

JSON = dict[str, Any]

MOST_FRAMES = 2000
"""Of an animated picture: more are not counted."""
LARGEST_SVG = 8 << 20
"""Bytes."""
ORIENTATION = 0x0112
LYING = range(5, 9)
"""Orientations of a picture that is stored lying on its side."""


def picture_meta(path: Path, media_type: str, settings: Settings) -> JSON:
    """Pillow's header, then the caps, then one decode: a picture's end is known only by decoding it. Of a floating
    TIFF, which Pillow does not decode, that all its parts are there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # our own cap stands instead of Pillow's warning; damaged EXIF harms nobody
        try:
            if media_type == "image/tiff" and (meta := _floating_meta(path, settings)):
                return meta
            with Image.open(path, formats=[PICTURES[media_type]]) as picture:
                width, height = picture.size
                within(width * height, settings.max_image_pixels, "the number of pixels", "MAX_IMAGE_PIXELS")
                frames = _frames(picture)
                meta = {
                    "width": width,
                    "height": height,
                    "has_alpha": picture.has_transparency_data,
                    "codec_info": {"container": PICTURES[media_type].lower(), "mode": picture.mode},
                }
                orientation = picture.getexif().get(ORIENTATION, 1)
                if picture.format == "TIFF" and orientation in LYING:  # of these alone Pillow tells how it is shown
                    meta |= {"width": height, "height": width}
                if picture.info.get("icc_profile"):
                    meta["codec_info"]["icc_profile"] = True
                picture.draft("L", (1, 1))  # a JPEG is then decoded at an eighth: enough to find its end
                picture.load()
        except Image.DecompressionBombError as error:
            raise UndecodableMedia(f"the picture is over the cap of {settings.max_image_pixels} pixels") from error
        except (OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError, OverflowError, MemoryError) as error:
            raise UndecodableMedia(f"these bytes claim to be {media_type} and cannot be decoded as such") from error
    if frames > 1:
        meta["frames"] = frames
    if isinstance(orientation, int) and 2 <= orientation <= 8:
        meta["orientation"] = orientation
    return meta


def _floating_meta(path: Path, settings: Settings) -> JSON | None:
    with path.open("rb") as file:
        found = float_tiff.header(file)
    if found is None:
        return None
    within(found.pixels, settings.max_image_pixels, "the number of pixels", "MAX_IMAGE_PIXELS")
    meta: JSON = {
        "width": found.width,
        "height": found.height,
        "has_alpha": found.channels == 4,
        "codec_info": {"container": "tiff", "mode": "RGBA;F" if found.channels == 4 else "RGB;F"},
    }
    if found.icc_profile:
        meta["codec_info"]["icc_profile"] = True
    return meta | ({"orientation": found.orientation} if found.orientation > 1 else {})


def _frames(picture: Image.Image) -> int:
    """How many pictures the file holds, counted up to a bound."""
    if not getattr(picture, "is_animated", False):
        return 1
    count = getattr(picture, "n_frames", 1)
    within(count, MOST_FRAMES, "the number of frames", "2000")
    return int(count)


def svg_meta(path: Path, settings: Settings) -> JSON:
    """The root element's size alone; entities and document types are refused before anything is expanded."""
    found: JSON = {}

    def start(name: str, attributes: dict[str, str]) -> None:
        if not found:
            found.update({"name": name.rpartition(":")[2], "attributes": attributes})

    def forbid(*_: Any) -> NoReturn:
        refuse("an SVG must not declare a document type or entities")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = forbid
    parser.EntityDeclHandler = forbid
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise UndecodableMedia(f"these bytes claim to be an SVG and are not well-formed: {error}") from error
    if found["name"] != "svg":
        refuse("these bytes claim to be an SVG, and their first element is another")
    within(path.stat().st_size, LARGEST_SVG, "the SVG's size in bytes", f"at most {LARGEST_SVG}")
    try:
        check_svg(path.read_text("utf-8", "replace"), settings.max_image_pixels)
    except Refused as error:
        raise UndecodableMedia(f"this SVG is not drawn: {error}") from error
    width, height = _svg_size(found["attributes"])
    within(width * height, settings.max_image_pixels, "the number of pixels", "MAX_IMAGE_PIXELS")
    return {"width": width, "height": height, "has_alpha": True, "codec_info": {"container": "svg"}}


UNITS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}
"""Pixels a unit, at 96 to the inch (CSS)."""


def _svg_size(attributes: dict[str, str]) -> tuple[int, int]:
    """width and height, else those of the viewBox, else 300 × 150 (CSS's default)."""
    box = attributes.get("viewBox", "").replace(",", " ").split()
    spare = [_length(value) for value in box[2:4]] if len(box) == 4 else [300.0, 150.0]
    sides = [_length(attributes.get(name, "")) or other for name, other in zip(("width", "height"), spare, strict=True)]
    if not all(side and math.isfinite(side) for side in sides):
        refuse("the SVG's size is no positive number")
    width, height = (max(1, math.ceil(side)) for side in sides if side)
    return width, height


def _length(text: str) -> float | None:
    """Pixels; None for what is absent, a percentage, or no positive length."""
    number = text.strip().rstrip("abcdefghijklmnopqrstuvwxyz%")
    unit = text.strip()[len(number) :]
    try:
        value = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        return None
    return value if value > 0 else None


__all__ = ["picture_meta", "svg_meta"]
