"""Work whose worker is lost: one repeat, never two, and inputs that crash are refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from artifacts import Registry, Store
from configs.settings import Settings
from deployments import crashes, repetition
from deployments import dispatch as loss
from deployments.dispatch import LocalDispatch, lost
from deployments.errors import (
    Busy,
    InputCrashedWorker,
    InvalidRequest,
    WorkerLost,
)
from deployments.operation import Report
from deployments.repetition import MOST_DEATHS
from deployments.replicas.host import Host
from deployments.runner import Runner
from tests.unit import toy_work
from tests.unit.losing import CONTEXT, losing, toys
from tests.unit.test_runner import TOYS, Letters, plan_letters


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return toys(tmp_path)


async def test_a_lost_worker_is_waited_for_and_the_work_repeated(runner: Runner) -> None:
    losing(runner).fates = [lost("Toy")]
    assert (await runner.run("letters", {}, CONTEXT))["text"] == "abc"
    assert losing(runner).calls == ["execute", "ready", "execute"]
    assert toy_work.CALLS == ["letters"]


async def test_an_input_that_crashed_twice_is_refused_for_an_hour(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    losing(runner).fates = [lost("Toy"), lost("Toy")]
    with pytest.raises(InputCrashedWorker) as caught:
        await runner.run("letters", {}, CONTEXT)
    assert caught.value.status == 422
    assert losing(runner).calls == ["execute", "ready", "execute"]
    with pytest.raises(InputCrashedWorker):
        await runner.run("letters", {}, CONTEXT)
    assert len(losing(runner).calls) == 3, "the second request reaches no worker"
    assert (await runner.run("letters", {"text": "other"}, CONTEXT))["text"] == "other"
    now = crashes.time.time()
    monkeypatch.setattr(crashes.time, "time", lambda: now + 3599)
    with pytest.raises(InputCrashedWorker):
        await runner.run("letters", {}, CONTEXT)
    monkeypatch.setattr(crashes.time, "time", lambda: now + 3601)
    assert (await runner.run("letters", {}, CONTEXT))["text"] == "abc"


async def test_what_waited_beside_a_crash_is_not_accused(runner: Runner) -> None:
    losing(runner).fates, losing(runner).began = [lost("Toy"), lost("Toy")], False
    with pytest.raises(WorkerLost) as caught:
        await runner.run("letters", {}, CONTEXT)
    assert caught.value.status == 503
    assert (await runner.run("letters", {}, CONTEXT))["text"] == "abc"


class Replicas(LocalDispatch):
    """As a handle does: what `meant` says, and then the last one, again and again."""

    def __init__(self, hosts: list[Host], meant: list[int]) -> None:
        super().__init__({})
        self.meant, self.sent = meant, 0
        self._replicas = hosts

    async def call(self, deployment: str, method: str, *args: Any) -> Any:
        host = self._replicas[self.meant[min(self.sent, len(self.meant) - 1)]]
        self.sent += 1
        return await getattr(host, method)(*args)


@pytest.mark.parametrize(
    ("meant", "sent"), [([0, 1], 2), ([0, 0, 1], 3), ([0, 0, 0, 0], 4)], ids=["idle", "idle, met late", "none idle"]
)
async def test_a_jobs_work_looks_for_a_replica_with_a_place_free(
    tmp_path: Path, meant: list[int], sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first replica is held by another work; where every one is, the job waits for its turn."""
    monkeypatch.setattr(repetition, "AGAIN_S", 0.001)
    toy_work.GATE.clear()
    toy_work.STARTED.clear()
    settings, registry = Settings(mattebox_home=tmp_path), Registry(Store("memory://"))
    hosts = [Host(settings, registry, TOYS, None, slots=1) for _ in range(2)]  # type: ignore[arg-type]
    held = plan_letters(Letters(text="waits"), CONTEXT, registry, settings)
    holding = asyncio.create_task(hosts[0].execute(held, "r0"))
    await asyncio.to_thread(toy_work.STARTED.wait)
    dispatch = Replicas(hosts, meant)
    wanted = plan_letters(Letters(text="abc"), CONTEXT, registry, settings)
    report = Report("job_aaaaaaaa", share=0.0)
    working = asyncio.create_task(repetition.execute(registry, dispatch, "Toy", wanted, "r1", report))
    done, _ = await asyncio.wait([working], timeout=None if 1 in meant else 0.2)
    assert bool(done) is (1 in meant)
    toy_work.GATE.set()
    assert (await working).computed
    await holding
    assert dispatch.sent == sent


class Crowded(LocalDispatch):
    """A replica that has a place free, and whose work finds those that it calls with more than they can queue."""

    def __init__(self) -> None:
        super().__init__({})
        self.calls = 0

    async def call(self, deployment: str, method: str, *args: Any) -> Any:
        self.calls += 1
        raise Busy("the Faces workers have more to do than they can queue")


