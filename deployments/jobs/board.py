"""The open jobs of all tenants as a process last saw them: who may start, and who may still come."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from artifacts import Registry
from deployments.errors import Busy
from deployments.jobs import job, marks
from deployments.jobs.marks import Mark

LOOK_S = 0.5
"""How long a view is good for. Within it two Gateways may each start a tenant's last job; one process never does."""


@dataclass(slots=True)
class Queue:
    """One tenant's open jobs, where there are more than may be dispatched."""

    free: int
    """How many more may be dispatched."""
    waiting: deque[str] = field(default_factory=deque)
    """The others, the oldest first."""


class Board:
    """Reads the store at most every LOOK_S; a mark is read once, since it never changes."""

    def __init__(self, registry: Registry, running: int, queued: int) -> None:
        self._registry = registry
        self._running, self._queued = running, queued
        self._marks: dict[str, Mark] = {}
        self._queues: dict[str, Queue] = {}
        self._looked = float("-inf")
        self._lock = asyncio.Lock()

    async def admit(self, tenant: str) -> None:
        """Busy where the tenant has as many open jobs as it may have."""
        await self._fresh()
        if len(self._of(tenant)) >= self._running + self._queued:
            raise Busy(
                f"{self._running} jobs of this tenant run and {self._queued} wait (MAX_RUNNING_JOBS, MAX_QUEUED_JOBS); "
                "try again when some have ended",
                limit=self._running + self._queued,
                retry_after_s=1,
            )

    def come(self, mark: Mark) -> None:
        """A job that the view may not have yet."""
        self._marks[mark.id] = mark

    async def may_start(self, mark: Mark) -> bool:
        """Whether it is the job's turn among its tenant's. A yes counts as started."""
        await self._fresh()
        tenant = mark.plan.scope.tenant
        mine = self._of(tenant)
        if len(mine) <= self._running:
            return True
        if tenant not in self._queues:
            self._queues[tenant] = await asyncio.to_thread(self._queue, mine)
        queue = self._queues[tenant]
        if mark.id not in itertools.islice(queue.waiting, max(0, queue.free)):
            return False
        queue.waiting.remove(mark.id)
        queue.free -= 1
        return True

    async def open(self) -> list[Mark]:
        """The open jobs, round-robin by tenant."""
        await self._fresh()
        return list(in_turn(self._marks.values()))

    def gone(self, id: str) -> None:
        """The job has ended."""
        self._marks.pop(id, None)

    def _of(self, tenant: str) -> list[Mark]:
        return [mark for mark in self._marks.values() if mark.plan.scope.tenant == tenant]

    async def _fresh(self) -> None:
        async with self._lock:
            if time.monotonic() - self._looked < LOOK_S:
                return
            found = await asyncio.to_thread(self._read)
            self._marks = {mark.id: mark for mark in found}
            self._queues.clear()
            self._looked = time.monotonic()

    def _read(self) -> list[Mark]:
        known = self._marks
        found = [known.get(id) or marks.get(self._registry, id) for id in marks.ids(self._registry)]
        return [mark for mark in found if mark]

    def _queue(self, mine: list[Mark]) -> Queue:
        documents = [self._registry.documents.get(mark.plan.scope, job.TYPE, mark.id) for mark in mine]
        bodies = [item.body for item in documents if item and item.body["state"] in job.OPEN]
        held = [body for body in bodies if job.leased(body)]
        waiting = sorted((body for body in bodies if not job.leased(body)), key=lambda body: str(body["created_at"]))
        return Queue(self._running - len(held), deque(body["id"] for body in waiting))


def in_turn(found: Iterable[Mark]) -> Iterator[Mark]:
    """One of each tenant, then the second of each, and so on."""
    by_tenant: dict[str, list[Mark]] = defaultdict(list)
    for mark in found:
        by_tenant[mark.plan.scope.tenant].append(mark)
    for row in itertools.zip_longest(*by_tenant.values()):
        yield from (mark for mark in row if mark)


__all__ = ["LOOK_S", "Board", "in_turn"]
