"""Jobs over HTTP: `Prefer: respond-async`, GET and DELETE /jobs/{id}, and a job's events."""

from __future__ import annotations

import asyncio
from typing import Literal

from pydantic import Field

from deployments.answer import JSON, Answer, Cost
from deployments.body import as_json, read_bytes
from deployments.errors import InvalidRequest
from deployments.gateway.leaving import unless_left
from deployments.jobs import job
from deployments.jobs.events import last_seen, stream
from deployments.jobs.runs import Joined
from deployments.jobs.webhooks import HEADER as WEBHOOK
from deployments.operation import Operation, Plan
from deployments.planned import Asked
from deployments.route import Call, Reply, Route

DEFAULT_LISTED, MOST_LISTED = 20, 100


class Job(Answer):
    """A job document."""

    id: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    progress: float = Field(ge=0, le=1)
    frames_per_s: float | None = None
    eta_s: float | None = None
    artifact_ids: list[str]
    error: JSON | None = None
    estimate: Cost | None = Field(None, description="From jobs like it in this scope, where there were some.")
    actual: Cost | None = Field(None, description="Once it has succeeded.")
    created_at: str
    updated_at: str


class Jobs(Answer):
    """The jobs of a scope."""

    jobs: list[Job]


async def respond(call: Call, operation: Operation) -> Reply:
    """Run an operation: its answer, or 202 and its job where the caller prefers not to wait for a long one."""
    sent = await read_bytes(call)
    webhook = call.request.headers.get(WEBHOOK)
    if not (operation.long and prefers_async(call.request.headers.get("prefer", ""))):
        if webhook:
            as_json(call, sent)
            raise InvalidRequest(f"{WEBHOOK} goes with Prefer: respond-async on a long request", field=WEBHOOK)
        asked = _asked(call, operation, sent)
        known = await call.runner.repeated(asked)
        return Reply(known if isinstance(known, bytes) else await _run(call, asked, known))
    body = as_json(call, sent)
    begun = await call.runner.begin(operation.name, body, call.context, webhook)
    applied = {"Preference-Applied": "respond-async"}
    if not isinstance(begun, Joined):
        return Reply(begun, headers=applied)
    shown = job.shown(begun.document)
    return Reply(shown, 202, headers=applied | {"Location": f"/jobs/{shown['id']}"})


async def run(call: Call, operation: Operation, sent: bytes) -> JSON:
    """The operation's answer to a body."""
    asked = _asked(call, operation, sent)
    return await _run(call, asked, await call.runner.again(asked))


def _asked(call: Call, operation: Operation, sent: bytes) -> Asked:
    return Asked(operation.name, call.context.scope, call.context.user_id, sent)


async def _run(call: Call, asked: Asked, plan: Plan | None) -> JSON:
    work = call.runner.run(asked.operation, plan or as_json(call, asked.body), call.context, asked)
    if call.runner.operations[asked.operation].repeats:  # nobody else does: gateway/leaving.py
        return await unless_left(call.request.receive, work)
    return await work


def prefers_async(header: str) -> bool:
    """Whether a Prefer header (RFC 7240) names respond-async."""
    return any(part.partition(";")[0].strip().lower() == "respond-async" for part in header.split(","))


async def get_job(call: Call) -> Reply:
    """`GET /jobs/{id}`"""
    body = await asyncio.to_thread(job.get, call.registry, call.context.scope, call.params["id"])
    return Reply(job.shown(body), headers={"Cache-Control": "no-store"})


async def list_jobs(call: Call) -> Reply:
    """`GET /jobs?limit=`: the last changed first."""
    said = call.request.query_params.get("limit", str(DEFAULT_LISTED))
    if not (said.isascii() and said.isdigit() and len(said) <= 3 and 1 <= int(said) <= MOST_LISTED):
        raise InvalidRequest(f"limit must be a number from 1 to {MOST_LISTED}", field="limit")
    found = await asyncio.to_thread(job.listed, call.registry, call.context.scope, int(said))
    return Reply({"jobs": [job.shown(body) for body in found]}, headers={"Cache-Control": "no-store"})


async def leave_job(call: Call) -> Reply:
    """`DELETE /jobs/{id}`: one waiter less; the last one's leaving cancels. A job that has ended stays as it is."""
    return Reply(job.shown(await call.runner.jobs.leave(call.context.scope, call.params["id"])))


async def job_events(call: Call) -> Reply:
    """`GET /jobs/{id}/events`: server-sent events until the job has ended. 204 to who has seen the end already, which
    tells an EventSource not to come again."""
    scope, id = call.context.scope, call.params["id"]
    version, body = await asyncio.to_thread(job.versioned, call.registry, scope, id)
    seen = last_seen(call.request.headers.get("last-event-id", ""))
    if body["state"] not in job.OPEN and seen >= version:
        return Reply(b"", 204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Reply(stream(call.registry, scope, id, seen), media_type="text/event-stream", headers=headers)


_JOB = {"id": "job_aaaaaaaa"}
_LIMIT = {"limit": {"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": DEFAULT_LISTED, "example": 5}}

ROUTES = (
    Route("GET", "/jobs", list_jobs, "The jobs of the scope, the last changed first", query=_LIMIT, answer=Jobs),
    Route("GET", "/jobs/{id}", get_job, "A job: its state, progress, artifacts or error", params=_JOB, answer=Job),
    Route(
        "GET",
        "/jobs/{id}/events",
        job_events,
        "A job's changes as server-sent events, until it has ended",
        params=_JOB,
        produces="text/event-stream",
        headers=("Last-Event-ID",),
    ),
    Route("DELETE", "/jobs/{id}", leave_job, "Wait no longer; the last to leave cancels", params=_JOB, answer=Job),
)

__all__ = ["ROUTES", "prefers_async", "respond", "run"]
