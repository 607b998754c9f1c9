"""Inputs that kill their workers: refused for an hour, so that they cannot take the same worker down again and again.

A replica does several things at once, so its death alone accuses nobody. A plan that lost its worker is repeated as a
suspect: the replica does it with no other work beside it, and notes that it began. A suspect that dies begun is guilty.
"""

from __future__ import annotations

import time

from artifacts import Registry
from artifacts.canonical import make_id
from deployments.errors import InputCrashedWorker
from deployments.operation import JSON, Plan

TYPE = "crashes"
REMEMBERED_S = 3600.0


def _id(plan: Plan) -> str:
    return make_id("crash", plan.cache_key)


def note(registry: Registry, plan: Plan, **fields: float | bool) -> None:
    """Remember `began` or `crashed_at` about a suspect."""

    def write(body: JSON | None) -> JSON:
        return (body or {"began": False, "crashed_at": 0.0}) | fields

    registry.documents.update(plan.scope, TYPE, _id(plan), write)


def convict(registry: Registry, plan: Plan) -> None:
    """After a suspect lost its worker too: InputCrashedWorker, now and for an hour, if it was being worked on."""
    document = registry.documents.get(plan.scope, TYPE, _id(plan))
    if document is None or not document.body["began"]:
        return
    note(registry, plan, began=False, crashed_at=time.time())
    refuse(registry, plan)


def refuse(registry: Registry, plan: Plan) -> None:
    """InputCrashedWorker where this very work killed its worker twice within the last hour."""
    document = registry.documents.get(plan.scope, TYPE, _id(plan))
    if document is None or document.body["crashed_at"] + REMEMBERED_S < time.time():
        return
    raise InputCrashedWorker(
        "the worker died twice while working on exactly this request; it is refused for an hour after that. "
        "Look at its inputs, or change its parameters"
    )


__all__ = ["REMEMBERED_S", "convict", "note", "refuse"]
