"""The shape of a layer: one flat shape whose fields depend on its `type`.

Its errors then name the field by its JSON path. To add a type, add a row to `LAYER_TYPES` and its fields to the class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from deployments.engines.image_core.adjustments import Adjustment, Adjustments
from deployments.engines.image_core.parts import Effect, Filter, Gradient
from deployments.engines.image_core.shapes import (
    LARGEST_SVG,
    ArtifactId,
    AssetId,
    Color,
    Degrees,
    Fraction,
    Number,
    Point,
    Selection,
    Shape,
    Size,
    Type,
    only_fields_of,
)
from deployments.engines.typography_core.models import MOST_LETTERS, Axis, TextBox, TextShadow, TextStroke
from deployments.engines.vector_core.models import Scene
from deployments.errors import WrongField
from kernels.blend import canonical

MOST_FILTERS = 16
PASS_THROUGH = "pass_through"  # noqa: S105
LAYER_TYPES: Mapping[str, Type] = {
    "raster": Type(("asset_id", "artifact_id"), (("asset_id", "artifact_id"),)),
    "solid": Type(("color",), (("color",),)),
    "text": Type(
        (
            *("text", "text_font", "text_size", "text_color", "text_tracking", "text_variation_settings"),
            *("box", "align", "line_height", "stroke", "shadow"),
        ),
        (("text",),),
    ),
    "vector": Type(("svg", "vector_scene"), (("svg", "vector_scene"),)),
    "gradient": Type(("gradient",), (("gradient",),)),
    "adjustment": Type(("adjustment",), (("adjustment",),)),
    "group": Type(("layers",), (("layers",),)),
}
"""A layer's type follows from the first field of these that it has."""

GEOMETRY = (
    *("x", "y", "width", "height", "fit", "crop", "scale", "rotation", "anchor", "flip", "resample"),
    *("adjustments", "adjustment_stack", "filters", "filter_mode", "filter_strength"),
)
"""What a group and an adjustment take none of: they have no pixels of their own."""
PIXELLESS = ("group", "adjustment")
NEUTRAL: Mapping[str, Any] = {
    "resample": "auto",
    "mask_density": 1.0,
    "knockout": "none",
    "text_tracking": 0.0,
    "text_variation_settings": {},
}
"""Left out of a normalised layer, where they change nothing."""
NESTED = (
    *("mask", "layers", "gradient", "adjustment"),
    *("adjustments", "adjustment_stack", "filters", "effects"),
)
"""Fields that are shapes, or lists of them."""


