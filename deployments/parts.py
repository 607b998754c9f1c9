"""The parts of a work, made by several replicas at a time before one of them makes the whole of them."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from artifacts import Registry, Scope
from deployments import repetition
from deployments.dispatch import Dispatch, call_again
from deployments.errors import ResidualFaces
from deployments.jobs import job
from deployments.operation import Plan, Report

log = logging.getLogger(__name__)

SHARE = 0.95
"""Of the job's progress, that the parts make up where they are made first."""
LOOK_S = 1.0
"""How often finished parts are counted and told."""


async def prepare(
    registry: Registry,
    dispatch: Dispatch,
    deployment: str,
    plan: Plan,
    request_id: str,
    report: Report | None,
    at_once: int,
) -> Report | None:
    """Has the plan's missing parts made by `at_once` calls at a time, each repeated by itself where its worker dies.

    The report of what is left to do. A part with a face left in it is not kept, and says nothing here: the work of the
    whole meets it again, and reports on all of them. Raises InputCrashedWorker, WorkerLost, and what a part raises.
    """
    missing: list[Plan] = await call_again(dispatch, deployment, "parts", plan)
    if len(missing) < 2:
        return report
    places, tally = asyncio.Semaphore(at_once), Tally(registry, plan.scope, report, len(missing))
    silent = replace(report, share=0.0) if report else None

    async def make(parts: list[Plan]) -> None:
        call = replace(parts[-1], before=tuple(parts[:-1]))
        async with places:
            with tally.under_way(parts), suppress(ResidualFaces):
                await repetition.execute(registry, dispatch, deployment, call, request_id, silent)

    tasks = [asyncio.ensure_future(make(parts)) for parts in shared(missing, at_once)]
    telling = asyncio.ensure_future(tally.tell())
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in (*tasks, telling):
            task.cancel()
        await asyncio.gather(*tasks, telling, return_exceptions=True)
    return report and replace(report, first=report.first + SHARE * report.share, share=(1 - SHARE) * report.share)


def shared(parts: Sequence[Plan], at_once: int) -> Iterator[list[Plan]]:
    """The parts of each call, in order: half of a fair share of those that are left, so that long calls come first,
    which read their inputs once, and short ones last, with which all end at about the same time."""
    first = 0
    while first < len(parts):
        many = math.ceil((len(parts) - first) / (2 * at_once))
        yield list(parts[first : first + many])
        first += many


class Tally:
    """Counts the finished parts as they come into the store, and tells the job."""

    def __init__(self, registry: Registry, scope: Scope, report: Report | None, count: int) -> None:
        self._registry, self._scope, self._report, self._count = registry, scope, report, count
        self._calls: list[deque[Plan]] = []
        self._done = self._frames = 0
        self._began = time.monotonic()

    @contextmanager
    def under_way(self, parts: Sequence[Plan]) -> Iterator[None]:
        """A call that makes these, one after the other; all that it leaves count when it has ended."""
        left = deque(parts)
        self._calls.append(left)
        try:
            yield
        finally:
            self._calls = [other for other in self._calls if other is not left]
            self._done += len(left)

    async def tell(self) -> None:
        """For ever, every LOOK_S."""
        told = 0
        while self._report:
            await asyncio.sleep(LOOK_S)
            try:
                await self._registry.store.aside(self._look)
                if self._done > told:
                    told = self._done
                    await self._registry.store.aside(self._write, self._report)
            except Exception:  # a store that fails for a moment costs a line of progress, not the work
                log.warning("the progress of %s could not be written", self._report.job_id, exc_info=True)

    def _look(self) -> None:
        for left in tuple(self._calls):
            while left:
                plan = left[0]
                record = self._registry.find(plan.scope, plan.kind, plan.cache_key)
                if record is None:
                    break
                left.popleft()
                self._done += 1
                self._frames += record.meta.get("frames", 0)

    def _write(self, report: Report) -> None:
        passed, part = time.monotonic() - self._began, self._done / self._count
        rate = round(self._frames / passed, 1) if self._frames else None
        eta = round(passed * max(0.0, 1 - part) / part, 1)
        job.report(self._registry, self._scope, report, SHARE * part, rate, eta)


__all__ = ["Tally", "prepare", "shared"]
