"""The places of a replica, given out round-robin by tenant: a hundred works of one never stand before another's one."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager


class Turns:
    """`places` at a time. Lives on one event loop, so that counting needs no lock."""

    def __init__(self, places: int) -> None:
        self._places = self._free = places
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._alone = asyncio.Lock()

    @asynccontextmanager
    async def one(self, tenant: str) -> AsyncIterator[None]:
        """A place, when it is the tenant's turn."""
        await self._take(tenant)
        try:
            yield
        finally:
            self._give()

    @asynccontextmanager
    async def all(self, tenant: str) -> AsyncIterator[None]:
        """Every place; one taker of all at a time, or two could hold half each for ever."""
        async with AsyncExitStack() as held:
            await held.enter_async_context(self._alone)
            for _ in range(self._places):
                await held.enter_async_context(self.one(tenant))
            yield

    async def _take(self, tenant: str) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
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
