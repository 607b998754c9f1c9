"""The shapes that every operation is made of. Light: imported by plan rooms, work rooms and the runner alike."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from artifacts import Asset, Draft, Record, Registry, Scope
from artifacts.canonical import cache_key

if TYPE_CHECKING:
    import numpy as np
    from pydantic import BaseModel

    from configs.settings import Settings

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks, and under which request."""

    scope: Scope
    request_id: str
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """An asset or an artifact that the work reads."""

    id: str
    role: str
    """What the work calls it: `layer`, `mask`, `video`, `captions`, …"""


@dataclass(frozen=True, slots=True)
class Need:
    """Another operation that has to be done first; the id of what it made becomes an input with this role."""

    role: str
    operation: str
    request: JSON


@dataclass(frozen=True, slots=True)
class Warning:
    """Something that the caller should know: a clamped value, a dependency that was made on the way, …"""

    message: str
    field: str | None = None
    given: Any = None
    used: Any = None

    def json(self) -> JSON:
        said = {"field": self.field, "given": self.given, "used": self.used}
        return {"message": self.message} | {k: v for k, v in said.items() if v is not None}


@dataclass(frozen=True)
class Plan:
    """What is to be done, resolved and checked. Small, pickled to the replica; never holds pixels.

    `scope`, `inputs`, `operation`, `parameters`, `backend`, `backend_version` and `weights_id` are the cache key, so
    `parameters` holds every value that can change the bytes, defaults filled in, and nothing else.
    """

    operation: str
    scope: Scope
    kind: str
    parameters: JSON
    backend: str
    backend_version: str
    inputs: tuple[Input, ...] = ()
    needs: tuple[Need, ...] = ()
    parent_asset_id: str | None = None
    weights_id: str | None = None
    warnings: tuple[Warning, ...] = ()
    before: tuple[Plan, ...] = ()
    """Of a part: other parts that the same call makes and keeps first; no part of its identity."""

    @cached_property
    def cache_key(self) -> str:
        """Lower-case hex SHA-256 of the plan's identity (spec §3); another parent makes another artifact."""
        return cache_key(
            scope=self.scope,
            inputs=[item.id for item in self.inputs],
            operation=self.operation,
            parameters=self.parameters | {"parent_asset_id": self.parent_asset_id},
            backend=self.backend,
            backend_version=self.backend_version,
            weights_id=self.weights_id,
        )


@dataclass(frozen=True, slots=True)
class Report:
    """Which job a work tells its progress, and which part of that job it is."""

    job_id: str
    first: float = 0.0
    """Progress of the job when the work begins, 0..1."""
    share: float = 1.0
    """How much of the job's progress the work makes up, 0..1; 0: others tell how far the job has come."""

    def part(self, number: int, of: int) -> Report:
        """The report of part `number`, counted from 0, of `of` equal ones."""
        return Report(self.job_id, self.first + self.share * number / of, self.share / of)


Side = Draft
"""A further artifact that an operation makes beside its main one: a mask, a report, a thumbnail."""


@dataclass(frozen=True, slots=True)
class Output:
    """What `work` gives back: the main artifact as bytes or as a file in the scratch folder, and its sides."""

    media_type: str
    data: bytes | Path
    meta: JSON
    sides: Sequence[Side] = ()
    start_ms: int | None = None
    end_ms: int | None = None


class Source(Protocol):
    """One input as `work` sees it."""

    id: str
    role: str
    kind: str
    """`image`, `video` or `audio` for an asset, else the artifact's kind."""
    media_type: str
    sha256: str
    meta: JSON
    """An artifact's meta; for an asset what the probe found (width, height, duration_ms, fps, …)."""

    def read(self) -> bytes: ...

    def path(self) -> Path:
        """A readable local file with the bytes (a scratch copy where the store is remote)."""
        ...

    def json(self) -> Any: ...

    def beside(self, id: str) -> Source:
        """A side artifact that was made beside this input: it goes with it, and is no input of its own.

        NotFound where it is none of them.
        """
        ...


class Inputs(Protocol):
    """The inputs of a plan, by role or by id."""

    def one(self, role: str) -> Source: ...

    def all(self, role: str) -> list[Source]: ...

    def __getitem__(self, id: str) -> Source: ...


