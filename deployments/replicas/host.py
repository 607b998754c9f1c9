"""What a replica does with a plan: settle the backend, lend the tools, do the work, commit."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from artifacts import Ahead, Draft, Record, Registry, Scope
from configs.models import Models, WeightsMissing
from configs.settings import Settings
from deployments import crashes
from deployments.errors import ResidualFaces
from deployments.inputs import StoredInputs
from deployments.operation import JSON, Operation, Output, Plan, Report, Side, Tools, Warning
from deployments.replicas.kept import Kept, commit, lay_ahead
from deployments.replicas.pacing import Detect, Pace
from deployments.replicas.progress import Progress
from deployments.replicas.threads import give_way
from deployments.replicas.turns import MOST_PAUSED, Place, Turns

MISSING_S = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """An artifact, whether this call computed it, and what the replica has to say about it."""

    record: Record
    computed: bool
    warnings: tuple[Warning, ...]


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
        scratch = await self._thread(self._make_scratch)
        try:
            return await self._thread(self._missing_parts, plan, scratch)
        finally:
            await self._thread(shutil.rmtree, scratch, True)

    def _missing_parts(self, plan: Plan, scratch: Path) -> list[Plan]:
        kept = Kept(self._registry, scratch)
        found: list[Plan] = load(self._operations[plan.operation].parts)(
            plan, StoredInputs(self._registry, plan, scratch)
        )
        return [part for part in found if kept.find(part) is None]

    async def _execute(self, plan: Plan, report: Report | None, place: Place | None) -> Done:
        operation = self._operations[plan.operation]
        plan, scratch = await self._thread(self._opened, plan)
        if isinstance(scratch, Record):
            return Done(scratch, False, plan.warnings)
        stop = threading.Event()
        progress = Progress(self._registry, plan, operation.unit, report)

        async def do() -> Record:
            if report:
                await self._thread(progress.begin)
            pace = Pace(place, stop, progress, self._detect)
            return await self._work(operation, plan, scratch, pace)

        work = asyncio.ensure_future(do())
        try:
            record = await asyncio.shield(work)
        except asyncio.CancelledError:  # nobody waits: keep the slot until the work has seen its stop event
            stop.set()
            await asyncio.wait([work])
            raise
        except ResidualFaces as error:  # the render is never registered, its report is
            if error.report is not None:
                kept = await self._thread(self._commit_report, plan, error.report, error.pictures)
                error.details["report_artifact_id"] = kept.id
            raise
        finally:
            progress.close()
            if scratch.exists():  # it did not come to the commit, or failed there
                await self._thread(shutil.rmtree, scratch, True)
        return Done(record, True, plan.warnings)

    async def probe(self, scope: Scope, key: str, media_type: str) -> JSON:
        """What a received upload is: size, duration, streams. Raises UndecodableMedia, UnsupportedMedia."""
        function = load("deployments.media.probe:probe")
        scratch = await self._thread(self._make_scratch)
        try:
            path = self._registry.store.local_path(key)
            if path is None:
                path = scratch / "upload"
                await self._thread(self._registry.store.copy_to, key, path)
            return await self._thread(function, path, media_type, self._settings)
        finally:
            await self._thread(shutil.rmtree, scratch, True)

    async def _work(self, operation: Operation, plan: Plan, scratch: Path, pace: Pace) -> Record:
        """The work, committed: a plain one in its own thread, since another way to a thread and back takes a small
        render's time."""
        work = load(operation.work)
        laying: list[Future[Ahead]] = []

        def begin_laying(side: Side) -> None:
            if not self._registry.store.is_local:  # where it would wait for nothing, and take the encoder's cores
                laying.append(self._threads.submit(lay_ahead, self._registry, plan, side))

        tools = Tools(
            scratch=scratch,
            stop=pace.stop,
            progress=pace.progress,
            detect=pace.detect,
            thread=self._heavy,
            side_id=lambda kind, name, main="": self._registry.side_id(
                plan.scope, main or plan.kind, plan.cache_key, kind, name
            ),
            weights=self._weights,
            settings=self._settings,
            parts=Kept(self._registry, scratch),
            ahead=begin_laying,
        )
        inputs = StoredInputs(self._registry, plan, scratch)
        if inspect.iscoroutinefunction(work):
            output = await work(plan, inputs, tools)
            return await self._thread(self._commit, plan, output, scratch, laying)

        def do() -> Record:
            return self._commit(plan, work(plan, inputs, tools), scratch, laying)

        record: Record = await self._heavy(do)
        return record

    def _commit_report(self, plan: Plan, report: Draft, pictures: Sequence[Draft]) -> Record:
        return self._registry.commit(
            plan.scope,
            cache_key=plan.cache_key,
            main=report,
            sides=pictures,
            inputs=[asdict(item) for item in plan.inputs],
            parent_asset_id=plan.parent_asset_id,
        )

    def _opened(self, plan: Plan) -> tuple[Plan, Record | Path]:
        """The plan, settled, with what was made of it before, else with a folder to make it in: in one go, since each
        way to a thread and back costs a small render as much as all of this."""
        plan = self._settled(plan)
        return plan, self._registry.find(plan.scope, plan.kind, plan.cache_key) or self._make_scratch()

    def _commit(self, plan: Plan, output: Output, scratch: Path, laying: Sequence[Future[Ahead]]) -> Record:
        """Committed, and the folder removed, likewise."""
        record = commit(self._registry, plan, output, [part.result() for part in laying])
        try:
            scratch.rmdir()  # as most are: empty
        except OSError:
            shutil.rmtree(scratch, ignore_errors=True)
        return record

    def _make_scratch(self) -> Path:
        """Under MATTEBOX_HOME, so that a large result can be hard-linked into a store on the same file system."""
        folder = self._settings.mattebox_home / "scratch"
        folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=folder))

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
