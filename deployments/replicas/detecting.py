"""Detection in Faces for the work that this replica does: repeated when Faces dies, guilty when a batch kills it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifacts import Registry, Scope
from deployments import crashes
from deployments.dispatch import Dispatch, back
from deployments.errors import WorkerLost
from deployments.operation import Plan

if TYPE_CHECKING:
    import numpy as np

PLAN: ContextVar[Plan] = ContextVar("plan")
"""What this call of a worker works on."""
RETURN_S = 60.0
MOST_DEATHS = 6
PART = "faces"


@dataclass(frozen=True, slots=True)
class Suspect:
    """Whose batch it is that Faces died of, or beside."""

    scope: Scope
    cache_key: str


class Detecting:
    """`await detecting(detector, frames)`: operation.Detections, from Faces."""

    def __init__(self, registry: Registry, dispatch: Dispatch) -> None:
        self._registry, self._dispatch = registry, dispatch

    async def __call__(self, detector: str, frames: np.ndarray) -> list[np.ndarray]:
        """Raises InputCrashedWorker when Faces died of this batch twice; WorkerLost when it does not come back."""
        suspect: Suspect | None = None
        for death in range(MOST_DEATHS):
            try:
                accused = (suspect,) if suspect else ()
                found: list[np.ndarray] = await self._dispatch.call("Faces", "detect", detector, frames, *accused)
                return found
            except WorkerLost:
                if suspect:
                    crashes.convict(self._registry, suspect.scope, suspect.cache_key, PART)
                if death == MOST_DEATHS - 1:
                    raise
            plan = PLAN.get()
            suspect = Suspect(plan.scope, plan.cache_key)
            crashes.note(self._registry, suspect.scope, suspect.cache_key, PART, began=False)
            await back(self._dispatch, "Faces", RETURN_S)
        raise AssertionError("the last death raises")


@contextmanager
def began(registry: Registry, suspect: Suspect | None) -> Iterator[None]:
    """Note that a suspect's batch is being searched, until it has been; a death in between leaves the note."""
    if suspect:
        crashes.note(registry, suspect.scope, suspect.cache_key, PART, began=True)
    try:
        yield
    finally:
        if suspect:
            crashes.note(registry, suspect.scope, suspect.cache_key, PART, began=False)


__all__ = ["PLAN", "Detecting", "Suspect", "began"]
