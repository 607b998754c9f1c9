"""The jobs that this process runs: each a task that no request owns."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from artifacts import Registry, Scope
from deployments.errors import JobCancelled, as_app_error, envelope
from deployments.jobs import job
from deployments.operation import JSON, Plan, Report


@dataclass(frozen=True, slots=True)
class Result:
    """What a job ends with: the answer for those who wait, the ids for its document."""

    answer: JSON
    artifact_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """A job that a request takes part in."""

    document: JSON
    task: asyncio.Task[Result]


WATCH_S = 0.5
Work = Callable[[Report], Awaitable[Result]]


class Jobs:
    """Starts, awaits and cancels jobs; their documents are the only state that others see."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._tasks: dict[str, asyncio.Task[Result]] = {}
        self._watches: set[asyncio.Task[None]] = set()

    async def join(self, plan: Plan, request_id: str, work: Work) -> Joined:
        """Take part in the plan's job. Where this process does not run it yet, it does from now on: the replica's
        slot and the registry's first-writer rule keep a second dispatcher of the same job harmless."""
        document = await asyncio.to_thread(job.join, self._registry, plan)
        id = document["id"]
        task = self._tasks.get(id)
        if task is None:
            task = asyncio.get_running_loop().create_task(
                self._run(plan.scope, id, request_id, work), context=contextvars.Context()
            )
            self._tasks[id] = task
            task.add_done_callback(lambda done: self._ended(id, done))
            watch = asyncio.create_task(self._watch(plan.scope, id, task), context=contextvars.Context())
            self._watches.add(watch)
            watch.add_done_callback(self._watches.discard)
        return Joined(document, task)

    async def answer(self, joined: Joined) -> JSON:
        """The job's answer, when it comes. Raises what it failed with, JobCancelled where it was cancelled."""
        await asyncio.wait([joined.task])  # unlike awaiting the task, leaves it alone when this waiter goes
        if joined.task.cancelled():
            raise JobCancelled(f"the job {joined.document['id']} was cancelled; send the request again to start anew")
        return joined.task.result().answer

    async def leave(self, scope: Scope, id: str) -> JSON:
        """Take one waiter away. With the last, the state is `cancelled` at once and the work stops at its next look."""
        document = await asyncio.to_thread(job.leave, self._registry, scope, id)
        task = self._tasks.get(id)
        if task is not None and document["state"] == "cancelled":
            task.cancel()
        return document

    async def _run(self, scope: Scope, id: str, request_id: str, work: Work) -> Result:
        try:
            result = await work(Report(id))
        except Exception as error:
            failed = envelope(as_app_error(error), request_id)["error"]
            await self._end(scope, id, state="failed", error=failed)
            raise
        await self._end(scope, id, state="succeeded", progress=1.0, artifact_ids=list(result.artifact_ids))
        return result

    async def _watch(self, scope: Scope, id: str, task: asyncio.Task[Result]) -> None:
        """Cancel the task when another process took the last waiter away."""
        while not task.done():
            await asyncio.wait([task], timeout=WATCH_S)
            document = await asyncio.to_thread(job.get, self._registry, scope, id)
            if document["state"] == "cancelled":
                task.cancel()

    async def _end(self, scope: Scope, id: str, **fields: Any) -> None:
        await asyncio.to_thread(lambda: job.change(self._registry, scope, id, eta_s=None, **fields))

    def _ended(self, id: str, task: asyncio.Task[Result]) -> None:
        if self._tasks.get(id) is task:
            del self._tasks[id]
        if not task.cancelled():
            task.exception()  # seen, though nobody may wait


__all__ = ["Jobs", "Joined", "Result"]
