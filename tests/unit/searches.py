"""Regions found in this process, without a registry."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from artifacts.canonical import make_id
from artifacts.errors import NotFound
from artifacts.scope import Scope
from configs.models import WeightsMissing
from configs.settings import Settings
from deployments.engines.video_regions import detectors, work
from deployments.engines.video_regions.models import RegionsRequest
from deployments.engines.video_regions.plan import plan
from deployments.operation import Context, Output, Plan

SCOPE = Scope("t_acme", "dev")
CONTEXT = Context(SCOPE, "request")
ASSET = "asset_aaaaaaaa"


def registry(kind: str = "video") -> Any:
    def asset(scope: Scope, id: str) -> Any:
        if id != ASSET:
            raise NotFound
        return SimpleNamespace(id=id, kind=kind, meta={"width": 640, "height": 360})

    return SimpleNamespace(asset=asset)


def planned(kind: str = "video", settings: Settings | None = None, **body: Any) -> Plan:
    request = RegionsRequest.model_validate({"asset_id": ASSET} | body)
    return plan(request, CONTEXT, registry(kind), settings or Settings())


class Source:
    def __init__(self, path: Path, kind: str) -> None:
        self.id, self.role, self.kind, self._path = ASSET, "asset", kind, path

    def path(self) -> Path:
        return self._path


def run(
    made: Plan,
    path: Path,
    weights: dict[str, Path],
    *,
    kind: str = "video",
    calls: list[Any] | None = None,
    loaded: dict[str, Any] | None = None,
) -> Output:
    """The work in this process; `calls` gets (detector, frames' shape) of each call of detect, `loaded` the detectors,
    or has them already."""
    loaded = {} if loaded is None else loaded
    flying = 0

    async def detect(name: str, frames: np.ndarray) -> list[np.ndarray]:
        nonlocal flying
        if name not in loaded:
            loaded[name] = detectors.make_detector(name, weights.__getitem__, Settings())
        flying += 1
        if calls is not None:
            calls.append((name, frames.shape, flying))
        frames.setflags(write=False)
        try:
            return await asyncio.to_thread(loaded[name], frames)
        finally:
            flying -= 1

    source = Source(path, kind)
    tools: Any = SimpleNamespace(
        stop=threading.Event(),
        progress=lambda done, total: None,
        detect=detect,
        thread=asyncio.to_thread,
        side_id=lambda kind, name: make_id(kind.replace("_", ""), name),
        settings=Settings(),
    )
    inputs: Any = SimpleNamespace(one=lambda role: source)
    return asyncio.run(work.find_regions(made, inputs, tools))


def as_xywh(boxes: Any) -> np.ndarray:
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    return np.column_stack([corners[:, :2], corners[:, 2:] - corners[:, :2]])


def sides(output: Output, kind: str) -> dict[str, Any]:
    return {side.name: side for side in output.sides if side.kind == kind}


def having(weights: dict[str, Path]) -> Any:
    def path(name: str) -> Path:
        if name not in weights:
            raise WeightsMissing(name, [])
        return weights[name]

    return path
