"""Every host in this process: what tests and scripts run on, with no Ray."""

from __future__ import annotations

from artifacts import Registry, Store
from configs.settings import Settings
from deployments.dispatch import LocalDispatch
from deployments.operations import OPERATIONS
from deployments.replicas.faces import FacesHost
from deployments.replicas.host import Host
from deployments.runner import Runner


def local_runner(settings: Settings, registry: Registry | None = None) -> Runner:
    """A runner whose works run in threads of this process."""
    registry = registry or Registry(Store(settings.store_url))
    host = Host(settings, registry, OPERATIONS, FacesHost(settings).detect)
    return Runner(registry, LocalDispatch(dict.fromkeys(("Imaging", "Speech", "Video"), host)), settings)


__all__ = ["local_runner"]
