"""Plans of requests that came before in the same bytes, where a plan follows from the request and its inputs alone.

Reading, checking, normalising and hashing a body takes most of a found artifact's time, and ends in the same plan as
long as what it names stands: bytes behind an id never change, they can only be deleted. So the inputs are looked at
again, and the artifact's record is read as ever; that nothing of it has changed is seen by its bytes, and only then is
the answer that was made of them given once more.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass

from artifacts import Record, Registry, Scope
from artifacts.errors import NotFound
from deployments.operation import JSON, Plan

MOST = 256
LONGEST = 8192
"""Bytes of a body whose plan is kept, and of an answer that is. With MOST it bounds the memory: a parsed body takes
some ten times its bytes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """All that such a plan follows from, but its inputs and the settings."""

    operation: str
    scope: Scope
    user_id: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, and what it was made of beside the plan."""

    stored: bytes
    """The record as it lay in the store."""
    record: Record
    reply: bytes
    """The answer as JSON."""


@dataclass(slots=True)
class Kept:
    """What is known about a body."""

    plan: Plan
    told: Told | None = None


class Planned:
    """The plans last asked for."""

    def __init__(self) -> None:
        self._plans: OrderedDict[Asked, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, registry: Registry, asked: Asked) -> Plan | None:
        """The plan, while each of its inputs stands; blocks on the store."""
        kept = self._plans.get(asked)
        if kept is None:
            return None
        plan = kept.plan
        try:
            for id in dict.fromkeys([*(item.id for item in plan.inputs), *filter(None, [plan.parent_asset_id])]):
                (registry.asset if id.startswith("asset_") else registry.artifact)(asked.scope, id)
        except NotFound:  # planned anew, which says what is missing where
            with self._lock:
                self._plans.pop(asked, None)
            return None
        with self._lock:
            try:
                self._plans.move_to_end(asked)  # the last one asked for
                return plan
            except KeyError:  # meanwhile it went
                pass
        self._put(asked, kept)
        return plan

    def keep(self, asked: Asked, plan: Plan) -> None:
        kept = self._plans.get(asked)
        self._put(asked, kept if kept and kept.plan is plan else Kept(plan))

    def told(self, asked: Asked, plan: Plan, stored: bytes) -> Told | None:
        """What was told of this plan and a record of these bytes."""
        kept = self._plans.get(asked)
        told = kept.told if kept and kept.plan is plan else None
        return told if told and told.stored == stored else None

    def tell(self, asked: Asked, plan: Plan, told: Told) -> None:
        kept = self._plans.get(asked)
        if kept and kept.plan is plan and len(told.reply) <= LONGEST:
            kept.told = told

    def _put(self, asked: Asked, kept: Kept) -> None:
        if len(asked.body) > LONGEST:
            return
        with self._lock:  # found in threads, kept in the loop
            self._plans[asked] = kept
            self._plans.move_to_end(asked)
            if len(self._plans) > MOST:
                self._plans.popitem(last=False)


def written(answer: JSON) -> bytes:
    """As Starlette's JSONResponse writes it."""
    return json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


__all__ = ["LONGEST", "MOST", "Asked", "Planned", "Told", "written"]
