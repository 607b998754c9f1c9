"""Sequences over HTTP."""

from __future__ import annotations

import re

from artifacts.documents import Document
from deployments.answers import Sequence
from deployments.body import read_json
from deployments.errors import PreconditionFailed
from deployments.route import Call, Reply, Route
from deployments.timeline import sequences
from deployments.timeline.models import SequenceRequest, TrackRequest

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
    id = sequences.new_id(call.context.scope, call.request.headers.get("idempotency-key"))
    return _sequence(sequences.create(call.registry, call.context.scope, id, request), 201)


async def add_track(call: Call) -> Reply:
    """`POST /video/sequences/{id}/tracks`: the sequence under its new ETag; If-Match is honoured, not required."""
    request = TrackRequest.model_validate(await read_json(call))
    expected = _expected(call.request.headers.get("if-match"))
    return _sequence(sequences.add_track(call.registry, call.context.scope, call.params["id"], request, expected))


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
_CLIP = {"asset_id": "asset_aaaaaaaa", "in_ms": 500, "out_ms": 2500}
_OVERLAY = {"kind": "overlay", "clips": [{"artifact_id": "image_aaaaaaaa", "position": [16, 16], "scale": 0.25}]}

ROUTES = (
    Route(
        "POST",
        "/video/sequences",
        create_sequence,
        "Make a sequence",
        body=SequenceRequest,
        example={"tracks": [{"kind": "video", "clips": [_CLIP]}]},
        answer=Sequence,
        status=201,
    ),
    Route("GET", "/video/sequences/{id}", get_sequence, "A sequence, its version as ETag", params=_ID, answer=Sequence),
    Route(
        "POST",
        "/video/sequences/{id}/tracks",
        add_track,
        "Put a track over the others",
        body=TrackRequest,
        params=_ID,
        example=_OVERLAY,
        answer=Sequence,
    ),
)

__all__ = ["ROUTES"]
