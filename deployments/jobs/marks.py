"""Marks of open jobs, `system/jobs/{job_id}`: what each is to do, so that any process can take it up.

A mark never changes. It is put before the job's document and removed when the job has ended and its end is told, so
that the prefix holds open jobs and no others.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from artifacts import Registry, Scope, keys
from artifacts.errors import NotFound
from deployments.operation import Context, Input, Need, Plan, Warning


@dataclass(frozen=True, slots=True)
class Mark:
    """What an open job is to do, and for whom."""

    id: str
    plan: Plan
    context: Context


def put(registry: Registry, id: str, plan: Plan, context: Context) -> None:
    """Mark a job that is about to be made."""
    said = {"plan": asdict(plan), "request_id": context.request_id, "user_id": context.user_id}
    registry.store.create(keys.open_job(id), json.dumps(said, separators=(",", ":")).encode())


def get(registry: Registry, id: str) -> Mark | None:
    try:
        said = json.loads(registry.store.get(keys.open_job(id)))
    except NotFound:
        return None
    stored = said["plan"]
    scope = Scope(**stored["scope"])
    rows = {
        "scope": scope,
        "inputs": tuple(Input(**row) for row in stored["inputs"]),
        "needs": tuple(Need(**row) for row in stored["needs"]),
        "warnings": tuple(Warning(**row) for row in stored["warnings"]),
        "before": (),  # a job's plan is of a whole
    }
    return Mark(id, Plan(**stored | rows), Context(scope, said["request_id"], said["user_id"]))


def drop(registry: Registry, id: str) -> None:
    registry.store.delete(keys.open_job(id))


def ids(registry: Registry) -> list[str]:
    """The ids of the open jobs of all tenants, sorted."""
    return sorted(key.removeprefix(keys.OPEN_JOBS) for key in registry.store.keys(keys.OPEN_JOBS))


__all__ = ["Mark", "drop", "get", "ids", "put"]