async def test_a_work_that_met_busy_workers_of_its_own_is_not_done_again(tmp_path: Path) -> None:
    """Only a replica without a place is passed over: a work may have come far before it was turned away."""
    settings, registry, crowded = Settings(mattebox_home=tmp_path), Registry(Store("memory://")), Crowded()
    wanted = plan_letters(Letters(text="abc"), CONTEXT, registry, settings)
    with pytest.raises(Busy):
        await repetition.execute(registry, crowded, "Toy", wanted, "r1", Report("job_aaaaaaaa", share=0.0))
    assert crowded.calls == 1


@pytest.mark.parametrize(
    "fate",
    [
        InvalidRequest("the work's own"),
        WorkerLost("a worker that this worker called", deployment="Faces"),
        ValueError("a fault"),
    ],
)
async def test_nothing_else_is_repeated(runner: Runner, fate: Exception) -> None:
    losing(runner).fates = [fate]
    with pytest.raises(Exception, match=r".+"):
        await runner.run("letters", {}, CONTEXT)
    assert losing(runner).calls == ["execute"]


async def test_a_cancelled_call_is_not_repeated(runner: Runner) -> None:
    losing(runner).fates = [asyncio.CancelledError()]
    with pytest.raises(asyncio.CancelledError):
        await runner.run("letters", {}, CONTEXT)
    assert losing(runner).calls == ["execute"]


async def test_a_suspect_works_alone(runner: Runner) -> None:
    host = losing(runner)._hosts["Toy"]
    toy_work.GATE.clear()
    toy_work.STARTED.clear()
    plan = plan_letters(Letters(text="waits"), CONTEXT, runner.registry, runner.settings)
    other = plan_letters(Letters(text="abc"), CONTEXT, runner.registry, runner.settings)
    beside = asyncio.create_task(host.execute(plan, "r1"))
    await asyncio.to_thread(toy_work.STARTED.wait, 5)
    suspects = [asyncio.create_task(host.execute(other, "r2", None, True)) for _ in range(2)]
    await asyncio.sleep(0.1)
    assert toy_work.CALLS == ["letters"]
    toy_work.GATE.set()
    done = await asyncio.wait_for(asyncio.gather(beside, *suspects), 5)
    assert [item.computed for item in done] == [True, True, False]
    crashes.refuse(runner.registry, other.scope, other.cache_key)


class Bomb:
    """A worker that dies of every probe, and comes back unless it is told not to."""

    def __init__(self, returns: bool) -> None:
        self.calls: list[str] = []
        self._returns = returns

    async def call(self, deployment: str, method: str, *args: Any) -> Any:
        self.calls.append(method)
        if method == "probe" or not self._returns:
            raise lost(deployment)


async def test_bytes_that_kill_whoever_opens_them_are_refused(runner: Runner) -> None:
    bomb = Bomb(returns=True)
    opening = Runner(runner.registry, bomb, runner.settings, TOYS)
    with pytest.raises(InputCrashedWorker):
        await opening.probe(CONTEXT.scope, "key", "video", "video/mp4")
    assert bomb.calls == ["probe", "ready", "probe"]


async def test_bytes_are_not_accused_where_no_worker_came_back(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "ASK_S", 0.01)
    monkeypatch.setattr(loss, "RETURN_S", 0.1)
    bomb = Bomb(returns=False)
    opening = Runner(runner.registry, bomb, runner.settings, TOYS)
    with pytest.raises(WorkerLost):
        await opening.probe(CONTEXT.scope, "key", "video", "video/mp4")
    assert bomb.calls.count("probe") == 1


async def test_a_job_whose_worker_died_at_two_places_is_not_accused(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the render replica may be killed twice during one long render."""
    places = iter([0.2, 0.5, 0.8])
    monkeypatch.setattr(repetition, "_place", lambda registry, scope, report: next(places))
    losing(runner).fates = [lost("Toy"), lost("Toy"), lost("Toy")]
    operation = TOYS["letters"]
    plan = plan_letters(Letters(), CONTEXT, runner.registry, runner.settings)
    made = await runner._compute(operation, plan, "r1", Report("job_aaaaaaaa"))
    assert (made.hit, losing(runner).calls) == (False, ["execute", "ready"] * 3 + ["execute"])


async def test_a_job_whose_worker_died_twice_at_one_place_is_accused(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = iter([0.2, 0.6, 0.21])
    monkeypatch.setattr(repetition, "_place", lambda registry, scope, report: next(places))
    losing(runner).fates = [lost("Toy")] * 3
    plan = plan_letters(Letters(), CONTEXT, runner.registry, runner.settings)
    with pytest.raises(InputCrashedWorker):
        await runner._compute(TOYS["letters"], plan, "r1", Report("job_aaaaaaaa"))


async def test_a_job_gives_up_in_the_end(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repetition, "_place", lambda registry, scope, report: 0.0)
    losing(runner).fates, losing(runner).began = [lost("Toy")] * MOST_DEATHS, False
    plan = plan_letters(Letters(), CONTEXT, runner.registry, runner.settings)
    with pytest.raises(WorkerLost):
        await runner._compute(TOYS["letters"], plan, "r1", Report("job_aaaaaaaa"))
    assert losing(runner).calls.count("execute") == MOST_DEATHS