class Layer(Shape):
    """One layer. `x`, `y` place its top-left corner, `width` and `height` resize it, `scale` multiplies, `rotation`
    turns it clockwise about `anchor`; masks stay where they are on the canvas."""

    # published without `type` among what is required: it follows from the field that is there
    model_config = ConfigDict(json_schema_extra=lambda schema: schema["required"].remove("type"))

    type: Literal["raster", "solid", "gradient", "text", "vector", "group", "adjustment"]
    id: str | None = Field(None, max_length=256)
    name: str | None = Field(None, max_length=256)
    visible: bool = Field(True, strict=True)
    x: Number = 0.0
    y: Number = 0.0
    width: Size | None = None
    height: Size | None = None
    fit: Literal["stretch", "contain", "cover"] = "stretch"
    crop: tuple[Number, Number, Size, Size] | None = Field(None, description="x, y, width, height in source pixels.")
    scale: float = Field(1.0, strict=True, ge=0, le=10_000)
    rotation: Degrees = 0.0
    anchor: Point = Field(default_factory=lambda: [0.5, 0.5])
    flip: Literal["h", "v", "both"] | None = None
    resample: Literal["auto", "nearest"] = Field(
        "auto",
        description="auto: by area where it gets smaller, Lanczos or cubic where larger; nearest: unmixed pixels.",
    )
    opacity: Fraction = 1.0
    fill_opacity: Fraction = 1.0
    blend_mode: str | None = Field(None, description="normal; of a group pass_through.")
    clip_to_below: bool = Field(False, strict=True)
    mask: Selection | None = None
    mask_artifact_id: ArtifactId | None = None
    mask_density: Fraction = Field(1.0, description="How much the mask counts: at 0 it hides nothing.")
    knockout: Literal["none", "shallow", "deep"] = Field(
        "none", description="Its shape takes away what lies under it: to its group's backdrop, or to the background."
    )
    adjustments: Adjustments | None = None
    adjustment_stack: list[Adjustment] | None = Field(
        None,
        max_length=MOST_FILTERS,
        description="Adjustments in Photoshop's units, after `adjustments`.",
    )
    filters: list[Filter] | None = Field(None, max_length=MOST_FILTERS)
    effects: list[Effect] | None = Field(None, max_length=MOST_FILTERS)
    filter_mode: Literal["none", "blur", "sharpen"] | None = Field(None, description="Older form of one filter.")
    filter_strength: float | None = Field(None, strict=True, ge=0, description="A blur's radius, a sharpen's amount.")

    asset_id: AssetId | None = None
    artifact_id: ArtifactId | None = None
    color: Color | None = None
    gradient: Gradient | None = None
    adjustment: Adjustment | None = None
    text: str | None = Field(None, min_length=1, max_length=MOST_LETTERS)
    text_font: str | None = Field(None, max_length=128)
    text_size: float = Field(32.0, strict=True, gt=0, le=4096, description="Pixels to the em.")
    text_color: Color = "#000000ff"
    text_tracking: float = Field(
        0.0, strict=True, ge=-1000, le=10_000, description="Thousandths of an em between letters."
    )
    text_variation_settings: dict[Axis, Number] = Field(default_factory=dict, max_length=16)
    box: TextBox | None = Field(None, description="Lines are broken at its width; one with a height cuts them off.")
    align: Literal["left", "center", "right", "justify"] = "left"
    line_height: float = Field(1.2, strict=True, gt=0, le=100, description="Of the text's size.")
    stroke: TextStroke | None = Field(None, description="Around the letters.")
    shadow: TextShadow | None = Field(None, description="Of the letters.")
    svg: str | None = Field(None, min_length=1, max_length=LARGEST_SVG)
    vector_scene: Scene | None = Field(None, description="A drawing as POST /vector/scenes takes it, instead of `svg`.")
    layers: list[Layer] | None = None

    @model_validator(mode="before")
    @classmethod
    def _type(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("type") is None:
            for name, row in LAYER_TYPES.items():
                if any(data.get(field) is not None for group in row.required for field in group):
                    return {**data, "type": name}
            raise WrongField(f"a layer needs a type ({', '.join(LAYER_TYPES)}) and that type's content", "type")
        return data

    @field_validator("blend_mode")
    @classmethod
    def _known_mode(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None or (value == PASS_THROUGH and info.data.get("type") == "group"):
            return value
        return canonical(value)

    @model_validator(mode="after")
    def _consistent(self) -> Layer:
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        only_fields_of(LAYER_TYPES[self.type], LAYER_TYPES, given, self.type)
        if self.mask is not None and self.mask_artifact_id is not None:
            raise WrongField("give mask or mask_artifact_id, not both", "mask_artifact_id")
        if self.filters is not None and self.filter_mode is not None:
            raise WrongField("give filters or filter_mode, not both", "filter_mode")
        for name in GEOMETRY if self.type in PIXELLESS else ():
            if getattr(self, name) != Layer.model_fields[name].get_default(call_default_factory=True):
                raise WrongField(f"type {self.type} takes no {name}; give it to a layer that has pixels", name)
        if self.type == "adjustment" and (self.effects or self.knockout != "none"):
            wrong = "effects" if self.effects else "knockout"
            raise WrongField(f"type adjustment takes no {wrong}", wrong)
        return self

    def normalized(self) -> dict[str, Any]:
        """JSON with defaults filled in and only what this type has."""
        foreign = {field for row in LAYER_TYPES.values() for field in row.fields} - set(LAYER_TYPES[self.type].fields)
        apart = {"id", "name", "filter_mode", "filter_strength", *NESTED}
        body = self.model_dump(
            mode="json",
            exclude=apart | foreign | (set(GEOMETRY) if self.type in PIXELLESS else set()),
            exclude_none=True,
        )
        body.setdefault("blend_mode", PASS_THROUGH if self.type == "group" else "normal")
        for name, neutral in NEUTRAL.items():
            if body.get(name) == neutral:
                del body[name]
        for name in NESTED:
            value = self._filters() if name == "filters" else getattr(self, name)
            if isinstance(value, list) and (value or name == "layers"):
                body[name] = [item.normalized() for item in value]
            elif value:
                body[name] = value.normalized()
        return body

    def _filters(self) -> list[Filter]:
        if self.filter_mode in (None, "none"):
            return self.filters or []
        strength = {"blur": "radius", "sharpen": "amount"}[str(self.filter_mode)]
        given = {} if self.filter_strength is None else {strength: self.filter_strength}
        return [Filter.model_validate({"type": self.filter_mode, **given})]


__all__ = ["LAYER_TYPES", "PASS_THROUGH", "Layer"]
