"""What a replica does with a plan: settle the backend, lend the tools, do the work, commit."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from artifacts import Ahead, Draft, Record, Registry, Scope
from configs.models import Models, WeightsMissing
from configs.settings import Settings
from deployments import crashes
from deployments.errors import ResidualFaces
from deployments.inputs import StoredInputs
from deployments.operation import JSON, Operation, Output, Plan, Report, Side, Stopped, Tools, Warning
from deployments.replicas.kept import Kept, commit, lay_ahead
from deployments.replicas.pacing import Detect, Pace
from deployments.replicas.progress import Progress
from deployments.replicas.scratch import Scratch
from deployments.replicas.threads import give_way
from deployments.replicas.turns import MOST_PAUSED, Place, Turns

MISSING_S = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """An artifact, whether this call computed it, and what the replica has to say about it."""

    record: Record
    computed: bool
    warnings: tuple[Warning, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """One work under way."""

    operation: Operation
    scratch: Scratch
    pace: Pace


class Host:
    """Runs the work of operations in this process, `slots` at a time, each in a thread of its own."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        operations: Mapping[str, Operation],
        detect: Detect,
        slots: int = 2,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._operations = operations
        self._detect = detect
        self._models = Models(settings)
        self._missing: dict[str, tuple[float, WeightsMissing]] = {}
        # a work or the blocking parts that an async work sends beside it, and as much of those that are paused
        self._works = ThreadPoolExecutor(2 * (slots + MOST_PAUSED), "work", give_way)
        # what is short has threads of its own, so that the works' stay few: the first work in each pays for a team of
        # OpenMP's, which took as long as a 1080p render
        self._threads = ThreadPoolExecutor(2 * (slots + MOST_PAUSED), "short")
        self._turns = Turns(slots)

    def warm(self, function: str) -> None:
        """Compile ahead of the first request, with the caller waiting."""
        self._works.submit(load(function), self._settings).result()

    async def ready(self) -> bool:
        """Whether works can be taken; see Runner.ready."""
        return True

    async def execute(
        self, plan: Plan, request_id: str, report: Report | None = None, suspect: bool = False, wait: bool = True
    ) -> Done | None:
        """Do the plan's work and commit what it made, unless it is there already. Not to `wait`: None where there is no
        place free, so that another replica may be tried.

        `report` names the job that the progress is told to. A `suspect` lost its worker before (see crashes.py): it
        gets every slot, so that nothing else can be the reason if this worker dies too.
        """
        if self._turns.full and not wait:
            return None
        tenant, key = plan.scope.tenant, plan.cache_key
        async with self._turns.all(tenant) if suspect else self._turns.one(tenant) as place:
            if suspect:
                await self._thread(lambda: crashes.note(self._registry, plan.scope, key, began=True))
            try:
                return await self._execute(plan, report, place)
            finally:
                if suspect:
                    await self._thread(lambda: crashes.note(self._registry, plan.scope, key, began=False))

    async def settle(self, plan: Plan) -> Plan:
        """The plan with what is really here in place of what is missing; BackendUnavailable where nothing can be."""
        if not self._operations[plan.operation].settle:
            return plan
        settled: Plan = await self._thread(self._settled, plan)
        return settled

    def _settled(self, plan: Plan) -> Plan:
        operation = self._operations[plan.operation]
        if not operation.settle:
            return plan
        settled: Plan = load(operation.settle)(plan, self._weights, self._settings)
        return settled

    async def parts(self, plan: Plan) -> list[Plan]:
        """The parts of a plan that can be made apart from each other and are not there yet."""
        plan = await self.settle(plan)
        async with self._scratch() as scratch:
            return await self._thread(self._missing_parts, plan, scratch)

    def _missing_parts(self, plan: Plan, scratch: Scratch) -> list[Plan]:
        kept = Kept(self._registry, scratch)
        found: list[Plan] = load(self._operations[plan.operation].parts)(
            plan, StoredInputs(self._registry, plan, scratch)
        )
        return [part for part in found if kept.find(part) is None]

    async def _execute(self, plan: Plan, report: Report | None, place: Place | None) -> Done:
        operation, stop = self._operations[plan.operation], threading.Event()
        progress = Progress(self._registry, plan, operation.unit, report)
        async with self._scratch() as scratch:
            task = Task(operation, scratch, Pace(place, stop, progress, self._detect))
            if report or inspect.iscoroutinefunction(load(operation.work)):
                work = asyncio.ensure_future(self._in_steps(task, plan, progress if report else None))
            else:
                work = asyncio.ensure_future(self._heavy(self._at_once, task, plan))
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:  # nobody waits: keep the slot until the work has seen its stop event
                stop.set()
                await asyncio.wait([work])
                _ = work.cancelled() or work.exception()  # else the loop logs as a fault what is told to nobody
                raise
            finally:
                progress.close()

    def _at_once(self, task: Task, plan: Plan) -> Done:
        """All of a plain work in its one thread: each other way to a thread and back takes as long as a small render's
        look-ups."""
        plan, found = self._opened(plan)
        if found:
            return Done(found, False, plan.warnings)
        if task.pace.stop.is_set():
            raise Stopped
        laying: list[Future[Ahead]] = []
        tools = self._tools(task, plan, laying)
        output = load(task.operation.work)(plan, StoredInputs(self._registry, plan, task.scratch), tools)
        return Done(self._commit(plan, output, laying), True, plan.warnings)

    async def _in_steps(self, task: Task, plan: Plan, progress: Progress | None) -> Done:
        """A job's work, or one that awaits things."""
        plan, found = await self._thread(self._opened, plan)
        if found:
            return Done(found, False, plan.warnings)
        if progress:
            await self._thread(progress.begin)
        laying: list[Future[Ahead]] = []
        tools = self._tools(task, plan, laying)
        work = load(task.operation.work)
        inputs = await self._thread(StoredInputs, self._registry, plan, task.scratch)
        try:
            doing = work if inspect.iscoroutinefunction(work) else partial(self._heavy, work)
            output = await doing(plan, inputs, tools)
        except ResidualFaces as error:  # the render is never registered, its report is
            if error.report is not None:
                kept = await self._thread(self._commit_report, plan, error.report, error.pictures)
                error.details["report_artifact_id"] = kept.id
            raise
        return Done(await self._thread(self._commit, plan, output, laying), True, plan.warnings)

    async def probe(self, scope: Scope, key: str, media_type: str) -> JSON:
        """What a received upload is: size, duration, streams. Raises UndecodableMedia, UnsupportedMedia."""
        function = load("deployments.media.probe:probe")
        path = self._registry.store.local_path(key)
        if path is not None:
            return await self._thread(function, path, media_type, self._settings)
        async with self._scratch() as scratch:
            copy = scratch / "upload"
            await self._thread(self._registry.store.copy_to, key, copy)
            return await self._thread(function, copy, media_type, self._settings)

    def _tools(self, task: Task, plan: Plan, laying: list[Future[Ahead]]) -> Tools:
        def begin_laying(side: Side) -> None:
            if not self._registry.store.is_local:  # where it would wait for nothing, and take the encoder's cores
                laying.append(self._threads.submit(lay_ahead, self._registry, plan, side))

        return Tools(
            scratch=task.scratch,
            stop=task.pace.stop,
            progress=task.pace.progress,
            detect=task.pace.detect,
            thread=self._heavy,
            side_id=lambda kind, name, main="": self._registry.side_id(
                plan.scope, main or plan.kind, plan.cache_key, kind, name
            ),
            weights=self._weights,
            settings=self._settings,
            parts=Kept(self._registry, task.scratch),
            ahead=begin_laying,
        )

    def _commit_report(self, plan: Plan, report: Draft, pictures: Sequence[Draft]) -> Record:
        return self._registry.commit(
            plan.scope,
            cache_key=plan.cache_key,
            main=report,
            sides=pictures,
            inputs=[asdict(item) for item in plan.inputs],
            parent_asset_id=plan.parent_asset_id,
        )

    def _opened(self, plan: Plan) -> tuple[Plan, Record | None]:
        """The plan, settled, and what was made of it before."""
        plan = self._settled(plan)
        return plan, self._registry.find(plan.scope, plan.kind, plan.cache_key)

    def _commit(self, plan: Plan, output: Output, laying: Sequence[Future[Ahead]]) -> Record:
        return commit(self._registry, plan, output, [part.result() for part in laying])

    @asynccontextmanager
    async def _scratch(self) -> AsyncIterator[Scratch]:
        scratch = Scratch(self._settings.mattebox_home)
        try:
            yield scratch
        finally:
            if scratch.made:
                await self._thread(scratch.remove)

    def _weights(self, name: str) -> Path:
        """The model's file; what could not be had is not asked for again within MISSING_S, since asking takes seconds
        on a network that drops what it does not let out."""
        failed = self._missing.get(name)
        if failed and time.monotonic() - failed[0] < MISSING_S:
            raise failed[1]
        try:
            return self._models.path(name)
        except WeightsMissing as error:
            self._missing[name] = (time.monotonic(), error)
            raise

    async def _heavy(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._works, function, *args)

    async def _thread(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)


def load(name: str) -> Callable[..., Any]:
    """The function behind `package.module:function`: heavy rooms are named, not imported."""
    module, function = name.split(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


__all__ = ["Detect", "Done", "Host", "load"]
