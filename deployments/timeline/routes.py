"""Sequences over HTTP."""

from __future__ import annotations

import re

from artifacts.documents import Document
from deployments.answers import Filters, Project, Sequence
from deployments.body import SCOPE_HEADERS, read_json
from deployments.errors import InvalidRequest, PreconditionFailed, PreconditionRequired
from deployments.route import Call, Reply, Route
from deployments.timeline import edits, projects, sequences
from deployments.timeline.models import (
    AutomationRequest,
    ClipRequest,
    FiltersRequest,
    MoveRequest,
    ProjectRequest,
    SequenceRequest,
    SplitRequest,
    Track,
    TrackRequest,
    Transition,
    TransitionRequest,
    TrimRequest,
)

LONGEST_KEY = 255
ETAG = re.compile(r'"(\d{1,15})"')


async def get_sequence(call: Call) -> Reply:
    """`GET /video/sequences/{id}`; the ETag is the version."""
    document = sequences.get(call.registry, call.context.scope, call.params["id"])
    if call.request.headers.get("if-none-match") in (_etag(document), "*"):
        return Reply(b"", 304, headers={"ETag": _etag(document)})
    return _sequence(document)


async def create_sequence(call: Call) -> Reply:
    """`POST /video/sequences`; with an Idempotency-Key a second POST answers the first one's sequence."""
    request = SequenceRequest.model_validate(await read_json(call))
    id = sequences.new_id(call.context.scope, _key(call))
    return _sequence(sequences.create(call.registry, call.context.scope, id, request), 201)


async def create_project(call: Call) -> Reply:
    """`POST /video/projects`; with an Idempotency-Key a second POST answers the first one's project."""
    request = ProjectRequest.model_validate(await read_json(call))
    document = projects.create(call.registry, call.context.scope, request, _key(call))
    return Reply(projects.shown(document), 201, headers={"ETag": _etag(document)})


async def get_project(call: Call) -> Reply:
    """`GET /video/projects/{id}`; the ETag is the version."""
    document = projects.get(call.registry, call.context.scope, call.params["id"])
    return Reply(projects.shown(document), headers={"ETag": _etag(document)})


async def add_track(call: Call) -> Reply:
    """`POST /video/sequences/{id}/tracks`"""
    request = TrackRequest.model_validate(await read_json(call))
    track = Track(kind=request.kind, clips=request.clips)
    return _edited(call, call.params["id"], sequences.track_added(call.registry, call.context.scope, track))


async def add_clip(call: Call) -> Reply:
    """`POST /video/tracks/{id}/clips`"""
    clip = ClipRequest.model_validate(await read_json(call))
    change = edits.add_clip(call.registry, call.context.scope, call.params["id"], clip)
    return _edited(call, sequences.sequence_of(call.params["id"]), change)


async def patch_clip(call: Call) -> Reply:
    """`PATCH /video/clips/{id}`: fields of a clip; null gives a field its default back."""
    body = await read_json(call)
    fields = {key: value for key, value in body.items() if key not in SCOPE_HEADERS}
    if "id" in fields:
        raise InvalidRequest("a clip keeps its id", field="id")
    change = edits.patch_clip(call.registry, call.context.scope, call.params["id"], fields)
    return _edited(call, sequences.sequence_of(call.params["id"]), change)


async def delete_clip(call: Call) -> Reply:
    """`DELETE /video/clips/{id}`"""
    return _edited(call, sequences.sequence_of(call.params["id"]), edits.delete_clip(call.params["id"]))


async def trim_clip(call: Call) -> Reply:
    """`POST /video/clips/{id}/trim`"""
    request = TrimRequest.model_validate(await read_json(call))
    change = edits.trim(call.registry, call.context.scope, call.params["id"], request)
    return _edited(call, sequences.sequence_of(call.params["id"]), change)


async def split_clip(call: Call) -> Reply:
    """`POST /video/clips/{id}/split`"""
    request = SplitRequest.model_validate(await read_json(call))
    return _edited(call, sequences.sequence_of(call.params["id"]), edits.split(call.params["id"], request))


