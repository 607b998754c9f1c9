"""What handlers give back, and what they raise, as HTTP answers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from starlette.responses import JSONResponse, Response, StreamingResponse

from deployments import metrics
from deployments.errors import Internal, as_app_error, envelope
from deployments.gateway.exchange import Exchange
from deployments.route import STORED, Call, Reply

log = logging.getLogger(__name__)

AT_THE_DOOR = (401, 403, 429)
"""Refusals that are counted: who may not enter, or not now."""


def answered(reply: Reply, seen: Exchange) -> Response:
    """A reply under the request's id. For HEAD a stream is never begun: its length is among the headers."""
    headers = {"X-Request-Id": seen.request_id, **reply.headers}
    if isinstance(reply.body, AsyncIterator):
        if seen.head:
            return Response(b"", reply.status, headers, reply.media_type)
        return StreamingResponse(reply.body, reply.status, headers, reply.media_type)
    if isinstance(reply.body, bytes):
        return Response(reply.body, reply.status, headers, reply.media_type)
    return JSONResponse(reply.body, reply.status, headers)


def failed(error: BaseException, request_id: str) -> Response:
    """Any exception as its envelope; a fault of ours is logged with its trace, which no client sees."""
    ours = as_app_error(error)
    if isinstance(ours, Internal):
        log.error("request failed", exc_info=error, extra={"about": {"request_id": request_id}})
    if ours.status in AT_THE_DOOR:
        metrics.REFUSED.labels(ours.code).inc()
    return JSONResponse(envelope(ours, request_id), ours.status, {"X-Request-Id": request_id, **ours.headers})


def content(call: Call, id: str) -> Reply:
    """An artifact's bytes, for an operation that answers them."""
    record = call.registry.artifact(call.context.scope, id)
    headers = {"ETag": f'"{record.sha256}"', "X-Artifact-Id": record.id, **STORED}
    return Reply(call.registry.read(call.context.scope, record), media_type=record.media_type, headers=headers)


__all__ = ["answered", "content", "failed"]
