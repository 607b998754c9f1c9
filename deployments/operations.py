"""The table of operations, and the one runner that does everything else for each of them."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from artifacts import Record, Registry, Scope
from configs.settings import Settings
from deployments import metrics
from deployments.dispatch import Dispatch
from deployments.engines.image_core.plan import OPERATIONS as IMAGE_CORE
from deployments.engines.video_anonymise.plan import OPERATION as VIDEO_ANONYMISE
from deployments.engines.video_captions.plan import OPERATION as VIDEO_CAPTIONS
from deployments.engines.video_mask.plan import OPERATION as VIDEO_MASKS
from deployments.engines.video_regions.plan import OPERATION as VIDEO_REGIONS
from deployments.engines.video_render.plan import OPERATION as VIDEO_RENDER
from deployments.engines.video_visual_meta.plan import OPERATION as VIDEO_VISUAL_META
from deployments.engines.video_visual_meta.reframe import OPERATION as VIDEO_REFRAME
from deployments.errors import AppError, as_app_error
from deployments.operation import JSON, Context, Input, Operation, Plan, Warning
from deployments.waiting import following

OPERATIONS: Mapping[str, Operation] = {
    row.name: row
    for row in (
        *IMAGE_CORE,
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


@dataclass(frozen=True, slots=True)
class Made:
    """An artifact, how it was come by, and what the caller should know."""

    plan: Plan
    record: Record
    hit: bool
    warnings: tuple[Warning, ...]


class Runner:
    """Key, look-up, single-flight, needs, dispatch, latest: once for every operation."""

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
        self._dispatch = dispatch
        self._flights: dict[str, asyncio.Task[Made]] = {}

    async def run(self, name: str, request: JSON | BaseModel, context: Context) -> JSON:
        """The operation's answer, with `cache` and `warnings`. Raises AppError."""
        operation = self.operations[name]
        try:
            if operation.act:
                plan = await self._resolved(await self._plan(operation, request, context), context)
                answer, changed = await self._light(operation.act, plan, self.registry, self.settings)
                hit, warnings = not changed, plan.warnings
            else:
                made = await self.make(name, request, context)
                assert operation.answer
                answer = await self._light(operation.answer, made.plan, made.record, self.registry)
                hit, warnings = made.hit, made.warnings
        except Exception as error:
            metrics.REQUESTS.labels(name, "error").inc()
            raise as_app_error(error, request) from error
        metrics.REQUESTS.labels(name, "hit" if hit else "miss").inc()
        return answer | {"cache": "hit" if hit else "miss", "warnings": [item.json() for item in warnings]}

    async def make(self, name: str, request: JSON | BaseModel, context: Context) -> Made:
        """The operation's artifact: found, or computed by whoever asks first."""
        operation = self.operations[name]
        plan = await self._resolved(await self._plan(operation, request, context), context)
        found = await self._light(self.registry.find, plan.scope, plan.kind, plan.cache_key)
        made = Made(plan, found, True, plan.warnings) if found else await self._fly(operation, plan, context)
        await self._light(self.registry.set_latest, plan.scope, made.record)
        return made

    async def dry_run(self, name: str, request: JSON | BaseModel, context: Context) -> JSON:
        """What `run` would do: the operation's preview, and each step with hit or miss. Computes nothing."""
        operation = self.operations[name]
        assert operation.preview
        try:
            plan = await self._plan(operation, request, context)
            steps = [await self._step(self.operations[need.operation], need.request, context) for need in plan.needs]
            found = not plan.needs and await self._light(self.registry.find, plan.scope, plan.kind, plan.cache_key)
            steps.append({"operation": name, "cache": "hit" if found else "miss"})
            preview = await self._light(operation.preview, plan, self.registry)
        except Exception as error:
            raise as_app_error(error, request) from error
        return preview | {
            "cache": "hit" if found else "miss",
            "steps": steps,
            "warnings": [item.json() for item in plan.warnings],
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
        """What a received upload is, from a replica that can decode it. Raises UndecodableMedia."""
        found: JSON = await self._dispatch.call(PROBED_BY[kind], "probe", scope, key, media_type)
        return found

    async def _step(self, operation: Operation, request: JSON, context: Context) -> JSON:
        plan = await self._plan(operation, request, context)
        found = not plan.needs and await self._light(self.registry.find, plan.scope, plan.kind, plan.cache_key)
        return {"operation": operation.name, "cache": "hit" if found else "miss"}

    async def _plan(self, operation: Operation, request: JSON | BaseModel, context: Context) -> Plan:
        model = request if isinstance(request, BaseModel) else operation.request.model_validate(request)
        return await self._light(operation.plan, model, context, self.registry, self.settings)

    async def _resolved(self, plan: Plan, context: Context) -> Plan:
        """The plan with its needs done and their artifacts among its inputs."""
        for need in plan.needs:
            made = await self.make(need.operation, need.request, context)
            plan = replace(
                plan,
                inputs=(*plan.inputs, Input(made.record.id, need.role)),
                warnings=(*plan.warnings, *made.warnings),
            )
        return replace(plan, needs=())

    async def _fly(self, operation: Operation, plan: Plan, context: Context) -> Made:
        """One computation for all who ask for it now; a waiter that leaves fails nobody.

        The task starts with an empty contextvars.Context(): with the request's own, Ray would cancel the calls that
        it makes as soon as that one request ends.
        """
        flight = self._flights.get(plan.cache_key)
        if flight is not None:
            with following():
                return await asyncio.shield(flight)
        flight = asyncio.get_running_loop().create_task(
            self._compute(operation, plan, context.request_id), context=contextvars.Context()
        )
        self._flights[plan.cache_key] = flight
        flight.add_done_callback(lambda task: self._landed(plan.cache_key, task))
        return await asyncio.shield(flight)

    def _landed(self, key: str, task: asyncio.Task[Any]) -> None:
        del self._flights[key]
        if not task.cancelled():
            task.exception()  # seen, though all who waited may have left

    async def _compute(self, operation: Operation, plan: Plan, request_id: str) -> Made:
        done = await self._dispatch.call(operation.deployment, "execute", plan, request_id)
        if done.computed:
            metrics.COMPUTATIONS.labels(operation.name).inc()
        return Made(plan, done.record, not done.computed, done.warnings)

    async def _light(self, function: Any, *args: Any) -> Any:
        """Store look-ups block for microseconds on a local store, and go to a thread where the store is remote."""
        if self.registry.store.is_local:
            return function(*args)
        return await asyncio.to_thread(function, *args)


__all__ = ["OPERATIONS", "Made", "Runner"]
