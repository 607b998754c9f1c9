"""Inputs that kill their workers: refused for an hour, so that they cannot take the same worker down again and again.

A replica does several things at once, so its death alone accuses nobody. A plan that lost its worker is repeated as a
suspect: the replica does it with no other work beside it, and notes that it began. A suspect that dies begun is guilty.
"""

from __future__ import annotations

import time

from artifacts import Registry, Scope
from artifacts.canonical import make_id
from deployments.errors import InputCrashedWorker
from deployments.operation import JSON

TYPE = "crashes"
REMEMBERED_S = 3600.0


def _id(cache_key: str, part: str = "") -> str:
    return make_id("crash", cache_key, part) if part else make_id("crash", cache_key)


def note(registry: Registry, scope: Scope, cache_key: str, part: str = "", **fields: float | bool) -> None:
    """Remember `began` or `crashed_at` about a suspect. `part`: what of its work is suspected, where not all of it."""

    def write(body: JSON | None) -> JSON:
        return (body or {"began": False, "crashed_at": 0.0}) | fields

    registry.documents.update(scope, TYPE, _id(cache_key, part), write)


def convict(registry: Registry, scope: Scope, cache_key: str, part: str = "") -> None:
    """After a suspect lost its worker too: InputCrashedWorker, now and for an hour, if it was being worked on."""
    document = registry.documents.get(scope, TYPE, _id(cache_key, part))
    if document is None or not document.body["began"]:
        return
    note(registry, scope, cache_key, part, began=False)
    note(registry, scope, cache_key, crashed_at=time.time())
    refuse(registry, scope, cache_key)


def refuse(registry: Registry, scope: Scope, cache_key: str) -> None:
    """InputCrashedWorker where this very work killed its worker twice within the last hour."""
    document = registry.documents.get(scope, TYPE, _id(cache_key))
    if document is None or document.body["crashed_at"] + REMEMBERED_S < time.time():
        return
    raise InputCrashedWorker(
        "the worker died twice while working on exactly this request; it is refused for an hour after that. "
        "Look at its inputs, or change its parameters"
    )


__all__ = ["REMEMBERED_S", "convict", "note", "refuse"]
