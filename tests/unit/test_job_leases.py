"""Jobs that outlive who ran them: leases, taking up, marks, limits a tenant, estimates. Two runners over one store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from artifacts import Registry, Scope, Store
from configs.settings import Settings
from deployments.dispatch import LocalDispatch
from deployments.errors import Busy, JobCancelled
from deployments.gateway.http import build_http
from deployments.jobs import board, job, marks, runs
from deployments.jobs.board import in_turn
from deployments.jobs.marks import Mark
from deployments.jobs.runs import Joined
from deployments.operation import JSON, Context, Input, Need, Plan, Warning
from deployments.replicas import progress
from deployments.replicas.host import Host
from deployments.runner import Runner
from tests.unit import toy_work
from tests.unit.test_jobs import ASYNC, CONTEXT, SCOPE, TOYS, started

Start = Callable[..., Runner]
OTHER = Context(Scope("t_other", "dev"), "r2")
LEASE_S = 0.6


@pytest.fixture
async def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Makes one more process over the same store."""
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    monkeypatch.setattr(job, "LEASE_S", LEASE_S)
    monkeypatch.setattr(runs, "WATCH_S", 0.05)
    monkeypatch.setattr(board, "LOOK_S", 0.05)
    toy_work.CALLS.clear()
    for event in (toy_work.GATE, toy_work.STARTED, toy_work.SEEN_STOP):
        event.clear()
    registry = Registry(Store("memory://"))

    async def detect(detector: str, frames: object) -> list[object]:
        return []

    def one(**settings: int) -> Runner:
        known = Settings(mattebox_home=tmp_path, **settings)  # type: ignore[arg-type]
        host = Host(known, registry, TOYS, detect, slots=1)  # type: ignore[arg-type]
        return Runner(registry, LocalDispatch({"Toy": host}), known, TOYS)

    yield one
    toy_work.GATE.set()
    await asyncio.sleep(0.05)


async def begin(runner: Runner, text: str = "waits", context: Context = CONTEXT) -> str:
    joined = await runner.begin("frames", {"text": text}, context)
    assert isinstance(joined, Joined)
    return str(joined.document["id"])


async def die(runner: Runner) -> None:
    """All at once, nothing written: as SIGKILL does."""
    tasks = [*runner.jobs._tasks.values(), *runner.jobs._beside]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def ended(runner: Runner, id: str, context: Context = CONTEXT, within_s: float = 5) -> JSON:
    for _ in range(int(within_s / 0.02)):
        body = job.get(runner.registry, context.scope, id)
        if body["state"] not in job.OPEN:
            return body
        await asyncio.sleep(0.02)
    pytest.fail(f"the job stayed {body['state']}")


async def cleared(runner: Runner) -> None:
    """Once no mark is left."""
    for _ in range(100):
        if not marks.ids(runner.registry):
            return
        await asyncio.sleep(0.02)
    pytest.fail("a mark stayed")


async def test_a_job_whose_owner_died_is_taken_up_when_its_lease_is_over(start: Start) -> None:
    first, second = start(), start()
    id = await begin(first)
    await started()
    await die(first)
    assert job.get(first.registry, CONTEXT.scope, id)["state"] == "running"
    await second.jobs.look()
    assert second.jobs._tasks == {}, "the lease still runs"
    await asyncio.sleep(LEASE_S)
    await second.jobs.look()
    toy_work.GATE.set()
    body = await ended(second, id)
    assert (body["state"], body["takes"], len(body["artifact_ids"])) == ("succeeded", 2, 1)
    assert toy_work.CALLS == ["frames", "frames"]
    await cleared(second)


async def test_a_job_that_was_never_begun_is_taken_up_too(start: Start) -> None:
    first, second = start(), start()
    toy_work.GATE.set()
    plan = TOYS["frames"].plan(TOYS["frames"].request(), CONTEXT, first.registry, first.settings)
    id = job.join(first.registry, job.Order(plan, CONTEXT))["id"]
    await second.jobs.look()
    assert (await ended(second, id))["state"] == "succeeded"


