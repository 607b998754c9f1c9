"""The runner on toy operations: look-up, single-flight, needs, settle, errors, clean scratch."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from artifacts import Record, Registry, Scope, Store
from configs.models import Models, WeightsMissing
from configs.settings import Settings
from deployments.body import Body
from deployments.dispatch import LocalDispatch
from deployments.errors import InvalidRequest, NotFound
from deployments.jobs.runs import Joined
from deployments.operation import JSON, Context, Need, Operation, Plan
from deployments.operations import OPERATIONS
from deployments.replicas.host import Host
from deployments.runner import Runner
from tests.unit import toy_work
from tests.unit.image_bench import Bench

CONTEXT = Context(Scope("t_acme", "dev"), "r1")


class Letters(Body):
    text: str = "abc"


def plan_letters(request: Letters, context: Context, registry: Registry, settings: Settings) -> Plan:
    return Plan("letters", context.scope, "mask", {"text": request.text}, backend="cpu", backend_version="1")


def plan_twice(request: Letters, context: Context, registry: Registry, settings: Settings) -> Plan:
    need = Need("letters", "letters", {"text": request.text})
    return Plan("twice", context.scope, "mask", {}, backend="cpu", backend_version="1", needs=(need,))


def plan_note(request: Letters, context: Context, registry: Registry, settings: Settings) -> Plan:
    need = Need("letters", "letters", {"text": request.text})
    return Plan("note", context.scope, "", {}, backend="", backend_version="1", needs=(need,))


def act_note(plan: Plan, registry: Registry, settings: Settings) -> tuple[JSON, bool]:
    id = "note_aaaaaaaa"
    before = registry.documents.get(plan.scope, "notes", id)
    after = registry.documents.update(plan.scope, "notes", id, lambda _: {"of": plan.inputs[0].id})
    return {"version": after.version}, before is None or before.version != after.version


def answer(plan: Plan, record: Record, registry: Registry) -> JSON:
    return {"artifact_id": record.id, "text": registry.read(plan.scope, record).decode()}


WORK = "tests.unit.toy_work:"
TOYS = {
    row.name: row
    for row in (
        Operation(
            "letters",
            Letters,
            "/letters",
            plan_letters,
            answer,
            "Toy",
            WORK + "letters",
            WORK + "settle",
            preview=lambda plan, registry: {},
        ),
        Operation("twice", Letters, "/twice", plan_twice, answer, "Toy", WORK + "twice"),
        Operation("note", Letters, "/note", plan_note, act=act_note),
    )
}


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    toy_work.CALLS.clear()
    for event in (toy_work.GATE, toy_work.STARTED, toy_work.SEEN_STOP):
        event.clear()
    settings = Settings(mattebox_home=tmp_path)
    registry = Registry(Store("memory://"))

    async def detect(detector: str, frames: object) -> list[object]:
        return []

    host = Host(settings, registry, TOYS, detect)  # type: ignore[arg-type]
    yield Runner(registry, LocalDispatch({"Toy": host}), settings, TOYS)
    toy_work.GATE.set()


async def test_the_second_request_is_a_hit_and_computes_nothing(runner: Runner) -> None:
    first = await runner.run("letters", {"text": "abc"}, CONTEXT)
    second = await runner.run("letters", {}, CONTEXT)
    assert (first["cache"], second["cache"]) == ("miss", "hit")
    assert first["artifact_id"] == second["artifact_id"]
    assert first["text"] == "abc"
    assert toy_work.CALLS == ["letters"]


async def test_a_need_is_done_first_and_becomes_an_input(runner: Runner) -> None:
    answer = await runner.run("twice", {"text": "ab"}, CONTEXT)
    assert answer["text"] == "abab"
    assert toy_work.CALLS == ["letters", "twice"]
    record = runner.registry.artifact(CONTEXT.scope, answer["artifact_id"])
    (item,) = record.inputs
    assert item["role"] == "letters"
    assert runner.registry.children(CONTEXT.scope, item["id"]) == [record.id]


@pytest.mark.parametrize("text", ["abc", "falls back"])
async def test_a_dry_run_looks_up_what_the_replica_would_make(runner: Runner, text: str) -> None:
    before = await runner.dry_run("letters", {"text": text}, CONTEXT)
    await runner.run("letters", {"text": text}, CONTEXT)
    after = await runner.dry_run("letters", {"text": text}, CONTEXT)
    assert (before["cache"], after["cache"]) == ("miss", "hit")
    assert toy_work.CALLS == ["letters"]


async def test_an_act_changes_its_document_once(runner: Runner) -> None:
    assert await runner.run("note", {}, CONTEXT) == {"version": 1, "cache": "miss", "warnings": []}
    assert await runner.run("note", {}, CONTEXT) == {"version": 1, "cache": "hit", "warnings": []}
    assert (await runner.run("note", {"text": "other"}, CONTEXT))["version"] == 2


async def test_equal_concurrent_requests_are_one_computation(runner: Runner) -> None:
    requests = [asyncio.create_task(runner.run("letters", {"text": "waits"}, CONTEXT)) for _ in range(32)]
    await asyncio.to_thread(toy_work.STARTED.wait, 5)
    toy_work.GATE.set()
    answers = await asyncio.gather(*requests)
    assert {answer["artifact_id"] for answer in answers} == {answers[0]["artifact_id"]}
    assert toy_work.CALLS == ["letters"]


async def test_a_leader_that_leaves_fails_nobody(runner: Runner) -> None:
    leader = asyncio.create_task(runner.run("letters", {"text": "waits"}, CONTEXT))
    await asyncio.to_thread(toy_work.STARTED.wait, 5)
    follower = asyncio.create_task(runner.run("letters", {"text": "waits"}, CONTEXT))
    await asyncio.sleep(0)
    leader.cancel()
    await asyncio.sleep(0.05)
    toy_work.GATE.set()
    assert (await follower)["text"] == "waits"
    assert toy_work.CALLS == ["letters"]


async def test_cancelled_work_sees_its_stop_event(runner: Runner) -> None:
    plan = plan_letters(Letters(text="waits"), CONTEXT, runner.registry, runner.settings)
    work = asyncio.create_task(runner._dispatch.call("Toy", "execute", plan, "r1"))
    await asyncio.to_thread(toy_work.STARTED.wait, 5)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert await asyncio.to_thread(toy_work.SEEN_STOP.wait, 5)
    assert runner.registry.find(plan.scope, "mask", plan.cache_key) is None


async def test_a_work_that_stops_when_asked_to_is_no_fault_in_the_log(
    runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(runner._dispatch, LocalDispatch)
    plan = plan_letters(Letters(text="waits"), CONTEXT, runner.registry, runner.settings)
    work = asyncio.create_task(runner._dispatch.call("Toy", "execute", plan, "r1"))
    await asyncio.to_thread(toy_work.STARTED.wait, 5)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert toy_work.SEEN_STOP.is_set()
    del work
    gc.collect()
    await asyncio.sleep(0)
    assert not caplog.records


async def test_another_tenant_computes_its_own(runner: Runner) -> None:
    mine = await runner.run("letters", {}, CONTEXT)
    theirs = await runner.run("letters", {}, Context(Scope("t_other", "dev"), "r2"))
    assert theirs["cache"] == "miss"
    assert theirs["artifact_id"] != mine["artifact_id"]


async def test_a_replica_that_falls_back_keys_and_looks_up_again(runner: Runner) -> None:
    first = await runner.run("letters", {"text": "falls back"}, CONTEXT)
    second = await runner.run("letters", {"text": "falls back"}, CONTEXT)
    assert (first["cache"], second["cache"]) == ("miss", "hit")
    assert toy_work.CALLS == ["letters"]


async def test_what_a_fall_back_made_is_answered_at_once_where_else_a_job_would_be(runner: Runner) -> None:
    runner.operations = TOYS | {"letters": replace(TOYS["letters"], long=True)}
    await runner.run("letters", {"text": "falls back"}, CONTEXT)
    again = await runner.begin("letters", {"text": "falls back"}, CONTEXT)
    assert isinstance(again, dict)
    assert again["cache"] == "hit"
    assert isinstance(await runner.begin("letters", {"text": "waits"}, CONTEXT), Joined)


async def test_sides_are_found_under_the_id_that_the_work_was_told(runner: Runner) -> None:
    answer = await runner.run("letters", {}, CONTEXT)
    record = runner.registry.artifact(CONTEXT.scope, answer["artifact_id"])
    assert runner.registry.artifact(CONTEXT.scope, record.meta["side"]).kind == "mask"


async def test_a_work_that_puts_no_file_anywhere_has_no_folder(tmp_path: Path) -> None:
    host = Host(Settings(mattebox_home=tmp_path), Registry(Store("memory://")), OPERATIONS, None)  # type: ignore[arg-type]
    body = {"composition": {"width": 2, "height": 2, "layers": [{"color": "#336699"}]}}
    done = await host.execute(Bench(Settings(mattebox_home=tmp_path)).plan(body), "r1")
    assert done
    assert done.record.kind == "image_render"
    assert not (tmp_path / "scratch").exists()


async def test_an_error_of_the_work_reaches_the_caller_and_leaves_nothing(runner: Runner) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await runner.run("letters", {"text": "refused"}, CONTEXT)
    assert caught.value.details == {"field": "text"}
    assert not any(runner.registry.store.keys("tenants/"))
    assert not toy_work.SCRATCH[-1].exists()


async def test_an_unknown_field_is_named(runner: Runner) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await runner.run("letters", {"texts": "abc"}, CONTEXT)
    assert caught.value.details["field"] == "texts"


async def test_an_input_that_was_deleted_is_not_found(runner: Runner) -> None:
    made = await runner.run("letters", {}, CONTEXT)
    plan = plan_twice(Letters(), CONTEXT, runner.registry, runner.settings)
    plan = await runner._resolved(plan, CONTEXT, None)
    runner.registry.delete(CONTEXT.scope, made["artifact_id"])
    with pytest.raises(Exception, match="nothing with this id") as caught:
        await runner._dispatch.call("Toy", "execute", plan, "r1")
    assert caught.type.__name__ == NotFound.__name__


async def test_weights_that_cannot_be_had_are_not_asked_for_at_once_again(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def path(self: Models, name: str) -> Path:
        asked.append(name)
        raise WeightsMissing(name, [("nowhere", "it is not there")])

    monkeypatch.setattr(Models, "path", path)
    host = Host(runner.settings, runner.registry, TOYS, lambda *_: None)  # type: ignore[arg-type, return-value]
    for _ in range(3):
        with pytest.raises(WeightsMissing):
            host._weights("yunet")
    assert asked == ["yunet"]


def test_another_parent_makes_another_artifact() -> None:
    plan = Plan("letters", CONTEXT.scope, "mask", {}, backend="cpu", backend_version="1")
    assert replace(plan, parent_asset_id="asset_aaaaaaaa").cache_key != plan.cache_key
