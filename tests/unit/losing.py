"""What the tests of worker loss share: a dispatch that loses workers on demand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from artifacts import Registry, Scope, Store
from configs.settings import Settings
from deployments import crashes
from deployments.dispatch import LocalDispatch
from deployments.operation import Context
from deployments.replicas.host import Host
from deployments.runner import Runner
from tests.unit import toy_work
from tests.unit.test_runner import TOYS

CONTEXT = Context(Scope("t_acme", "dev"), "r1")


class Losing(LocalDispatch):
    """Raises what stands in `fates` for one `execute` after the other, then works."""

    def __init__(self, host: Host, registry: Registry) -> None:
        super().__init__({"Toy": host})
        self.fates: list[BaseException] = []
        self.began: bool = True
        self.calls: list[str] = []
        self._registry = registry

    async def call(self, deployment: str, method: str, *args: Any) -> Any:
        self.calls.append(method)
        if method == "execute" and self.fates:
            if self.began and len(args) > 3 and args[3]:  # what the host of a suspect notes before it dies
                crashes.note(self._registry, args[0].scope, args[0].cache_key, began=True)
            raise self.fates.pop(0)
        return await super().call(deployment, method, *args)


def toys(home: Path) -> Runner:
    """The toy operations on a dispatch that loses what it is told to; the store is in memory."""
    toy_work.CALLS.clear()
    settings, registry = Settings(mattebox_home=home), Registry(Store("memory://"))

    async def detect(detector: str, frames: object) -> list[object]:
        return []

    host = Host(settings, registry, TOYS, detect)  # type: ignore[arg-type]
    return Runner(registry, Losing(host, registry), settings, TOYS)


def losing(runner: Runner) -> Losing:
    assert isinstance(runner._dispatch, Losing)
    return runner._dispatch
