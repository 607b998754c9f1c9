"""The places of a replica: round-robin by tenant, alone where asked, nothing lost when a waiter leaves."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from typing import Any

import pytest

from deployments.operation import Stopped
from deployments.replicas import turns as places
from deployments.replicas.pacing import Pace
from deployments.replicas.turns import Place, Turns


class Clock:
    """Stands for `time` in turns.py."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


async def test_tenants_take_turns_and_a_tenants_own_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "time", Clock())
    turns, order = Turns(1), []

    async def work(tenant: str, number: int) -> None:
        async with turns.one(tenant):
            order.append(f"{tenant}{number}")
            await asyncio.sleep(0)

    wanted = [("a", number) for number in range(5)] + [("b", 0), ("b", 1), ("c", 0)]
    await asyncio.gather(*(work(*row) for row in wanted))
    assert order == ["a0", "b0", "c0", "b1", "a1", "a2", "a3", "a4"], "who comes anew goes before who had a turn"


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
    async with turns.one("a"):  # who left from among others' waiters is not asked for any more
        gone = asyncio.create_task(work())
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        other = asyncio.create_task(enter(turns, "b"))
        await asyncio.sleep(0)
    await asyncio.wait_for(other, 1)


async def enter(turns: Turns, tenant: str) -> None:
    async with turns.one(tenant):
        pass


class Told:
    """Stands for Progress."""

    def __init__(self) -> None:
        self.waited_s = 0.0

    def tell(self, done: int, total: int) -> None: ...

    def waited(self, seconds: float) -> None:
        self.waited_s += seconds


async def nothing(detector: str, frames: Any) -> list[Any]:
    await asyncio.sleep(0.001)
    return []


class Frames:
    """Works of many frames on one place, each frame noted with its tenant."""

    def __init__(self) -> None:
        self.turns, self.seen, self.told = Turns(1), list[str](), Told()

    def pace(self, place: Place | None, stop: threading.Event) -> Pace:
        return Pace(place, stop, self.told, nothing)  # type: ignore[arg-type]

    async def in_a_thread(self, tenant: str, frames: int, stop: threading.Event | None = None) -> None:
        stop = stop or threading.Event()
        async with self.turns.one(tenant) as place:
            pace = self.pace(place, stop)

            def work() -> None:
                for number in range(frames):
                    if stop.is_set():
                        raise Stopped
                    self.seen.append(tenant)
                    time.sleep(0.002)
                    pace.progress(number, frames)

            await asyncio.to_thread(work)

    async def on_the_loop(self, tenant: str, frames: int) -> None:
        async with self.turns.one(tenant) as place:
            pace = self.pace(place, threading.Event())
            for number in range(frames):
                self.seen.append(tenant)
                pace.progress(number, frames)
                await asyncio.gather(pace.detect("d", None), pace.detect("d", None))  # type: ignore[arg-type]


class Workers:
    """Works on one place whose frames take so many seconds each of a clock of their own, noted as they are done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.turns, self.had = Clock(), Turns(1), Counter[str]()
        self.ended: dict[str, float] = {}
        monkeypatch.setattr(places, "time", self.clock)

    async def work(self, tenant: str, frames: int, frame_s: float) -> None:
        async with self.turns.one(tenant) as place:
            for _ in range(frames):
                self.clock.now += frame_s
                self.had[tenant] += round(1000 * frame_s)
                assert place
                await place.pass_on()
                await asyncio.sleep(0)
        self.ended[tenant] = self.clock.now


async def test_shares_are_equal_whatever_a_frame_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames of 40 ms beside batches of 2 s, which overstep every slice: what these had too much is made up for."""
    workers = Workers(monkeypatch)
    fine = asyncio.create_task(workers.work("t_fine", 10_000, 0.04))
    await asyncio.sleep(0)
    coarse = asyncio.create_task(workers.work("t_coarse", 50, 2.0))
    await coarse
    assert workers.had["t_coarse"] == 100_000
    assert workers.had["t_fine"] == pytest.approx(100_000, abs=1000 * (places.HEAD_START_S + places.SLICE_S + 2))
    fine.cancel()


async def test_a_short_work_goes_before_a_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five seconds of another tenant's are done at once beside a work of minutes; of ten, the rest takes turns; and
    what two works of a tenant have after each other is counted together."""
    workers = Workers(monkeypatch)
    long = asyncio.create_task(workers.work("t_long", 7500, 0.04))
    for _ in range(100):
        await asyncio.sleep(0)
    for tenant, works, most in (("t_one", [5.0], 5.1), ("t_ten", [10.0], 15.6), ("t_two", [5.0, 5.0], 15.6)):
        began = workers.clock.now
        for seconds in works:
            await workers.work(tenant, round(seconds / 0.04), 0.04)
        assert workers.ended[tenant] - began <= most, tenant
    long.cancel()


async def test_many_newcomers_go_before_a_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """None gains by coming later: their head starts are from the long one's share, not from each other's."""
    workers = Workers(monkeypatch)
    long = asyncio.create_task(workers.work("t_long", 7500, 0.04))
    await asyncio.sleep(0)
    began = workers.clock.now
    await asyncio.gather(*(workers.work(f"t_{n}", 25, 0.04) for n in range(8)))
    assert max(workers.ended.values()) - min(workers.ended.values()) <= 8 * places.SLICE_S
    assert workers.clock.now - began <= 8 * 1.04
    long.cancel()


@pytest.mark.parametrize("way", ["in_a_thread", "on_the_loop"])
async def test_a_long_work_lets_another_tenants_short_one_pass(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(places, "SLICE_S", 0.02)
    frames = Frames()
    work = getattr(frames, way)
    long = [asyncio.create_task(work("t_long", 150)) for _ in range(2)]
    await asyncio.sleep(0.01)
    await asyncio.wait_for(work("t_short", 20), 10)
    assert frames.seen.count("t_short") == 20
    assert 0 < frames.seen.count("t_long") < 150, "the short one ended before the long one had"
    await asyncio.gather(*long)
    first_half = frames.seen[: frames.seen.index("t_short")] + frames.seen[-150:]
    assert frames.seen.count("t_long") == 300
    assert "t_short" not in first_half, "the second long one began when the first had ended"
    assert frames.told.waited_s > 0


async def test_nobody_passes_a_place_on_to_his_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "SLICE_S", 0.0)
    frames = Frames()
    frames_of_each = 20
    await asyncio.gather(*(frames.in_a_thread("t_a", frames_of_each) for _ in range(3)))
    assert (frames.seen, frames.told.waited_s) == (["t_a"] * 60, 0)


async def test_who_is_stopped_while_paused_ends_and_loses_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "SLICE_S", 0.02)
    frames, stop = Frames(), threading.Event()
    paused = asyncio.create_task(frames.in_a_thread("t_a", 1000, stop))
    await asyncio.sleep(0.01)
    async with frames.turns.one("t_b"):
        stop.set()
        with pytest.raises(Stopped):
            await asyncio.wait_for(paused, 2)
    async with frames.turns.one("t_c"):
        assert frames.turns._free == 0
    assert (frames.turns._free, frames.turns._paused) == (1, 0)


async def test_so_many_are_paused_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "SLICE_S", 0.0)
    monkeypatch.setattr(places, "MOST_PAUSED", 1)
    frames = Frames()
    await asyncio.wait_for(asyncio.gather(*(frames.in_a_thread(f"t_{n}", 10) for n in range(4))), 10)
    assert len(frames.seen) == 40
