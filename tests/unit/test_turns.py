"""The places of a replica: round-robin by tenant, alone where asked, nothing lost when a waiter leaves."""

from __future__ import annotations

import asyncio

from deployments.replicas.turns import Turns


async def test_tenants_take_turns_and_a_tenants_own_keep_their_order() -> None:
    turns, order = Turns(1), []

    async def work(tenant: str, number: int) -> None:
        async with turns.one(tenant):
            order.append(f"{tenant}{number}")
            await asyncio.sleep(0)

    wanted = [("a", number) for number in range(5)] + [("b", 0), ("b", 1), ("c", 0)]
    await asyncio.gather(*(work(*row) for row in wanted))
    assert order == ["a0", "a1", "b0", "c0", "a2", "b1", "a3", "a4"]


async def test_no_more_than_the_places_at_a_time_and_all_means_alone() -> None:
    turns, inside, seen = Turns(3), 0, []

    async def work(alone: bool) -> None:
        nonlocal inside
        async with turns.all("a") if alone else turns.one("b"):
            inside += 3 if alone else 1
            seen.append(inside)
            await asyncio.sleep(0.001)
            inside -= 3 if alone else 1

    await asyncio.wait_for(asyncio.gather(*(work(number % 4 == 0) for number in range(24))), 5)
    assert max(seen) == 3
    assert len(seen) == 24


async def test_a_waiter_that_leaves_keeps_no_place() -> None:
    turns = Turns(1)

    async def work() -> str:
        async with turns.one("a"):
            return "done"

    async with turns.one("a"):
        waiting = [asyncio.create_task(work()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
    waiting[1].cancel()  # its turn may just have come
    assert await asyncio.wait_for(waiting[2], 1) == "done"
    async with asyncio.timeout(1), turns.all("b"):
        pass
