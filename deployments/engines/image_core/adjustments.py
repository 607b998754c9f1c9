"""Adjustments of colours: the sliders of one layer, and adjustments in Photoshop's units, of a layer or of what lies
below. To add one of the latter, add its numbers to `kernels.ranges.LAYER_RANGES`, what it does to
`kernels.adjustment_layers.KINDS`, and its fields here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from deployments.engines.image_core.shapes import Color, Degrees, Number, Shape, Type, only_fields_of
from deployments.errors import WrongField
from kernels.ranges import LAYER_RANGES

MOST_CURVE_POINTS = 32
MOST_HUE_RANGES = 6


class Adjustments(Shape):
    """Colours of a layer, applied in the order of `kernels.ranges`; values out of range are clamped with a warning."""

    exposure: Number = Field(0.0, description="Stops, -5 to 5.")
    brightness: Number = Field(1.0, description="1 is neutral, 0 to 4; a step of 1 adds 100 of 255.")
    contrast: Number = Field(1.0, description="1 is neutral, 0 to 4: the slope about mid-grey.")
    saturation: Number = Field(1.0, description="1 is neutral, 0 to 4: a factor on HSL saturation.")
    vibrance: Number = Field(0.0, description="-1 to 1: saturation, most for what has little.")
    hue: Number = Field(0.0, description="Degrees of HSL rotation.")
    temperature: Number = Field(0.0, description="-1 to 1, warmer above 0.")
    tint: Number = Field(0.0, description="-1 to 1, green to magenta.")
    gamma: Number = Field(1.0, description="1 is neutral, 0 to 4; above 1 is brighter.")
    sharpness: Number = Field(1.0, description="1 is neutral, 0 to 4: an unsharp mask of 1 pixel.")


def _kind(value: Any) -> Any:
    """A kind under any spelling of its words: brightnesscontrast, Hue/Saturation, black & white."""
    if not isinstance(value, str):
        return value
    plain = re.sub(r"[^a-z]", "", value.lower()).replace("blackandwhite", "blackwhite")
    return next((kind for kind in LAYER_RANGES if kind.replace("_", "") == plain), value)


CHANNELS = ("rgb", "r", "g", "b")
ADJUSTMENT_KINDS: Mapping[str, Type] = {
    kind: Type((*ranges, *own), ())
    for kind, ranges in LAYER_RANGES.items()
    for own in [
        {
            "levels": CHANNELS,
            "curves": CHANNELS,
            "brightness_contrast": ("legacy",),
            "hue_saturation": ("colorize", "ranges"),
            "black_white": ("tint_color",),
            "photo_filter": ("color", "preserve_luminosity"),
        }.get(kind, ())
    ]
}


class HueRange(Shape):
    """A part of the hues, and what is added to it."""

    range: tuple[Degrees, Degrees, Degrees, Degrees] = Field(
        description="Hues in degrees, clockwise: it begins at the first, is full from the second to the third, ends at "
        "the fourth."
    )
    hue: Number = 0.0
    saturation: Number = 0.0
    lightness: Number = 0.0


Level = Annotated[float, Field(strict=True, ge=0, le=255)]
CurvePoint = Annotated[list[Level], Field(min_length=2, max_length=2)]


class LevelsChannel(Shape):
    """Levels of 0..255: the input between black and white goes to the output's, bent by a gamma."""

    in_black: Number = 0.0
    in_white: Number = 255.0
    out_black: Number = 0.0
    out_white: Number = 255.0
    gamma: Number = 1.0


def _channel(value: Any) -> str:
    return "curve" if isinstance(value, list) else "levels"


Channel = Annotated[
    Annotated[LevelsChannel, Tag("levels")] | Annotated[list[CurvePoint], Tag("curve")], Discriminator(_channel)
]


Kind = Literal[
    "invert",
    "posterize",
    "threshold",
    "levels",
    "curves",
    "exposure",
    "brightness_contrast",
    "hue_saturation",
    "vibrance",
    "black_white",
    "photo_filter",
]


class Adjustment(Shape):
    """An adjustment in Photoshop's units; what a kind's numbers do stands in docs/pictures.md. Numbers out of range are
    clamped with a warning."""

    kind: Annotated[Kind, BeforeValidator(_kind)]
    levels: Number | None = Field(None, description="Of posterize: 2 to 255.")
    threshold: Number | None = Field(None, description="0 to 255: from this luma on white.")
    rgb: Channel | None = Field(None, description="All channels, after the single ones: levels, or points [x, y].")
    r: Channel | None = None
    g: Channel | None = None
    b: Channel | None = None
    exposure: Number | None = Field(None, description="Stops, -20 to 20.")
    offset: Number | None = Field(None, description="-0.5 to 0.5.")
    gamma: Number | None = Field(None, description="0.01 to 9.99.")
    brightness: Number | None = Field(None, description="-150 to 150.")
    contrast: Number | None = Field(None, description="-100 to 100.")
    legacy: bool = Field(False, strict=True, description="The older form: a sum and a slope.")
    hue: Number | None = Field(None, description="Degrees, -180 to 180; where colorized, the hue itself.")
    saturation: Number | None = Field(None, description="-100 to 100.")
    lightness: Number | None = Field(None, description="-100 to 100.")
    colorize: bool = Field(False, strict=True)
    ranges: list[HueRange] = Field(default_factory=list, max_length=MOST_HUE_RANGES)
    vibrance: Number | None = Field(None, description="-100 to 100.")
    reds: Number | None = Field(None, description="Of the six hues: percent of their light, -200 to 300.")
    yellows: Number | None = None
    greens: Number | None = None
    cyans: Number | None = None
    blues: Number | None = None
    magentas: Number | None = None
    tint_color: Color | None = Field(None, description="Of black_white.")
    color: Color = Field("#ec8a00ff", description="Of a photo filter's glass.")
    density: Number | None = Field(None, description="0 to 100 percent.")
    preserve_luminosity: bool = Field(True, strict=True)

    @field_validator(*CHANNELS)
    @classmethod
    def _curve(cls, value: LevelsChannel | list[list[float]] | None) -> LevelsChannel | list[list[float]] | None:
        if isinstance(value, list):
            if not 2 <= len(value) <= MOST_CURVE_POINTS:
                raise ValueError(f"a curve has 2 to {MOST_CURVE_POINTS} points")
            if any(after[0] <= before[0] for before, after in pairwise(value)):
                raise ValueError("the points of a curve have rising x")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Adjustment:
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        only_fields_of(ADJUSTMENT_KINDS[self.kind], ADJUSTMENT_KINDS, given, self.kind)
        wanted = {"levels": LevelsChannel, "curves": list}.get(self.kind)
        for name in CHANNELS if wanted else ():
            if getattr(self, name) is not None and not isinstance(getattr(self, name), wanted or object):
                said = "points [[x, y], …]" if wanted is list else "an object with in_black, in_white and so on"
                raise WrongField(f"kind {self.kind} takes {said} as {name}", name)
        return self

    def normalized(self) -> dict[str, Any]:
        body = {name: row.neutral for name, row in LAYER_RANGES[self.kind].items()}
        fields = {"kind", *ADJUSTMENT_KINDS[self.kind].fields}
        return body | self.model_dump(mode="json", include=fields, exclude_none=True)


__all__ = ["ADJUSTMENT_KINDS", "CHANNELS", "Adjustment", "Adjustments", "HueRange", "LevelsChannel"]
