"""Plans of requests that came before in the same bytes, where a plan follows from the request and its inputs alone.

Reading, checking, normalising and hashing a body takes most of a found artifact's time, and ends in the same plan as
long as what it names stands: bytes behind an id never change, they can only be deleted. So the inputs are looked at
again, and the artifact itself is looked up as ever; nothing of the store is remembered.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from artifacts import Registry, Scope
from artifacts.errors import NotFound
from deployments.operation import Plan

MOST = 256
LONGEST = 8192
"""Bytes of a body whose plan is kept. With MOST it bounds the memory: a parsed body takes some ten times its bytes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """All that such a plan follows from, but its inputs and the settings."""

    operation: str
    scope: Scope
    user_id: str | None
    body: bytes


class Planned:
    """The plans last asked for."""

    def __init__(self) -> None:
        self._plans: OrderedDict[Asked, Plan] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, registry: Registry, asked: Asked) -> Plan | None:
        """The plan, while each of its inputs stands; blocks on the store."""
        plan = self._plans.get(asked)
        if plan is None:
            return None
        try:
            for id in dict.fromkeys([*(item.id for item in plan.inputs), *filter(None, [plan.parent_asset_id])]):
                (registry.asset if id.startswith("asset_") else registry.artifact)(asked.scope, id)
        except NotFound:  # planned anew, which says what is missing where
            with self._lock:
                self._plans.pop(asked, None)
            return None
        self.keep(asked, plan)  # the last one asked for; meanwhile it may have gone
        return plan

    def keep(self, asked: Asked, plan: Plan) -> None:
        if len(asked.body) > LONGEST:
            return
        with self._lock:  # found in threads, kept in the loop
            self._plans[asked] = plan
            self._plans.move_to_end(asked)
            if len(self._plans) > MOST:
                self._plans.popitem(last=False)


__all__ = ["LONGEST", "MOST", "Asked", "Planned"]
