"""The job document: who may change what, and what the caller sees of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from artifacts import Registry, Scope
from artifacts.canonical import digest, make_id
from artifacts.errors import NotFound
from deployments.jobs import marks
from deployments.operation import JSON, Context, Plan, Report

TYPE = "jobs"
ATTEMPTS = "attempts"
OPEN = ("queued", "running")
SHOWN = ("id", "operation", "state", "progress", "artifact_ids", "created_at", "updated_at")
SHOWN_WHERE_KNOWN = ("frames_per_s", "eta_s", "error", "estimate", "actual")
LEASE_S = 10.0
"""A job whose owner has not renewed its lease for so long is anybody's."""
MAX_TAKES = 5
"""How often a job is taken up; one that outlived as many owners is more likely their end than their victim."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a job is to do, and for whom."""

    plan: Plan
    context: Context
    webhook: str | None = None
    """Where its end is told."""
    estimate: JSON | None = None


def identity(plan: Plan) -> str:
    """What makes two requests the same job: the cache key, and the needs that are not among the inputs yet."""
    return digest([plan.cache_key, [[need.role, need.operation, need.request] for need in plan.needs]])


def job_id(plan: Plan, attempt: int) -> str:
    return make_id("job", [plan.scope.tenant, plan.scope.env], plan.operation, identity(plan), attempt)


def join(registry: Registry, order: Order) -> JSON:
    """The open job of the plan, with one waiter more: the present one, or a new attempt after one that has ended."""
    plan = order.plan
    scope, pointer = plan.scope, make_id("attempt", plan.operation, identity(plan))
    present = registry.documents.get(scope, ATTEMPTS, pointer)
    attempt: int = present.body["attempt"] if present else 0
    while True:
        id = job_id(plan, attempt)
        if registry.documents.get(scope, TYPE, id) is None:
            marks.put(registry, id, plan, order.context)  # before the document: an open job is never without its mark

        def enter(body: JSON | None, id: str = id, attempt: int = attempt) -> JSON:
            if body is None:
                return _new(id, order, attempt)
            if body["state"] not in OPEN:
                return body
            return body | {"waiters": body["waiters"] + 1, "webhooks": _with(body["webhooks"], order.webhook)}

        body = registry.documents.update(scope, TYPE, id, enter).body
        if body["state"] in OPEN:
            return body
        attempt += 1

        def advance(body: JSON | None, attempt: int = attempt) -> JSON:
            return {"attempt": max(attempt, body["attempt"] if body else 0)}

        registry.documents.update(scope, ATTEMPTS, pointer, advance)


def present(registry: Registry, plan: Plan) -> JSON | None:
    """The plan's open job, not joined; None where it has none."""
    pointer = make_id("attempt", plan.operation, identity(plan))
    at = registry.documents.get(plan.scope, ATTEMPTS, pointer)
    found = registry.documents.get(plan.scope, TYPE, job_id(plan, at.body["attempt"] if at else 0))
    return found.body if found and found.body["state"] in OPEN else None


def _with(webhooks: list[str], webhook: str | None) -> list[str]:
    return sorted({*webhooks, *([webhook] if webhook else [])})


def _new(id: str, order: Order, attempt: int) -> JSON:
    now = _now()
    return {
        "id": id,
        "operation": order.plan.operation,
        "attempt": attempt,
        "state": "queued",
        "progress": 0.0,
        "frames_per_s": None,
        "eta_s": None,
        "artifact_ids": [],
        "error": None,
        "estimate": order.estimate,
        "actual": None,
        "waiters": 1,
        "webhooks": _with([], order.webhook),
        "owner": None,
        "leased_until": 0.0,
        "takes": 0,
        "created_at": now,
        "updated_at": now,
    }


def get(registry: Registry, scope: Scope, id: str) -> JSON:
    """The job's document; NotFound for an absent, malformed or foreign id."""
    return versioned(registry, scope, id)[1]


def versioned(registry: Registry, scope: Scope, id: str) -> tuple[int, JSON]:
    """The document's version and body; NotFound."""
    document = registry.documents.get(scope, TYPE, id)
    if document is None:
        raise NotFound
    return document.version, document.body


def leased(body: JSON) -> bool:
    """Whether a living process holds the job."""
    until: float = body["leased_until"]
    return body["owner"] is not None and until > time.time()


def take(registry: Registry, scope: Scope, id: str, owner: str) -> JSON:
    """Lease an open job to `owner`, or renew its lease, unless another holds it. The document: see whose it is."""

    def write(body: JSON | None) -> JSON:
        if body is None:
            raise NotFound
        if body["state"] not in OPEN or (leased(body) and body["owner"] != owner):
            return body
        takes = body["takes"] + (body["owner"] != owner)
        return body | {"owner": owner, "leased_until": time.time() + LEASE_S, "takes": takes}

    return registry.documents.update(scope, TYPE, id, write).body


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
    known = {name: body[name] for name in SHOWN_WHERE_KNOWN if body.get(name) is not None}
    return {name: body[name] for name in SHOWN} | known


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


__all__ = [
    "LEASE_S",
    "MAX_TAKES",
    "OPEN",
    "Order",
    "change",
    "get",
    "identity",
    "job_id",
    "join",
    "leased",
    "leave",
    "listed",
    "present",
    "report",
    "shown",
    "take",
    "versioned",
]
