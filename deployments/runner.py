"""The one runner: it does for every operation what its plan and work leave to others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from artifacts import Record, Registry, Scope
from configs.settings import Settings
from deployments import metrics, parts, repetition
from deployments.dispatch import Dispatch, back
from deployments.errors import AppError, Busy, InputCrashedWorker, WorkerLost, as_app_error
from deployments.flights import Flights
from deployments.jobs import explain, pace
from deployments.jobs.job import Order
from deployments.jobs.runs import Jobs, Joined, Result
from deployments.operation import JSON, Context, Input, Operation, Plan, Report, Warning
from deployments.operations import OPERATIONS
from deployments.planned import Asked, Planned, Told, written

Request = JSON | BaseModel | Plan
"""A body, a body that was checked, or what was planned for the same one before."""
PROBED_BY: Mapping[str, str] = {"image": "Imaging", "video": "Video", "audio": "Video"}
"""Which deployment opens an upload of a kind."""
READY_S = 3.0
"""How long readiness and a settled preview are waited for."""


@dataclass(frozen=True, slots=True)
class Made:
    """An artifact, how it was come by, and what the caller should know."""

    plan: Plan
    record: Record
    hit: bool
    warnings: tuple[Warning, ...]


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
        self._flights: Flights[Made] = Flights()
        self._planned = Planned()
        self._aside = registry.store.aside

    async def run(self, name: str, request: Request, context: Context, asked: Asked | None = None) -> JSON:
        """The operation's answer, with `cache` and `warnings`, waited for. Raises AppError.

        `asked` keeps the plan for a body of the same bytes, which `again` then finds.
        """
        begun = await self._begin(name, request, context, asked=asked)
        if not isinstance(begun, Joined):
            return begun
        try:
            answer = await self.jobs.answer(begun)
        except Exception as error:
            metrics.REQUESTS.labels(name, "error").inc()
            raise as_app_error(error, request) from error
        metrics.REQUESTS.labels(name, answer["cache"]).inc()
        return answer

    async def again(self, asked: Asked) -> Plan | None:
        """What `run` takes instead of a body that came before, while all that it names stands."""
        return await self._aside(self._planned.find, self.registry, asked)

    async def repeated(self, asked: Asked) -> bytes | Plan | None:
        """The answer to a body that came before, as JSON, where its artifact is found; else what `again` gives."""
        return await self._aside(self._repeated, asked)

    def _repeated(self, asked: Asked) -> bytes | Plan | None:
        plan = self._planned.find(self.registry, asked)
        answer = self.operations[asked.operation].answer
        stored = self.registry.stored(plan.scope, plan.kind, plan.cache_key) if plan and not plan.needs else None
        if plan is None or answer is None or stored is None:
            return plan
        told = self._planned.told(asked, plan, stored)
        if told is None:
            record = Record.from_bytes(stored)
            said = answer(plan, record, self.registry) | _said(True, plan.warnings)
            told = Told(stored, record, written(said))
            self._planned.tell(asked, plan, told)
        self.registry.set_latest(plan.scope, told.record)
        metrics.requests(asked.operation, "hit").inc()
        return told.reply

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
        self,
        name: str,
        request: Request,
        context: Context,
        webhook: str | None = None,
        asked: Asked | None = None,
    ) -> JSON | Joined:
        operation = self.operations[name]
        try:
            webhook = self.jobs.webhooks.check(webhook) if webhook else None
            plan = request if isinstance(request, Plan) else await self._plan(operation, request, context)
            if asked and operation.repeats:
                self._planned.keep(asked, plan)
            if operation.long and await self._found(operation, plan, context) is None:
                estimate = await self._aside(pace.estimate, self.registry, plan)
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
            await self._aside(pace.learn, self.registry, plan, seconds, result.size_bytes)
        return result

    async def _finish(self, operation: Operation, plan: Plan, context: Context, report: Report | None) -> Result:
        """Do what is planned, needs first."""
        if operation.act:
            plan = await self._resolved(plan, context, report)
            answer, changed = await self._aside(operation.act, plan, self.registry, self.settings)
            hit, warnings = not changed, plan.warnings
            ids = tuple(item.id for item in plan.inputs if not item.id.startswith("asset_"))
            size = 0
        else:
            made = await self._make(operation, plan, context, report)
            assert operation.answer
            answer = await self._aside(operation.answer, made.plan, made.record, self.registry)
            hit, warnings, ids, size = made.hit, made.warnings, (made.record.id,), made.record.size_bytes
        return Result(answer | _said(hit, warnings), ids, size)

    async def make(self, name: str, request: JSON | BaseModel, context: Context, report: Report | None = None) -> Made:
        """The operation's artifact: found, or computed by whoever asks first."""
        operation = self.operations[name]
        return await self._make(operation, await self._plan(operation, request, context), context, report)

    async def _make(self, operation: Operation, plan: Plan, context: Context, report: Report | None) -> Made:
        steps = len(plan.needs) + 1
        plan = await self._resolved(plan, context, report)
        found = await self._find(plan)
        if found:
            made = Made(plan, found, True, plan.warnings)
        else:
            last = report.part(steps - 1, steps) if report else None

            def begin() -> Coroutine[Any, Any, Made]:
                return self._compute(operation, plan, context.request_id, last)

            made = await self._flights.join(plan.cache_key, begin, job=report is not None)
        await self._aside(self.registry.set_latest, plan.scope, made.record)
        return made

    async def dry_run(self, name: str, request: JSON | BaseModel, context: Context) -> JSON:
        """What `run` would do: the operation's preview, and each step with hit or miss. Computes nothing."""
        operation = self.operations[name]
        assert operation.preview
        try:
            plan = await self._settled(operation, await self._plan(operation, request, context))
            steps = [await self._step(self.operations[need.operation], need.request, context) for need in plan.needs]
            found = None if plan.needs else await self._find(plan)
            steps.append(await self._aside(explain.step, self.registry, plan, found, self.settings.device))
            preview = await self._aside(operation.preview, plan, self.registry)
            estimate = None if found else await self._aside(pace.estimate, self.registry, plan)
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
        found = None if plan.needs else await self._find(plan)
        return await self._aside(explain.step, self.registry, plan, found, self.settings.device)

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
        return await self._aside(operation.plan, model, context, self.registry, self.settings)

    async def _find(self, plan: Plan) -> Record | None:
        """The artifact that the plan would make, where it is there already."""
        return await self._aside(self.registry.find, plan.scope, plan.kind, plan.cache_key)

    async def _found(self, operation: Operation, plan: Plan, context: Context) -> Plan | None:
        """The plan with its needs among its inputs, when they and its own artifact are all there; computes nothing.
        Where it is not found as planned, its replica is asked what it would do instead."""
        for need in plan.needs:
            needed = self.operations[need.operation]
            whole = await self._found(needed, await self._plan(needed, need.request, context), context)
            record = whole and await self._find(whole)
            if not record:
                return None
            plan = replace(plan, inputs=(*plan.inputs, Input(record.id, need.role)))
        plan = replace(plan, needs=())
        if operation.act or await self._find(plan):
            return plan
        settled = await self._settled(operation, plan)
        return settled if settled != plan and await self._find(settled) else None

    async def _resolved(self, plan: Plan, context: Context, report: Report | None) -> Plan:
        """The plan with its needs done and their artifacts among its inputs; itself where it has none, as it may be
        one that is kept with its key."""
        if not plan.needs:
            return plan
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

    async def _compute(self, operation: Operation, plan: Plan, request_id: str, report: Report | None) -> Made:
        """The work, counted while it is under way."""
        at_once = self.settings.video_render_parallel
        with metrics.underway(operation.name):
            if operation.parts and at_once > 1:
                report = await parts.prepare(
                    self.registry, self._dispatch, operation.deployment, plan, request_id, report, at_once
                )
            done = await repetition.execute(
                self.registry, self._dispatch, operation.deployment, plan, request_id, report
            )
        if done.computed:
            metrics.computed(operation.name, done.record)
        return Made(plan, done.record, not done.computed, done.warnings)


def _said(hit: bool, warnings: Iterable[Warning]) -> JSON:
    """What every answer that made or found something carries."""
    return {"cache": "hit" if hit else "miss", "warnings": [item.json() for item in warnings]}


__all__ = ["Made", "Runner"]
