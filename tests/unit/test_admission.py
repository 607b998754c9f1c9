"""The limit of a tenant's requests in flight: both sides of it, fairness, followers, downloads, handles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from artifacts import Registry, Store
from configs.settings import Settings
from deployments.errors import Busy
from deployments.gateway.admission import Admission
from deployments.gateway.handle import HandleFace
from deployments.gateway.http import build_http
from deployments.replicas.local import local_runner
from deployments.runner import Runner
from deployments.waiting import following

LIMIT = 3
ACME = {"X-Tenant-Id": "t_acme", "X-Env": "dev"}
OTHER = {"X-Tenant-Id": "t_other", "X-Env": "dev"}


def mask(width: int) -> dict[str, object]:
    return {"width": width, "height": 8, "selection": {"type": "polygon", "points": [[1, 1], [7, 1], [1, 7]]}}


class Gate:
    """A dispatch whose works wait until they are let through."""

    def __init__(self, runner: Runner) -> None:
        self.inner, self.open, self.waiting = runner._dispatch, asyncio.Event(), 0

    async def call(self, deployment: str, method: str, *args: object) -> object:
        self.waiting += 1
        await self.open.wait()
        return await self.inner.call(deployment, method, *args)


class Bench:
    def __init__(self, folder: Path) -> None:
        self.settings = Settings(mattebox_home=folder, max_requests_per_tenant=LIMIT)
        self.registry = Registry(Store("memory://"))
        self.runner = local_runner(self.settings, self.registry)
        self.gate = Gate(self.runner)
        self.runner._dispatch = self.gate
        self.admission = Admission(LIMIT)
        app = build_http(self.runner, self.registry, self.settings, self.admission)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")

    def post(self, width: int, headers: dict[str, str] = ACME) -> asyncio.Task[httpx.Response]:
        return asyncio.create_task(self.http.post("/image/masks", json=mask(width), headers=headers))

    async def settled(self, waiting: int) -> None:
        async with asyncio.timeout(20):
            while self.gate.waiting < waiting:  # noqa: ASYNC110
                await asyncio.sleep(0.001)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    async with bench.http:
        yield bench


async def test_at_the_limit_all_are_served_and_over_it_one_is_429(bench: Bench) -> None:
    held = [bench.post(8 + n) for n in range(LIMIT)]
    await bench.settled(LIMIT)
    over = await bench.post(99)
    assert over.status_code == 429
    assert over.json()["error"]["code"] == "busy"
    assert over.json()["error"]["details"] == {"limit": LIMIT, "retry_after_s": 1}
    assert over.headers["retry-after"] == "1"
    assert over.headers["x-request-id"] == over.json()["error"]["request_id"]
    bench.gate.open.set()
    assert [answer.status_code for answer in await asyncio.gather(*held)] == [200] * LIMIT
    assert (await bench.post(99)).status_code == 200
    assert bench.admission.in_flight("t_acme") == 0


async def test_a_full_tenant_takes_nothing_from_another(bench: Bench) -> None:
    held = [bench.post(8 + n) for n in range(LIMIT)]
    await bench.settled(LIMIT)
    beside = [bench.post(8 + n, OTHER) for n in range(LIMIT)]
    await bench.settled(2 * LIMIT)
    assert (await bench.post(99, OTHER)).status_code == 429
    bench.gate.open.set()
    assert {answer.status_code for answer in await asyncio.gather(*held, *beside)} == {200}


async def test_followers_of_one_computation_count_once(bench: Bench) -> None:
    first = bench.post(8)
    await bench.settled(1)
    followers = []
    for _ in range(5 * LIMIT):  # one after the other, as each holds a place until it knows that it follows
        followers.append(bench.post(8))
        await asyncio.sleep(0.02)
    assert bench.admission.in_flight("t_acme") == 1
    bench.gate.open.set()
    answers = await asyncio.gather(first, *followers)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["artifact_id"] for answer in answers}) == 1
    assert bench.gate.waiting == 1
    assert bench.admission.in_flight("t_acme") == 0


async def test_a_failure_and_a_client_that_leaves_give_their_places_back(bench: Bench) -> None:
    bench.gate.open.set()
    for _ in range(2 * LIMIT):
        assert (await bench.http.post("/image/masks", content=b"{", headers=ACME)).status_code == 400
        assert (await bench.http.get("/media-v2/artifacts/mask_aaaaaaaa", headers=ACME)).status_code == 404
    bench.gate.open.clear()
    left = bench.post(20)
    await bench.settled(1)
    left.cancel()
    await asyncio.wait([left])
    assert bench.admission.in_flight("t_acme") == 0
    bench.gate.open.set()


async def test_a_download_is_in_flight_until_its_last_byte(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.gate.open.set()
    id = (await bench.post(8)).json()["artifact_id"]
    seen = []

    async def stream(*_: object) -> AsyncIterator[bytes]:
        seen.append(bench.admission.in_flight("t_acme"))
        yield b""

    monkeypatch.setattr(bench.registry.store, "stream", stream)
    await bench.http.get(f"/media-v2/artifacts/{id}/content", headers=ACME)
    assert seen == [1]
    assert bench.admission.in_flight("t_acme") == 0


async def test_handles_share_the_limit(bench: Bench) -> None:
    face = HandleFace()
    face.runner, face.registry, face.settings = bench.runner, bench.registry, bench.settings
    face.admission = bench.admission
    held = [bench.post(8 + n) for n in range(LIMIT)]
    await bench.settled(LIMIT)
    context = {"tenant_id": "t_acme", "env": "dev"}
    with pytest.raises(RuntimeError) as refused:
        await face.image_masks(mask(99), context=context)  # type: ignore[attr-defined]
    assert refused.value.args[0]["error"]["code"] == "busy"
    bench.gate.open.set()
    await asyncio.gather(*held)
    assert (await face.image_masks(mask(99), context=context))["cache"] == "miss"  # type: ignore[attr-defined]


async def test_following_without_a_place_changes_nothing() -> None:
    with following():
        pass
    admission = Admission(1)
    with admission.request("t_a"), following():
        assert admission.in_flight("t_a") == 0
    assert admission.in_flight("t_a") == 0
    with admission.request("t_a"), pytest.raises(Busy), admission.request("t_a"):
        pass
