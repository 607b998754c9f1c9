"""The jobs that this process holds: each a task that no request owns, under a lease that another may inherit."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from artifacts import Registry, Scope
from configs.settings import Settings
from deployments.errors import JobCancelled, WorkerLost, as_app_error, envelope, from_wire
from deployments.jobs import board, job, marks
from deployments.jobs.board import Board
from deployments.jobs.job import Order
from deployments.jobs.marks import Mark
from deployments.jobs.webhooks import Webhooks
from deployments.operation import JSON, Context, Plan, Report
from deployments.waiting import following

log = logging.getLogger(__name__)

WATCH_S = 0.5
TEND_S = 2.0
STRAY_S = 60.0
"""After so long a mark without a document is nobody's, and an end that its owner has not told is told by another."""
Finish = Callable[[Plan, Context, Report | None], Awaitable["Result"]]


@dataclass(frozen=True, slots=True)
class Result:
    """What a job ends with: the answer for those who wait, the ids and the bytes made for its document."""

    answer: JSON
    artifact_ids: tuple[str, ...]
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Joined:
    """A job that a request takes part in."""

    document: JSON
    task: asyncio.Task[Result]
    follows: bool = False
    """Whether another request of this process leads."""


class Jobs:
    """Starts, awaits, cancels and takes up jobs; documents and marks are the only state that others see."""

    def __init__(
        self, registry: Registry, settings: Settings, finish: Finish, webhooks: Webhooks | None = None
    ) -> None:
        self.webhooks = webhooks or Webhooks(settings)
        self._registry = registry
        self._finish = finish
        self._owner = secrets.token_hex(8)
        self._board = Board(registry, settings.max_running_jobs, settings.max_queued_jobs)
        self._joining = asyncio.Lock()
        self._tasks: dict[str, asyncio.Task[Result]] = {}
        self._beside: set[asyncio.Task[None]] = set()
        self._strays: dict[str, float] = {}

    async def join(self, order: Order) -> Joined:
        """Take part in the order's job, made if there is none. Raises Busy over the tenant's limit."""
        async with self._joining:  # one after the other, or a burst would pass the limit before it is counted
            if await asyncio.to_thread(job.present, self._registry, order.plan) is None:
                await self._board.admit(order.plan.scope.tenant)
            document = await asyncio.to_thread(job.join, self._registry, order)
            mark = Mark(document["id"], order.plan, order.context)
            self._board.come(mark)
        follows = mark.id in self._tasks
        return Joined(document, self._hold(mark), follows)

    async def answer(self, joined: Joined) -> JSON:
        """The job's answer, when it comes. Raises what it failed with, JobCancelled where it was cancelled."""
        with following() if joined.follows else contextlib.nullcontext():
            await asyncio.wait([joined.task])  # unlike awaiting the task, leaves it alone when this waiter goes
        if joined.task.cancelled():
            raise _cancelled(joined.document["id"])
        return joined.task.result().answer

    async def leave(self, scope: Scope, id: str) -> JSON:
        """Take one waiter away. With the last, the state is `cancelled` at once and the work stops at its next look."""
        document = await asyncio.to_thread(job.leave, self._registry, scope, id)
        if document["state"] == "cancelled":
            task = self._tasks.get(id)
            if task is not None:
                task.cancel()
            elif not job.leased(document):
                self._aside(self._close(scope, id))
        return document

    async def tend(self) -> None:
        """Take up, for ever, what dead processes left."""
        while True:
            try:
                await self.look()
            except Exception:  # a store that fails for a moment must not end the tending
                log.warning("the open jobs could not be looked at", exc_info=True)
            await asyncio.sleep(TEND_S)

    async def look(self) -> None:
        """One round over the open jobs of all tenants: hold what nobody holds, tell the ends that were not told."""
        for mark in await self._board.open():
            if mark.id in self._tasks:
                continue
            found = await asyncio.to_thread(self._registry.documents.get, mark.plan.scope, job.TYPE, mark.id)
            if found is None or found.body["state"] not in job.OPEN:
                since = self._strays.setdefault(mark.id, time.monotonic())
                if time.monotonic() - since >= STRAY_S or (found and not found.body["webhooks"]):
                    await self._close(mark.plan.scope, mark.id)
            elif not job.leased(found.body):
                log.info("a job is taken up", extra={"about": {"job": mark.id, "tenant": mark.plan.scope.tenant}})
                self._hold(mark)

    def _hold(self, mark: Mark) -> asyncio.Task[Result]:
        """The job's task in this process, begun where there is none."""
        task = self._tasks.get(mark.id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._see_through(mark), context=contextvars.Context())
            self._tasks[mark.id] = task
            task.add_done_callback(lambda done: self._ended(mark, done))
        return task

    async def _see_through(self, mark: Mark) -> Result:
        """Run the job when its turn comes, or wait for who runs it, and inherit it if that one dies."""
        while True:
            body = await self._document(mark)
            if body["state"] not in job.OPEN:
                return await self._ended_elsewhere(mark, body)
            if not job.leased(body) and await self._board.may_start(mark):
                body = await asyncio.to_thread(job.take, self._registry, mark.plan.scope, mark.id, self._owner)
                if body["owner"] == self._owner and body["state"] in job.OPEN:
                    return await self._run(mark, body)
            await asyncio.sleep(board.LOOK_S)

    async def _run(self, mark: Mark, body: JSON) -> Result:
        task = asyncio.current_task()
        assert task is not None
        self._aside(self._watch(mark, task))
        began = time.monotonic()
        try:
            if body["takes"] > job.MAX_TAKES:
                raise WorkerLost(f"{job.MAX_TAKES} processes died while they ran this job; it is given up")
            result = await self._finish(mark.plan, mark.context, Report(mark.id))
        except Exception as error:
            failed = envelope(as_app_error(error), mark.context.request_id)["error"]
            await self._end(mark, state="failed", error=failed)
            raise
        actual = {"seconds": round(time.monotonic() - began, 3), "bytes": result.size_bytes}
        await self._end(mark, state="succeeded", progress=1.0, artifact_ids=list(result.artifact_ids), actual=actual)
        return result

    async def _ended_elsewhere(self, mark: Mark, body: JSON) -> Result:
        if body["state"] == "cancelled":
            raise _cancelled(mark.id)
        if body["state"] == "failed":
            raise from_wire(RuntimeError({"error": body["error"]})) or WorkerLost("the job failed elsewhere")
        return await self._finish(mark.plan, mark.context, None)

    async def _watch(self, mark: Mark, task: asyncio.Task[Result]) -> None:
        """Renew the lease; cancel the task when another process took the last waiter away."""
        renewed = time.monotonic()
        while not task.done():
            await asyncio.wait([task], timeout=WATCH_S)
            try:
                if (await self._document(mark))["state"] == "cancelled":
                    task.cancel()
                elif not task.done() and time.monotonic() - renewed > job.LEASE_S / 3:
                    renewed = time.monotonic()
                    await asyncio.to_thread(job.take, self._registry, mark.plan.scope, mark.id, self._owner)
            except Exception:  # the lease has two more chances
                log.warning("the lease of %s could not be renewed", mark.id, exc_info=True)

    async def _document(self, mark: Mark) -> JSON:
        return await asyncio.to_thread(job.get, self._registry, mark.plan.scope, mark.id)

    async def _end(self, mark: Mark, **fields: Any) -> None:
        scope = mark.plan.scope
        await asyncio.to_thread(lambda: job.change(self._registry, scope, mark.id, eta_s=None, **fields))

    async def _close(self, scope: Scope, id: str) -> None:
        """Tell an ended job's end, then remove its mark. An open one stays for who takes it up."""
        found = await asyncio.to_thread(self._registry.documents.get, scope, job.TYPE, id)
        if found and found.body["state"] in job.OPEN:
            return
        if found:
            shown = job.shown(found.body)
            await asyncio.gather(*(self.webhooks.tell(url, shown) for url in found.body["webhooks"]))
        await asyncio.to_thread(marks.drop, self._registry, id)
        self._board.gone(id)
        self._strays.pop(id, None)

    def _ended(self, mark: Mark, task: asyncio.Task[Result]) -> None:
        if self._tasks.get(mark.id) is task:
            del self._tasks[mark.id]
        if not task.cancelled():
            task.exception()  # seen, though nobody may wait
        self._aside(self._close(mark.plan.scope, mark.id))

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Run beside everything, held so that it is not collected."""
        try:
            task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        except RuntimeError:  # the loop has ended with its process; whoever tends finds the mark
            work.close()
            return
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)


def _cancelled(id: str) -> JobCancelled:
    return JobCancelled(f"the job {id} was cancelled; send the request again to start anew")


__all__ = ["Jobs", "Joined", "Result"]
