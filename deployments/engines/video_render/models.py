"""The shapes of POST /video/render, and of the filter that it understands."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from deployments.body import Body
from deployments.ids import ArtifactId, ProjectId, SequenceId
from deployments.timeline.models import Milliseconds, SequenceBody

COLOR = r"^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$"
Preset = Literal["light", "medium", "strong"]
Style = Literal["blur", "mosaic", "solid"]
Proof = Literal["sampled", "full", "off"]
LEAST_STRENGTH: dict[Preset, float] = {"strong": 0.8, "medium": 0.5, "light": 0.0}
"""The filter_strength from which a preset applies, strongest first."""


class Part(BaseModel):
    """A piece of a body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class CaptionStyle(Part):
    """How burnt captions look."""

    font: str | None = Field(None, max_length=64)
    """A name of configs/fonts.yaml; the default font otherwise."""
    size: float = Field(0.05, ge=0.01, le=0.25)
    """Height of a letter's em, as a share of the picture's shorter side."""
    color: str = Field("#ffffff", pattern=COLOR)
    outline: str = Field("#000000", pattern=COLOR)
    background: str = Field("#00000099", pattern=COLOR)
    """The box behind the text; `#00000000` for none."""
    position: Literal["bottom", "top"] = "bottom"


class BurnIn(Part):
    """Captions drawn into the picture."""

    artifact_id: ArtifactId | None = None
    """An asr_transcript; the default is the latest one of the clip's asset."""
    style: CaptionStyle = CaptionStyle()


class SoftCaptions(Part):
    """Captions as a text track of the file, which players show when asked to."""

    artifact_id: ArtifactId | None = None
    """An asr_transcript; the default is the latest one of each clip's asset."""


class TrackChoice(Part):
    """Tracks of a summary, by their numbers."""

    include: list[int] | None = Field(None, max_length=10_000)
    """These alone are painted."""
    exclude: list[int] | None = Field(None, max_length=10_000)
    """All but these are painted."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.include is None) == (self.exclude is None):
            raise ValueError("give either include or exclude")
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
            raise ValueError(f"end_ms {self.end_ms} does not lie after start_ms {self.start_ms}")
        return self


class FaceBlur(Part):
    """The params of a `face_blur` filter."""

    source_summary_id: ArtifactId
    """A video_region_summary of the clip's asset."""
    backend_version: str | None = None
    """Of the summary, when the filter was made."""
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


class RenderRequest(Body):
    """A sequence made into a file."""

    sequence_id: SequenceId | None = None
    project_id: ProjectId | None = None
    """Instead of sequence_id: the project's only sequence."""
    sequence: SequenceBody | None = None
    render_profile: str | None = Field(None, max_length=64)
    """A name of configs/profiles.yaml; the default is the sequence's own, else `source`."""
    burn_in_captions: BurnIn | None = None
    soft_captions: SoftCaptions | bool | None = None
    start_ms: Milliseconds = 0
    """Where on the timeline the file begins."""
    end_ms: Milliseconds | None = None
    """Where it ends; the default is the end of the last video clip."""
    proof: Proof | None = None
    """How the finished file is searched for faces: `sampled` (the default where faces are hidden), `full`, `off`."""
    allow_residual: bool = False
    """Keep the render though a face may be left in it; the report says so."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if [self.sequence_id, self.project_id, self.sequence].count(None) != 2:
            raise ValueError("give one of sequence_id, project_id and sequence")
        if self.end_ms is not None and self.end_ms <= self.start_ms:
            raise ValueError(f"end_ms {self.end_ms} does not lie after start_ms {self.start_ms}")
        return self


__all__ = [
    "BurnIn",
    "CaptionStyle",
    "FaceBlur",
    "Part",
    "Preset",
    "Proof",
    "RenderRequest",
    "SoftCaptions",
    "Span",
    "Style",
    "TrackChoice",
]
