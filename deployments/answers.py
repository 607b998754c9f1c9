"""The answers of operations and of the timeline on the wire, as published in OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from deployments.answer import JSON, Answer, Cache, Cost, Made
from deployments.engines.video_captions.models import Cue
from deployments.engines.video_mask.models import VideoMask
from deployments.engines.video_regions.models import RegionSummary


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


class ImageTemplate(Made):
    artifact_id: str
    template_id: str = Field(description="The same id, under the name that POST /image/render-from-template takes.")
    uri: str
    name: str | None
    width: int
    height: int
    slots: dict[str, JSON]
    meta: JSON


class ImageBatch(Made):
    results: dict[str, ImageRender]
    total_count: int


class Drawing(Made):
    """A scene, or what was drawn of one: a scene alone has neither format nor preset."""

    artifact_id: str
    uri: str
    width: int
    height: int
    format: str | None = None
    preset_id: str | None = None
    meta: JSON


class TextRender(Drawing):
    metrics: JSON


class FaceTracks(Made):
    artifact_id: str
    uri: str
    tracks_count: int
    meta: JSON


class Regions(Made):
    summary_artifact_id: str
    summary: RegionSummary


class MadeVisualMeta(Made):
    visual_meta_artifact_id: str
    uri: str
    meta: JSON


class Crop(Answer):
    """The crop of one shot."""

    start_ms: int
    end_ms: int
    crop: list[int] = Field(min_length=4, max_length=4, description="x, y, width, height in pixels.")
    reason: Literal["subject", "center"]
    samples: int = Field(ge=0, description="In which a subject is seen.")
    inside: float | None = Field(description="Share of the samples whose subject's center lies in the crop.")


class Reframe(Made):
    visual_meta_artifact_id: str
    asset_id: str
    aspect_ratio: str
    width: int
    height: int
    method: str
    suggestions: list[Crop]


class MadeVideoMask(Made, VideoMask):
    pass


class Captions(Made):
    artifact_id: str
    language: str
    cues: list[Cue]
    meta: JSON


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
    differs: list[Literal["inputs", "backend", "backend_version", "parameters"]] | None = Field(
        description="What is new beside the newest artifact of the asset and kind; null: there is none; []: a hit."
    )
    device: str = Field(description="Of the newest artifact, else the operator's setting.")
    seconds: float | None = Field(description="Expected; null: nothing like it was done in this scope.")
    bytes: int | None


class RenderDryRun(RenderPlan):
    steps: list[Step]
    estimate: Cost | None = None


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


class Project(Answer):
    """The document; its version is also the ETag."""

    id: str
    name: str | None
    sequence_ids: list[str]
    version: int = Field(ge=1)


class Filters(Answer):
    """A filter stack, in order."""

    filters: list[JSON]


ANSWERS: Mapping[str, type[Answer]] = {
    "image_render": ImageRender,
    "image_masks": ImageMask,
    "image_batch_render": ImageBatch,
    "image_templates": ImageTemplate,
    "image_render_from_template": ImageRender,
    "typography_render": TextRender,
    "vector_scenes": Drawing,
    "vector_render": Drawing,
    "video_regions": Regions,
    "video_face_tracks": FaceTracks,
    "video_visual_meta": MadeVisualMeta,
    "video_reframe_suggestion": Reframe,
    "video_masks": MadeVideoMask,
    "video_captions": Captions,
    "video_anonymise": Anonymised,
    "video_render": Render,
    "video_render_dry_run": RenderDryRun,
}
"""By operation; a route names its own."""

__all__ = ["ANSWERS", "Filters", "Project", "Sequence"]
