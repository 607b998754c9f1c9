"""What a replica does with a plan: settle the backend, lend the tools, do the work, commit."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import shutil
import tempfile
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artifacts import Draft, Record, Registry, Scope
from configs.models import Models
from configs.settings import Settings
from deployments.errors import ResidualFaces
from deployments.inputs import StoredInputs
from deployments.operation import JSON, Operation, Output, Plan, Tools, Warning

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

Detect = Callable[[str, "np.ndarray"], Awaitable["list[np.ndarray]"]]


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
        # a work and the blocking parts that an async work sends beside it
        self._threads = ThreadPoolExecutor(max_workers=2 * slots, thread_name_prefix="work")
        self._slots = asyncio.Semaphore(slots)

    def warm(self, function: str) -> None:
        """Compile ahead of the first request, with the caller waiting."""
        load(function)(self._settings)

    async def ready(self) -> bool:
        """Whether works can be taken; see Runner.ready."""
        return True

    async def execute(self, plan: Plan, request_id: str) -> Done:
        """Do the plan's work and commit what it made, unless it is there already."""
        operation = self._operations[plan.operation]
        async with self._slots:
            if operation.settle:
                plan = await self._thread(load(operation.settle), plan, self._models.path, self._settings)
            found = await self._thread(self._registry.find, plan.scope, plan.kind, plan.cache_key)
            if found:
                return Done(found, False, plan.warnings)
            stop = threading.Event()
            scratch = await self._thread(self._make_scratch)
            work = asyncio.ensure_future(self._work(operation, plan, stop, scratch))
            try:
                output = await asyncio.shield(work)
                record = await self._thread(self._commit, plan, output)
            except asyncio.CancelledError:  # nobody waits: keep the slot until the work has seen its stop event
                stop.set()
                await asyncio.wait([work])
                raise
            except ResidualFaces as error:  # the render is never registered, its report is
                if error.report is not None:
                    report = await self._thread(self._commit_report, plan, error.report)
                    error.details["report_artifact_id"] = report.id
                raise
            finally:
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

    async def _work(self, operation: Operation, plan: Plan, stop: threading.Event, scratch: Path) -> Output:
        work = load(operation.work)
        tools = Tools(
            scratch=scratch,
            stop=stop,
            progress=lambda done, total: log.debug("%s: %d of %d", plan.operation, done, total),
            detect=self._detect,
            thread=self._thread,
            side_id=lambda kind, name: self._registry.side_id(plan.scope, plan.kind, plan.cache_key, kind, name),
            weights=self._models.path,
            settings=self._settings,
        )
        inputs = StoredInputs(self._registry, plan, scratch)
        if inspect.iscoroutinefunction(work):
            return await work(plan, inputs, tools)
        return await self._thread(work, plan, inputs, tools)

    def _commit(self, plan: Plan, output: Output) -> Record:
        meta = dict(output.meta)
        return self._registry.commit(
            plan.scope,
            cache_key=plan.cache_key,
            main=Draft("", plan.kind, output.media_type, output.data, meta, output.start_ms, output.end_ms),
            sides=output.sides,
            inputs=[asdict(item) for item in plan.inputs],
            parent_asset_id=plan.parent_asset_id,
        )

    def _commit_report(self, plan: Plan, report: Draft) -> Record:
        return self._registry.commit(
            plan.scope,
            cache_key=plan.cache_key,
            main=report,
            inputs=[asdict(item) for item in plan.inputs],
            parent_asset_id=plan.parent_asset_id,
        )

    def _make_scratch(self) -> Path:
        """Under MATTEBOX_HOME, so that a large result can be hard-linked into a store on the same file system."""
        folder = self._settings.mattebox_home / "scratch"
        folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=folder))

    async def _thread(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)


def load(name: str) -> Callable[..., Any]:
    """The function behind `package.module:function`: heavy rooms are named, not imported."""
    module, function = name.split(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


__all__ = ["Detect", "Done", "Host", "load"]
