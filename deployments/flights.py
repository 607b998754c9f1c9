"""Single-flight: one computation for all who ask for the same thing now."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from deployments.waiting import following

T = TypeVar("T")


@dataclass(slots=True)
class Flight(Generic[T]):
    """A computation on its way."""

    task: asyncio.Task[T]
    holders: int = 0
    """Who wants it. A request that disconnects still counts; a job that was cancelled does not."""


class Flights(Generic[T]):
    """The computations of this process, by key. Everything happens on the event loop, so there is no lock."""

    def __init__(self) -> None:
        self._open: dict[str, Flight[T]] = {}

    async def join(self, key: str, begin: Callable[[], Coroutine[Any, Any, T]], *, job: bool) -> T:
        """What `begin` makes: begun where nothing of this key is on its way, else waited for.

        A waiter that leaves fails nobody; a cancelled `job` that was the only one to want it stops it. The task starts
        with an empty contextvars.Context(): with the request's own, Ray would cancel the calls that it makes as soon as
        that one request ends.
        """
        flight = self._open.get(key)
        joined = flight is not None
        if flight is None:
            task = asyncio.get_running_loop().create_task(begin(), context=contextvars.Context())
            flight = self._open[key] = Flight(task)
            task.add_done_callback(lambda task: self._landed(key, task))
        flight.holders += 1
        try:
            with following() if joined else contextlib.nullcontext():
                return await asyncio.shield(flight.task)
        except asyncio.CancelledError:
            if job:  # only a job's own task is cancelled on purpose
                flight.holders -= 1
                if flight.holders == 0:
                    self._forget(key, flight.task)  # who asks from now on starts anew
                    flight.task.cancel()
            raise

    def _landed(self, key: str, task: asyncio.Task[T]) -> None:
        self._forget(key, task)
        if not task.cancelled():
            task.exception()  # seen, though all who waited may have left

    def _forget(self, key: str, task: asyncio.Task[T]) -> None:
        flight = self._open.get(key)
        if flight is not None and flight.task is task:
            del self._open[key]


__all__ = ["Flights"]
