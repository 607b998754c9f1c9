"""The shapes of POST /video/render, and of the filter that it understands."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from deployments.body import Body
from deployments.timeline.models import SequenceBody

COLOR = r"^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$"
Preset = Literal["light", "medium", "strong"]
Style = Literal["blur", "mosaic", "solid"]
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

    artifact_id: str | None = None
    """An asr_transcript; the default is the latest one of the clip's asset."""
    style: CaptionStyle = CaptionStyle()


class FaceBlur(Part):
    """The params of a `face_blur` filter."""

    source_summary_id: str
    """A video_region_summary of the clip's asset."""
    backend_version: str | None = None
    """Of the summary, when the filter was made."""
    preset: Preset | None = None
    """Default: what filter_strength asks for, else strong."""
    style: Style = "blur"
    filter_strength: float | None = Field(None, ge=0, le=1)
    min_face_px: float = Field(0, ge=0)
    """Tracks whose face is never this high, in source pixels, are left as they are."""

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

    sequence_id: str | None = None
    sequence: SequenceBody | None = None
    render_profile: str | None = Field(None, max_length=64)
    """A name of configs/profiles.yaml; the default is the sequence's own, else `source`."""
    burn_in_captions: BurnIn | None = None
    proof: Literal["off"] | None = None
    """Renders are not searched for remaining faces here, so `off` is all that can be asked for."""

    @model_validator(mode="after")
    def _one_sequence(self) -> Self:
        if (self.sequence_id is None) == (self.sequence is None):
            raise ValueError("give either sequence_id or sequence")
        return self


__all__ = ["BurnIn", "CaptionStyle", "FaceBlur", "Part", "Preset", "RenderRequest", "Style"]
