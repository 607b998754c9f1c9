"""The table of operations, and the one runner that does everything else for each of them."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from artifacts import Record, Registry, Scope
from configs.settings import Settings
from deployments import crashes, metrics
from deployments.dispatch import Dispatch, back, is_lost
from deployments.engines.image_core.batch import BATCH
from deployments.engines.image_core.plan import OPERATIONS as IMAGE_CORE
from deployments.engines.image_core.templates import TEMPLATES
from deployments.engines.typography_core.plan import OPERATION as TYPOGRAPHY
from deployments.engines.vector_core.plan import OPERATIONS as VECTOR_CORE
from deployments.engines.video_anonymise.plan import OPERATION as VIDEO_ANONYMISE
from deployments.engines.video_captions.plan import OPERATION as VIDEO_CAPTIONS
from deployments.engines.video_mask.plan import OPERATION as VIDEO_MASKS
from deployments.engines.video_regions.plan import OPERATION as VIDEO_REGIONS
from deployments.engines.video_render.plan import OPERATION as VIDEO_RENDER
from deployments.engines.video_visual_meta.plan import OPERATION as VIDEO_VISUAL_META
from deployments.engines.video_visual_meta.reframe import OPERATION as VIDEO_REFRAME
from deployments.errors import AppError, Busy, InputCrashedWorker, WorkerLost, as_app_error
from deployments.jobs import job, pace
from deployments.jobs.job import Order
from deployments.jobs.runs import Jobs, Joined, Result
from deployments.operation import JSON, Context, Input, Operation, Plan, Report, Warning
from deployments.waiting import following

OPERATIONS: Mapping[str, Operation] = {
    row.name: row
    for row in (
        *IMAGE_CORE,
        BATCH,
        *TEMPLATES,
        TYPOGRAPHY,
        *VECTOR_CORE,
        VIDEO_REGIONS,
        VIDEO_VISUAL_META,
        VIDEO_REFRAME,
        VIDEO_MASKS,
        VIDEO_CAPTIONS,
        VIDEO_ANONYMISE,
        VIDEO_RENDER,
    )
}
"""Every operation by name. HTTP routes, handle methods and dry runs are made from it."""


PROBED_BY: Mapping[str, str] = {"image": "Imaging", "video": "Video", "audio": "Video"}
"""Which deployment opens an upload of a kind."""


READY_S = 3.0
JOB_RETURN_S = 120.0
"""How long a job waits for a lost replica: nobody's connection depends on it."""
SAME_PLACE = 0.05
"""Two deaths closer than this share of a job's progress happened at the same place."""
MOST_DEATHS = 6
"""A job that lost so many workers is given up."""


@dataclass(frozen=True, slots=True)
class Made:
    """An artifact, how it was come by, and what the caller should know."""

    plan: Plan
    record: Record
    hit: bool
    warnings: tuple[Warning, ...]


@dataclass(slots=True)
class Flight:
    """A computation on its way."""

    task: asyncio.Task[Made]
    holders: int = 0
    """Who wants it. A request that disconnects still counts; a job that was cancelled does not."""


