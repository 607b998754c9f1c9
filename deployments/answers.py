"""The answers on the wire, as published in OpenAPI. Clients ignore fields that are not named here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from deployments.engines.video_captions.models import Cue, Segment

JSON = dict[str, Any]
Cache = Literal["hit", "miss"]


class Answer(BaseModel):
    """Base: a field that is left out is absent, never null."""


class Told(Answer):
    """What the caller should know."""

    message: str
    field: str | None = None
    given: Any = None
    used: Any = None


class Made(Answer):
    """What every answer that made or found an artifact carries."""

    cache: Cache
    warnings: list[Told]


class Problem(Answer):
    """What went wrong."""

    code: str = Field(description="docs/errors.md lists them.")
    message: str = Field(description="What is wrong, and what to do.")
    http_status: int
    request_id: str
    details: JSON = Field(description="`field` is the JSON path of a bad field.")


class Error(Answer):
    """The body of every answer other than success."""

    error: Problem


class Asset(Answer):
    """An upload."""

    id: str
    kind: Literal["image", "video", "audio"]
    media_type: str
    size_bytes: int
    sha256: str
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    fps: float | None = None
    audio_channels: int | None = None
    sample_rate: int | None = None
    codec_info: Any = None
    tags: list[str]
    meta: JSON
    created_at: str


class Input(Answer):
    id: str
    role: str


class Artifact(Answer):
    """The record of immutable bytes."""

    id: str
    kind: str
    parent_asset_id: str | None
    uri: str
    sha256: str
    size_bytes: int
    media_type: str
    start_ms: int | None = None
    end_ms: int | None = None
    inputs: list[Input]
    origin: Literal["computed", "registered"]
    meta: JSON
    created_at: str


class AssetAndArtifacts(Answer):
    asset: Asset
    artifacts: list[Artifact]


class Node(Answer):
    id: str
    kind: str
    label: str


class Edge(Answer):
    source: str = Field(alias="from")
    target: str = Field(alias="to")
    role: str


class Lineage(Answer):
    nodes: list[Node]
    edges: list[Edge]


class ImageRender(Made):
    artifact_id: str
    uri: str
    format: str
    width: int
    height: int
    preset_id: str
    filename: str
    meta: JSON


class ImageMask(Made):
    artifact_id: str
    uri: str
    width: int
    height: int
    meta: JSON


class Region(Answer):
    time_ms: int
    region: str
    mask_artifact_id: str
    box: list[float] = Field(min_length=4, max_length=4, description="x, y, width, height in 0..1.")
    confidence: float = Field(ge=0, le=1)
    track_id: Any


class RegionSummary(Answer):
    asset_id: str
    entries: list[Region]
    tracks: Any
    meta: JSON


class Regions(Made):
    summary_artifact_id: str
    summary: RegionSummary


class Captions(Made):
    artifact_id: str
    language: str
    cues: list[Cue]
    meta: JSON


class CaptionsJson(Answer):
    segments: list[Segment]
    cues: list[Cue]


class Anonymised(Made):
    sequence_id: str
    clips_modified_count: int = Field(ge=0, description="Clips that carry the filter after the call.")
    clip_ids: list[str]
    summary_ids: list[str]
    grade: Literal["irreversible", "reversible"]


class Notice(Answer):
    kind: str
    artifact_id: str
    backend_version: str
    cache_key: str
    asset_id: str | None
    level: Literal["info", "warning"]
    message: str


class RenderPlan(Made):
    plan_preview: JSON
    dependency_notices: list[Notice]


class Render(RenderPlan):
    artifact_id: str
    asset_id: str | None
    uri: str
    render_profile: str
    report_artifact_id: str | None = None


class Step(Answer):
    operation: str
    cache: Cache


class RenderDryRun(RenderPlan):
    steps: list[Step]


class StoredTrack(Answer):
    id: str
    kind: Literal["video", "overlay", "audio"]
    clips: list[JSON]


class Sequence(Answer):
    """The document; its version is also the ETag."""

    id: str
    version: int = Field(ge=1)
    project_id: str | None = None
    render_profile: str
    duration_ms: int = Field(ge=0)
    tracks: list[StoredTrack]
    transitions: list[JSON]
    automation: list[JSON]


ANSWERS: Mapping[str, type[Answer]] = {
    "image_render": ImageRender,
    "image_masks": ImageMask,
    "video_regions": Regions,
    "video_captions": Captions,
    "video_anonymise": Anonymised,
    "video_render": Render,
    "video_render_dry_run": RenderDryRun,
}
"""By operation; a route names its own."""

__all__ = [
    "ANSWERS",
    "Answer",
    "Artifact",
    "Asset",
    "AssetAndArtifacts",
    "CaptionsJson",
    "Error",
    "Lineage",
    "Sequence",
]