async def test_a_renewed_lease_is_not_taken(start: Start) -> None:
    first, second = start(), start()
    id = await begin(first)
    await started()
    for _ in range(4):
        await asyncio.sleep(LEASE_S / 2)
        await second.jobs.look()
    assert second.jobs._tasks == {}
    toy_work.GATE.set()
    assert (await ended(first, id))["takes"] == 1


async def test_who_waits_in_another_process_inherits_the_job(start: Start) -> None:
    first, second = start(), start()
    await begin(first)
    await started()
    waiting = asyncio.create_task(second.run("frames", {"text": "waits"}, CONTEXT))
    await asyncio.sleep(0.2)
    assert toy_work.CALLS == ["frames"], "one computation while its owner lives"
    await die(first)
    assert await asyncio.to_thread(toy_work.SEEN_STOP.wait, 2)
    toy_work.GATE.set()
    answer = await asyncio.wait_for(waiting, 5)
    assert (answer["text"], toy_work.CALLS) == ("waits", ["frames", "frames"])


@pytest.mark.parametrize(("text", "state"), [("waits", "succeeded"), ("refused", "failed")])
async def test_a_job_that_ends_elsewhere_answers_here_as_well(start: Start, text: str, state: str) -> None:
    first, second = start(), start()
    toy_work.GATE.set()
    answers = await asyncio.gather(
        *(runner.run("frames", {"text": text}, CONTEXT) for runner in (first, second)), return_exceptions=True
    )
    if state == "succeeded":
        assert len({answer["artifact_id"] for answer in answers if isinstance(answer, dict)}) == 1
    else:
        assert {type(answer).__name__ for answer in answers} == {"InvalidRequest"}


async def test_a_job_cancelled_elsewhere_tells_who_waits_here(start: Start) -> None:
    first, second = start(), start()
    id = await begin(first)
    await started()
    waiting = asyncio.create_task(second.run("frames", {"text": "waits"}, CONTEXT))
    await asyncio.sleep(0.2)
    for _ in range(2):
        await second.jobs.leave(CONTEXT.scope, id)
    with pytest.raises(JobCancelled):
        await asyncio.wait_for(waiting, 2)
    assert await asyncio.to_thread(toy_work.SEEN_STOP.wait, 2)
    await cleared(second)


