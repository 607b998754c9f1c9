"""A body that came before is not planned again, and nobody gets another answer for that."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from PIL import Image

from artifacts import Record, Registry, Scope, Store, keys
from configs.settings import Settings
from deployments.gateway.http import build_http
from deployments.operation import Plan
from deployments.operations import OPERATIONS
from deployments.planned import LONGEST, MOST, Asked, Planned
from deployments.replicas.local import local_runner

ACME = {"X-Tenant-Id": "t_acme", "X-Env": "dev"}
SCOPE = Scope("t_acme", "dev")
JSON = dict[str, Any]


class Service:
    """The application, and how often a render was planned."""

    def __init__(self, home: Path) -> None:
        self.planned = 0
        self.registry = registry = Registry(Store("memory://"))
        settings = Settings(mattebox_home=home)
        runner = local_runner(settings, registry)
        row = OPERATIONS["image_render"]

        def plan(*given: Any) -> Plan:
            self.planned += 1
            return row.plan(*given)

        runner.operations = {**OPERATIONS, "image_render": replace(row, plan=plan)}
        self.transport = httpx.ASGITransport(build_http(runner, registry, settings), raise_app_exceptions=False)

    def rewrite(self, id: str, **meta: str) -> None:
        """Another record under the same id, as after a restored backup."""
        key = keys.record(SCOPE, id)
        record = Record.from_bytes(self.registry.store.get(key))
        self.registry.store.delete(key)
        changed = replace(record, meta=record.meta | meta)
        assert self.registry.store.create(key, changed.to_bytes())


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=service.transport, base_url="http://test", headers=ACME) as client:
        yield client


async def picture(http: httpx.AsyncClient) -> str:
    file = io.BytesIO()
    Image.new("RGB", (8, 6), (200, 30, 60)).save(file, "PNG")
    asset: JSON = (await http.post("/media-v2/assets", files={"file": ("x.png", file.getvalue())})).json()
    return str(asset["id"])


def body(asset: str = "", **more: str) -> bytes:
    layer = {"asset_id": asset} if asset else {"color": "#336699"}
    return json.dumps({"composition": {"width": 8, "height": 6, "layers": [layer]}, **more}).encode()


async def test_the_same_bytes_are_planned_once_and_found(service: Service, http: httpx.AsyncClient) -> None:
    first, *others = [(await http.post("/image/render", content=body())).json() for _ in range(3)]
    assert first["cache"] == "miss"
    assert [other["cache"] for other in others] == ["hit", "hit"]
    assert all(other | {"cache": ""} == first | {"cache": ""} for other in others)
    assert service.planned == 1
    await http.post("/image/render", content=body() + b" ")
    assert service.planned == 2


@pytest.mark.parametrize("path", ["/image/render", "/image/masks"])
async def test_an_answer_that_is_given_again_is_the_one_that_is_made_anew(tmp_path: Path, path: str) -> None:
    """Byte for byte that of a Gateway which never heard of the request; warnings and letters beyond ASCII included."""
    row = next(row for row in OPERATIONS.values() if row.path == path)
    text = {"text": "Grüße 你好", "text_size": 12, "adjustments": {"brightness": 900}}
    layers = {"width": 40, "height": 20, "layers": [text]}
    sent = json.dumps({"composition": layers} if path == "/image/render" else row.example).encode()
    registry, settings = Registry(Store("memory://")), Settings(mattebox_home=tmp_path)
    answers = []
    for asked in (3, 2):
        transport = httpx.ASGITransport(build_http(local_runner(settings, registry), registry, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=ACME) as client:
            answers.append([await client.post(path, content=sent) for _ in range(asked)])
    assert [answer.json()["cache"] for answer in answers[0]] == ["miss", "hit", "hit"]
    hits = [*answers[0][1:], *answers[1]]
    assert {answer.content for answer in hits} == {answers[1][0].content}
    assert {answer.headers["content-type"] for answer in hits} == {"application/json"}


async def test_an_answer_is_made_anew_where_the_record_is_another(http: httpx.AsyncClient, service: Service) -> None:
    first, hit = [(await http.post("/image/render", content=body())).json() for _ in range(2)]
    service.rewrite(first["artifact_id"], preset_id="another")
    changed = (await http.post("/image/render", content=body())).json()
    assert (hit["preset_id"], changed["preset_id"]) == (first["preset_id"], "another")


async def test_the_latest_follows_an_answer_that_is_given_again(http: httpx.AsyncClient, service: Service) -> None:
    asset = await picture(http)
    one, other = body(asset), body(asset, format="JPEG")
    for sent in (one, one, other, one):
        made = (await http.post("/image/render", content=sent)).json()
    latest = service.registry.latest(SCOPE, asset, "image_render")
    assert latest is not None
    assert latest.id == made["artifact_id"]


async def test_a_deleted_input_is_told_as_it_is_the_first_time(http: httpx.AsyncClient) -> None:
    asset = await picture(http)
    assert (await http.post("/image/render", content=body(asset))).status_code == 200
    await http.delete(f"/media-v2/assets/{asset}?cascade=true")
    again, never = [await http.post("/image/render", content=body(id)) for id in (asset, asset[:-1] + "a")]
    assert again.status_code == never.status_code == 404
    said = again.json()["error"], never.json()["error"]
    assert said[0] | {"request_id": ""} == said[1] | {"request_id": ""}


async def test_a_deleted_render_is_made_anew(service: Service, http: httpx.AsyncClient) -> None:
    first = (await http.post("/image/render", content=body())).json()
    await http.delete(f"/media-v2/artifacts/{first['artifact_id']}")
    second = (await http.post("/image/render", content=body())).json()
    assert (second["cache"], service.planned) == ("miss", 1)
    assert second["artifact_id"] != first["artifact_id"]


async def test_another_tenant_gets_nothing_of_it(service: Service, http: httpx.AsyncClient) -> None:
    asset = await picture(http)
    assert (await http.post("/image/render", content=body(asset))).status_code == 200
    other = await http.post("/image/render", content=body(asset), headers={"X-Tenant-Id": "t_other"})
    assert other.status_code == 404
    for env in ("dev", "test"):
        answer = await http.post("/image/render", content=body(), headers={"X-Env": env})
        assert answer.json()["cache"] == "miss"
    assert service.planned == 4


async def test_a_users_name_in_the_body_is_held_to_the_header_each_time(http: httpx.AsyncClient) -> None:
    sent = body(user_id="u_1")
    assert (await http.post("/image/render", content=sent, headers={"X-User-Id": "u_1"})).status_code == 200
    refused = await http.post("/image/render", content=sent, headers={"X-User-Id": "u_2"})
    assert (refused.status_code, refused.json()["error"]["details"]["field"]) == (403, "user_id")


def plan(number: int = 0) -> Plan:
    return Plan("image_render", SCOPE, "image_render", {"n": number}, "image_core", "1")


@pytest.mark.parametrize(("length", "kept"), [(LONGEST, True), (LONGEST + 1, False)])
def test_long_bodies_are_not_kept(length: int, kept: bool) -> None:
    planned, asked = Planned(), Asked("image_render", SCOPE, None, b" " * length)
    planned.keep(asked, plan())
    assert (planned.find(Registry(Store("memory://")), asked) is not None) == kept


@pytest.mark.parametrize(("others", "kept"), [(MOST - 1, True), (MOST, False)])
def test_the_one_that_was_not_asked_for_longest_goes_first(others: int, kept: bool) -> None:
    planned, registry = Planned(), Registry(Store("memory://"))
    asked = [Asked("image_render", SCOPE, None, str(number).encode()) for number in range(others + 1)]
    for number, one in enumerate(asked):
        planned.keep(one, plan(number))
    assert (planned.find(registry, asked[0]) is not None) == kept
    assert planned.find(registry, asked[-1]) == plan(others)


def test_a_plan_that_is_pushed_out_while_its_inputs_are_looked_at_is_still_found() -> None:
    """The store is asked in a thread; meanwhile others' plans are kept."""
    planned, asked = Planned(), Asked("image_render", SCOPE, None, b"{}")
    plan = Plan("image_render", SCOPE, "image_render", {}, "image_core", "1", parent_asset_id="asset_aaaaaaaa")

    class Busy:
        def asset(self, scope: Scope, id: str) -> None:
            for number in range(MOST):
                planned.keep(Asked("image_render", SCOPE, None, f"{number}".encode()), plan)

    planned.keep(asked, plan)
    assert planned.find(cast(Registry, Busy()), asked) is plan
    assert planned.find(cast(Registry, Busy()), asked) is plan
