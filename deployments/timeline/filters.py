"""The filters that a clip can carry, and what their params may be: checked where they are given, and where rendered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from deployments.body import exactly_one
from deployments.errors import InvalidRequest, WrongField, as_app_error
from deployments.ids import ArtifactId
from deployments.timeline.models import Filter, Milliseconds, Part

Preset = Literal["light", "medium", "strong"]
Style = Literal["blur", "mosaic", "solid"]
LEAST_STRENGTH: dict[Preset, float] = {"strong": 0.8, "medium": 0.5, "light": 0.0}
"""The filter_strength from which a preset applies, strongest first."""


class TrackChoice(Part):
    """Tracks of a summary, by their numbers."""

    include: list[int] | None = Field(None, max_length=10_000)
    """These alone are painted."""
    exclude: list[int] | None = Field(None, max_length=10_000)
    """All but these are painted."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "include", "exclude")
        return self

    def paints(self, track_id: int) -> bool:
        """Whether the caller wants this track painted."""
        return track_id in self.include if self.include is not None else track_id not in (self.exclude or ())


class Span(Part):
    """A stretch of time, its end outside."""

    start_ms: Milliseconds
    end_ms: Milliseconds

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end_ms <= self.start_ms:
            raise WrongField(f"end_ms {self.end_ms} does not lie after start_ms {self.start_ms}", "end_ms")
        return self


class FaceBlur(Part):
    """The params of a `face_blur` filter."""

    source_summary_id: ArtifactId
    """A video_region_summary of the clip's asset."""
    backend_version: str | None = None
    """Of the summary, when the filter was made."""
    tracks_artifact_id: ArtifactId | None = None
    """A face_tracks of the clip's asset, edited for instance, instead of the summary's own."""
    preset: Preset | None = None
    """Default: what filter_strength asks for, else strong."""
    style: Style = "blur"
    filter_strength: float | None = Field(None, ge=0, le=1)
    min_face_px: float = Field(0, ge=0)
    """Tracks whose face is never this high, in source pixels, are left as they are."""
    tracks: TrackChoice | None = None
    """Which of the summary's tracks are painted; the default is all."""
    spans: list[Span] | None = Field(None, min_length=1, max_length=256)
    """When faces are painted, in ms of the source; the default is always."""

    @property
    def look(self) -> Preset:
        """The preset that applies."""
        if self.preset is not None:
            return self.preset
        strength = 1.0 if self.filter_strength is None else self.filter_strength
        return next(name for name, least in LEAST_STRENGTH.items() if strength >= least)

    @property
    def grade(self) -> Literal["irreversible", "reversible"]:
        """Only what is computed once and held cannot be undone."""
        return "irreversible" if self.look == "strong" or self.style == "solid" else "reversible"


PARAMS: Mapping[str, type[BaseModel]] = {"face_blur": FaceBlur}
"""Filter -> the shape of its params."""


def check_stack(filters: Sequence[Filter], where: str) -> None:
    """InvalidRequest naming the field for params that a filter of PARAMS does not take, and for two enabled ones of one
    type. Other filters are kept as they are: only a render refuses them."""
    seen: set[str] = set()
    for number, item in enumerate(filters):
        at = f"{where}.filters[{number}]" if where else f"filters[{number}]"
        check_params(item.type, item.params, at)
        if not item.enabled or item.type not in PARAMS:
            continue
        if item.type in seen:
            raise InvalidRequest(f"{at}.type: there is a {item.type} before it; keep one", field=f"{at}.type")
        seen.add(item.type)


def check_params(type: str, params: Mapping[str, Any], where: str) -> None:
    """InvalidRequest naming the field, below `where`, for params that a known filter does not take."""
    shape = PARAMS.get(type)
    if shape is None:
        return
    try:
        shape.model_validate(params)
    except ValidationError as error:
        told = as_app_error(error, params)
        below = told.details.get("field")
        said = f".{told.message}" if below else told.message.removeprefix("body")
        raise InvalidRequest(
            f"{where}.params{said}", field=f"{where}.params.{below}" if below else f"{where}.params"
        ) from None


__all__ = ["PARAMS", "FaceBlur", "Preset", "Span", "Style", "TrackChoice", "check_params", "check_stack"]
