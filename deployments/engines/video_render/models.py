"""The shapes of POST /video/render."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from deployments.body import Body, exactly_one
from deployments.errors import WrongField
from deployments.ids import ArtifactId, ProjectId, SequenceId
from deployments.timeline.filters import FaceBlur, Preset, Span, Style, TrackChoice
from deployments.timeline.models import Milliseconds, Part, SequenceBody

COLOR = r"^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$"
Proof = Literal["sampled", "full", "off"]


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


class Ducking(Part):
    """Sound of audio tracks made quieter while that of the other tracks is heard."""

    amount_db: float = Field(12.0, ge=0, le=60)
    threshold_db: float = Field(-40.0, ge=-90, le=0)
    """From which level on, over 20 ms and full scale, the other tracks count as heard."""
    attack_ms: float = Field(50.0, ge=1, le=5000)
    release_ms: float = Field(400.0, ge=1, le=10_000)


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
    normalize_audio: bool = False
    """Bring the sound's loudness to target_loudness_lufs; a limiter keeps its peaks under -1 dBFS."""
    target_loudness_lufs: float | None = Field(None, ge=-50, le=-5)
    """Integrated loudness by EBU R128; given, it asks for normalize_audio too. The default is R128's own, -23."""
    ducking: Ducking | bool = False
    proof: Proof | None = None
    """How the finished file is searched for faces: `sampled` (the default where faces are hidden), `full`, `off`."""
    allow_residual: bool = False
    """Keep the render though a face may be left in it; the report says so."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        exactly_one(self, "sequence_id", "project_id", "sequence")
        if self.end_ms is not None and self.end_ms <= self.start_ms:
            raise WrongField(f"end_ms {self.end_ms} does not lie after start_ms {self.start_ms}", "end_ms")
        return self


__all__ = [
    "BurnIn",
    "CaptionStyle",
    "Ducking",
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
