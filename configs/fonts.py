"""The fonts of fonts.yaml: which there are, and where their files lie."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import yaml
from pydantic import BaseModel, ConfigDict, Field
from uharfbuzz import Blob, Face

FILE = Path(__file__).with_name("fonts.yaml")


class UnknownFont(LookupError):
    """No font has this name; the message lists them."""


class UnknownAxis(LookupError):
    """A font has no such variation axis; the message lists its own."""


class FontMissing(LookupError):
    """The package that carries a font is not installed, or another version of it; the message says what to install."""


class Font(BaseModel):
    """One row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    package: str
    """`name==version` on the package index."""
    module: str
    file: str
    """Inside the module's folder."""
    licence: str
    """SPDX."""
    axes: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Range of each variation axis by its tag, in the file's order."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    def range_of(self, axis: str) -> tuple[float, float]:
        """Lowest and highest value of an axis; UnknownAxis with the list."""
        if axis not in self.axes:
            raise UnknownAxis(f"{self.name} has no axis {axis}; its axes are {', '.join(self.axes) or 'none'}")
        return self.axes[axis]


@cache
def fonts() -> Mapping[str, Font]:
    """Every font by its name; the first is the default."""
    rows = [Font.model_validate(row) for row in yaml.safe_load(FILE.read_text(encoding="utf-8"))]
    return MappingProxyType({row.name: row for row in rows})


def font(name: str | None = None) -> Font:
    """The row (letter case does not count), the default for None; UnknownFont with the list."""
    if name is None:
        return next(iter(fonts().values()))
    wanted = name.strip().casefold()
    for row in fonts().values():
        if row.name.casefold() == wanted:
            return row
    raise UnknownFont(f"no font {name!r}; the fonts are {', '.join(fonts())}")


@cache
def font_path(name: str) -> Path:
    """The file of a font of the table, its sha256 checked. UnknownFont, FontMissing."""
    row = font(name)
    spec = find_spec(row.module)
    path = Path(spec.origin).parent / row.file if spec and spec.origin else None
    if path is None or not path.is_file():
        raise FontMissing(f"the font {row.name} is not installed; install {row.package}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != row.sha256:
        raise FontMissing(f"the file of the font {row.name} is not the one of {row.package}; install that version")
    return path


@cache
def letters_of(name: str) -> frozenset[int]:
    """The code points that a font of the table has a glyph for; none where it is not installed. UnknownFont."""
    try:
        return frozenset(Face(Blob.from_file_path(str(font_path(name)))).unicodes)
    except FontMissing:
        return frozenset()


__all__ = ["Font", "FontMissing", "UnknownAxis", "UnknownFont", "font", "font_path", "fonts", "letters_of"]
