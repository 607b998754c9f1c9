"""POST /video/masks: a mask whose parent is the video, made of a mask, a selection, or a summary's regions."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import ValidationError

from artifacts import Asset, Record, Registry, Scope
from artifacts.canonical import digest
from artifacts.errors import NotFound
from configs.settings import Settings
from deployments.engines.video_mask.models import Regions, VideoMaskRequest
from deployments.engines.video_mask.tracks import boxes_at
from deployments.engines.video_regions.models import FaceTracks, is_ellipse
from deployments.engines.video_regions.models import said as told
from deployments.errors import InvalidRequest, MissingDependency, WrongAsset
from deployments.operation import JSON, Context, Input, Need, Operation, Plan, Warning

KIND = "mask"
SUMMARY = "video_region_summary"
TRACKS = "face_tracks"
BACKEND = "video_mask"
BACKEND_VERSION = "3"


def plan(request: VideoMaskRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """A selection is drawn by POST /image/masks first: what it makes becomes the original.

    Raises NotFound, WrongAsset, and InvalidRequest for a mask of another size without `fit: stretch`.
    """
    scope = context.scope
    asset = _video(registry, scope, request.asset_id)
    width, height = asset.meta["width"], asset.meta["height"]
    inputs, needs, warnings, asked = [Input(asset.id, "asset")], [], [], {}
    fit = "exact"
    if request.mask_artifact_id is not None:
        record = _record(registry, scope, request.mask_artifact_id, "mask_artifact_id")
        fit = _fit(record, width, height, request.fit)
        inputs.append(Input(record.id, "mask"))
    elif request.selection is not None:
        selection = request.selection.model_dump(mode="json", exclude_unset=True)
        needs.append(Need("mask", "image_masks", {"width": width, "height": height, "selection": selection}))
    elif request.regions is not None and request.regions.tracks_artifact_id is not None:
        asked = request.regions.model_dump(mode="json", include={"time_ms", "track_ids"})
        tracks, said = _tracks(registry, scope, asset, request.regions)
        inputs.append(Input(tracks.id, "tracks"))
        warnings += said
    else:
        assert request.regions is not None
        summary = _summary(registry, scope, asset, request.regions)
        asked = request.regions.model_dump(mode="json", exclude={"summary_id", "tracks_artifact_id"})
        if summary is None:
            wanted = {"asset_id": asset.id, "include_regions": request.regions.include_regions}
            needs.append(Need("summary", "video_regions", wanted))
            warnings.append(Warning(f"there was no summary of {asset.id}, so POST /video/regions was done first"))
        else:
            more, said = _parts(registry, scope, summary, request.regions)
            inputs += more
            warnings += said
    parameters: JSON = {"width": width, "height": height, "fit": fit} | ({"regions": asked} if asked else {})
    return Plan(
        operation="video_masks",
        scope=scope,
        kind=KIND,
        parameters=parameters,
        backend=BACKEND,
        backend_version=BACKEND_VERSION,
        inputs=tuple(inputs),
        needs=tuple(needs),
        parent_asset_id=asset.id,
        warnings=tuple(warnings),
    )


def _video(registry: Registry, scope: Scope, id: str) -> Asset:
    try:
        asset = registry.asset(scope, id)
    except NotFound as error:
        raise NotFound(error.message, "asset_id") from None
    if asset.kind != "video":
        raise InvalidRequest(f"asset_id is an asset of kind {asset.kind}; give a video", field="asset_id")
    return asset


def _record(registry: Registry, scope: Scope, id: str, field: str, kind: str = KIND) -> Record:
    try:
        record = registry.artifact(scope, id)
    except NotFound as error:
        raise NotFound(error.message, field) from None
    if record.kind != kind:
        raise InvalidRequest(f"{field} is a {record.kind}; give a {kind}", field=field)
    return record


def _fit(mask: Record, width: int, height: int, fit: str) -> str:
    size = (mask.meta["width"], mask.meta["height"])
    if size == (width, height):
        return "exact"
    if fit != "stretch":
        raise InvalidRequest(
            f"mask_artifact_id is {size[0]}x{size[1]} and the video {width}x{height}; fit: stretch scales it",
            field="mask_artifact_id",
        )
    return fit


def _summary(registry: Registry, scope: Scope, asset: Asset, regions: Regions) -> Record | None:
    if regions.summary_id is None:
        latest = registry.latest(scope, asset.id, SUMMARY)
        there = latest is not None and set(regions.include_regions) <= set(latest.meta["include_regions"])
        return latest if there else None
    record = _record(registry, scope, regions.summary_id, "regions.summary_id", SUMMARY)
    if record.parent_asset_id != asset.id:
        raise WrongAsset(f"regions.summary_id belongs to {record.parent_asset_id}", field="regions.summary_id")
    for number, region in enumerate(regions.include_regions):
        if region not in record.meta["include_regions"]:
            raise InvalidRequest(
                f"regions.summary_id has no {region!r}; it has {', '.join(record.meta['include_regions'])}",
                field=f"regions.include_regions[{number}]",
            )
    return record


def _tracks(registry: Registry, scope: Scope, asset: Asset, regions: Regions) -> tuple[Record, list[Warning]]:
    """The face_tracks, and what the caller should know of it."""
    field = "regions.tracks_artifact_id"
    assert regions.tracks_artifact_id is not None
    assert regions.time_ms is not None
    record = _record(registry, scope, regions.tracks_artifact_id, field, TRACKS)
    if record.parent_asset_id != asset.id:
        raise WrongAsset(f"{field} belongs to {record.parent_asset_id}", field=field)
    try:
        tracks = FaceTracks.model_validate_json(registry.read(scope, record))
    except ValidationError as error:
        raise InvalidRequest(f"{field} cannot be read: {told(error)}", field=field) from None
    if boxes_at(tracks, regions.time_ms, regions.track_ids):
        return record, []
    return record, [Warning(f"no such face is there at {regions.time_ms} ms: the mask is empty", field="regions")]


def _parts(registry: Registry, scope: Scope, summary: Record, regions: Regions) -> tuple[list[Input], list[Warning]]:
    """The summary, those of its masks that were not made beside it, and what the caller should know of it."""
    body = json.loads(registry.read(scope, summary))
    interval = summary.meta["frame_sample_interval_ms"]
    wanted = [entry for entry in body["entries"] if is_wanted(entry, regions.model_dump(), interval)]
    masks = [Input(id, "region_mask") for id in _masks(wanted) if _mask(registry, scope, id).main != summary.id]
    warnings = []
    if not wanted:
        warnings.append(Warning("the summary has no such region: the mask is empty", field="regions"))
    if summary.meta.get("stub"):
        reason = summary.meta.get("stub_reason")
        warnings.append(Warning(f"{summary.id} was made by a stub: {reason}", field="regions.summary_id"))
    return [Input(summary.id, "summary"), *masks], warnings


def _masks(entries: Sequence[JSON]) -> list[str]:
    """The masks that hold the shapes of these entries, each once."""
    drawn = [entry for entry in entries if not is_ellipse(entry)]
    for entry in drawn:
        if "mask_artifact_id" not in entry:
            raise MissingDependency(
                f"the summary has a {entry.get('region', 'face')} at {entry['time_ms']} ms without a mask; make it "
                "again with POST /video/regions",
                field="regions.summary_id",
            )
    return list(dict.fromkeys(entry["mask_artifact_id"] for entry in drawn))


def _mask(registry: Registry, scope: Scope, id: str) -> Record:
    try:
        record = registry.artifact(scope, id)
    except NotFound:
        raise MissingDependency(
            f"the summary's mask {id} is no longer there; make it again with POST /video/regions",
            field="regions.summary_id",
        ) from None
    if record.kind != KIND:
        raise InvalidRequest(f"the summary names {id} as a mask, which is a {record.kind}", field="regions.summary_id")
    return record


def is_wanted(entry: JSON, regions: JSON, interval_ms: int) -> bool:
    """Whether an entry of a summary that was sampled every `interval_ms` is asked for."""
    time_ms, tracks = regions["time_ms"], regions["track_ids"]
    return (
        entry.get("region", "face") in regions["include_regions"]
        and (time_ms is None or entry["time_ms"] == time_ms // interval_ms * interval_ms)
        and (tracks is None or entry.get("track_id") in tracks)
    )


def selection_hash(plan: Plan, sha256: list[str]) -> str:
    """Of what is selected, by content."""
    return digest({"parameters": plan.parameters, "inputs": sha256})


def answer(plan: Plan, record: Record, registry: Registry) -> JSON:
    return shown(record)


def shown(record: Record) -> JSON:
    """The wire's video mask."""
    size = {name: record.meta[name] for name in ("width", "height")}
    return {"artifact_id": record.id, "uri": record.uri, "asset_id": record.parent_asset_id, **size} | {
        "inputs": record.inputs,
        "meta": record.meta,
    }


OPERATION = Operation(
    name="video_masks",
    request=VideoMaskRequest,
    plan=plan,
    work="deployments.engines.video_mask.work:make_mask",
    deployment="Imaging",
    answer=answer,
    path="/video/masks",
    example={
        "asset_id": "asset_aaaaaaaa",
        "selection": {"type": "ellipse", "x": 200, "y": 80, "width": 240, "height": 200, "feather_radius": 8},
    },
)

__all__ = ["KIND", "OPERATION", "answer", "is_wanted", "plan", "selection_hash", "shown"]
