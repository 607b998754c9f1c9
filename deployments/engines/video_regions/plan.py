"""POST /video/regions: which asset, which detector, which parameters."""

from __future__ import annotations

import json
import math

from artifacts import Asset, Record, Registry
from artifacts.errors import NotFound
from configs.settings import Settings
from deployments.engines.video_regions.detectors import FLOOR, row_of, weights_id
from deployments.engines.video_regions.models import DETECTORS, MARKED, REGIONS, RegionsRequest
from deployments.errors import InvalidRequest
from deployments.operation import JSON, Context, Input, Operation, Plan

BACKEND_VERSION = "9"
DETECTOR_SIDE = {"video": 960, "image": 1280}
"""Longest side of what a detector sees, in pixels; smaller pictures are not enlarged."""
SEEN_PX = 16
"""How high a face has to be in what a detector sees: of faces of 11 pixels many are missed, of 16 few."""
LEAST_SIDE, MOST_SIDE, STEP = 320, 1920, 64
"""Bounds of the side that a smallest face asks for, and what it is a multiple of: near wishes are one search."""


def plan(request: RegionsRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """Raises NotFound, UnknownBackend, and InvalidRequest for audio and for regions that are not found here."""
    regions = list(dict.fromkeys(request.include_regions or ("face",)))
    for number, region in enumerate(regions):
        if region not in REGIONS:
            raise InvalidRequest(
                f"the region {region!r} is not found here; there are {', '.join(REGIONS)}",
                field=f"include_regions[{number}]",
            )
    backend = request.backend or settings.video_region_backend
    row = row_of(backend, field="backend")
    for number, region in enumerate(regions):
        if region in MARKED and not row.landmarks:
            able = ", ".join(name for name, other in DETECTORS.items() if other.landmarks)
            raise InvalidRequest(
                f"{region} is drawn from landmarks, which {backend} does not find; name one of {able} as the backend",
                field=f"include_regions[{number}]",
            )
    try:
        asset = registry.asset(context.scope, request.asset_id)
    except NotFound as error:
        raise NotFound(error.message, "asset_id") from None
    if asset.kind not in DETECTOR_SIDE:
        raise InvalidRequest(f"asset_id is an asset of kind {asset.kind}; give a video or an image", field="asset_id")
    least = settings.video_regions_min_confidence if request.min_confidence is None else request.min_confidence
    return Plan(
        operation="video_regions",
        scope=context.scope,
        kind="video_region_summary",
        parameters={
            "include_regions": regions,
            "min_confidence": max(FLOOR, least),
            "frame_sample_interval_ms": request.frame_sample_interval_ms,
            "mode": request.mode if asset.kind == "video" else "every_frame",
            "model": row.model,
            "detector_side": _side(request.min_face_px, asset),
        },
        backend=backend,
        backend_version=BACKEND_VERSION,
        inputs=(Input(asset.id, "asset"),),
        parent_asset_id=asset.id,
        weights_id=weights_id(row.model, settings),
    )


def _side(min_face_px: int | None, asset: Asset) -> int:
    """Longest side of what the detector sees, so that a face of min_face_px source pixels is SEEN_PX high in it."""
    usual = DETECTOR_SIDE[asset.kind]
    if min_face_px is None:
        return usual
    wanted = math.ceil(max(asset.meta["width"], asset.meta["height"]) * SEEN_PX / min_face_px / STEP) * STEP
    return min(max(wanted, LEAST_SIDE), MOST_SIDE)


def answer(plan: Plan, record: Record, registry: Registry) -> JSON:
    """`summary_artifact_id` and the whole `summary`."""
    return {"summary_artifact_id": record.id, "summary": json.loads(registry.read(plan.scope, record))}


OPERATION = Operation(
    name="video_regions",
    request=RegionsRequest,
    plan=plan,
    work="deployments.engines.video_regions.work:find_regions",
    deployment="Video",
    answer=answer,
    path="/video/regions",
    long=True,
    unit="frames",
    example={"asset_id": "asset_aaaaaaaa", "include_regions": ["face"], "frame_sample_interval_ms": 500},
    settle="deployments.engines.video_regions.detectors:settle",
)

__all__ = ["BACKEND_VERSION", "OPERATION", "answer", "plan"]
