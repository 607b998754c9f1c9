"""The shapes of vector scenes: elements, their style and transform, and the requests that take them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from configs.presets import DEFAULT
from deployments.body import Body
from deployments.engines.image_core.shapes import (
    LARGEST_SVG,
    Color,
    Degrees,
    Fraction,
    Number,
    Pixels,
    Point,
    Shape,
    Size,
)
from deployments.errors import WrongField

MOST_ELEMENTS = 10_000
PATH = r"^[\sMmZzLlHhVvCcSsQqTtAa0-9eE+\-.,]*$"


class Style(Shape):
    """How an element is painted."""

    fill: Color | None = None
    stroke: Color | None = None
    stroke_width: float = Field(1.0, strict=True, ge=0, le=10_000)
    stroke_linecap: Literal["butt", "round", "square"] = "butt"
    stroke_linejoin: Literal["miter", "round", "bevel"] = "miter"
    stroke_dasharray: list[float] | None = Field(None, min_length=1, max_length=64)
    fill_rule: Literal["nonzero", "evenodd"] = "nonzero"
    opacity: Fraction = 1.0


class Transform(Shape):
    """Scaled, then turned clockwise about the origin, then moved."""

    translate: Point = Field(default_factory=lambda: [0.0, 0.0])
    rotate: Degrees = 0.0
    scale: float | Point = 1.0


class Element(Shape):
    """One element; which fields it has follows from its type."""

    type: Literal["rect", "circle", "ellipse", "path", "group"]
    x: Number = 0.0
    y: Number = 0.0
    width: Size | None = None
    height: Size | None = None
    radius: float | None = Field(None, strict=True, ge=0, le=1_000_000, description="Of a circle; of a rect's corners.")
    cx: Number | None = None
    cy: Number | None = None
    rx: Size | None = None
    ry: Size | None = None
    d: str | None = Field(None, min_length=1, max_length=1_000_000, pattern=PATH, description="SVG path data.")
    elements: list[Element] | None = Field(None, max_length=MOST_ELEMENTS)
    style: Style | None = None
    transform: Transform | None = None

    @model_validator(mode="after")
    def _complete(self) -> Element:
        for name in REQUIRED[self.type]:
            if getattr(self, name) is None:
                raise WrongField(f"type {self.type} needs {name}", name)
        own = {"type", "style", "transform", *REQUIRED[self.type], *OPTIONAL.get(self.type, ())}
        for name in sorted(self.model_fields_set - own):
            if getattr(self, name) != Element.model_fields[name].default:  # a kept scene spells defaults out
                raise WrongField(f"type {self.type} takes no {name}", name)
        return self


REQUIRED = {
    "rect": ("width", "height"),
    "circle": ("cx", "cy", "radius"),
    "ellipse": ("cx", "cy", "rx", "ry"),
    "path": ("d",),
    "group": ("elements",),
}
OPTIONAL = {"rect": ("x", "y", "radius")}


class Scene(Shape):
    """A drawing of its own size, elements bottom to top."""

    width: Pixels
    height: Pixels
    background_color: Color | None = None
    elements: list[Element] = Field(max_length=MOST_ELEMENTS)


class _Vector(Body):
    scene: Scene | None = None
    svg: str | None = Field(None, min_length=1, max_length=LARGEST_SVG)
    width: Pixels | None = None
    height: Pixels | None = None
    preset_id: str = Field(DEFAULT, max_length=64)

    @model_validator(mode="before")
    @classmethod
    def _one(cls, data: Any) -> Any:
        if isinstance(data, dict) and (data.get("scene") is None) == (data.get("svg") is None):
            raise WrongField("give exactly one of scene and svg", "scene" if data.get("svg") is None else "svg")
        return data


class VectorScenesRequest(_Vector):
    """POST /vector/scenes."""


class VectorRenderRequest(_Vector):
    """POST /vector/render."""


__all__ = ["Element", "Scene", "Style", "Transform", "VectorRenderRequest", "VectorScenesRequest"]