class Runner:
    """Key, look-up, single-flight, needs, dispatch, latest, jobs: once for every operation."""

    def __init__(
        self,
        registry: Registry,
        dispatch: Dispatch,
        settings: Settings,
        operations: Mapping[str, Operation] = OPERATIONS,
    ) -> None:
        self.registry = registry
        self.settings = settings
        self.operations = operations
        self.jobs = Jobs(registry, settings, self._finish_job)
        self._dispatch = dispatch
        self._flights: dict[str, Flight] = {}

    async def run(self, name: str, request: JSON | BaseModel, context: Context) -> JSON:
        """The operation's answer, with `cache` and `warnings`, waited for. Raises AppError."""
        begun = await self._begin(name, request, context)
        if not isinstance(begun, Joined):
            return begun
        try:
            answer = await self.jobs.answer(begun)
        except Exception as error:
            metrics.REQUESTS.labels(name, "error").inc()
            raise as_app_error(error, request) from error
        metrics.REQUESTS.labels(name, answer["cache"]).inc()
        return answer

    async def begin(
        self, name: str, request: JSON | BaseModel, context: Context, webhook: str | None = None
    ) -> JSON | Joined:
        """A long operation's job, not waited for; its answer where everything that it makes is there already.

        `webhook` is an https address that is told of the job's end (jobs/webhooks.py).
        """
        begun = await self._begin(name, request, context, webhook)
        if isinstance(begun, Joined):
            metrics.REQUESTS.labels(name, "miss").inc()
        return begun

    async def _begin(
        self, name: str, request: JSON | BaseModel, context: Context, webhook: str | None = None
    ) -> JSON | Joined:
        operation = self.operations[name]
        try:
            webhook = self.jobs.webhooks.check(webhook) if webhook else None
            plan = await self._plan(operation, request, context)
            if operation.long and await self._found(operation, plan, context) is None:
                estimate = await self._light(pace.estimate, self.registry, plan)
                return await self.jobs.join(Order(plan, context, webhook, estimate))
            answer = (await self._finish(operation, plan, context, None)).answer
        except Exception as error:
            metrics.REQUESTS.labels(name, "error").inc()
            raise as_app_error(error, request) from error
        metrics.REQUESTS.labels(name, answer["cache"]).inc()
        return answer

    async def _finish_job(self, plan: Plan, context: Context, report: Report | None) -> Result:
        """A job's part: also of one that another process planned."""
        began = time.monotonic()
        operation = self.operations[plan.operation]
        result = await self._finish(operation, plan, context, report)
        if report and result.answer["cache"] == "miss":
            seconds = time.monotonic() - began
            await self._light(pace.learn, self.registry, plan, seconds, result.size_bytes)
        return result

    async def _finish(self, operation: Operation, plan: Plan, context: Context, report: Report | None) -> Result:
        """Do what is planned, needs first."""
        if operation.act:
            plan = await self._resolved(plan, context, report)
            answer, changed = await self._light(operation.act, plan, self.registry, self.settings)
            hit, warnings = not changed, plan.warnings
            ids = tuple(item.id for item in plan.inputs if not item.id.startswith("asset_"))
            size = 0
        else:
            made = await self._make(operation, plan, context, report)
            assert operation.answer
            answer = await self._light(operation.answer, made.plan, made.record, self.registry)
            hit, warnings, ids, size = made.hit, made.warnings, (made.record.id,), made.record.size_bytes
        said = {"cache": "hit" if hit else "miss", "warnings": [item.json() for item in warnings]}
        return Result(answer | said, ids, size)

    async def make(self, name: str, request: JSON | BaseModel, context: Context, report: Report | None = None) -> Made:
        """The operation's artifact: found, or computed by whoever asks first."""
        operation = self.operations[name]
        return await self._make(operation, await self._plan(operation, request, context), context, report)

    async def _make(self, operation: Operation, plan: Plan, context: Context, report: Report | None) -> Made:
        steps = len(plan.needs) + 1
        plan = await self._resolved(plan, context, report)
        found = await self._light(self.registry.find, plan.scope, plan.kind, plan.cache_key)
        if found:
            made = Made(plan, found, True, plan.warnings)
        else:
            last = report.part(steps - 1, steps) if report else None
            made = await self._fly(operation, plan, context, last)
        await self._light(self.registry.set_latest, plan.scope, made.record)
        return made

    async def dry_run(self, name: str, request: JSON | BaseModel, context: Context) -> JSON:
        """What `run` would do: the operation's preview, and each step with hit or miss. Computes nothing."""
        operation = self.operations[name]
        assert operation.preview
        try:
            plan = await self._settled(operation, await self._plan(operation, request, context))
            steps = [await self._step(self.operations[need.operation], need.request, context) for need in plan.needs]
            found = not plan.needs and await self._light(self.registry.find, plan.scope, plan.kind, plan.cache_key)
            steps.append({"operation": name, "cache": "hit" if found else "miss"})
            preview = await self._light(operation.preview, plan, self.registry)
            estimate = None if found else await self._light(pace.estimate, self.registry, plan)
        except Exception as error:
            raise as_app_error(error, request) from error
        return preview | {
            "cache": "hit" if found else "miss",
            "steps": steps,
            "warnings": [item.json() for item in plan.warnings],
            **({"estimate": estimate} if estimate and "estimate" not in preview else {}),
        }

    async def ready(self) -> bool:
        """Whether every deployment that an operation needs answers within READY_S."""
        names = {row.deployment for row in self.operations.values() if row.deployment}
        calls = [self._dispatch.call(name, "ready") for name in sorted(names)]
        try:
            return all(await asyncio.wait_for(asyncio.gather(*calls), READY_S))
        except (TimeoutError, AppError):
            return False

    async def probe(self, scope: Scope, key: str, kind: str, media_type: str) -> JSON:
        """What a received upload is, from a replica that can decode it. Raises UndecodableMedia, InputCrashedWorker."""
        deployment = PROBED_BY[kind]
        found: JSON
        try:
            found = await self._dispatch.call(deployment, "probe", scope, key, media_type)
        except WorkerLost:
            await back(self._dispatch, deployment)
            try:
                found = await self._dispatch.call(deployment, "probe", scope, key, media_type)
            except WorkerLost as error:
                raise InputCrashedWorker("the worker died twice while it opened these bytes") from error
        return found

    async def _step(self, operation: Operation, request: JSON, context: Context) -> JSON:
        plan = await self._settled(operation, await self._plan(operation, request, context))
        found = not plan.needs and await self._light(self.registry.find, plan.scope, plan.kind, plan.cache_key)
        return {"operation": operation.name, "cache": "hit" if found else "miss"}

    async def _settled(self, operation: Operation, plan: Plan) -> Plan:
        """The plan as its replica would do it, which alone knows what is missing there; as planned where none answers
        within READY_S. Raises BackendUnavailable, as the run would."""
        if not operation.settle or plan.needs:
            return plan
        try:
            async with asyncio.timeout(READY_S):
                settled: Plan = await self._dispatch.call(operation.deployment, "settle", plan)
        except (TimeoutError, WorkerLost, Busy):
            return plan
        return settled

    async def _plan(self, operation: Operation, request: JSON | BaseModel, context: Context) -> Plan:
        model = request if isinstance(request, BaseModel) else operation.request.model_validate(request)
        return await self._light(operation.plan, model, context, self.registry, self.settings)

    async def _found(self, operation: Operation, plan: Plan, context: Context) -> Plan | None:
        """The plan with its needs among its inputs, when they and its own artifact are all there; computes nothing."""
        for need in plan.needs:
            needed = self.operations[need.operation]
            whole = await self._found(needed, await self._plan(needed, need.request, context), context)
            record = whole and await self._light(self.registry.find, whole.scope, whole.kind, whole.cache_key)
            if not record:
                return None
            plan = replace(plan, inputs=(*plan.inputs, Input(record.id, need.role)))
        plan = replace(plan, needs=())
        if operation.act or await self._light(self.registry.find, plan.scope, plan.kind, plan.cache_key):
            return plan
        return None

    async def _resolved(self, plan: Plan, context: Context, report: Report | None) -> Plan:
        """The plan with its needs done and their artifacts among its inputs."""
        steps = len(plan.needs) + 1
        for number, need in enumerate(plan.needs):
            part = report.part(number, steps) if report else None
            made = await self.make(need.operation, need.request, context, part)
            plan = replace(
                plan,
                inputs=(*plan.inputs, Input(made.record.id, need.role)),
                warnings=(*plan.warnings, *made.warnings),
            )
        return replace(plan, needs=())

    async def _fly(self, operation: Operation, plan: Plan, context: Context, report: Report | None) -> Made:
        """One computation for all who ask for it now; a waiter that leaves fails nobody, and a cancelled job that was
        the only one to want it stops it.

        The task starts with an empty contextvars.Context(): with the request's own, Ray would cancel the calls that
        it makes as soon as that one request ends.
        """
        key = plan.cache_key
        flight = self._flights.get(key)
        joined = flight is not None
        if flight is None:
            task = asyncio.get_running_loop().create_task(
                self._compute(operation, plan, context.request_id, report), context=contextvars.Context()
            )
            flight = self._flights[key] = Flight(task)
            task.add_done_callback(lambda task: self._landed(key, task))
        flight.holders += 1
        try:
            with following() if joined else contextlib.nullcontext():
                return await asyncio.shield(flight.task)
        except asyncio.CancelledError:
            if report is not None:  # only a job's own task is cancelled on purpose
                flight.holders -= 1
                if flight.holders == 0:
                    self._forget(key, flight.task)  # who asks from now on starts anew
                    flight.task.cancel()
            raise

    def _landed(self, key: str, task: asyncio.Task[Made]) -> None:
        self._forget(key, task)
        if not task.cancelled():
            task.exception()  # seen, though all who waited may have left

    def _forget(self, key: str, task: asyncio.Task[Made]) -> None:
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]

    async def _compute(self, operation: Operation, plan: Plan, request_id: str, report: Report | None) -> Made:
        """The work, counted while it is under way."""
        with metrics.underway(operation.name):
            return await self._computed(operation, plan, request_id, report)

    async def _computed(self, operation: Operation, plan: Plan, request_id: str, report: Report | None) -> Made:
        """The work, repeated where its worker died: a request's once, a job's until it is done or found guilty.

        A suspect that dies begun is guilty (crashes.py), unless its job had come to another place when it died before:
        then it was the worker's bad luck twice. Raises InputCrashedWorker, WorkerLost.
        """
        await self._light(crashes.refuse, self.registry, plan.scope, plan.cache_key)
        deployment = operation.deployment
        places: list[float] = []
        while True:
            try:
                done = await self._dispatch.call(
                    deployment, "execute", plan, request_id, report, *([True] if places else [])
                )
                break
            except WorkerLost as error:
                if not is_lost(error, deployment):
                    raise
                place = await self._light(self._place, plan.scope, report)
                same = not places or any(abs(place - other) < SAME_PLACE for other in places)
                if places and (same or len(places) + 1 >= MOST_DEATHS):
                    await self._light(crashes.convict, self.registry, plan.scope, plan.cache_key)
                if places and (report is None or len(places) + 1 >= MOST_DEATHS):
                    raise
                places.append(place)
            await self._light(lambda: crashes.note(self.registry, plan.scope, plan.cache_key, began=False))
            await back(self._dispatch, deployment, JOB_RETURN_S if report else None)
        if done.computed:
            metrics.computed(operation.name, done.record)
        return Made(plan, done.record, not done.computed, done.warnings)

    def _place(self, scope: Scope, report: Report | None) -> float:
        """How far the job had come when its worker died, 0..1; 0 where there is no job."""
        return float(job.get(self.registry, scope, report.job_id)["progress"]) if report else 0.0

    async def _light(self, function: Any, *args: Any) -> Any:
        """Store look-ups block for microseconds on a local store, and go to a thread where the store is remote."""
        if self.registry.store.is_local:
            return function(*args)
        return await asyncio.to_thread(function, *args)


__all__ = ["OPERATIONS", "Made", "Runner"]
