"""Jobs on toy operations: the same request is the same job, waiters, cancelling, attempts, progress, HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from artifacts import Registry, Scope, Store
from configs.settings import Settings
from deployments.dispatch import LocalDispatch
from deployments.errors import JobCancelled
from deployments.gateway.admission import Admission
from deployments.gateway.handle import HandleFace
from deployments.gateway.http import build_http
from deployments.jobs import events, job
from deployments.jobs.job import Order
from deployments.jobs.routes import prefers_async
from deployments.jobs.runs import Joined
from deployments.operation import JSON, Context, Need, Operation, Plan, Report
from deployments.replicas import progress
from deployments.replicas.host import Host
from deployments.runner import Runner
from tests.unit import toy_work
from tests.unit.test_runner import Letters, act_note, answer

CONTEXT = Context(Scope("t_acme", "dev"), "r1")
SCOPE = {"X-Tenant-Id": "t_acme", "X-Env": "dev"}
ASYNC = {"Prefer": "respond-async"}


def plan_frames(request: Letters, context: Context, registry: Registry, settings: Settings) -> Plan:
    return Plan("frames", context.scope, "mask", {"text": request.text}, backend="cpu", backend_version="1")


def plan_marked(request: Letters, context: Context, registry: Registry, settings: Settings) -> Plan:
    need = Need("frames", "frames", {"text": request.text})
    return Plan("marked", context.scope, "", {}, backend="", backend_version="1", needs=(need,))


TOYS = {
    row.name: row
    for row in (
        Operation(
            "frames",
            Letters,
            "/frames",
            plan_frames,
            answer,
            "Toy",
            "tests.unit.toy_work:frames",
            long=True,
            unit="frames",
        ),
        Operation("marked", Letters, "/marked", plan_marked, act=act_note, long=True),
    )
}


@pytest.fixture
async def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runner]:
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    toy_work.CALLS.clear()
    for event in (toy_work.GATE, toy_work.STARTED, toy_work.SEEN_STOP):
        event.clear()
    settings = Settings(mattebox_home=tmp_path)
    registry = Registry(Store("memory://"))

    async def detect(detector: str, frames: object) -> list[object]:
        return []

    host = Host(settings, registry, TOYS, detect, slots=1)  # type: ignore[arg-type]
    yield Runner(registry, LocalDispatch({"Toy": host}), settings, TOYS)
    toy_work.GATE.set()
    await asyncio.sleep(0.05)


@pytest.fixture
async def http(runner: Runner) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_http(runner, runner.registry, runner.settings), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=SCOPE) as client:
        yield client


async def started() -> None:
    assert await asyncio.to_thread(toy_work.STARTED.wait, 5)


async def state(http: httpx.AsyncClient, id: str, *wanted: str) -> JSON:
    """The job, once it is in one of the states."""
    for _ in range(250):
        answer = await http.get(f"/jobs/{id}")
        body: JSON = answer.json()
        if body["state"] in wanted:
            return body
        await asyncio.sleep(0.02)
    pytest.fail(f"the job stayed {body['state']}")


async def begin(http: httpx.AsyncClient, text: str = "waits", path: str = "/frames") -> JSON:
    accepted = await http.post(path, json={"text": text}, headers=ASYNC)
    assert accepted.status_code == 202, accepted.text
    body: JSON = accepted.json()
    assert accepted.headers["location"] == f"/jobs/{body['id']}"
    return body


async def test_a_long_request_is_accepted_runs_and_succeeds(http: httpx.AsyncClient) -> None:
    body = await begin(http)
    assert set(body) == {"id", "operation", "state", "progress", "artifact_ids", "created_at", "updated_at"}
    assert (body["state"], body["progress"]) == ("queued", 0)
    await started()
    await asyncio.sleep(0.05)
    running = await state(http, body["id"], "running")
    assert running["progress"] == 0.5
    assert running["frames_per_s"] > 0
    assert running["eta_s"] >= 0
    toy_work.GATE.set()
    done = await state(http, body["id"], "succeeded")
    assert done["progress"] == 1
    again = await http.post("/frames", json={"text": "waits"}, headers=ASYNC)
    assert (again.status_code, again.json()["cache"]) == (200, "hit")
    assert done["artifact_ids"] == [again.json()["artifact_id"]]


async def test_without_the_header_the_call_waits(http: httpx.AsyncClient) -> None:
    answer = await http.post("/frames", json={"text": "abc"})
    assert (answer.status_code, answer.json()["text"], answer.json()["cache"]) == (200, "abc", "miss")
    (listed,) = (await http.get("/jobs")).json()["jobs"]
    assert (listed["state"], listed["artifact_ids"]) == ("succeeded", [answer.json()["artifact_id"]])


async def test_the_same_request_is_the_same_job(http: httpx.AsyncClient) -> None:
    first, second = await begin(http), await begin(http)
    assert first["id"] == second["id"]
    toy_work.GATE.set()
    await state(http, first["id"], "succeeded")
    assert toy_work.CALLS == ["frames"]


async def test_the_last_to_leave_cancels_and_an_equal_request_starts_anew(http: httpx.AsyncClient) -> None:
    first = await begin(http)
    await begin(http)
    await started()
    assert (await http.delete(f"/jobs/{first['id']}")).json()["state"] in ("queued", "running")
    assert not toy_work.SEEN_STOP.is_set()
    assert (await http.delete(f"/jobs/{first['id']}")).json()["state"] == "cancelled"
    assert await asyncio.to_thread(toy_work.SEEN_STOP.wait, 1)
    assert (await http.delete(f"/jobs/{first['id']}")).json()["state"] == "cancelled"
    toy_work.GATE.set()
    second = await begin(http)
    assert second["id"] != first["id"]
    await state(http, second["id"], "succeeded")
    assert (await http.get(f"/jobs/{first['id']}")).json()["state"] == "cancelled"


async def test_who_waits_for_a_cancelled_job_is_told(runner: Runner) -> None:
    waiting = asyncio.create_task(runner.run("frames", {"text": "waits"}, CONTEXT))
    await started()
    (open_job,) = job.listed(runner.registry, CONTEXT.scope, 10)
    await runner.jobs.leave(CONTEXT.scope, open_job["id"])
    with pytest.raises(JobCancelled):
        await waiting


async def test_a_request_that_disconnects_cancels_nothing(runner: Runner) -> None:
    waiting = asyncio.create_task(runner.run("frames", {"text": "waits"}, CONTEXT))
    await started()
    waiting.cancel()
    await asyncio.sleep(0.05)
    toy_work.GATE.set()
    assert (await runner.run("frames", {"text": "waits"}, CONTEXT))["text"] == "waits"
    assert toy_work.CALLS == ["frames"]


async def test_another_process_can_cancel(runner: Runner) -> None:
    joined = await runner.begin("frames", {"text": "waits"}, CONTEXT)
    assert isinstance(joined, Joined)
    await started()
    job.leave(runner.registry, CONTEXT.scope, joined.document["id"])
    assert await asyncio.to_thread(toy_work.SEEN_STOP.wait, 2)


async def test_a_failed_job_keeps_its_envelope_and_is_tried_anew(http: httpx.AsyncClient) -> None:
    first = await begin(http, "refused")
    failed = await state(http, first["id"], "failed")
    assert failed["error"]["code"] == "invalid_request"
    assert failed["error"]["details"] == {"field": "text"}
    assert failed["error"]["http_status"] == 400
    assert (await begin(http, "refused"))["id"] != first["id"]
    waited = await http.post("/frames", json={"text": "refused"})
    assert (waited.status_code, waited.json()["error"]["code"]) == (400, "invalid_request")


async def test_a_need_shares_the_progress_and_cancels_with_its_job(http: httpx.AsyncClient) -> None:
    body = await begin(http, path="/marked")
    await started()
    await asyncio.sleep(0.05)
    assert (await state(http, body["id"], "running"))["progress"] == 0.25
    await http.delete(f"/jobs/{body['id']}")
    assert await asyncio.to_thread(toy_work.SEEN_STOP.wait, 1)


async def test_a_need_that_another_job_wants_goes_on(http: httpx.AsyncClient) -> None:
    marked = await begin(http, path="/marked")
    await started()
    frames = await begin(http)
    await asyncio.sleep(0.05)
    await http.delete(f"/jobs/{marked['id']}")
    await asyncio.sleep(0.7)
    assert not toy_work.SEEN_STOP.is_set()
    toy_work.GATE.set()
    assert (await state(http, frames["id"], "succeeded"))["artifact_ids"]
    assert toy_work.CALLS == ["frames"]


async def test_an_act_with_its_needs_at_hand_answers_at_once(http: httpx.AsyncClient) -> None:
    await http.post("/frames", json={"text": "abc"})
    answer = await http.post("/marked", json={"text": "abc"}, headers=ASYNC)
    assert (answer.status_code, answer.json()["version"]) == (200, 1)


async def test_jobs_of_others_and_of_nobody_are_the_same_404(http: httpx.AsyncClient) -> None:
    mine = await begin(http)
    other = {"X-Tenant-Id": "t_other", "X-Env": "dev", "X-Request-Id": "r"}
    for method in ("GET", "DELETE"):
        foreign = await http.request(method, f"/jobs/{mine['id']}", headers=other)
        absent = await http.request(method, "/jobs/job_aaaaaaaa", headers=other)
        malformed = await http.request(method, "/jobs/..%2Fx", headers=other)
        assert foreign.status_code == absent.status_code == malformed.status_code == 404
        assert foreign.content == absent.content
    assert (await http.get("/jobs", headers=other)).json() == {"jobs": []}


@pytest.mark.parametrize(("limit", "status"), [("1", 200), ("100", 200), ("0", 400), ("101", 400), ("x", 400)])
async def test_the_list_is_small(http: httpx.AsyncClient, limit: str, status: int) -> None:
    for text in ("a", "b"):
        await http.post("/frames", json={"text": text})
    answer = await http.get("/jobs", params={"limit": limit})
    assert answer.status_code == status
    if status == 200:
        assert len(answer.json()["jobs"]) == min(int(limit), 2)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("respond-async", True),
        ("wait=10, Respond-Async", True),
        ("respond-async; x=1", True),
        ("", False),
        ("wait=10", False),
        ("not-respond-async", False),
    ],
)
def test_prefer_is_read_as_its_rfc_says(header: str, expected: bool) -> None:
    assert prefers_async(header) is expected


def test_parts_of_a_report_fill_it_without_a_gap() -> None:
    parts = [Report("job_aaaaaaaa", 0.5, 0.5).part(number, 4) for number in range(4)]
    assert [part.first for part in parts] == [0.5, 0.625, 0.75, 0.875]
    assert parts[-1].first + parts[-1].share == 1


def test_an_ended_job_stays_as_it_ended(runner: Runner) -> None:
    plan = plan_frames(Letters(), CONTEXT, runner.registry, runner.settings)
    body = job.join(runner.registry, Order(plan, CONTEXT))
    job.leave(runner.registry, plan.scope, body["id"])
    assert job.change(runner.registry, plan.scope, body["id"], state="succeeded")["state"] == "cancelled"


def told(text: str) -> list[JSON]:
    """The events of a stream, its comments left out."""
    found = []
    for block in text.split("\n\n"):
        rows = [line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")]
        fields = {row[0]: row[1] for row in rows}
        if "data" in fields:
            found.append({"id": int(fields["id"]), "event": fields["event"], "data": json.loads(fields["data"])})
    return found


async def test_events_tell_each_change_and_end_with_the_state(http: httpx.AsyncClient) -> None:
    body = await begin(http)
    await started()
    await asyncio.sleep(0.05)
    stream = asyncio.create_task(http.get(f"/jobs/{body['id']}/events"))
    await asyncio.sleep(0.1)
    toy_work.GATE.set()
    answer = await asyncio.wait_for(stream, 5)
    assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-store"
    found = told(answer.text)
    assert (found[0]["event"], found[0]["data"]["progress"]) == ("running", 0.5)
    assert {"frames_per_s", "eta_s"} <= set(found[0]["data"])
    assert found[-1]["event"] == "succeeded"
    assert found[-1]["data"] == (await http.get(f"/jobs/{body['id']}")).json()
    assert [event["id"] for event in found] == sorted({event["id"] for event in found})


async def test_events_go_on_after_the_last_that_was_seen(http: httpx.AsyncClient, runner: Runner) -> None:
    body = await begin(http)
    await started()
    await asyncio.sleep(0.05)
    first = (await anext(aiter(after(runner, body["id"], 0))))["id"]
    toy_work.GATE.set()
    await state(http, body["id"], "succeeded")
    path = f"/jobs/{body['id']}/events"
    rest = told((await http.get(path, headers={"Last-Event-ID": str(first)})).text)
    assert [event["event"] for event in rest] == ["succeeded"]
    again = await http.get(path, headers={"Last-Event-ID": str(rest[-1]["id"])})
    assert (again.status_code, again.content) == (204, b"")
    for strange in ("", "x", "-1", "9" * 40):
        whole = told((await http.get(path, headers={"Last-Event-ID": strange})).text)
        assert [event["event"] for event in whole] == ["succeeded"]


async def after(runner: Runner, id: str, seen: int) -> AsyncIterator[JSON]:
    async for block in events.stream(runner.registry, CONTEXT.scope, id, seen):
        for event in told(block.decode()):
            yield event


async def test_a_renewed_lease_is_no_event_and_silence_is_broken(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LOOK_S", 0.01)
    monkeypatch.setattr(events, "QUIET_S", 0.02)
    plan = plan_frames(Letters(), CONTEXT, runner.registry, runner.settings)
    id = job.join(runner.registry, Order(plan, CONTEXT))["id"]
    stream = aiter(events.stream(runner.registry, CONTEXT.scope, id, 0))
    assert (await anext(stream)).startswith(b"retry: ")
    assert b"event: queued" in await anext(stream)
    job.take(runner.registry, CONTEXT.scope, id, "somebody")
    assert await anext(stream) == b": still here\n\n"
    job.leave(runner.registry, CONTEXT.scope, id)
    rest = [block async for block in stream]
    assert [event["event"] for event in told(b"".join(rest).decode())] == ["cancelled"]


async def test_a_cancelled_job_is_so_within_a_second_and_its_events_end(http: httpx.AsyncClient) -> None:
    body = await begin(http)
    await started()
    stream = asyncio.create_task(http.get(f"/jobs/{body['id']}/events"))
    await asyncio.sleep(0.05)
    await http.delete(f"/jobs/{body['id']}")
    assert told((await asyncio.wait_for(stream, 1)).text)[-1]["event"] == "cancelled"


async def test_events_of_no_job_are_a_404(http: httpx.AsyncClient) -> None:
    answer = await http.get("/jobs/job_aaaaaaaa/events")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_followers_of_a_job_count_once_at_the_door(runner: Runner, tmp_path: Path) -> None:
    settings = Settings(mattebox_home=tmp_path, max_requests_per_tenant=2)
    transport = httpx.ASGITransport(build_http(runner, runner.registry, settings), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=SCOPE) as http:
        waiting = [asyncio.create_task(http.post("/frames", json={"text": "waits"}))]
        await started()
        for _ in range(4):
            waiting.append(asyncio.create_task(http.post("/frames", json={"text": "waits"})))
            await asyncio.sleep(0.1)
        assert (await http.get("/jobs")).status_code == 200
        toy_work.GATE.set()
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200] * 5


async def test_a_handle_begins_a_job_and_is_answered_where_it_is_done(runner: Runner) -> None:
    face = HandleFace()
    face.runner, face.registry, face.settings, face.admission = runner, runner.registry, runner.settings, Admission(4)
    said = {"operation": "frames", "request": {"text": "abc"}}
    begun = await face.begin_job(said, context={"tenant_id": "t_acme", "env": "dev"})
    assert begun["job"]["state"] == "queued"
    await asyncio.wait([*runner.jobs._tasks.values()])
    again = await face.begin_job(said, context={"tenant_id": "t_acme", "env": "dev"})
    assert (again["answer"]["text"], again["answer"]["cache"]) == ("abc", "hit")
    for wrong in ({"operation": "none", "request": {}}, {"operation": "frames", "request": {"env": "test"}}):
        with pytest.raises(RuntimeError) as caught:
            await face.begin_job(wrong, context={"tenant_id": "t_acme", "env": "dev"})
        assert caught.value.args[0]["error"]["code"] in ("invalid_request", "scope_mismatch")
