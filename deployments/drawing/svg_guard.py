"""What an SVG must be before anything draws it. The drawing library aborts on a huge size, overflows its stack on deep
nesting and decodes whatever a data URI holds, so all of that is refused here, while the text is read and before a tree
is built of it."""

from __future__ import annotations

import base64
import binascii
import io
import math
import re
import urllib.parse
import warnings
from collections.abc import Callable
from typing import Any, NoReturn
from xml.parsers import expat

from PIL import Image

DEEPEST = 128
"""Elements inside each other."""
MOST_ELEMENTS = 50_000
MOST_EMBEDDED_PIXELS = 16_000_000
"""Of all pictures in data URIs together."""
EMBEDDED = {"image/png": "PNG", "image/jpeg": "JPEG", "image/jpg": "JPEG", "image/gif": "GIF", "image/webp": "WEBP"}

FORBIDDEN = frozenset({"script", "foreignobject", "iframe", "handler", "listener"})
_DATA = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)(?P<options>(?:;[^,]*)?),(?P<data>.*)", re.DOTALL)
_URL = re.compile(r"url\(\s*['\"]?\s*(?P<target>[^)'\"]*)", re.IGNORECASE)
_LENGTH = re.compile(r"\s*(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<unit>[a-zA-Z%]*)\s*")
UNITS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0, "em": 16.0}
"""Pixels a unit, at 96 to the inch (CSS)."""


class Refused(ValueError):
    """This SVG is not drawn; the message says why."""


def check(svg: str, max_pixels: int) -> tuple[float, float]:
    """The SVG's own width and height in pixels. Raises Refused."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.ProcessingInstructionHandler = _refusing("processing instructions")
    parser.StartDoctypeDeclHandler = _refusing("a document type")
    parser.EntityDeclHandler = _refusing("entities")
    try:
        parser.Parse(svg.encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError as error:
        raise Refused(f"the SVG is not well-formed: {error}") from None
    width, height = reader.size
    if width * height > max_pixels:
        raise Refused(f"the SVG is {width:g}x{height:g}, over the cap of {max_pixels} pixels")
    return width, height


def _refusing(what: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any) -> NoReturn:
        raise Refused(f"an SVG must not hold {what}")

    return refuse


class _Reader:
    def __init__(self) -> None:
        self.size = (0.0, 0.0)
        self._elements = 0
        self._open: list[str] = []
        self._sheet: list[str] = []
        self._embedded = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag = _local(name)
        self._elements += 1
        if not self._open:
            if tag != "svg":
                raise Refused(f"the first element is {tag}; an SVG begins with svg")
            self.size = _size(attributes)
        self._open.append(tag)
        if len(self._open) > DEEPEST:
            raise Refused(f"elements are nested more than {DEEPEST} deep")
        if self._elements > MOST_ELEMENTS:
            raise Refused(f"the SVG has more than {MOST_ELEMENTS} elements")
        if tag.lower() in FORBIDDEN:
            raise Refused(f"an SVG must not hold {tag}")
        for key, value in attributes.items():
            attribute = _local(key).lower()
            if attribute in ("href", "src", "base"):
                self._reference(value)
            elif attribute.startswith("on"):
                raise Refused(f"an SVG must not hold scripts ({attribute})")
            self._style(value)

    def end(self, name: str) -> None:
        if self._open.pop() == "style":
            sheet = "".join(self._sheet)
            self._sheet.clear()
            if "@import" in sheet.lower():
                raise Refused("a style sheet must not import another")
            self._style(sheet)

    def text(self, data: str) -> None:
        if "style" in self._open:  # it comes in pieces
            self._sheet.append(data)

    def _style(self, text: str) -> None:
        for match in _URL.finditer(text):
            self._reference(match["target"])

    def _reference(self, target: str) -> None:
        target = target.strip()
        if not target or target.startswith("#"):
            return
        match = _DATA.fullmatch(target)
        if match is None or match["type"].lower() not in EMBEDDED:
            raise Refused(f"references go to #ids or to pictures in data URIs, not to {target[:60]!r}")
        self._embedded += _embedded_pixels(match["type"].lower(), match["options"], match["data"])
        if self._embedded > MOST_EMBEDDED_PIXELS:
            raise Refused(f"the pictures inside the SVG have more than {MOST_EMBEDDED_PIXELS} pixels")


def _local(name: str) -> str:
    return name.rpartition(" ")[2].rpartition(":")[2]


def _embedded_pixels(media_type: str, options: str, data: str) -> int:
    """From the header alone. The bytes must be what the URI says: the drawing library looks at them, not at the URI."""
    raw = urllib.parse.unquote_to_bytes(data)
    try:
        if options.lower().endswith(";base64"):
            raw = base64.b64decode(b"".join(raw.split()), validate=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the cap is ours
            with Image.open(io.BytesIO(raw), formats=[EMBEDDED[media_type]]) as image:
                return image.width * image.height
    except Image.DecompressionBombError:
        raise Refused("a picture inside the SVG has too many pixels") from None
    except (binascii.Error, OSError, ValueError, SyntaxError):
        raise Refused(f"a data URI inside the SVG is no {media_type}") from None


def _size(attributes: dict[str, str]) -> tuple[float, float]:
    """width and height, else the viewBox's, else 100 x 100, as the drawing library has it; one given side keeps the
    viewBox's shape."""
    box = [_length(part) for part in attributes.get("viewBox", "").replace(",", " ").split()]
    inner = (box[2], box[3]) if len(box) == 4 and None not in box[2:] else None
    width, height = _length(attributes.get("width", "")), _length(attributes.get("height", ""))
    if inner and inner[0] and inner[1]:
        if width is None and height is None:
            width, height = inner
        elif width is None and height is not None:
            width = height * inner[0] / inner[1]
        elif height is None and width is not None:
            height = width * inner[1] / inner[0]
    width, height = 100.0 if width is None else width, 100.0 if height is None else height
    if not (math.isfinite(width) and math.isfinite(height) and width > 0 and height > 0):
        raise Refused("the SVG's width and height are no positive numbers")
    return width, height


def _length(text: str) -> float | None:
    """Pixels; None for what is absent or a percentage."""
    match = _LENGTH.fullmatch(text)
    if match is None or match["unit"].lower() not in UNITS:
        return None
    return float(match["number"]) * UNITS[match["unit"].lower()]


__all__ = ["Refused", "check"]
