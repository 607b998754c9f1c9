"""The shapes of POST /video/anonymise/faces."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from deployments.body import Body, exactly_one
from deployments.engines.video_render.models import Preset, Span, Style, TrackChoice
from deployments.errors import WrongField
from deployments.ids import ArtifactId, AssetId, SequenceId


class AnonymiseRequest(Body):
    """Make the faces of a sequence, or of an asset's own sequence, unrecognisable."""

    sequence_id: SequenceId | None = None
    asset_id: AssetId | None = None
    filter_strength: float | None = Field(None, ge=0, le=1)
    """Instead of a preset: from 0.8 strong, from 0.5 medium, below light."""
    preset: Preset | None = None
    """Default: strong."""
    style: Style = "blur"
    min_face_px: int = Field(0, ge=0, le=10_000)
    """Faces that are never this high, in source pixels, are left as they are."""
    tracks: TrackChoice | None = None
    """Which tracks of the summary are hidden; the default is all. Numbers are a summary's own: with several videos
    name the summary_id too, and the others' faces are all hidden."""
    spans: list[Span] | None = Field(None, min_length=1, max_length=256)
    """When faces are hidden, on the sequence's timeline; the default is always."""
    summary_id: ArtifactId | None = None
    """Default: the latest summary with faces of each asset."""
    tracks_artifact_id: ArtifactId | None = None
    """A face_tracks artifact of one of the videos, edited for instance, instead of what its summary names."""
    allow_stub: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        exactly_one(self, "sequence_id", "asset_id")
        if self.preset is not None and self.filter_strength is not None:
            raise WrongField("give either a preset or a filter_strength", "filter_strength")
        return self


__all__ = ["AnonymiseRequest"]
