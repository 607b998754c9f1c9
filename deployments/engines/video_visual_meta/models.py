"""The shapes of visual meta: shots, and what is seen at each sample."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator

from deployments.answer import JSON, Answer
from deployments.body import Body, exactly_one
from deployments.errors import WrongField
from deployments.ids import ArtifactId, AssetId, ClipId

BACKENDS = ("opencv_visual_meta", "stub")
"""`stub` finds the shots too and looks for no subjects."""


class VisualMetaRequest(Body):
    """Find the shots of a video, and who is where at each sample."""

    asset_id: AssetId
    frame_sample_interval_ms: int = Field(500, ge=10, le=3_600_000)
    """Its older name, sample_interval_ms, is taken too."""
    detect_shot_boundaries: bool = Field(True, strict=True)
    """False: the whole clip is one shot."""
    backend: str | None = None
    """The default is the setting VIDEO_VISUAL_META_BACKEND."""

    @model_validator(mode="before")
    @classmethod
    def _older_name(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "sample_interval_ms" not in data:
            return data
        if "frame_sample_interval_ms" in data:
            said = "give frame_sample_interval_ms or its older name sample_interval_ms, not both"
            raise WrongField(said, "sample_interval_ms")
        rest = {name: value for name, value in data.items() if name != "sample_interval_ms"}
        return rest | {"frame_sample_interval_ms": data["sample_interval_ms"]}


class Subject(BaseModel):
    """Something that a picture is about."""

    label: Literal["face"]
    box: tuple[float, float, float, float]
    """x, y, w, h as fractions of the decoded frame."""
    confidence: float
    track_id: int | None = None
    """Of the region summary that it comes from."""


class Frame(BaseModel):
    """What is seen at a sample: the last frame at or before `timestamp_ms`."""

    timestamp_ms: int
    subjects: list[Subject]
    """The primary one first."""
    primary_subject_center_x: float | None
    """Fraction of the frame's width; None where nothing is found."""
    primary_subject_center_y: float | None
    shot_boundary: bool
    """Whether a shot began after the sample before this one."""
    motion: float
    """0..1: mean change of the picture from frame to frame, from this sample to the next, cuts left out."""


class Shot(BaseModel):
    """A stretch without a cut."""

    start_ms: int
    end_ms: int
    transition: Literal["cut", "fade", "dissolve"] | None
    """How the picture came to this shot; None for the first."""


class VisualMeta(BaseModel):
    """The artifact's body."""

    asset_id: str
    frames: list[Frame]
    shots: list[Shot]
    duration_ms: int
    frame_sample_interval_ms: int


MOST_EXTREME = 20.0


def _ratio(value: str) -> str:
    wide, _, high = value.partition(":")
    if not (wide.isascii() and wide.isdigit() and high.isascii() and high.isdigit() and int(wide) and int(high)):
        raise ValueError(f"{value!r} is no aspect ratio; write width:height in whole numbers, for example 9:16")
    if not 1 / MOST_EXTREME <= int(wide) / int(high) <= MOST_EXTREME:
        raise ValueError(f"{value!r} is narrower or wider than 1:{MOST_EXTREME:g}")
    return value


class ReframeRequest(Body):
    """A crop for another aspect ratio, shot by shot. One of asset_id, clip_id and visual_meta_artifact_id."""

    asset_id: AssetId | None = None
    clip_id: ClipId | None = None
    visual_meta_artifact_id: ArtifactId | None = None
    aspect_ratio: Annotated[str, Field(max_length=12), AfterValidator(_ratio)] = "9:16"

    @model_validator(mode="after")
    def _one(self) -> ReframeRequest:
        exactly_one(self, "asset_id", "clip_id", "visual_meta_artifact_id")
        return self


class StoredVisualMeta(Answer):
    artifact_id: str
    uri: str
    summary: VisualMeta
    artifact_meta: JSON


class ClipVisualMeta(StoredVisualMeta):
    """As far as the clip shows it; times are the asset's own."""

    clip_id: str
    in_ms: int
    out_ms: int | None


__all__ = [
    "BACKENDS",
    "ClipVisualMeta",
    "Frame",
    "ReframeRequest",
    "Shot",
    "StoredVisualMeta",
    "Subject",
    "VisualMeta",
    "VisualMetaRequest",
]