class Parts(Protocol):
    """Artifacts of their own that a work makes on the way to its own one, and need not make again."""

    def find(self, plan: Plan) -> Source | None:
        """The artifact of a part's plan, where it was made before."""
        ...

    def keep(self, plan: Plan, output: Output) -> None:
        """Commit a part. NotFound when an input was deleted meanwhile."""
        ...


class Folder(Protocol):
    """Where a work may put files; a Path is one."""

    def __truediv__(self, name: str, /) -> Path:
        """The place of that name inside."""
        ...


Detections = "list[np.ndarray]"
"""One float32 array [faces, 15] a frame: x, y, w, h in pixels of the frame given, confidence 0..1 on the common scale
(0.5 = the detector's own threshold), then five landmarks x, y (NaN where the detector has none)."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the replica lends to the work."""

    scratch: Folder
    """A folder of this call's own, made when it is first asked for a place and removed afterwards."""
    stop: threading.Event
    """Set when nobody waits any more: look at it each frame or window, then raise Stopped."""
    progress: Callable[[int, int], None]
    """progress(done, total)"""
    detect: Callable[[str, np.ndarray], Awaitable[list[np.ndarray]]]
    """await detect(detector, frames uint8 [N, H, W, 3] BGR) -> Detections"""
    thread: Callable[..., Awaitable[Any]]
    """await thread(function, *args): runs blocking code beside an `async def` work"""
    side_id: Callable[..., str]
    """side_id(kind, name): the id that the side artifact will get; a third argument names the kind of the main one that
    it is beside, where that is not the plan's"""
    weights: Callable[[str], Path]
    """weights(model name of models.yaml): the local file; raises WeightsMissing"""
    settings: Settings
    parts: Parts
    """What is kept of the work before it has ended."""
    ahead: Callable[[Side], None] = lambda side: None
    """ahead(side): begin to store a small side of the Output while the rest of it is made. To be called when nothing
    is left that the inputs could make fail."""


class Stopped(Exception):
    """The work saw `tools.stop` and ended early; nothing is committed."""


@dataclass(frozen=True)
class Operation:
    """A row of the table in operations.py. HTTP route, handle method and CLI command are made from it."""

    name: str
    request: type[BaseModel]
    path: str
    """The HTTP route, always POST."""
    plan: Callable[[Any, Context, Registry, Settings], Plan]
    """plan(request, context, registry, settings): light."""
    answer: Callable[[Plan, Record, Registry], JSON] | None = None
    """The answer's own fields, made from the record; the runner adds `cache` and `warnings`."""
    deployment: str = ""
    """Where the work is done: Imaging, Speech or Video."""
    work: str = ""
    """`package.module:function`, imported by the replica alone. The function is `def` (run in a thread) or `async def`
    (its blocking parts go through `tools.thread`); it takes (plan, inputs, tools) and returns an Output."""
    settle: str = ""
    """`package.module:function`: (plan, weights, settings) -> Plan, asked in the replica before the work: names the
    backend that is really there. Another one than planned is keyed and looked up anew."""
    parts: str = ""
    """`package.module:function`: (plan, inputs) -> the plans of the parts that can be made apart from each other. They
    are works of the same operation, of another kind; the work of the whole looks for them in `tools.parts`."""
    act: Callable[[Plan, Registry, Settings], tuple[JSON, bool]] | None = None
    """Instead of `answer` and `work`, for an operation that edits a document: gives the answer and whether anything
    changed. Light, run where the plan was made, its needs among the inputs."""
    preview: Callable[[Plan, Registry], JSON] | None = None
    """What a dry run shows beside the steps; its route is `path` + `/dry-run`."""
    content: bool = False
    """Whether its route answers the artifact's bytes; a handle answers JSON and reads them with get_content."""
    long: bool = False
    """A POST of it is a job (spec §6)."""
    repeats: bool = False
    """Whether its plan follows from the request, the settings and the inputs that the plan names, and from nothing that
    can change but by their deletion, and its answer from the plan and the record: then neither is made again for a body
    of the same bytes (planned.py)."""
    unit: str = ""
    """What the work's progress counts, where that is `frames`: a job then tells frames_per_s."""
    example: JSON = field(default_factory=dict)


__all__ = [
    "JSON",
    "Asset",
    "Context",
    "Detections",
    "Input",
    "Inputs",
    "Need",
    "Operation",
    "Output",
    "Parts",
    "Plan",
    "Record",
    "Registry",
    "Report",
    "Scope",
    "Side",
    "Source",
    "Stopped",
    "Tools",
    "Warning",
]
