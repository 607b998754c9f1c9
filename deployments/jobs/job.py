"""The job document: who may change what, and what the caller sees of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from artifacts import Registry, Scope
from artifacts.canonical import digest, make_id
from artifacts.errors import NotFound
from deployments.operation import JSON, Plan, Report

TYPE = "jobs"
ATTEMPTS = "attempts"
OPEN = ("queued", "running")
SHOWN = ("id", "operation", "state", "progress", "artifact_ids", "created_at", "updated_at")
SHOWN_WHERE_KNOWN = ("frames_per_s", "eta_s", "error")


def identity(plan: Plan) -> str:
    """What makes two requests the same job: the cache key, and the needs that are not among the inputs yet."""
    return digest([plan.cache_key, [[need.role, need.operation, need.request] for need in plan.needs]])


def job_id(plan: Plan, attempt: int) -> str:
    return make_id("job", [plan.scope.tenant, plan.scope.env], plan.operation, identity(plan), attempt)


def join(registry: Registry, plan: Plan) -> JSON:
    """The open job of the plan, with one waiter more: the present one, or a new attempt after one that has ended."""
    scope, pointer = plan.scope, make_id("attempt", plan.operation, identity(plan))
    present = registry.documents.get(scope, ATTEMPTS, pointer)
    attempt: int = present.body["attempt"] if present else 0
    while True:
        id = job_id(plan, attempt)

        def enter(body: JSON | None, id: str = id, attempt: int = attempt) -> JSON:
            if body is None:
                return _new(id, plan.operation, attempt)
            return body | {"waiters": body["waiters"] + 1} if body["state"] in OPEN else body

        body = registry.documents.update(scope, TYPE, id, enter).body
        if body["state"] in OPEN:
            return body
        attempt += 1

        def advance(body: JSON | None, attempt: int = attempt) -> JSON:
            return {"attempt": max(attempt, body["attempt"] if body else 0)}

        registry.documents.update(scope, ATTEMPTS, pointer, advance)


def _new(id: str, operation: str, attempt: int) -> JSON:
    now = _now()
    return {
        "id": id,
        "operation": operation,
        "attempt": attempt,
        "state": "queued",
        "progress": 0.0,
        "frames_per_s": None,
        "eta_s": None,
        "artifact_ids": [],
        "error": None,
        "waiters": 1,
        "created_at": now,
        "updated_at": now,
    }


def get(registry: Registry, scope: Scope, id: str) -> JSON:
    """The job's document; NotFound for an absent, malformed or foreign id."""
    document = registry.documents.get(scope, TYPE, id)
    if document is None:
        raise NotFound
    return document.body


def change(registry: Registry, scope: Scope, id: str, **fields: Any) -> JSON:
    """Write fields into an open job; one that has ended stays as it ended. The job's document."""

    def write(body: JSON | None) -> JSON:
        if body is None:
            raise NotFound
        return body | fields | {"updated_at": _now()} if body["state"] in OPEN else body

    return registry.documents.update(scope, TYPE, id, write).body


def report(
    registry: Registry, scope: Scope, to: Report, part: float, frames_per_s: float | None, eta_s: float | None
) -> None:
    """Note how far a work has come, `part` of 0..1."""
    progress = round(min(1.0, to.first + to.share * min(1.0, part)), 4)
    change(registry, scope, to.job_id, state="running", progress=progress, frames_per_s=frames_per_s, eta_s=eta_s)


def leave(registry: Registry, scope: Scope, id: str) -> JSON:
    """Take one waiter away; the job is cancelled with its last. The job's document."""

    def go(body: JSON | None) -> JSON:
        if body is None:
            raise NotFound
        if body["state"] not in OPEN:
            return body
        left = body["waiters"] - 1
        ended = {"state": "cancelled", "frames_per_s": None, "eta_s": None} if left <= 0 else {}
        return body | {"waiters": max(0, left), "updated_at": _now()} | ended

    return registry.documents.update(scope, TYPE, id, go).body


def listed(registry: Registry, scope: Scope, limit: int) -> list[JSON]:
    """The jobs of a scope, the last changed first."""
    ids = registry.documents.ids(scope, TYPE)
    found = [document.body for id in ids if (document := registry.documents.get(scope, TYPE, id))]
    return sorted(found, key=lambda body: str(body["updated_at"]), reverse=True)[:limit]


def shown(body: JSON) -> JSON:
    """The job on the wire."""
    known = {name: body[name] for name in SHOWN_WHERE_KNOWN if body[name] is not None}
    return {name: body[name] for name in SHOWN} | known


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


__all__ = ["change", "get", "identity", "job_id", "join", "leave", "listed", "report", "shown"]
