"""The places of a replica, shared out by tenant: a hundred works of one never stand before another's one.

Each tenant has an account of the time that its works had a place. Who waits with the smallest one is next, and a work
passes its place on, between two frames, when its tenant is SLICE_S ahead of one that waits. So whatever a turn takes
is made up for by the next ones, and over time tenants have equal shares. One that comes anew begins HEAD_START_S
behind the others: a short work goes first, and who sends without a pause gains nothing by it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

SLICE_S = 0.5
"""How far a tenant gets ahead of one that waits before its work passes its place on."""
HEAD_START_S = 5.0
"""How much less than the others a tenant that comes after a pause is taken to have had, at most."""
MOST_PAUSED = 8
"""Works that have passed their place on and hold their memory. Beyond them a work is not interrupted."""


class Place:
    """One of the places, held by a work."""

    def __init__(self, turns: Turns, tenant: str) -> None:
        self.held = True
        self._turns, self._tenant = turns, tenant
        self._since = time.monotonic()
        self._passing = asyncio.Lock()
        turns.holders[self] = tenant

    @property
    def over(self) -> bool:
        """Whether the work's tenant is a slice ahead of another one that waits."""
        return self._turns.wanted_by_others(self._tenant, time.monotonic() - self._since)

    async def pass_on(self) -> None:
        """Where the turn is over, let the other tenants' next works go first; called between frames.

        A cancelled one leaves the work without a place: it has no more to do than to end.
        """
        async with self._passing:
            if not (self.held and self.over):
                return
            self.give()
            await self._turns.step_back(self._tenant)
            self.held = True
            self._since = time.monotonic()
            self._turns.holders[self] = self._tenant

    def charge(self) -> None:
        """Put the time until now on its tenant's account."""
        now = time.monotonic()
        self._turns.charge(self._tenant, now - self._since)
        self._since = now

    def give(self) -> None:
        """Let the place go to whose turn it is."""
        self.charge()
        self.held = False
        del self._turns.holders[self]
        self._turns.give()


class Turns:
    """`places` at a time. Lives on one event loop, so that counting needs no lock."""

    def __init__(self, places: int) -> None:
        self._places = self._free = places
        self.holders: dict[Place, str] = {}
        """Whose each place is that is held."""
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._had: dict[str, float] = {}
        self._level = 0.0  # what those who stay have had, at least; it never falls
        self._here: Counter[str] = Counter()
        self._alone = asyncio.Lock()
        self._paused = 0

    @property
    def full(self) -> bool:
        """Whether a work that comes now would have to wait."""
        return not self._free

    @asynccontextmanager
    async def one(self, tenant: str) -> AsyncIterator[Place | None]:
        """A place, when it is the tenant's turn."""
        self._come(tenant)
        try:
            await self._take(tenant)
            place = Place(self, tenant)
            try:
                yield place
            finally:
                if place.held:
                    place.give()
        finally:
            self._go(tenant)

    def wanted_by_others(self, tenant: str, turn_s: float) -> bool:
        """Whether a work of another tenant waits, which is a slice behind a turn of so many seconds, and may take this
        one's place for a while. Any thread may ask."""
        limit = self._had.get(tenant, 0.0) + turn_s - SLICE_S
        others = (other for other in tuple(self._waiting) if other != tenant)
        return self._paused < MOST_PAUSED and any(self._had.get(other, 0.0) <= limit for other in others)

    async def step_back(self, tenant: str) -> None:
        """After a place was given: take the tenant's next turn."""
        self._paused += 1
        try:
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

    def charge(self, tenant: str, seconds: float) -> None:
        """The tenant had a place for so long."""
        self._had[tenant] += seconds

    def give(self) -> None:
        """A place is free again."""
        while self._waiting:
            after = min(self._waiting, key=lambda tenant: self._had[tenant])
            queue = self._waiting.pop(after)
            turn = queue.popleft()
            if queue:
                self._waiting[after] = queue  # of equals behind the others
            if not turn.done():
                self._level = max(self._level, self._had[after])
                turn.set_result(None)
                return
        self._free += 1

    def _come(self, tenant: str) -> None:
        """Opens the account of a tenant that has no work here."""
        if not self._here[tenant]:
            for place in self.holders:
                place.charge()
            least = min((self._had[holder] for holder in self.holders.values()), default=self._level)
            self._level = max(self._level, least)
            floor = self._level - (HEAD_START_S if self._free < self._places else 0.0)
            self._had = {other: had for other, had in self._had.items() if self._here[other] or had > floor}
            self._had.setdefault(tenant, floor)
        self._here[tenant] += 1

    def _go(self, tenant: str) -> None:
        self._here[tenant] -= 1
        if not self._here[tenant]:
            del self._here[tenant]
        if not self._here:
            self._had.clear()
            self._level = 0.0

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
                self.give()
            elif turn in queue:
                queue.remove(turn)
                if not queue:
                    del self._waiting[tenant]
            raise


__all__ = ["Turns"]
