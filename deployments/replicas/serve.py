"""The deployments: each a thin Ray Serve face over a host of this folder, or over the gateway."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from artifacts import Registry, Scope, Store
from artifacts.store import refuse_unshared
from configs.settings import Settings
from deployments.dispatch import ServeDispatch, call_again
from deployments.errors import to_wire
from deployments.gateway.admission import Admission
from deployments.gateway.handle import HandleFace
from deployments.gateway.http import build_http
from deployments.logs import configure
from deployments.operation import JSON, Plan, Report
from deployments.operations import OPERATIONS, Runner
from deployments.replicas.faces import FacesHost
from deployments.replicas.host import Done, Host
from deployments.replicas.meters import Meters
from deployments.replicas.threads import pin

if TYPE_CHECKING:
    import numpy as np


log = logging.getLogger(__name__)


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
        configure(settings)
        dispatch = ServeDispatch({"Faces": faces} if faces else {})

        async def detect(detector: str, frames: np.ndarray) -> list[np.ndarray]:
            found: list[np.ndarray] = await call_again(dispatch, "Faces", "detect", detector, frames)
            return found

        self._host = Host(settings, open_registry(settings), OPERATIONS, detect, slots)
        self._meters = Meters()
        if warm:
            self._host.warm(warm)

    async def ready(self) -> bool:
        """Answered once the constructor has ended, kernels compiled."""
        return True

    async def execute(self, plan: Plan, request_id: str, report: Report | None = None, suspect: bool = False) -> Done:
        began = time.monotonic()
        try:
            done = await self._host.execute(plan, request_id, report, suspect)
            if done.computed:
                self._meters.computed(plan.operation, time.monotonic() - began)
            return done
        except Exception as error:
            self._meters.failed(plan.operation)
            about = {"request_id": request_id, "tenant": plan.scope.tenant, "operation": plan.operation}
            log.info("the work failed", exc_info=error, extra={"about": about})
            raise to_wire(error, request_id) from None

    async def settle(self, plan: Plan) -> Plan:
        return await self._host.settle(plan)

    async def probe(self, scope: Scope, key: str, media_type: str) -> JSON:
        try:
            return await self._host.probe(scope, key, media_type)
        except Exception as error:
            raise to_wire(error, "") from None


class Faces:
    """Batches of frames in, boxes out; a batch comes formed from Video."""

    def __init__(self, settings: Settings) -> None:
        pin(settings)
        self._host = FacesHost(settings)

    async def ready(self) -> bool:
        return True

    async def detect(self, detector: str, frames: np.ndarray) -> list[np.ndarray]:
        try:
            return await self._host.detect(detector, frames)
        except Exception as error:
            raise to_wire(error, "") from None


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

__all__ = ["Faces", "Gateway", "Worker"]
