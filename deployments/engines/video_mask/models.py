"""The shapes of POST /video/masks."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from deployments.answer import JSON, Answer, Input
from deployments.body import Body, exactly_one
from deployments.engines.image_core.models import Selection
from deployments.ids import ArtifactId, AssetId


class Regions(BaseModel):
    """Regions of a summary, united. A plain list of regions stands for `{include_regions: […]}`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    include_regions: list[str] = Field(["face"], min_length=1, max_length=16)
    summary_id: ArtifactId | None = None
    """Default: the video's latest; none there: made first."""
    tracks_artifact_id: ArtifactId | None = None
    """Instead of a summary: a face_tracks of the video, as it was made or edited; its faces in the frame on screen at
    time_ms, sampled or not."""
    time_ms: int | None = Field(None, ge=0, strict=True)
    """The sample at or before this time alone; default: all samples."""
    track_ids: list[int] | None = Field(None, min_length=1, max_length=1000)
    """These tracks alone."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        return {"include_regions": data} if isinstance(data, list) else data

    @model_validator(mode="after")
    def _of_tracks(self) -> Regions:
        if self.tracks_artifact_id is not None:
            if self.time_ms is None:
                raise ValueError("tracks_artifact_id goes with a time_ms: tracks are drawn at one moment")
            if self.summary_id is not None or self.include_regions != ["face"]:
                raise ValueError("tracks_artifact_id goes without summary_id, and holds faces alone")
        return self


class VideoMaskRequest(Body):
    """A mask for a video: of its size, and its descendant. One of mask_artifact_id, selection and regions."""

    asset_id: AssetId
    mask_artifact_id: ArtifactId | None = None
    selection: Selection | None = None
    regions: Regions | None = None
    fit: Literal["exact", "stretch"] = "exact"
    """`stretch` takes a mask of another size and scales it."""

    @model_validator(mode="after")
    def _one(self) -> VideoMaskRequest:
        exactly_one(self, "mask_artifact_id", "selection", "regions")
        return self


class VideoMask(Answer):
    artifact_id: str
    uri: str
    asset_id: str | None
    width: int
    height: int
    inputs: list[Input]
    meta: JSON


__all__ = ["Regions", "VideoMask", "VideoMaskRequest"]
