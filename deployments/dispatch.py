"""Where work is done: `local` in this process, `serve` in replicas. The runner knows only `Dispatch.call`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Protocol

from deployments.errors import AppError, WorkerLost, from_wire

log = logging.getLogger(__name__)


class Dispatch(Protocol):
    """Calls a method of a deployment's host (replicas/host.py, replicas/faces.py)."""

    async def call(self, deployment: str, method: str, *args: Any) -> Any:
        """The method's result. Raises AppError for what the work raised, WorkerLost when its replica died twice."""
        ...


class LocalDispatch:
    """Every host in this process: for tests and for scripts that want no Ray."""

    def __init__(self, hosts: Mapping[str, Any]) -> None:
        self._hosts = hosts

    async def call(self, deployment: str, method: str, *args: Any) -> Any:
        return await getattr(self._hosts[deployment], method)(*args)


class ServeDispatch:
    """Ray Serve handles. Everything that is sent is small, but for the frames that Video sends to Faces."""

    def __init__(self, handles: Mapping[str, Any]) -> None:
        self._handles = handles

    async def call(self, deployment: str, method: str, *args: Any) -> Any:
        try:
            return await self._once(deployment, method, args)
        except WorkerLost:
            log.warning("a replica of %s was lost during %s; the call is repeated once", deployment, method)
            return await self._once(deployment, method, args)

    async def _once(self, deployment: str, method: str, args: tuple[Any, ...]) -> Any:
        from ray.exceptions import RayActorError

        try:
            return await getattr(self._handles[deployment], method).remote(*args)
        except RayActorError as error:
            raise WorkerLost(
                f"the {deployment} worker died during this request, and again when it was repeated; "
                "try again, and look at the input if it goes on"
            ) from error
        except asyncio.CancelledError:
            raise
        except Exception as error:
            ours: AppError | None = from_wire(error)
            if ours is None:
                raise
            raise ours from None


__all__ = ["Dispatch", "LocalDispatch", "ServeDispatch"]