async def move_clip(call: Call) -> Reply:
    """`POST /video/clips/{id}/move`"""
    request = MoveRequest.model_validate(await read_json(call))
    change = edits.move(call.registry, call.context.scope, call.params["id"], request)
    return _edited(call, sequences.sequence_of(call.params["id"]), change)


async def add_transition(call: Call) -> Reply:
    """`POST /video/sequences/{id}/transitions`"""
    request = TransitionRequest.model_validate(await read_json(call))
    named = Transition.model_validate({key: getattr(request, key) for key in Transition.model_fields})
    return _edited(call, call.params["id"], edits.add_transition(named))


async def get_filters(call: Call) -> Reply:
    """`GET /video/filter-stacks/{target_type}/{target_id}`: `{filters}`, with the sequence's ETag."""
    kind, id = call.params["target_type"], call.params["target_id"]
    document = sequences.get(call.registry, call.context.scope, _holder(kind, id))
    found = edits.target(document.body, kind, id)
    return Reply({"filters": found.get("filters", [])}, headers={"ETag": _etag(document)})


async def put_filters(call: Call) -> Reply:
    """`PUT /video/filter-stacks/{target_type}/{target_id}`"""
    kind, id = call.params["target_type"], call.params["target_id"]
    request = FiltersRequest.model_validate(await read_json(call))
    change = edits.put_filters(call.registry, call.context.scope, kind, id, request.filters)
    return _edited(call, _holder(kind, id), change)


async def put_automation(call: Call) -> Reply:
    """`POST /video/automation`: the keyframes of one property of a clip, a track or a sequence."""
    request = AutomationRequest.model_validate(await read_json(call))
    kind = request.target_id.partition("_")[0]
    return _edited(call, _holder(kind, request.target_id), edits.put_automation(request))


def _holder(kind: str, id: str) -> str:
    """The sequence that something with a filter stack belongs to."""
    return id if kind == "sequence" else sequences.sequence_of(id)


def _edited(call: Call, id: str, change: edits.Change) -> Reply:
    """The whole sequence under its new ETag. If-Match is honoured, and required where the method is not POST."""
    given = call.request.headers.get("if-match")
    post = call.request.method == "POST"
    if given is None and not post:
        sequences.get(call.registry, call.context.scope, id)  # what is absent is 404 whatever else is wrong
        raise PreconditionRequired(
            f"{call.request.method} needs If-Match with the sequence's ETag, which GET /video/sequences/{{id}} gives"
        )
    key = _key(call)
    said = None if key is None or not post else f"{call.request.url.path} {key}"
    return _sequence(edits.edit(call.registry, call.context.scope, id, change, _expected(given), said))


def _key(call: Call) -> str | None:
    """The Idempotency-Key."""
    key: str | None = call.request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= LONGEST_KEY:
        raise InvalidRequest(f"an Idempotency-Key has 1 to {LONGEST_KEY} characters")
    return key


def _sequence(document: Document, status: int = 200) -> Reply:
    return Reply(sequences.shown(document), status, headers={"ETag": _etag(document)})


def _etag(document: Document) -> str:
    return f'"{document.version}"'


def _expected(if_match: str | None) -> int | None:
    """The version that If-Match asks for; None for any."""
    if if_match is None or if_match.strip() == "*":
        return None
    match = ETAG.fullmatch(if_match.strip())
    if match is None:
        raise PreconditionFailed('If-Match must be the ETag of the sequence, for example "3"')
    return int(match.group(1))


_ID = {"id": "sequence_aaaaaaaa"}
_CLIP_ID = {"id": "clip_aaaaaaaa"}
_TARGET = {"target_type": "clip", "target_id": "clip_aaaaaaaa"}
_CLIP = {"asset_id": "asset_aaaaaaaa", "in_ms": 500, "out_ms": 2500}
_OVERLAY = {"kind": "overlay", "clips": [{"artifact_id": "image_aaaaaaaa", "position": [16, 16], "scale": 0.25}]}
_DISSOLVE = {
    "kind": "crossfade", "from_clip_id": "clip_aaaaaaaa", "to_clip_id": "clip_bbbbbbbb", "duration_ms": 500
}  # fmt: skip
_BLUR = {"type": "blur", "params": {"radius": 4}, "mask_artifact_id": "mask_aaaaaaaa"}
_FADE = {
    "target_id": "clip_aaaaaaaa",
    "property": "opacity",
    "keyframes": [{"ms": 0, "value": 0, "easing": "linear"}, {"ms": 500, "value": 1}],
}

