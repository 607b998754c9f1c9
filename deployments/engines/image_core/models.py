"""The shapes of pictures: compositions, layers, selections, and the requests that take them.

A layer is one flat shape whose fields depend on its `type`, and so is a selection: their errors then name the field by
its JSON path. To add a type, add a row to `LAYER_TYPES` or `SELECTION_TYPES` and its fields to the class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from configs.presets import DEFAULT, Format
from deployments.body import Body
from kernels.blend import canonical

FURTHEST = 1_000_000.0
"""Pixels from the origin, in either direction, that a position or a size may reach."""
MOST_POINTS = 10_000
MOST_LETTERS = 10_000
LARGEST_SVG = 2 << 20
"""Characters."""

Number = Annotated[float, Field(strict=True, ge=-FURTHEST, le=FURTHEST)]
Size = Annotated[float, Field(strict=True, gt=0, le=FURTHEST)]
Fraction = Annotated[float, Field(strict=True, ge=0, le=1)]
Pixels = Annotated[int, Field(strict=True, ge=1, le=100_000)]
Degrees = Annotated[float, Field(strict=True, ge=-36_000, le=36_000)]
Point = Annotated[list[Number], Field(min_length=2, max_length=2)]
AssetId = Annotated[str, Field(pattern=r"^asset_[a-z2-7]{8,64}$")]
ArtifactId = Annotated[str, Field(pattern=r"^[a-z]+_[a-z2-7]{8,64}$")]


def _color(value: str) -> str:
    """#RGB, #RRGGBB or #RRGGBBAA as #rrggbbaa."""
    digits = value.removeprefix("#").lower()
    if not value.startswith("#") or len(digits) not in (3, 6, 8) or set(digits) - set("0123456789abcdef"):
        raise ValueError(f"{value!r} is no colour; write #RGB, #RRGGBB or #RRGGBBAA")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    return f"#{digits}{'' if len(digits) == 8 else 'ff'}"


Color = Annotated[str, AfterValidator(_color)]
BlendMode = Annotated[str, AfterValidator(canonical)]


def _format(value: Any) -> Any:
    name = value.upper() if isinstance(value, str) else value
    return "JPEG" if name == "JPG" else name


@dataclass(frozen=True, slots=True)
class Type:
    """What a type of layer or selection consists of."""

    fields: tuple[str, ...]
    required: tuple[tuple[str, ...], ...]
    """Groups of fields: exactly one of each group must be given."""


class Shape(BaseModel):
    """A part of a request. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    def normalized(self) -> dict[str, Any]:
        """JSON with defaults filled in and only the fields of this type."""
        return self.model_dump(mode="json")


def _only_fields_of(row: Type, types: Mapping[str, Type], given: set[str], name: str) -> None:
    foreign = {field for other in types.values() for field in other.fields} - set(row.fields)
    if wrong := sorted(given & foreign):
        raise ValueError(f"type {name} takes no {wrong[0]}; its own fields are {', '.join(row.fields)}")
    for group in row.required:
        if len(given & set(group)) != 1:
            raise ValueError(f"type {name} needs {'exactly one of ' if len(group) > 1 else ''}{' and '.join(group)}")


_CURVE = Type(("points", "fill_rule"), (("points",),))
_BOX = Type(("x", "y", "width", "height", "rotation"), (("x",), ("y",), ("width",), ("height",)))
_PICTURE = Type(("asset_id", "artifact_id"), (("asset_id", "artifact_id"),))

SELECTION_TYPES: Mapping[str, Type] = {
    "polygon": _CURVE,
    "lasso": _CURVE,
    "rect": _BOX,
    "ellipse": _BOX,
    "luminance": _PICTURE,
    "alpha": _PICTURE,
}


class Selection(Shape):
    """What is selected, in pixels of the mask."""

    type: Literal["polygon", "lasso", "rect", "ellipse", "luminance", "alpha"]
    points: list[Point] | None = Field(None, min_length=3, max_length=MOST_POINTS)
    fill_rule: Literal["nonzero", "evenodd"] = "nonzero"
    x: Number | None = None
    y: Number | None = None
    width: Size | None = None
    height: Size | None = None
    rotation: Degrees = 0.0
    asset_id: AssetId | None = None
    artifact_id: ArtifactId | None = None
    feather_radius: float = Field(0.0, strict=True, ge=0, description="Sigma of a Gaussian in pixels, at most 250.")
    inverted: bool = Field(False, strict=True)

    @model_validator(mode="after")
    def _consistent(self) -> Selection:
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        _only_fields_of(SELECTION_TYPES[self.type], SELECTION_TYPES, given, self.type)
        return self

    def normalized(self) -> dict[str, Any]:
        fields = ("type", "feather_radius", "inverted", *SELECTION_TYPES[self.type].fields)
        return self.model_dump(mode="json", include=set(fields), exclude_none=True)


LAYER_TYPES: Mapping[str, Type] = {
    "raster": Type(("asset_id", "artifact_id"), (("asset_id", "artifact_id"),)),
    "solid": Type(("color",), (("color",),)),
    "text": Type(("text", "text_font", "text_size", "text_color", "align", "line_height"), (("text",),)),
    "vector": Type(("svg",), (("svg",),)),
}
"""A layer's type follows from the first field of these that it has."""


