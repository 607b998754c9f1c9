"""The shape of POST /typography/render."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from configs.presets import DEFAULT
from deployments.body import Body
from deployments.engines.image_core.shapes import Color, Number, Pixels, Point, Shape

MOST_LETTERS = 10_000
Axis = Annotated[str, Field(pattern=r"^[A-Za-z]{4}$")]


class TextBox(Shape):
    """Lines are broken at its width; without a height it is as high as its lines."""

    width: Pixels
    height: Pixels | None = None


class TextStroke(Shape):
    """A line around the letters, outside them."""

    width: float = Field(strict=True, gt=0, le=500, description="Pixels.")
    color: Color = "#000000ff"


class TextShadow(Shape):
    """The letters once more, beneath."""

    color: Color = "#00000080"
    offset: Point = Field(default_factory=lambda: [2.0, 2.0])
    blur: float = Field(4.0, strict=True, ge=0, le=250, description="Sigma in pixels.")


class TypographyRenderRequest(Body):
    """POST /typography/render."""

    text: str = Field(min_length=1, max_length=MOST_LETTERS)
    font: str | None = Field(None, max_length=128)
    size: float = Field(strict=True, ge=0.5, le=4096, description="Pixels to the em.")
    color: Color = "#000000ff"
    box: TextBox | None = None
    align: Literal["left", "center", "right", "justify"] = "left"
    line_height: float = Field(1.2, strict=True, gt=0, le=100, description="Of the size.")
    tracking: Number = Field(0.0, ge=-1000, le=10_000, description="Thousandths of an em between letters.")
    variation_settings: dict[Axis, Number] = Field(default_factory=dict, max_length=16)
    stroke: TextStroke | None = None
    shadow: TextShadow | None = None
    preset_id: str = Field(DEFAULT, max_length=64)


__all__ = ["MOST_LETTERS", "Axis", "TextBox", "TextShadow", "TextStroke", "TypographyRenderRequest"]
