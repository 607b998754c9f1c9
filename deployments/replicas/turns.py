"""The places of a replica, given out round-robin by tenant: a hundred works of one never stand before another's one."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

SLICE_S = 0.5
"""How long a work keeps its place while another tenant waits for one."""
MOST_PAUSED = 8
"""Works that have passed their place on and hold their memory. Beyond them a work is not interrupted."""


class Place:
    """One of the places, held by a work."""

    def __init__(self, turns: Turns, tenant: str) -> None:
        self.held = True
        self._turns, self._tenant = turns, tenant
        self._since = time.monotonic()
        self._passing = asyncio.Lock()

    @property
    def over(self) -> bool:
        """Whether the work has had its slice, and another tenant waits."""
        return time.monotonic() - self._since >= SLICE_S and self._turns.wanted_by_others(self._tenant)

    async def pass_on(self) -> None:
        """Where the slice is over, let the other tenants' next works go first, each for a slice; called between frames.

        A cancelled one leaves the work without a place: it has no more to do than to end.
        """
        async with self._passing:
            if not (self.held and self.over):
                return
            self.held = False
            await self._turns.step_back(self._tenant)
            self.held = True
            self._since = time.monotonic()


class Turns:
    """`places` at a time. Lives on one event loop, so that counting needs no lock."""

    def __init__(self, places: int) -> None:
        self._places = self._free = places
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._alone = asyncio.Lock()
        self._paused = 0

    @asynccontextmanager
    async def one(self, tenant: str) -> AsyncIterator[Place | None]:
        """A place, when it is the tenant's turn."""
        await self._take(tenant)
        place = Place(self, tenant)
        try:
            yield place
        finally:
            if place.held:
                self._give()

    def wanted_by_others(self, tenant: str) -> bool:
        """Whether a work of another tenant waits, and may take this one's place for a while. Any thread may ask."""
        return self._paused < MOST_PAUSED and any(other != tenant for other in tuple(self._waiting))

    async def step_back(self, tenant: str) -> None:
        """Give a place to whose turn it is, and take the tenant's next."""
        self._paused += 1
        try:
            self._give()
            await self._take(tenant, first=True)
        finally:
            self._paused -= 1

    @asynccontextmanager
    async def all(self, tenant: str) -> AsyncIterator[Place | None]:
        """Every place, kept to the end; one taker of all at a time, or two could hold half each for ever."""
        async with AsyncExitStack() as held:
            await held.enter_async_context(self._alone)
            for _ in range(self._places):
                await held.enter_async_context(self.one(tenant))
            yield None

    async def _take(self, tenant: str, first: bool = False) -> None:
        """`first`: before the tenant's other works, so that no more than one of them is paused for each place."""
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(tenant, deque())
        queue.insert(0 if first else len(queue), turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came as the waiter left
                self._give()
            raise

    def _give(self) -> None:
        while self._waiting:
            tenant, queue = self._waiting.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._waiting[tenant] = queue  # behind every other tenant
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


__all__ = ["Turns"]
