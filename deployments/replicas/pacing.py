"""Between a work's frames: its progress is told, and its place passed on where its slice is over."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import TimeoutError as NotYet
from typing import TYPE_CHECKING

from deployments.replicas.progress import Progress
from deployments.replicas.turns import Place

if TYPE_CHECKING:
    import numpy as np

Detect = Callable[[str, "np.ndarray"], Awaitable["list[np.ndarray]"]]
STOP_LOOK_S = 0.1


class Pace:
    """What a work calls at its frames anyway: progress from its thread, detect on the loop. Both may wait a while."""

    def __init__(self, place: Place | None, stop: threading.Event, told: Progress, detect: Detect) -> None:
        """`place` is None for a work that keeps what it has."""
        self.stop = stop
        self._place, self._told, self._detect = place, told, detect
        self._loop = asyncio.get_running_loop()
        self._loops_thread = threading.get_ident()

    def progress(self, done: int, total: int) -> None:
        """`tools.progress`."""
        self._told.tell(done, total)
        if self._place and self._place.over and threading.get_ident() != self._loops_thread:
            self._wait(self._place)

    async def detect(self, detector: str, frames: np.ndarray) -> list[np.ndarray]:
        """`tools.detect`."""
        if self._place and self._place.over:
            began = time.monotonic()
            await self._place.pass_on()
            self._told.waited(time.monotonic() - began)
        return await self._detect(detector, frames)

    def _wait(self, place: Place) -> None:
        began = time.monotonic()
        passing = asyncio.run_coroutine_threadsafe(place.pass_on(), self._loop)
        while not self.stop.is_set():
            try:
                passing.result(STOP_LOOK_S)
                break
            except NotYet:
                continue
        passing.cancel()
        self._told.waited(time.monotonic() - began)


__all__ = ["Detect", "Pace"]