async def test_a_job_that_outlives_its_owners_too_often_is_given_up(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = start(), start()
    id = await begin(first)
    await started()
    await die(first)
    monkeypatch.setattr(job, "MAX_TAKES", 1)
    await asyncio.sleep(LEASE_S)
    await second.jobs.look()
    body = await ended(second, id)
    assert (body["state"], body["error"]["code"]) == ("failed", "worker_lost")


async def test_the_marks_of_ended_and_of_unmade_jobs_go(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = start()
    plan = TOYS["frames"].plan(TOYS["frames"].request(), CONTEXT, runner.registry, runner.settings)
    id = job.join(runner.registry, job.Order(plan, CONTEXT))["id"]
    job.change(runner.registry, CONTEXT.scope, id, state="succeeded")
    marks.put(runner.registry, "job_aaaaaaaa", plan, CONTEXT)
    await runner.jobs.look()
    assert marks.ids(runner.registry) == ["job_aaaaaaaa"], "its document may be about to come"
    monkeypatch.setattr(runs, "STRAY_S", 0.0)
    await runner.jobs.look()
    assert marks.ids(runner.registry) == []


def test_a_plan_comes_back_from_its_mark_as_it_was() -> None:
    registry = Registry(Store("memory://"))
    plan = Plan(
        "marked",
        CONTEXT.scope,
        "mask",
        {"text": "ä", "ratio": 1.0, "list": [1, {"deep": None}]},
        backend="cpu",
        backend_version="1",
        inputs=(Input("asset_aaaaaaaa", "video"),),
        needs=(Need("frames", "frames", {"text": "b"}),),
        parent_asset_id="asset_aaaaaaaa",
        weights_id="w",
        warnings=(Warning("clamped", "text", 2, 1),),
    )
    marks.put(registry, "job_aaaaaaaa", plan, CONTEXT)
    mark = marks.get(registry, "job_aaaaaaaa")
    assert mark == Mark("job_aaaaaaaa", plan, CONTEXT)
    assert mark is not None
    assert (mark.plan.cache_key, job.identity(mark.plan)) == (plan.cache_key, job.identity(plan))
    assert [key for key in registry.store.keys("") if not key.startswith("tenants/")] == ["system/jobs/job_aaaaaaaa"]


async def test_a_tenant_runs_so_many_and_queues_so_many(start: Start) -> None:
    runner = start(max_running_jobs=1, max_queued_jobs=1)
    first = await begin(runner)
    await started()
    second = await begin(runner, "b")
    with pytest.raises(Busy) as caught:
        await begin(runner, "c")
    assert caught.value.details["limit"] == 2
    assert await begin(runner) == first, "who joins an open job is no job more"
    assert await begin(runner, "c", OTHER) != first, "another tenant has its own limits"
    await asyncio.sleep(0.2)
    waiting = job.get(runner.registry, CONTEXT.scope, second)
    assert (waiting["state"], waiting["owner"]) == ("queued", None)
    toy_work.GATE.set()
    assert (await ended(runner, second))["state"] == "succeeded"
    await cleared(runner)
    third = await begin(runner, "d")
    assert (await ended(runner, third))["state"] == "succeeded"


async def test_a_burst_does_not_pass_the_limit(start: Start) -> None:
    runner = start(max_running_jobs=2, max_queued_jobs=3)
    begun = await asyncio.gather(*(begin(runner, f"{n}" if n else "waits") for n in range(12)), return_exceptions=True)
    assert sum(isinstance(item, str) for item in begun) == 5
    assert sum(isinstance(item, Busy) for item in begun) == 7


async def test_over_the_limit_is_429_with_retry_after(start: Start) -> None:
    runner = start(max_running_jobs=1, max_queued_jobs=1)
    transport = httpx.ASGITransport(build_http(runner, runner.registry, runner.settings), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=SCOPE | ASYNC) as http:
        sent = [await http.post("/frames", json={"text": text}) for text in ("waits", "waits b", "waits c")]
    assert [answer.status_code for answer in sent] == [202, 202, 429]
    assert (sent[2].json()["error"]["code"], sent[2].headers["retry-after"]) == ("busy", "1")


async def test_a_queued_job_can_be_cancelled_and_the_next_moves_up(start: Start) -> None:
    runner = start(max_running_jobs=1, max_queued_jobs=5)
    first = await begin(runner)
    await started()
    second, third = await begin(runner, "b"), await begin(runner, "c")
    assert (await runner.jobs.leave(CONTEXT.scope, second))["state"] == "cancelled"
    toy_work.GATE.set()
    assert (await ended(runner, third))["state"] == (await ended(runner, first))["state"] == "succeeded"
    assert toy_work.CALLS == ["frames", "frames"]


def test_jobs_are_looked_at_round_robin_by_tenant() -> None:
    def mark(tenant: str, number: int) -> Mark:
        scope = Scope(tenant, "dev")
        return Mark(f"{tenant}{number}", Plan("frames", scope, "mask", {}, "cpu", "1"), Context(scope, "r"))

    given = [mark("t_a", 1), mark("t_a", 2), mark("t_a", 3), mark("t_b", 1), mark("t_c", 1), mark("t_c", 2)]
    assert [item.id for item in in_turn(given)] == ["t_a1", "t_b1", "t_c1", "t_a2", "t_c2", "t_a3"]


async def test_a_finished_job_tells_what_was_expected_beside_what_it_took(start: Start) -> None:
    runner = start()
    toy_work.GATE.set()
    first = job.shown(await ended(runner, await begin(runner, "abcd")))
    assert "estimate" not in first
    assert first["actual"]["bytes"] == 4
    second = job.shown(await ended(runner, await begin(runner, "ab")))
    assert second["estimate"] == {"seconds": first["actual"]["seconds"], "bytes": 4} | {
        "seconds": pytest.approx(first["actual"]["seconds"], abs=0.05)
    }
    assert second["actual"]["bytes"] == 2
    third = job.shown(await ended(runner, await begin(runner, "abc")))
    assert third["estimate"]["bytes"] == round(4 * 0.7 + 2 * 0.3)
