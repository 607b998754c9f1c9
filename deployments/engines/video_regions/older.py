"""POST /video/regions/tracks: the face_tracks of a summary that was made without them."""

from __future__ import annotations

import json

from artifacts import Record, Registry, Scope
from artifacts.errors import NotFound
from configs.settings import Settings
from deployments.engines.video_regions.models import TracksRequest, boxless_masks
from deployments.errors import InvalidRequest, MissingDependency, WrongAsset
from deployments.operation import JSON, Context, Input, Operation, Plan

SUMMARY = "video_region_summary"
BACKEND_VERSION = "2"


def plan(request: TracksRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """Raises NotFound, WrongAsset, InvalidRequest, and MissingDependency for entries without box and mask."""
    scope = context.scope
    for field, look, id in (
        ("asset_id", registry.asset, request.asset_id),
        ("summary_id", registry.artifact, request.summary_id),
    ):
        try:
            look(scope, id)
        except NotFound as error:
            raise NotFound(error.message, field) from None
    asset, summary = registry.asset(scope, request.asset_id), registry.artifact(scope, request.summary_id)
    if asset.kind != "video":
        raise InvalidRequest(f"asset_id is an asset of kind {asset.kind}; give a video", field="asset_id")
    if summary.kind != SUMMARY:
        raise InvalidRequest(f"summary_id is a {summary.kind}; give a {SUMMARY}", field="summary_id")
    if summary.parent_asset_id != asset.id:
        raise WrongAsset(f"summary_id belongs to {summary.parent_asset_id}", field="summary_id")
    faces = [entry for entry in _faces_of(registry, scope, summary) if "box" not in entry]
    if not all("mask_artifact_id" in entry for entry in faces):
        raise MissingDependency(
            f"entries of {summary.id} have neither a box nor a mask; make it again with POST /video/regions",
            field="summary_id",
        )
    return Plan(
        operation="video_face_tracks",
        scope=scope,
        kind="face_tracks",
        parameters={"width": asset.meta["width"], "height": asset.meta["height"]},
        backend="masks",
        backend_version=BACKEND_VERSION,
        inputs=(
            Input(asset.id, "asset"),
            Input(summary.id, "summary"),
            *(Input(id, "region_mask") for id in boxless_masks({"entries": faces})),
        ),
        parent_asset_id=asset.id,
    )


def _faces_of(registry: Registry, scope: Scope, summary: Record) -> list[JSON]:
    """The entries of faces in a stored summary."""
    body = json.loads(registry.read(scope, summary))
    return [entry for entry in body["entries"] if entry.get("region", "face") == "face"]


def answer(plan: Plan, record: Record, registry: Registry) -> JSON:
    return {
        "artifact_id": record.id,
        "uri": record.uri,
        "tracks_count": record.meta["tracks_count"],
        "meta": record.meta,
    }


OPERATION = Operation(
    name="video_face_tracks",
    request=TracksRequest,
    plan=plan,
    work="deployments.engines.video_regions.from_masks:tracks_of_entries",
    deployment="Video",
    answer=answer,
    path="/video/regions/tracks",
    long=True,
    example={"asset_id": "asset_aaaaaaaa", "summary_id": "regions_aaaaaaaa"},
)

__all__ = ["BACKEND_VERSION", "OPERATION", "answer", "plan"]
