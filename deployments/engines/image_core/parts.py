"""What layers carry: filters, gradients, effects.

Each is one flat shape whose fields depend on its type. To add a filter, add its row to `FILTER_TYPES` here, its numbers
to `kernels.ranges.FILTER_RANGES` and what it does to `kernels.filters.FILTERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from deployments.engines.image_core.shapes import (
    BlendMode,
    Color,
    Degrees,
    Fraction,
    Point,
    Shape,
    Size,
    Type,
    only_fields_of,
)
from deployments.errors import WrongField
from kernels.ranges import FILTER_RANGES

MOST_STOPS = 64


FILTER_TYPES: Mapping[str, Type] = {
    "blur": Type(("radius",), ()),
    "box": Type(("radius",), ()),
    "motion": Type(("radius", "angle"), ()),
    "bilateral": Type(("radius", "threshold"), ()),
    "median": Type(("radius",), ()),
    "sharpen": Type(("radius", "amount", "threshold"), ()),
    "high_pass": Type(("radius",), ()),
    "noise": Type(("amount", "seed"), ()),
    "pixelate": Type(("radius",), ()),
    "vignette": Type(("amount", "threshold"), ()),
}
FILTER_ALIASES: Mapping[str, str] = {
    "gaussian": "blur",
    "gaussian_blur": "blur",
    "box_blur": "box",
    "motion_blur": "motion",
    "unsharp": "sharpen",
    "unsharp_mask": "sharpen",
}
_THRESHOLDS: Mapping[str, float] = {"bilateral": 0.1, "sharpen": 0.0, "vignette": 0.3}


def _filter_type(value: Any) -> Any:
    return FILTER_ALIASES.get(value, value) if isinstance(value, str) else value


FilterType = Literal[
    "blur", "box", "motion", "bilateral", "median", "sharpen", "high_pass", "noise", "pixelate", "vignette"
]


class Filter(Shape):
    """A filter over a layer's source pixels."""

    type: Annotated[FilterType, BeforeValidator(_filter_type)]
    radius: float | None = Field(
        None,
        strict=True,
        ge=0,
        description="Source pixels: sigma of a Gaussian (blur, sharpen, high_pass, bilateral), half of the side of a "
        "box, of a median's window, of a pixelate's cell, or of a motion's length.",
    )
    amount: float | None = Field(
        None, strict=True, ge=0, description="sharpen: 0 to 10; noise: sigma, 0 to 1 of full scale; vignette: 0 to 1."
    )
    threshold: Fraction | None = Field(
        None,
        description="sharpen: differences up to it stay; bilateral: sigma of colours; vignette: share of the way to a "
        "corner where it begins.",
    )
    angle: Degrees = Field(0.0, description="Of a motion: clockwise from rightwards.")
    seed: int = Field(0, strict=True, ge=0, le=2**32 - 1, description="Of a noise: the same seed, the same noise.")

    @model_validator(mode="after")
    def _consistent(self) -> Filter:
        only_fields_of(FILTER_TYPES[self.type], FILTER_TYPES, self.model_fields_set, self.type)
        return self

    def normalized(self) -> dict[str, Any]:
        fields = FILTER_TYPES[self.type].fields
        body = {name: row.neutral for name, row in FILTER_RANGES[self.type].items()}
        if "threshold" in fields:
            body["threshold"] = _THRESHOLDS[self.type]
        given = self.model_dump(mode="json", include={"type", *fields}, exclude_none=True)
        return body | given


class Gradient(Shape):
    """Colours along a line, around a centre, or about it, over a layer's own box."""

    type: Literal["linear", "radial", "conic"] = "linear"
    stops: list[tuple[Fraction, Color]] = Field(
        min_length=2, max_length=MOST_STOPS, description="[place 0 to 1, colour], places not falling."
    )
    angle: Degrees = Field(0.0, description="Clockwise; 0 runs rightwards. Of a conic: where it begins.")
    center: Point = Field(default_factory=lambda: [0.5, 0.5], description="Fractions of the box.")
    radius: Size | None = Field(None, description="Of a radial, in pixels; by default to the farthest corner.")

    @field_validator("stops")
    @classmethod
    def _rising(cls, stops: list[tuple[float, str]]) -> list[tuple[float, str]]:
        if any(after[0] < before[0] for before, after in pairwise(stops)):
            raise ValueError("the stops are in rising order of their places")
        return stops

    def normalized(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


EFFECT_TYPES: Mapping[str, Type] = {
    "drop_shadow": Type(("color", "offset", "size", "spread"), ()),
    "inner_shadow": Type(("color", "offset", "size", "spread"), ()),
    "stroke": Type(("color", "size", "position"), ()),
    "color_overlay": Type(("color",), (("color",),)),
    "gradient_overlay": Type(("gradient",), (("gradient",),)),
}
EFFECT_DEFAULTS: Mapping[str, dict[str, Any]] = {
    "drop_shadow": {"size": 8.0, "opacity": 0.75},
    "inner_shadow": {"size": 8.0, "opacity": 0.75},
    "stroke": {"size": 3.0, "opacity": 1.0},
    "color_overlay": {"opacity": 1.0},
    "gradient_overlay": {"opacity": 1.0},
}


def _effect_type(value: Any) -> Any:
    """Also as one word: dropshadow, coloroverlay."""
    if not isinstance(value, str):
        return value
    return next((name for name in EFFECT_TYPES if name.replace("_", "") == value.replace("_", "").lower()), value)


class Effect(Shape):
    """Something drawn from a layer's shape, in pixels of the canvas, after its transform and mask."""

    type: Annotated[
        Literal["drop_shadow", "inner_shadow", "stroke", "color_overlay", "gradient_overlay"],
        BeforeValidator(_effect_type),
    ]
    color: Color = "#000000ff"
    opacity: Fraction | None = Field(None, description="By default 1, of shadows 0.75.")
    blend_mode: BlendMode = "normal"
    offset: Point = Field(default_factory=lambda: [4.0, 4.0], description="Of a shadow: [x, y], within ±1000.")
    size: float | None = Field(
        None, strict=True, ge=0, description="Of a shadow: twice the sigma of its blur. A stroke's width. At most 250."
    )
    spread: Fraction = Field(0.0, description="Share of a shadow's size by which it grows instead of being blurred.")
    position: Literal["outside", "inside", "center"] = "outside"
    gradient: Gradient | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Effect:
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        only_fields_of(EFFECT_TYPES[self.type], EFFECT_TYPES, given, self.type)
        if self.type == "stroke" and self.size == 0:
            raise WrongField("a stroke's size is more than 0", "size")
        return self

    def normalized(self) -> dict[str, Any]:
        fields = {"type", "opacity", "blend_mode", *EFFECT_TYPES[self.type].fields}
        body = EFFECT_DEFAULTS[self.type] | self.model_dump(mode="json", include=fields, exclude_none=True)
        return body | ({"gradient": self.gradient.normalized()} if self.gradient else {})


__all__ = ["EFFECT_TYPES", "FILTER_ALIASES", "FILTER_TYPES", "Effect", "Filter", "Gradient"]
