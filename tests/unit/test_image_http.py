"""The routes of pictures over HTTP."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from artifacts import Registry, Store
from configs.presets import presets
from configs.settings import Settings
from deployments.gateway.http import build_http
from deployments.replicas.local import local_runner
from kernels.blend import MODES

PICTURE = {"width": 40, "height": 20, "layers": [{"color": "#336699"}]}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings, registry = Settings(mattebox_home=tmp_path), Registry(Store("memory://"))
    transport = httpx.ASGITransport(build_http(local_runner(settings, registry), registry, settings))
    scope = {"X-Tenant-Id": "t_acme", "X-Env": "dev"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=scope) as client:
        yield client


async def test_a_preview_answers_the_picture(http: httpx.AsyncClient) -> None:
    answer = await http.post("/image/preview", json={"composition": PICTURE, "max_side": 10})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (10, 5)
    refused = await http.post("/image/preview", json={"composition": PICTURE, "max_side": 0})
    assert (refused.status_code, refused.json()["error"]["details"]["field"]) == (400, "max_side")


async def test_a_batch_answers_under_the_presets_names(http: httpx.AsyncClient) -> None:
    body = {"composition": PICTURE, "preset_ids": ["icon_16", "web_small"]}
    answer = (await http.post("/image/batch-render", json=body)).json()
    assert answer["total_count"] == 2
    assert {name: one["width"] for name, one in answer["results"].items()} == {"icon_16": 16, "web_small": 640}


async def test_the_tables_are_listed(http: httpx.AsyncClient) -> None:
    listed = (await http.get("/image/presets")).json()
    assert [row["id"] for row in listed["presets"]] == list(presets())
    modes = (await http.get("/image/blend-modes")).json()
    assert {row["name"] for row in modes["blend_modes"]} == {*MODES, "pass_through"}
