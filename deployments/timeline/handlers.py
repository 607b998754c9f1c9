"""What the routes of sequences do; `routes.py` has their table."""

from __future__ import annotations

import re

from artifacts.documents import Document
from deployments.body import SCOPE_HEADERS, read_as, read_json
from deployments.errors import InvalidRequest, PreconditionFailed, PreconditionRequired
from deployments.route import Call, Reply
from deployments.timeline import edits, projects, sequences
from deployments.timeline.models import Clip, SequenceRequest, Track, Transition
from deployments.timeline.requests import (
    AutomationRequest,
    ClipRequest,
    FiltersRequest,
    MoveRequest,
    ProjectRequest,
    SplitRequest,
    TrackRequest,
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
    request = await read_as(call, SequenceRequest)
    id = sequences.new_id(call.context.scope, _key(call))
    return _sequence(sequences.create(call.registry, call.context.scope, id, request), 201)


async def create_project(call: Call) -> Reply:
    """`POST /video/projects`; with an Idempotency-Key a second POST answers the first one's project."""
    request = await read_as(call, ProjectRequest)
    document = projects.create(call.registry, call.context.scope, request, _key(call))
    return Reply(projects.shown(document), 201, headers={"ETag": _etag(document)})


async def get_project(call: Call) -> Reply:
    """`GET /video/projects/{id}`; the ETag is the version."""
    document = projects.get(call.registry, call.context.scope, call.params["id"])
    return Reply(projects.shown(document), headers={"ETag": _etag(document)})


async def add_track(call: Call) -> Reply:
    """`POST /video/sequences/{id}/tracks`"""
    request = await read_as(call, TrackRequest)
    track = Track(kind=request.kind, clips=request.clips)
    return _edited(call, call.params["id"], sequences.track_added(call.registry, call.context.scope, track))


async def add_clip(call: Call) -> Reply:
    """`POST /video/tracks/{id}/clips`"""
    clip = await read_as(call, ClipRequest)
    change = edits.add_clip(call.registry, call.context.scope, call.params["id"], clip)
    return _edited(call, sequences.sequence_of(call.params["id"]), change)


async def patch_clip(call: Call) -> Reply:
    """`PATCH /video/clips/{id}`: fields of a clip; null gives a field its default back."""
    body = await read_json(call)
    fields = {key: value for key, value in body.items() if key not in SCOPE_HEADERS}
    if "id" in fields:
        raise InvalidRequest("a clip keeps its id", field="id")
    given = {key: value for key, value in fields.items() if value is not None or key not in Clip.model_fields}
    sourced = {} if given.keys() & {"asset_id", "artifact_id"} else {"asset_id": "asset_aaaaaaaa"}
    Clip.model_validate(given | sourced)  # wrong by itself: 400 before the clip is looked up
    change = edits.patch_clip(call.registry, call.context.scope, call.params["id"], fields)
    return _edited(call, sequences.sequence_of(call.params["id"]), change)


async def delete_clip(call: Call) -> Reply:
    """`DELETE /video/clips/{id}`"""
    return _edited(call, sequences.sequence_of(call.params["id"]), edits.delete_clip(call.params["id"]))


async def trim_clip(call: Call) -> Reply:
    """`POST /video/clips/{id}/trim`"""
    request = await read_as(call, TrimRequest)
    change = edits.trim(call.registry, call.context.scope, call.params["id"], request)
    return _edited(call, sequences.sequence_of(call.params["id"]), change)


async def split_clip(call: Call) -> Reply:
    """`POST /video/clips/{id}/split`"""
    request = await read_as(call, SplitRequest)
    return _edited(call, sequences.sequence_of(call.params["id"]), edits.split(call.params["id"], request))


async def move_clip(call: Call) -> Reply:
    """`POST /video/clips/{id}/move`"""
    request = await read_as(call, MoveRequest)
    change = edits.move(call.registry, call.context.scope, call.params["id"], request)
    return _edited(call, sequences.sequence_of(call.params["id"]), change)


async def add_transition(call: Call) -> Reply:
    """`POST /video/sequences/{id}/transitions`"""
    request = await read_as(call, TransitionRequest)
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
    request = await read_as(call, FiltersRequest)
    change = edits.put_filters(call.registry, call.context.scope, kind, id, request.filters)
    return _edited(call, _holder(kind, id), change)


async def put_automation(call: Call) -> Reply:
    """`POST /video/automation`: the keyframes of one property of a clip, a track or a sequence."""
    request = await read_as(call, AutomationRequest)
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


__all__ = [
    "add_clip",
    "add_track",
    "add_transition",
    "create_project",
    "create_sequence",
    "delete_clip",
    "get_filters",
    "get_project",
    "get_sequence",
    "move_clip",
    "patch_clip",
    "put_automation",
    "put_filters",
    "split_clip",
    "trim_clip",
]
