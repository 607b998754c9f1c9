"""The output presets of presets.yaml, checked once, and where a picture lies in one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

FILE = Path(__file__).with_name("presets.yaml")
DEFAULT = "original"

Format = Literal["PNG", "WEBP", "JPEG", "TIFF", "AVIF"]

LARGEST_SIDE: Mapping[str, int] = {"PNG": 2**31 - 1, "WEBP": 16383, "JPEG": 65500, "TIFF": 2**31 - 1, "AVIF": 32768}
"""Pixels a side that a format's libraries write and read: libjpeg, libwebp and libavif stop there."""


class UnknownPreset(LookupError):
    """No preset has this name; the message lists them."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a picture lies in its output, in output pixels."""

    width: int
    """Of the output."""
    height: int
    x: int
    """Left edge of the scaled picture; negative where it is cut."""
    y: int
    content_width: int
    """Of the scaled picture."""
    content_height: int
    enlarged: bool
    """Whether a side of the picture grows."""


class Preset(BaseModel):
    """One row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Format
    width: int | None = Field(None, ge=1, le=30000)
    height: int | None = Field(None, ge=1, le=30000)
    fit: Literal["contain", "cover", "stretch"] = "contain"
    quality: int = Field(90, ge=1, le=100)
    dpi: int = Field(72, ge=1, le=2400)

    def layout(self, width: int, height: int) -> Layout:
        """Where a picture of this size lies."""
        if self.width is None and self.height is None:
            return Layout(width, height, 0, 0, width, height, False)
        out_width = self.width or max(1, round(width * (self.height or 0) / height))
        out_height = self.height or max(1, round(height * out_width / width))
        if self.fit == "stretch" or self.width is None or self.height is None:
            inner = (out_width, out_height)
        else:
            ratios = (out_width / width, out_height / height)
            scale = min(ratios) if self.fit == "contain" else max(ratios)
            inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        x, y = (out_width - inner[0]) // 2, (out_height - inner[1]) // 2
        return Layout(out_width, out_height, x, y, *inner, enlarged=inner[0] > width or inner[1] > height)


@cache
def presets() -> Mapping[str, Preset]:
    """Every preset by its id, in the file's order."""
    rows = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return MappingProxyType({name: Preset.model_validate(row) for name, row in rows.items()})


def preset(name: str) -> Preset:
    """The row; UnknownPreset with the list."""
    if name not in presets():
        raise UnknownPreset(f"no preset {name!r}; the presets are {', '.join(presets())}")
    return presets()[name]


__all__ = ["DEFAULT", "LARGEST_SIDE", "Format", "Layout", "Preset", "UnknownPreset", "preset", "presets"]
