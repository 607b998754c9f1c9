"""POST /video/anonymise/faces: put a face_blur filter on each clip that shows a face. Makes no artifact."""

from __future__ import annotations

import json
from fractions import Fraction

from pydantic import ValidationError

from artifacts import Record, Registry, Scope
from artifacts.errors import NotFound
from configs.settings import Settings
from deployments.engines.video_anonymise.models import AnonymiseRequest
from deployments.engines.video_regions.models import FaceTracks, said
from deployments.errors import InvalidRequest, StubDependency, WrongAsset
from deployments.operation import JSON, Context, Input, Need, Operation, Plan, Warning
from deployments.timeline import sequences

FILTER = "face_blur"
SUMMARY = "video_region_summary"
BACKEND_VERSION = "4"
NEVER = {"start_ms": 7 * 24 * 3600 * 1000 - 1, "end_ms": 7 * 24 * 3600 * 1000}
"""A span that no source reaches."""
STRENGTH = {"strong": 0.8, "medium": 0.5, "light": 0.2}
"""Preset -> the filter_strength that it stands for: each but light is also the least that means it."""


def preset_of(strength: float) -> str:
    return next((preset for preset, least in STRENGTH.items() if strength >= least), "light")


def grade_of(preset: str, style: str) -> str:
    """`irreversible` where what is painted was held or is one color: nothing of the face's detail is in it."""
    return "irreversible" if style == "solid" or preset == "strong" else "reversible"


