"""What the shapes of pictures are made of: numbers with their limits, colours, and selections.

A selection is one flat shape whose fields depend on its `type`: its errors then name the field by its JSON path. To add
a type, add a row to `SELECTION_TYPES` and its fields to the class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from deployments.errors import WrongField
from deployments.ids import ArtifactId, AssetId
from kernels.blend import canonical

FURTHEST = 1_000_000.0
"""Pixels from the origin, in either direction, that a position or a size may reach."""
MOST_POINTS = 10_000
MOST_STROKES = 1_000
MOST_ITEMS = 64
WIDEST_BRUSH = 1_000.0
"""Pixels."""
LARGEST_SVG = 2 << 20
"""Characters."""

Number = Annotated[float, Field(strict=True, ge=-FURTHEST, le=FURTHEST)]
Size = Annotated[float, Field(strict=True, gt=0, le=FURTHEST)]
Fraction = Annotated[float, Field(strict=True, ge=0, le=1)]
Pixels = Annotated[int, Field(strict=True, ge=1, le=100_000)]
Degrees = Annotated[float, Field(strict=True, ge=-36_000, le=36_000)]
Point = Annotated[list[Number], Field(min_length=2, max_length=2)]


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


def only_fields_of(row: Type, types: Mapping[str, Type], given: set[str], name: str) -> None:
    """WrongField for a field of another type, and for what is missing of this one."""
    foreign = {field for other in types.values() for field in other.fields} - set(row.fields)
    if wrong := sorted(given & foreign):
        own = f"its own fields are {', '.join(row.fields)}" if row.fields else "it has no fields of its own"
        raise WrongField(f"type {name} takes no {wrong[0]}; {own}", wrong[0])
    for group in row.required:
        named = [field for field in group if field in given]
        if len(named) != 1:
            said = f"type {name} needs {'exactly one of ' if len(group) > 1 else ''}{' and '.join(group)}"
            raise WrongField(said, named[-1] if named else group[0])


_CURVE = Type(("points", "fill_rule"), (("points",),))
_BOX = Type(("x", "y", "width", "height", "rotation"), (("x",), ("y",), ("width",), ("height",)))
_PICTURE = Type(("asset_id", "artifact_id"), (("asset_id", "artifact_id"),))

SELECTION_TYPES: Mapping[str, Type] = {
    "polygon": _CURVE,
    "lasso": _CURVE,
    "rect": _BOX,
    "ellipse": _BOX,
    "brush": Type(("strokes",), (("strokes",),)),
    "luminance": _PICTURE,
    "alpha": _PICTURE,
    "color_range": Type(
        ("asset_id", "artifact_id", "color", "tolerance"), (("asset_id", "artifact_id"), ("color",), ("tolerance",))
    ),
    "combine": Type(("op", "items"), (("op",), ("items",))),
}


class Stroke(Shape):
    """One stroke of a round brush."""

    points: list[Point] = Field(min_length=1, max_length=MOST_POINTS)
    width: float = Field(strict=True, gt=0, le=WIDEST_BRUSH, description="Pixels across.")
    hardness: Fraction = Field(1.0, description="Share of the radius that is full; from there it fades to the rim.")
    opacity: Fraction = 1.0


class Refine(Shape):
    """A selection's soft edge made to follow the edges of a picture of the same size, by a guided filter."""

    asset_id: AssetId | None = None
    artifact_id: ArtifactId | None = None
    radius: float = Field(8.0, strict=True, ge=0, description="Pixels around each that are looked at, at most 100.")
    smoothness: Fraction = Field(1e-3, description="Variance of colours up to which nothing counts as an edge.")

    @model_validator(mode="after")
    def _one(self) -> Refine:
        if (self.asset_id is None) == (self.artifact_id is None):
            wrong = "asset_id" if self.asset_id is None else "artifact_id"
            raise WrongField("refine needs exactly one of asset_id and artifact_id", wrong)
        return self

    def normalized(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


class Selection(Shape):
    """What is selected, in pixels of the mask: its shape, grown, then feathered, then inverted."""

    type: Literal["polygon", "lasso", "rect", "ellipse", "brush", "luminance", "alpha", "color_range", "combine"]
    points: list[Point] | None = Field(None, min_length=3, max_length=MOST_POINTS)
    fill_rule: Literal["nonzero", "evenodd"] = "nonzero"
    x: Number | None = None
    y: Number | None = None
    width: Size | None = None
    height: Size | None = None
    rotation: Degrees = 0.0
    strokes: list[Stroke] | None = Field(None, min_length=1, max_length=MOST_STROKES)
    asset_id: AssetId | None = None
    artifact_id: ArtifactId | None = None
    color: Color | None = None
    tolerance: float | None = Field(
        None, strict=True, ge=0, le=255, description="Largest difference of a channel, of 255."
    )
    op: Literal["add", "subtract", "intersect", "xor"] | None = None
    items: list[Selection] | None = Field(None, min_length=1, max_length=MOST_ITEMS)
    feather_radius: float = Field(0.0, strict=True, ge=0, description="Sigma of a Gaussian in pixels, at most 250.")
    grow: Number = Field(0.0, description="Pixels by which the outline moves outwards; negative inwards. At most 250.")
    refine: Refine | None = Field(None, description="After growing and feathering, before inverting.")
    inverted: bool = Field(False, strict=True)

    @model_validator(mode="after")
    def _consistent(self) -> Selection:
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        only_fields_of(SELECTION_TYPES[self.type], SELECTION_TYPES, given, self.type)
        if sum(len(stroke.points) for stroke in self.strokes or ()) > MOST_POINTS:
            raise WrongField(f"strokes have at most {MOST_POINTS} points together", "strokes")
        return self

    def normalized(self) -> dict[str, Any]:
        fields = {"type", "feather_radius", "grow", "inverted", *SELECTION_TYPES[self.type].fields}
        body = self.model_dump(mode="json", include=fields - {"items"}, exclude_none=True)
        if self.refine:
            body["refine"] = self.refine.normalized()
        return body | ({"items": [item.normalized() for item in self.items]} if self.items else {})


__all__ = [
    "LARGEST_SVG",
    "SELECTION_TYPES",
    "ArtifactId",
    "AssetId",
    "BlendMode",
    "Color",
    "Degrees",
    "Fraction",
    "Number",
    "Pixels",
    "Point",
    "Refine",
    "Selection",
    "Shape",
    "Size",
    "Stroke",
    "Type",
    "only_fields_of",
]
