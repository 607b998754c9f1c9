"""The shapes of POST /video/regions, the table of face detectors, and what a summary looks like to other engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, FiniteFloat, PositiveInt, ValidationError, field_validator

from deployments.answer import JSON, Answer, Told
from deployments.body import Body
from deployments.ids import ArtifactId, AssetId

Mode = Literal["sampled", "every_frame", "auto"]
REGIONS = ("face", "eyes", "mouth", "teeth", "skin", "background")
"""As kernels/regions.py draws them; the Gateway imports no kernels."""
MARKED = ("eyes", "mouth", "teeth", "skin")
"""Those that need a detector with landmarks."""


class RegionsRequest(Body):
    """Find regions of faces in a video or a picture."""

    asset_id: AssetId
    include_regions: list[str] | None = Field(None, min_length=1, max_length=16)
    """Of face, eyes, mouth, teeth, skin, background; default: face. docs/video.md says how each is drawn."""
    backend: str | None = None
    """A detector; the default is the setting VIDEO_REGION_BACKEND."""
    min_confidence: float | None = Field(None, ge=0.1, le=1)
    """Least confidence on the common scale, on which 0.5 is each detector's own threshold; the default is the setting
    VIDEO_REGIONS_MIN_CONFIDENCE."""
    frame_sample_interval_ms: int = Field(500, ge=10, le=3_600_000)
    min_face_px: int | None = Field(None, ge=1, le=10_000)
    """Height in source pixels of the smallest face that has to be found: the scale of the search follows from it. A
    larger one is faster; the default finds most faces of 16 in 960."""
    mode: Mode = "auto"
    """Which frames are searched; a track has a box in each frame all the same. `auto` searches one every 160 ms, or
    480 ms where nothing moves, and the ends of each shot, `every_frame` each, `sampled` the sampled frames alone. Masks
    are those of the samples."""


class TracksRequest(Body):
    """Make tracks of a summary that has none: of older times, or registered by the caller."""

    asset_id: AssetId
    summary_id: ArtifactId


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
    landmarks: bool = True
    """Whether it finds eyes, nose and the mouth's corners."""
    picture_scales: tuple[int, ...] = (1,)
    """A picture is searched at each of these, and a face is as sure as the mean over them."""
    package: str = ""
    """What must be installed beside us: an extra."""
    consent: bool = False
    """Whether the setting MEDIAPIPE_CONSENT must say yes before it is imported."""
    on_device: bool = False
    """Whether its `load` takes the setting DEVICE."""
    beside: bool = False
    """Whether a net for each thread is faster than one net of all threads."""


NO_STUB_ENVS = frozenset({"staging", "prod"})
_HERE = __package__
DETECTORS: Mapping[str, Row] = {
    "opencv_face_detector": Row(
        "yunet", 0.6, f"{_HERE}.yunet", fallback="centerface", picture_scales=(1, 2), beside=True
    ),
    "centerface": Row("centerface", 0.5, f"{_HERE}.centerface", beside=True),
    "torch_face_detector": Row("yunet", 0.6, f"{_HERE}.yunet_torch", picture_scales=(1, 2), on_device=True),
    "blazeface_full": Row("blazeface_full", 0.5, f"{_HERE}.blazeface", landmarks=False, beside=True),
    "mediapipe_face_detector": Row(
        "mediapipe_full_range", 0.5, f"{_HERE}.mediapipe_tasks", landmarks=False, package="mediapipe", consent=True
    ),
    "stub": Row("stub", 0.5, f"{_HERE}.stub"),
}


def boxless_masks(summary: JSON) -> list[str]:
    """The masks of entries without a box: summaries of older times are consumed through them."""
    return list(dict.fromkeys(entry["mask_artifact_id"] for entry in summary["entries"] if "box" not in entry))


def is_ellipse(entry: JSON) -> bool:
    """Whether the entry's box says all of its shape: a face is the ellipse in it, every other region has its mask."""
    return "box" in entry and entry.get("region", "face") == "face"


MOST_PTS = 1 << 53
"""Up to here a number of JSON is a whole one."""
MOST_PX = 1_000_000
"""Far beyond any picture, and near enough for whole numbers of 32 bits."""


class FaceTrack(BaseModel):
    """One track of a face_tracks artifact."""

    track_id: int
    region: str = "face"
    boxes: list[Annotated[list[FiniteFloat], Field(min_length=5, max_length=7)]]
    """Rows of pts, x, y, w, h in decoded pixels, and, for people to read, confidence and whether it was detected."""

    @field_validator("boxes")
    @classmethod
    def _bounded(cls, rows: list[list[float]]) -> list[list[float]]:
        if any(abs(row[0]) > MOST_PTS for row in rows):
            raise ValueError(f"a row begins with its pts, which lies within -{MOST_PTS}..{MOST_PTS}")
        if any(abs(value) > MOST_PX for row in rows for value in row[1:5]):
            raise ValueError(f"a box lies within -{MOST_PX}..{MOST_PX} pixels")
        return rows


class FaceTracks(BaseModel):
    """What a face_tracks artifact holds, as far as others read it: a caller may have edited it."""

    width: int | None = None
    height: int | None = None
    time_base: tuple[PositiveInt, PositiveInt]
    """Numerator and denominator, in seconds, of the unit of pts."""
    start: int = Field(0, ge=-MOST_PTS, le=MOST_PTS)
    """pts of the container's start, from which every time_ms is counted."""
    tracks: list[FaceTrack]


def said(error: ValidationError) -> str:
    """What is wrong first, and where."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"


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
    "MARKED",
    "NO_STUB_ENVS",
    "REGIONS",
    "FaceTracks",
    "Mode",
    "RegionSummary",
    "RegionsRequest",
    "Row",
    "StoredRegions",
    "TracksRequest",
    "boxless_masks",
    "is_ellipse",
    "said",
]
