"""What hides the faces of one clip: its face_blur filter, the summary and the tracks that it names. Light."""

from __future__ import annotations

import json

from pydantic import ValidationError

from artifacts import Record, Registry, Scope
from artifacts.errors import NotFound
from deployments.engines.video_regions.models import FaceTracks, said
from deployments.engines.video_render.sources import Found, mask_id, need, of_kind
from deployments.errors import InvalidRequest, MissingDependency, WrongAsset
from deployments.operation import JSON, Input
from deployments.timeline.filters import FaceBlur, check_params


def face_blur(
    registry: Registry, scope: Scope, inputs: list[Input], clip: JSON, source: Found, where: str
) -> JSON | None:
    """What is painted over a clip's faces, as a part of the plan; None: nothing.

    Raises InvalidRequest, MissingDependency, WrongAsset, NotFound, naming the field.
    """
    filters = [(n, item) for n, item in enumerate(clip["filters"]) if item.get("enabled", True)]
    for n, item in filters:
        if item["type"] != "face_blur":
            at = f"{where}.filters[{n}]"
            raise InvalidRequest(f"{at}: there is no filter {item['type']!r}; there is face_blur", field=f"{at}.type")
    if len(filters) > 1:
        raise InvalidRequest(f"{where} carries {len(filters)} face_blur filters; keep one", field=f"{where}.filters")
    if not filters:
        return None
    n, item = filters[0]
    at = f"{where}.filters[{n}]"
    if source.kind != "video":
        raise InvalidRequest(f"{at}: faces are hidden in videos, and the clip shows a picture", field=f"{at}.type")
    check_params(item["type"], item["params"], at)
    params = FaceBlur.model_validate(item["params"])
    summary = _summary(registry, scope, params, source, at)
    if params.tracks_artifact_id is None:
        tracks_id = tracks_of(registry, scope, summary)
    else:
        tracks_id = _own_tracks(registry, scope, params.tracks_artifact_id, source, f"{at}.params.tracks_artifact_id")
    return {
        "summary_id": need(inputs, summary.id, "summary"),
        "tracks_id": need(inputs, tracks_id, "tracks"),
        "model": summary.meta["model_used"],
        "preset": params.look,
        "style": params.style,
        "grade": params.grade,
        "min_face_px": params.min_face_px,
        "tracks": None if params.tracks is None else params.tracks.model_dump(),
        "spans": None if params.spans is None else [[span.start_ms, span.end_ms] for span in params.spans],
        "mask_artifact_id": mask_id(registry, scope, inputs, item, source.size, at),
    }


def _summary(registry: Registry, scope: Scope, params: FaceBlur, source: Found, where: str) -> Record:
    field = f"{where}.params.source_summary_id"
    try:
        summary = registry.artifact(scope, params.source_summary_id)
    except NotFound:
        raise MissingDependency(
            f"{field} names no summary of faces, and the clip is not rendered with its faces open; "
            f'make one with POST /video/regions {{"asset_id": "{source.id}"}} and set the filter anew with '
            "POST /video/anonymise/faces",
            field=field,
        ) from None
    if summary.kind != "video_region_summary":
        raise InvalidRequest(f"{field} is a {summary.kind}; give a video_region_summary", field=field)
    if not source.is_asset or summary.parent_asset_id != source.id:
        raise WrongAsset(f"{field} is of asset {summary.parent_asset_id}, and the clip shows {source.id}", field=field)
    return summary


def _own_tracks(registry: Registry, scope: Scope, id: str, source: Found, field: str) -> str:
    """The face_tracks that a filter names instead of its summary's. Raises NotFound, InvalidRequest, WrongAsset."""
    record = of_kind(registry, scope, id, "face_tracks", field)
    if record.parent_asset_id != source.id:
        raise WrongAsset(f"{field} is of asset {record.parent_asset_id}, and the clip shows {source.id}", field=field)
    size = (record.meta["width"], record.meta["height"])
    if size != source.size:
        raise InvalidRequest(
            f"{field} is for {size[0]}x{size[1]} pixels, and the video has {source.size[0]}x{source.size[1]}",
            field=field,
        )
    try:
        FaceTracks.model_validate_json(registry.read(scope, record))
    except ValidationError as error:
        raise InvalidRequest(f"{field} cannot be read: {said(error)}", field=field) from None
    return record.id


def tracks_of(registry: Registry, scope: Scope, summary: Record) -> str:
    """The id of a summary's face_tracks. Raises MissingDependency where it has none."""
    id = summary.meta.get("face_tracks_artifact_id")
    if id is None:
        id = json.loads(registry.read(scope, summary))["meta"].get("face_tracks_artifact_id")
    if id is None:
        raise MissingDependency(
            f"the summary {summary.id} was made without a box for each frame; make it again with POST /video/regions",
        )
    return registry.artifact(scope, id).id


__all__ = ["face_blur", "tracks_of"]
