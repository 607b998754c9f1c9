"""Where work is done: `local` in this process, `serve` in replicas. The runner knows only `Dispatch`."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Mapping
from typing import Any, Protocol

from deployments.errors import AppError, Busy, WorkerLost, from_wire

log = logging.getLogger(__name__)

RETURN_S = 15.0
"""How long a lost replica is waited for."""
ASK_S = 0.25


class Dispatch(Protocol):
    """Calls a method of a deployment's host (replicas/host.py, replicas/faces.py)."""

    async def call(self, deployment: str, method: str, *args: Any) -> Any:
        """The method's result. Raises AppError for what the work raised; WorkerLost, its details naming the
        deployment, when the replica died; cancelling the call cancels the work."""
        ...


class LocalDispatch:
    """Every host in this process: for tests and for scripts that want no Ray."""

    def __init__(self, hosts: Mapping[str, Any]) -> None:
        self._hosts = hosts

    async def call(self, deployment: str, method: str, *args: Any) -> Any:
        return await getattr(self._hosts[deployment], method)(*args)


STRAIGHT = frozenset({("Imaging", "execute")})
"""Calls that go from replica to replica by gRPC, and not as tasks of Ray's: they take half the time there and back, of
which a small render feels each millisecond. Jobs, frames and probes go by Ray."""
LONGEST_STRAIGHT = 1 << 20
"""Bytes of arguments that are sent so. gRPC takes 4 MiB, and the record that comes back holds no more than was sent."""


CUT_OFF = frozenset({"UNAVAILABLE", "CANCELLED"})
"""What gRPC says of a call whose replica ended or was replaced. Anything else is no death, and blames no input."""


class ServeDispatch:
    """Ray Serve handles. Everything that is sent is small, but for the frames that Video sends to Faces."""

    def __init__(self, handles: Mapping[str, Any]) -> None:
        self._handles = handles
        self._straight: dict[str, Any] = {}

    def _handle(self, deployment: str, method: str, args: tuple[Any, ...]) -> Any:
        """The handle that takes this call."""
        if (deployment, method) not in STRAIGHT or len(pickle.dumps(args)) > LONGEST_STRAIGHT:
            return self._handles[deployment]
        if deployment not in self._straight:
            self._straight[deployment] = self._handles[deployment].options(_by_reference=False)
        return self._straight[deployment]

    async def call(self, deployment: str, method: str, *args: Any) -> Any:
        from grpc.aio import AioRpcError
        from ray.exceptions import RayActorError
        from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

        response = getattr(self._handle(deployment, method, args), method).remote(*args)
        try:
            return await response
        except asyncio.CancelledError:
            response.cancel()  # a call outlives the task that awaits it
            raise
        except RayActorError as error:
            raise lost(deployment) from error
        except AioRpcError as error:
            if error.code().name not in CUT_OFF:
                raise
            raise lost(deployment) from error
        except (BackPressureError, DeploymentUnavailableError) as error:
            raise Busy(f"the {deployment} workers have more to do than they can queue; try again later") from error
        except Exception as error:
            ours: AppError | None = from_wire(error)
            if ours is None:
                raise
            raise ours from None


def lost(deployment: str) -> WorkerLost:
    """The error of a call whose replica died."""
    return WorkerLost(f"the {deployment} worker died during this request; try again", deployment=deployment)


def is_lost(error: WorkerLost, deployment: str) -> bool:
    """Whether the deployment that was called died itself, and not one that its work called in turn."""
    return error.details.get("deployment") == deployment


async def back(dispatch: Dispatch, deployment: str, within_s: float | None = None) -> None:
    """Return once the deployment answers again; WorkerLost when it does not within `within_s` (RETURN_S).

    Asked before a call is repeated: a handle may still send to the dead replica for a moment, and that must not pass
    for a second death.
    """
    log.warning("a replica of %s was lost; waiting for it to come back", deployment)
    try:
        async with asyncio.timeout(RETURN_S if within_s is None else within_s):
            while True:
                try:
                    await dispatch.call(deployment, "ready")
                    return
                except (WorkerLost, Busy):
                    await asyncio.sleep(ASK_S)
    except TimeoutError:
        raise lost(deployment) from None


async def call_again(dispatch: Dispatch, deployment: str, method: str, *args: Any) -> Any:
    """A call that is repeated once when its replica died."""
    try:
        return await dispatch.call(deployment, method, *args)
    except WorkerLost as error:
        if not is_lost(error, deployment):
            raise
        await back(dispatch, deployment)
        return await dispatch.call(deployment, method, *args)


__all__ = ["RETURN_S", "Dispatch", "LocalDispatch", "ServeDispatch", "back", "call_again", "is_lost", "lost"]
