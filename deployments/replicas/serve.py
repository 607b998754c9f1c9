"""The deployments: each a thin Ray Serve face over a host of this folder, or over the gateway."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from typing import TYPE_CHECKING, Any

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from artifacts import Registry, Scope, Store
from artifacts.addresses import refuse_unshared
from configs.settings import Settings
from deployments.dispatch import ServeDispatch
from deployments.errors import to_wire
from deployments.gateway.admission import Admission
from deployments.gateway.handle import HandleFace
from deployments.gateway.http import build_http
from deployments.logs import configure
from deployments.operation import JSON, Plan, Report
from deployments.operations import OPERATIONS
from deployments.replicas.detecting import PLAN, Detecting, Suspect, began
from deployments.replicas.faces import FacesHost
from deployments.replicas.heaps import few
from deployments.replicas.host import Done, Host
from deployments.replicas.meters import Meters
from deployments.replicas.threads import pin
from deployments.replicas.turns import Turns
from deployments.runner import Runner

if TYPE_CHECKING:
    import numpy as np


log = logging.getLogger(__name__)

BATCHES = 64
"""Batches that Faces has in hand at a time; what bounds its work is the host."""


def open_registry(settings: Settings) -> Registry:
    """The registry that every replica shares; UnsuitableStore for a store that other replicas would not see."""
    nodes = sum(node["Alive"] for node in ray.nodes())
    refuse_unshared(settings.store_url, nodes, settings.allow_local_store)
    return Registry(Store(settings.store_url))


class Worker:
    """Imaging, Speech and Video: one Host each; what is deployed differs in options, slots and what it imports."""

    def __init__(
        self, settings: Settings, slots: int, faces: DeploymentHandle[Any] | None = None, warm: str = ""
    ) -> None:
        pin(settings)
        if faces:  # Video: its decoders, encoders and searches come and go with each segment
            few()
        configure(settings)
        registry = open_registry(settings)
        detect = Detecting(registry, ServeDispatch({"Faces": faces} if faces else {}))
        self._host = Host(settings, registry, OPERATIONS, detect, slots)
        self._meters = Meters()
        if warm:
            self._host.warm(warm)

    async def ready(self) -> bool:
        """Answered once the constructor has ended, kernels compiled."""
        return True

    async def execute(
        self, plan: Plan, request_id: str, report: Report | None = None, suspect: bool = False, wait: bool = True
    ) -> Done | None:
        began = time.monotonic()
        PLAN.set(plan)
        try:
            done = await self._host.execute(plan, request_id, report, suspect, wait)
            if done and done.computed:
                self._meters.computed(plan.operation, time.monotonic() - began)
            return done
        except Exception as error:
            self._meters.failed(plan.operation)
            about = {"request_id": request_id, "tenant": plan.scope.tenant, "operation": plan.operation}
            log.info("the work failed", exc_info=error, extra={"about": about})
            raise to_wire(error, request_id) from None

    async def settle(self, plan: Plan) -> Plan:
        try:
            return await self._host.settle(plan)
        except Exception as error:
            raise to_wire(error, "") from None

    async def parts(self, plan: Plan) -> list[Plan]:
        try:
            return await self._host.parts(plan)
        except Exception as error:
            raise to_wire(error, "") from None

    async def probe(self, scope: Scope, key: str, media_type: str) -> JSON:
        try:
            return await self._host.probe(scope, key, media_type)
        except Exception as error:
            raise to_wire(error, "") from None


class Faces:
    """Batches of frames in, boxes out; a batch comes formed from Video."""

    def __init__(self, settings: Settings) -> None:
        pin(settings)
        configure(settings)
        self._host = FacesHost(settings)
        self._registry = open_registry(settings)
        self._turns = Turns(BATCHES)

    async def ready(self) -> bool:
        return True

    async def detect(self, detector: str, frames: np.ndarray, suspect: Suspect | None = None) -> list[np.ndarray]:
        """A `suspect` batch lost this deployment's worker before: it is searched with nothing beside it."""
        try:
            async with self._turns.all("") if suspect else self._turns.one(""):
                with began(self._registry, suspect):
                    return await self._host.detect(detector, frames)
        except Exception as error:
            raise to_wire(error, "") from None


class JobsFace:
    """Takes up the jobs that dead processes left, tells their ends, and keeps nothing outside the store."""

    async def __init__(self, settings: Settings, handles: dict[str, Any]) -> None:  # type: ignore[misc]
        """Serve awaits it, on the loop that the tending then runs on."""
        configure(settings)
        self.runner = Runner(open_registry(settings), ServeDispatch(handles), settings)
        self._tending = asyncio.get_running_loop().create_task(self.runner.jobs.tend(), context=contextvars.Context())

    async def ready(self) -> bool:
        return not self._tending.done()

    def check_health(self) -> None:
        """Serve replaces a replica that raises here."""
        if self._tending.done():
            raise RuntimeError("the tending of jobs has ended")


class GatewayFace(HandleFace):
    """HTTP and handle methods over one runner."""

    def __init__(self, settings: Settings, handles: dict[str, Any]) -> None:
        configure(settings)
        self.settings = settings
        self.registry = open_registry(settings)
        self.runner = Runner(self.registry, ServeDispatch(handles), settings)
        self.admission = Admission(settings.max_requests_per_tenant)

    def __serve_build_asgi_app__(self) -> FastAPI:
        return build_http(self.runner, self.registry, self.settings, self.admission)


Gateway = serve.ingress()(GatewayFace)

__all__ = ["Faces", "Gateway", "JobsFace", "Worker"]
