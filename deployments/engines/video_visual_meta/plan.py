"""POST /video/visual-meta/analyze: which video, and where its subjects come from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from artifacts import Asset, Record, Registry, Scope
from artifacts.errors import NotFound
from configs.models import Models, WeightsMissing
from configs.settings import Settings
from deployments.engines.video_regions.models import DETECTORS, NO_STUB_ENVS, boxless_masks
from deployments.engines.video_visual_meta.models import BACKENDS, VisualMetaRequest
from deployments.errors import BackendUnavailable, InvalidRequest, UnknownBackend
from deployments.operation import JSON, Context, Input, Operation, Plan, Warning

KIND = "visual_meta"
SUMMARY = "video_region_summary"
BACKEND_VERSION = "3"
DETECTOR_SIDE = 640
"""Longest side of what a detector sees, in pixels."""


def plan(request: VisualMetaRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """Subjects come from the asset's latest region summary where there is one, else from faces in the sampled frames.

    Raises NotFound, UnknownBackend, and InvalidRequest for what is no video.
    """
    backend = request.backend or settings.video_visual_meta_backend
    if backend not in BACKENDS:
        known = ", ".join(BACKENDS)
        raise UnknownBackend(f"there is no visual meta backend {backend!r}; there are {known}", field="backend")
    asset = video(registry, context.scope, request.asset_id, "asset_id")
    summary = None if backend == "stub" else _latest(registry, context.scope, asset.id)
    subjects = _subjects(backend, summary, settings)
    return Plan(
        operation="video_visual_meta",
        scope=context.scope,
        kind=KIND,
        parameters={
            "frame_sample_interval_ms": request.frame_sample_interval_ms,
            "detect_shot_boundaries": request.detect_shot_boundaries,
            "subjects": subjects,
        },
        backend=backend,
        backend_version=BACKEND_VERSION,
        inputs=(Input(asset.id, "asset"), *(_parts(registry, context.scope, summary) if summary else ())),
        parent_asset_id=asset.id,
        weights_id=Models(settings).weights_id(subjects["model"]) if subjects["from"] == "detector" else None,
    )


def video(registry: Registry, scope: Scope, id: str, field: str) -> Asset:
    """The asset; NotFound and InvalidRequest name the field."""
    try:
        asset = registry.asset(scope, id)
    except NotFound as error:
        raise NotFound(error.message, field) from None
    if asset.kind != "video":
        raise InvalidRequest(f"{field} is an asset of kind {asset.kind}; give a video", field=field)
    return asset


def _latest(registry: Registry, scope: Scope, asset_id: str) -> Record | None:
    record = registry.latest(scope, asset_id, SUMMARY)
    return record if record and "face" in record.meta["include_regions"] else None


def _subjects(backend: str, summary: Record | None, settings: Settings) -> JSON:
    if backend == "stub":
        return {"from": "nothing", "model": "none"}
    if summary is not None:
        return {"from": "summary", "model": summary.meta["model_used"]}
    detector = settings.video_region_backend
    if detector not in DETECTORS:
        known = ", ".join(DETECTORS)
        raise UnknownBackend(f"VIDEO_REGION_BACKEND names no face detector: {detector!r}; there are {known}")
    if DETECTORS[detector].model == "stub":
        return {"from": "nothing", "model": "none"}
    return {
        "from": "detector",
        "detector": detector,
        "model": DETECTORS[detector].model,
        "min_confidence": settings.video_regions_min_confidence,
        "detector_side": DETECTOR_SIDE,
    }


def _parts(registry: Registry, scope: Scope, summary: Record) -> list[Input]:
    """The summary, and what holds its boxes: the tracks of every frame, or the masks of older entries without one."""
    tracks = summary.meta.get("face_tracks_artifact_id")
    if tracks is not None:
        return [Input(summary.id, "summary"), Input(tracks, "tracks")]
    masks = boxless_masks(json.loads(registry.read(scope, summary)))
    return [Input(summary.id, "summary"), *(Input(id, "region_mask") for id in masks)]


def settle(plan: Plan, weights: Callable[[str], Path], settings: Settings) -> Plan:
    """The plan with the detector that is really here; without one the stub's, which looks for no subjects.

    Raises BackendUnavailable where a stub may not stand in.
    """
    subjects = plan.parameters["subjects"]
    if plan.backend == "stub":
        return _stub(plan, "the stub was asked for: no subjects were looked for", settings)
    if subjects["from"] == "summary":
        return plan
    if subjects["from"] == "nothing":
        return _stub(plan, "the setting VIDEO_REGION_BACKEND is the stub: no subjects were looked for", settings)
    missing = []
    for name in filter(None, (subjects["detector"], DETECTORS[subjects["detector"]].fallback)):
        model = DETECTORS[name].model
        try:
            weights(model)
        except WeightsMissing:
            missing.append(model)
            continue
        there = subjects | {"detector": name, "model": model}
        return replace(
            plan,
            parameters=plan.parameters | {"subjects": there},
            weights_id=Models(settings).weights_id(model),
        )
    return _stub(plan, f"no face detector has weights here ({', '.join(missing)})", settings)


def _stub(plan: Plan, reason: str, settings: Settings) -> Plan:
    if plan.scope.env in NO_STUB_ENVS or not settings.allow_stubs:
        raise BackendUnavailable(
            f"{reason}, and a stub does not stand in here: fetch the weights with `make models`, put them into a "
            "folder of MODELS_PATH, or POST /video/regions first",
            field="backend",
        )
    return replace(
        plan,
        backend="stub",
        weights_id=None,
        parameters=plan.parameters | {"subjects": {"from": "nothing", "model": "none"}},
        warnings=(*plan.warnings, Warning(reason, field="backend", given=plan.backend, used="stub")),
    )


def answer(plan: Plan, record: Record, registry: Registry) -> JSON:
    return {"visual_meta_artifact_id": record.id, "uri": record.uri, "meta": record.meta}


OPERATION = Operation(
    name="video_visual_meta",
    request=VisualMetaRequest,
    plan=plan,
    work="deployments.engines.video_visual_meta.work:analyze",
    deployment="Video",
    answer=answer,
    path="/video/visual-meta/analyze",
    example={"asset_id": "asset_aaaaaaaa", "frame_sample_interval_ms": 500},
    settle="deployments.engines.video_visual_meta.plan:settle",
)

__all__ = ["BACKEND_VERSION", "KIND", "OPERATION", "answer", "plan", "settle", "video"]