ROUTES = (
    Route(
        "POST",
        "/video/projects",
        create_project,
        "Make a project",
        body=ProjectRequest,
        example={"name": "A day at the beach"},
        headers=("Idempotency-Key",),
        answer=Project,
        status=201,
    ),
    Route(
        "GET",
        "/video/projects/{id}",
        get_project,
        "A project, its version as ETag",
        params={"id": "project_aaaaaaaa"},
        answer=Project,
    ),
    Route(
        "POST",
        "/video/sequences",
        create_sequence,
        "Make a sequence",
        body=SequenceRequest,
        example={"tracks": [{"kind": "video", "clips": [_CLIP, _CLIP]}]},
        headers=("Idempotency-Key",),
        answer=Sequence,
        status=201,
    ),
    Route(
        "GET",
        "/video/sequences/{id}",
        get_sequence,
        "A sequence, its version as ETag",
        params=_ID,
        headers=("If-None-Match",),
        answer=Sequence,
    ),
    Route(
        "POST",
        "/video/sequences/{id}/tracks",
        add_track,
        "Put a track over the others",
        body=TrackRequest,
        params=_ID,
        example=_OVERLAY,
        headers=("Idempotency-Key",),
        answer=Sequence,
    ),
    Route(
        "POST",
        "/video/sequences/{id}/transitions",
        add_transition,
        "Put a transition between two clips",
        body=TransitionRequest,
        params=_ID,
        example=_DISSOLVE,
        headers=("Idempotency-Key",),
        answer=Sequence,
    ),
    Route(
        "POST",
        "/video/tracks/{id}/clips",
        add_clip,
        "Put a clip on a track",
        body=ClipRequest,
        params={"id": "track_aaaaaaaa"},
        example=_CLIP,
        headers=("Idempotency-Key",),
        answer=Sequence,
    ),
    Route(
        "PATCH",
        "/video/clips/{id}",
        patch_clip,
        "Change fields of a clip",
        body=ClipRequest,
        params=_CLIP_ID,
        example={"opacity": 0.5, "volume_db": -6},
        if_match=True,
        answer=Sequence,
    ),
    Route(
        "DELETE",
        "/video/clips/{id}",
        delete_clip,
        "Take a clip away",
        params=_CLIP_ID,
        if_match=True,
        answer=Sequence,
    ),
    Route(
        "POST",
        "/video/clips/{id}/trim",
        trim_clip,
        "Give a clip new ends",
        body=TrimRequest,
        params=_CLIP_ID,
        example={"in_ms": 600, "out_ms": 2400},
        headers=("Idempotency-Key",),
        answer=Sequence,
    ),
    Route(
        "POST",
        "/video/clips/{id}/split",
        split_clip,
        "Make two clips of one",
        body=SplitRequest,
        params=_CLIP_ID,
        example={"at_ms": 1000},
        headers=("Idempotency-Key",),
        answer=Sequence,
    ),
    Route(
        "POST",
        "/video/clips/{id}/move",
        move_clip,
        "Move a clip in time or to another track",
        body=MoveRequest,
        params=_CLIP_ID,
        example={"track_id": "track_aaaaaaaa", "start_ms_on_timeline": 250},
        headers=("Idempotency-Key",),
        answer=Sequence,
    ),
    Route(
        "GET",
        "/video/filter-stacks/{target_type}/{target_id}",
        get_filters,
        "The filters of a clip, track, sequence",
        params=_TARGET,
        answer=Filters,
    ),
    Route(
        "PUT",
        "/video/filter-stacks/{target_type}/{target_id}",
        put_filters,
        "Set the filters, in order",
        body=FiltersRequest,
        params=_TARGET,
        example={"filters": [_BLUR]},
        if_match=True,
        answer=Sequence,
    ),
    Route(
        "POST",
        "/video/automation",
        put_automation,
        "Set the keyframes of a property",
        body=AutomationRequest,
        example=_FADE,
        headers=("Idempotency-Key",),
        answer=Sequence,
    ),
)

__all__ = ["ROUTES"]