class Layer(Shape):
    """One layer. `x`, `y` place its top-left corner, `width` and `height` resize it, `scale` multiplies, `rotation`
    turns it clockwise about `anchor`; masks stay where they are on the canvas."""

    # published without `type` among what is required: it follows from the field that is there
    model_config = ConfigDict(json_schema_extra=lambda schema: schema["required"].remove("type"))

    type: Literal["raster", "solid", "text", "vector"]
    id: str | None = Field(None, max_length=256)
    name: str | None = Field(None, max_length=256)
    visible: bool = Field(True, strict=True)
    x: Number = 0.0
    y: Number = 0.0
    width: Size | None = None
    height: Size | None = None
    fit: Literal["stretch", "contain", "cover"] = "stretch"
    scale: float = Field(1.0, strict=True, ge=0, le=10_000)
    rotation: Degrees = 0.0
    anchor: Point = [0.5, 0.5]
    opacity: Fraction = 1.0
    blend_mode: BlendMode = "normal"
    mask: Selection | None = None
    mask_artifact_id: ArtifactId | None = None

    asset_id: AssetId | None = None
    artifact_id: ArtifactId | None = None
    color: Color | None = None
    text: str | None = Field(None, min_length=1, max_length=MOST_LETTERS)
    text_font: str | None = Field(None, max_length=128)
    text_size: float = Field(32.0, strict=True, gt=0, le=4096, description="Pixels to the em.")
    text_color: Color = "#000000ff"
    align: Literal["left", "center", "right"] = "left"
    line_height: float = Field(1.2, strict=True, gt=0, le=100, description="Of the text's size.")
    svg: str | None = Field(None, min_length=1, max_length=LARGEST_SVG)

    @model_validator(mode="before")
    @classmethod
    def _type(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("type") is None:
            for name, row in LAYER_TYPES.items():
                if any(data.get(field) is not None for group in row.required for field in group):
                    return {**data, "type": name}
            raise ValueError(f"a layer needs a type ({', '.join(LAYER_TYPES)}) and that type's content")
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Layer:
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        _only_fields_of(LAYER_TYPES[self.type], LAYER_TYPES, given, self.type)
        if self.mask is not None and self.mask_artifact_id is not None:
            raise ValueError("give mask or mask_artifact_id, not both")
        return self

    def normalized(self) -> dict[str, Any]:
        foreign = {field for row in LAYER_TYPES.values() for field in row.fields} - set(LAYER_TYPES[self.type].fields)
        body = self.model_dump(mode="json", exclude={"id", "name", "mask", *foreign}, exclude_none=True)
        return body | ({"mask": self.mask.normalized()} if self.mask else {})


class Composition(Shape):
    """A picture as layers, bottom to top."""

    width: Pixels
    height: Pixels
    background_color: Color = "#00000000"
    color_space: Literal["srgb", "linear"] = Field("srgb", description="Where layers are blended.")
    layers: list[Layer]

    def normalized(self) -> dict[str, Any]:
        """JSON with defaults filled in, without the layers' ids and names: what two equal pictures have in common."""
        layers = [layer.normalized() for layer in self.layers]
        return self.model_dump(mode="json", exclude={"layers"}) | {"layers": layers}


class ImageRenderRequest(Body):
    """POST /image/render."""

    composition: Composition
    preset_id: str = Field(DEFAULT, max_length=64)
    format: Annotated[Format, BeforeValidator(_format)] | None = Field(None, description="Instead of the preset's.")
    quality: int | None = Field(None, strict=True, description="1 to 100, instead of the preset's.")
    parent_asset_id: AssetId | None = None


class ImageMasksRequest(Body):
    """POST /image/masks."""

    width: Pixels
    height: Pixels
    selection: Selection
    parent_asset_id: AssetId | None = None


__all__ = [
    "LAYER_TYPES",
    "SELECTION_TYPES",
    "Composition",
    "ImageMasksRequest",
    "ImageRenderRequest",
    "Layer",
    "Selection",
    "Shape",
    "Type",
]
