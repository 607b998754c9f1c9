"""The shapes of POST /video/regions, the table of face detectors, and what a summary looks like to other engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from deployments.answer import JSON, Answer, Told
from deployments.body import Body
from deployments.ids import AssetId

Mode = Literal["sampled", "every_frame", "auto"]


class RegionsRequest(Body):
    """Find regions of faces in a video or a picture."""

    asset_id: AssetId
    include_regions: list[str] | None = Field(None, min_length=1, max_length=16)
    """Default: face."""
    backend: str | None = None
    """A detector; the default is the setting VIDEO_REGION_BACKEND."""
    min_confidence: float | None = Field(None, ge=0.1, le=1)
    """Least confidence on the common scale, on which 0.5 is each detector's own threshold; the default is the setting
    VIDEO_REGIONS_MIN_CONFIDENCE."""
    frame_sample_interval_ms: int = Field(500, ge=10, le=3_600_000)
    mode: Mode = "auto"
    """`sampled` searches the sampled frames alone and fills in the others; `every_frame` searches each."""


@dataclass(frozen=True, slots=True)
class Row:
    """One detector."""

    model: str
    """Its weights' name in models.yaml, and what `meta.model_used` says; `stub` has none."""
    half: float
    """The raw score that equals a confidence of 0.5, where the detector's makers put its threshold."""
    module: str
    """Where its `load` is."""
    fallback: str = ""
    """The detector that does its work where its weights cannot be had."""


NO_STUB_ENVS = frozenset({"staging", "prod"})
_HERE = __package__
DETECTORS: Mapping[str, Row] = {
    "opencv_face_detector": Row("yunet", 0.6, f"{_HERE}.yunet", fallback="centerface"),
    "centerface": Row("centerface", 0.5, f"{_HERE}.centerface"),
    "stub": Row("stub", 0.5, f"{_HERE}.stub"),
}


def boxless_masks(summary: JSON) -> list[str]:
    """The masks of entries without a box: summaries of older times are consumed through them."""
    return list(dict.fromkeys(entry["mask_artifact_id"] for entry in summary["entries"] if "box" not in entry))


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


class StoredRegions(Answer):
    summary_artifact_id: str
    uri: str
    summary: RegionSummary
    artifact_meta: JSON
    stub: bool = Field(description="Made by a stub, which looks at no picture.")
    warnings: list[Told]


__all__ = [
    "DETECTORS",
    "NO_STUB_ENVS",
    "Mode",
    "RegionSummary",
    "RegionsRequest",
    "Row",
    "StoredRegions",
    "boxless_masks",
]