def plan(request: AnonymiseRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """Which summaries the clips' faces come from; assets without one need POST /video/regions first."""
    scope = context.scope
    sequence_id, body = _sequence(request, scope, registry)
    assets = _videos(body, scope, registry)
    given = _given(request, scope, registry, assets)
    edited = _edited(request, scope, registry, assets)
    inputs: list[Input] = []
    needs: list[Need] = []
    warnings: list[Warning] = _stills(body, scope, registry)
    if request.tracks is not None and request.summary_id is None and len(assets) > 1:
        raise InvalidRequest(
            f"the sequence shows {len(assets)} videos, and tracks are numbered for each: name the summary_id of one",
            field="summary_id",
        )
    for asset_id in assets:
        found = given if given and given.parent_asset_id == asset_id else _latest(registry, scope, asset_id)
        if found is not None:
            inputs.append(Input(found.id, "summary"))
            if edited is not None and edited.parent_asset_id == asset_id:
                inputs.append(Input(edited.id, "tracks"))
            elif not _has_tracks(registry, scope, found):
                wanted = {"asset_id": asset_id, "summary_id": found.id}
                needs.append(Need("tracks", "video_face_tracks", wanted))
                warnings.append(
                    Warning(f"{found.id} has no tracks: each face is hidden from the sample before to the one after")
                )
            continue
        least = {"min_face_px": request.min_face_px} if request.min_face_px else {}
        needs.append(Need("summary", "video_regions", {"asset_id": asset_id, "include_regions": ["face"]} | least))
        warnings.append(
            Warning(f"there was no summary of the faces of {asset_id}, so POST /video/regions was done first")
        )
    strength = STRENGTH[request.preset or "strong"] if request.filter_strength is None else request.filter_strength
    return Plan(
        operation="video_anonymise",
        scope=scope,
        kind="",
        parameters={
            "sequence_id": sequence_id,
            "asset_id": request.asset_id,
            "preset": request.preset or preset_of(strength),
            "style": request.style,
            "filter_strength": strength,
            "min_face_px": request.min_face_px,
            "tracks": None if request.tracks is None else request.tracks.model_dump(exclude_none=True),
            "spans": None if request.spans is None else [span.model_dump() for span in request.spans],
            "tracks_of": request.summary_id,
            "allow_stub": request.allow_stub,
        },
        backend=FILTER,
        backend_version=BACKEND_VERSION,
        inputs=tuple(inputs),
        needs=tuple(needs),
        parent_asset_id=request.asset_id,
        warnings=tuple(warnings),
    )


def act(plan: Plan, registry: Registry, settings: Settings) -> tuple[JSON, bool]:
    """Set the filters; the answer's own fields, and whether the sequence changed.

    Every clip's face_blur is replaced, never stacked; a clip without faces ends up with none.
    """
    scope, wanted = plan.scope, plan.parameters
    records = [registry.artifact(scope, item.id) for item in plan.inputs if item.role == "summary"]
    for record in records:
        _refuse_stub(record, allowed=wanted["allow_stub"])
    own = {
        record.parent_asset_id: record
        for item in plan.inputs
        if item.role == "tracks"
        for record in (registry.artifact(scope, item.id),)
    }
    faces = {
        record.parent_asset_id: _Faces(registry, scope, record, own.get(record.parent_asset_id)) for record in records
    }
    for record in records:
        if wanted["tracks_of"] in (None, record.id):
            faces[record.parent_asset_id].check(wanted["tracks"])
    clip_ids: list[str] = []

    def change(body: JSON | None) -> JSON:
        if body is None:
            if wanted["asset_id"] is None:
                raise NotFound(field="sequence_id")
            body = sequences.of_asset(registry, scope, wanted["asset_id"])
        clip_ids.clear()
        for track, clip in sequences.clips_of(body):
            found = faces.get(clip.get("asset_id")) if track["kind"] != "audio" else None
            filters = [item for item in clip["filters"] if item["type"] != FILTER]
            if found is not None and found.within(clip["in_ms"], clip.get("out_ms")):
                place = next((n for n, item in enumerate(clip["filters"]) if item["type"] == FILTER), len(filters))
                filters.insert(place, _filter(wanted, found, clip))
                clip_ids.append(clip["id"])
            clip["filters"] = filters
        return body | {"anonymised": [record.id for record in records]}

    before = registry.documents.get(scope, sequences.TYPE, wanted["sequence_id"])
    after = registry.documents.update(scope, sequences.TYPE, wanted["sequence_id"], change)
    answer = {
        "sequence_id": wanted["sequence_id"],
        "clips_modified_count": len(clip_ids),
        "clip_ids": list(clip_ids),
        "summary_ids": [record.id for record in records],
        "grade": grade_of(wanted["preset"], wanted["style"]),
    }
    return answer, before is None or before.version != after.version


class _Faces:
    """When a summary saw faces, or the tracks that stand for its own."""

    def __init__(self, registry: Registry, scope: Scope, record: Record, own: Record | None = None) -> None:
        self.record, self.own = record, own
        summary = json.loads(registry.read(scope, record))
        tracks = (
            (own and _lasting(json.loads(registry.read(scope, own))))
            or summary.get("tracks")
            or [
                # a summary of older times has entries alone: each stands for the time around it
                {"track_id": None, "start_ms": item["time_ms"] - around, "end_ms": item["time_ms"] + around}
                for around in (record.meta["frame_sample_interval_ms"],)
                for item in summary["entries"]
                if item.get("region", "face") == "face"
            ]
        )
        self._ids = {track["track_id"] for track in tracks}
        self._spans = [(track["start_ms"], track["end_ms"]) for track in tracks]

    def check(self, chosen: JSON | None) -> None:
        """InvalidRequest for a track that the summary does not have."""
        for field, ids in (chosen or {}).items():
            for number, id in enumerate(ids):
                if id not in self._ids:
                    known = ", ".join(map(str, sorted(known for known in self._ids if known is not None)))
                    raise InvalidRequest(
                        f"the summary {self.record.id} has no track {id}; it has {known or 'none'}",
                        field=f"tracks.{field}[{number}]",
                    )

    def within(self, start_ms: int, end_ms: int | None) -> bool:
        """Whether a face is seen in this stretch of the asset; a face in a still picture lasts no time."""
        return any(
            (end_ms is None or first < end_ms) and (last > start_ms or first == last >= start_ms)
            for first, last in self._spans
        )


def _lasting(body: JSON) -> list[JSON]:
    """The tracks of a face_tracks with the time that each lasts, in ms of the source."""
    tick, start = 1000 * Fraction(*body["time_base"]), body.get("start", 0)
    return [
        {
            "track_id": track["track_id"],
            "start_ms": round((min(pts) - start) * tick),
            "end_ms": round((max(pts) - start) * tick) + 1,
        }
        for track in body["tracks"]
        if (pts := [row[0] for row in track["boxes"]])
    ]


def _filter(wanted: JSON, found: _Faces, clip: JSON) -> JSON:
    """The clip's filter. It stays on a clip whose faces are all left open: the proof then knows that they may be."""
    summary = found.record
    params = {
        "source_summary_id": summary.id,
        "backend_version": summary.meta["backend_version"],
        "preset": wanted["preset"],
        "style": wanted["style"],
        "filter_strength": wanted["filter_strength"],
        "min_face_px": wanted["min_face_px"],
    }
    if found.own is not None:
        params["tracks_artifact_id"] = found.own.id
    if wanted["tracks"] is not None and wanted["tracks_of"] in (None, summary.id):
        params["tracks"] = wanted["tracks"]
    if wanted["spans"] is not None:
        params["spans"] = [span for given in wanted["spans"] if (span := _in_source(given, clip))] or [NEVER]
    return {"type": FILTER, "params": params, "enabled": True}


def _in_source(span: JSON, clip: JSON) -> JSON | None:
    """A span of the timeline as it falls into a clip, in ms of the clip's source; None: it does not."""
    start, speed, in_ms = clip["start_ms_on_timeline"], clip["speed"], clip["in_ms"]
    first, last = (in_ms + round((span[end] - start) * speed) for end in ("start_ms", "end_ms"))
    first = max(first, in_ms)
    last = last if clip.get("out_ms") is None else min(last, clip["out_ms"])
    return {"start_ms": first, "end_ms": last} if last > first else None


def _sequence(request: AnonymiseRequest, scope: Scope, registry: Registry) -> tuple[str, JSON]:
    """The sequence's id and body; that of an asset is not stored before it is acted on."""
    if request.sequence_id is not None:
        document = registry.documents.get(scope, sequences.TYPE, request.sequence_id)
        if document is None:
            raise NotFound(field="sequence_id")
        return request.sequence_id, document.body
    assert request.asset_id is not None
    try:
        asset = registry.asset(scope, request.asset_id)
    except NotFound as error:
        raise NotFound(error.message, "asset_id") from None
    if asset.kind != "video":
        raise InvalidRequest(f"asset_id is an asset of kind {asset.kind}; give a video", field="asset_id")
    id = sequences.id_of_asset(scope, asset.id)
    stored = registry.documents.get(scope, sequences.TYPE, id)
    return id, stored.body if stored else sequences.of_asset(registry, scope, asset.id)


def _seen(body: JSON) -> list[JSON]:
    """The clips that are shown, not only heard."""
    return [clip for track, clip in sequences.clips_of(body) if track["kind"] != "audio"]


def _videos(body: JSON, scope: Scope, registry: Registry) -> list[str]:
    """The video assets that the sequence shows, each once, in order."""
    shown = [clip.get("asset_id") for clip in _seen(body)]
    return [id for id in dict.fromkeys(shown) if id is not None and registry.asset(scope, id).kind == "video"]


def _stills(body: JSON, scope: Scope, registry: Registry) -> list[Warning]:
    """A warning for each clip whose faces are not looked for."""
    return [
        Warning(f"clip {clip['id']} shows a picture or an artifact: faces in it are not looked for", field="clips")
        for clip in _seen(body)
        if "asset_id" not in clip or registry.asset(scope, clip["asset_id"]).kind != "video"
    ]


def _given(request: AnonymiseRequest, scope: Scope, registry: Registry, assets: list[str]) -> Record | None:
    if request.summary_id is None:
        return None
    try:
        record = registry.artifact(scope, request.summary_id)
    except NotFound as error:
        raise NotFound(error.message, "summary_id") from None
    if record.kind != SUMMARY or "face" not in record.meta.get("include_regions", []):
        raise InvalidRequest("summary_id names no summary of faces; POST /video/regions makes one", field="summary_id")
    if record.parent_asset_id not in assets:
        raise WrongAsset(
            f"summary_id belongs to {record.parent_asset_id}, which is not shown here; POST /video/regions with "
            f"{assets[0] if assets else 'the asset'} makes one that fits",
            field="summary_id",
        )
    _refuse_stub(record, allowed=request.allow_stub)
    return record


def _edited(request: AnonymiseRequest, scope: Scope, registry: Registry, assets: list[str]) -> Record | None:
    """The tracks that the caller gives instead of a summary's own."""
    if request.tracks_artifact_id is None:
        return None
    field = "tracks_artifact_id"
    try:
        record = registry.artifact(scope, request.tracks_artifact_id)
    except NotFound as error:
        raise NotFound(error.message, field) from None
    if record.kind != "face_tracks":
        raise InvalidRequest(f"{field} is a {record.kind}; give a face_tracks", field=field)
    if record.parent_asset_id not in assets:
        raise WrongAsset(f"{field} belongs to {record.parent_asset_id}, which is not shown here", field=field)
    try:
        FaceTracks.model_validate_json(registry.read(scope, record))
    except ValidationError as error:
        raise InvalidRequest(f"{field} cannot be read: {said(error)}", field=field) from None
    if _latest(registry, scope, record.parent_asset_id) is None and request.summary_id is None:
        raise InvalidRequest(
            f"{record.parent_asset_id} has no summary of faces for {field} to stand in for; POST /video/regions first",
            field=field,
        )
    return record


def _has_tracks(registry: Registry, scope: Scope, summary: Record) -> bool:
    """Whether a summary has a box for each frame; those of older times have masks alone."""
    if "face_tracks_artifact_id" in summary.meta:
        return True
    return "face_tracks_artifact_id" in json.loads(registry.read(scope, summary)).get("meta", {})


def _latest(registry: Registry, scope: Scope, asset_id: str) -> Record | None:
    record = registry.latest(scope, asset_id, SUMMARY)
    return record if record and "face" in record.meta["include_regions"] else None


def _refuse_stub(record: Record, *, allowed: bool) -> None:
    if record.meta.get("stub") and not allowed:
        raise StubDependency(
            f"{record.id} was made by a stub ({record.meta.get('stub_reason')}), which looks at no picture: fetch the "
            "weights with `make models`, POST /video/regions again, or set allow_stub",
            field="summary_id",
        )


OPERATION = Operation(
    name="video_anonymise",
    request=AnonymiseRequest,
    plan=plan,
    act=act,
    path="/video/anonymise/faces",
    long=True,
    example={"asset_id": "asset_aaaaaaaa", "preset": "strong", "style": "blur"},
)

__all__ = ["FILTER", "OPERATION", "act", "grade_of", "plan", "preset_of"]
