"""The shapes of POST /video/regions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from deployments.body import Body

Mode = Literal["sampled", "every_frame", "auto"]


class RegionsRequest(Body):
    """Find regions of faces in a video or a picture."""

    asset_id: str
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


__all__ = ["Mode", "RegionsRequest"]
