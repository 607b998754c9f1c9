"""64 equal requests at once over HTTP: one artifact, one record, one computation; on a local store and on S3."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from artifacts import Scope, Store, keys
from tests.s3.conftest import BUCKET, s3_server
from tests.serve.conftest import ROOT, Service, serving

pytestmark = pytest.mark.serve
COUNT = 64
GATEWAYS = 1
SCOPE = Scope("t_crowd", "dev")
BODY = {
    "composition": {
        "width": 640,
        "height": 360,
        "background_color": "#204060",
        "layers": [
            {"type": "solid", "color": "#ffb703", "width": 200, "height": 100, "x": 40, "y": 40, "opacity": 0.5}
        ],
    }
}
__all__ = ["s3_server"]


def computations(client: httpx.Client) -> float:
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("mattebox_computations_total"))


async def post_all(service: Service) -> list[httpx.Response]:
    headers = {"X-Tenant-Id": SCOPE.tenant, "X-Env": SCOPE.env}
    limits = httpx.Limits(max_connections=COUNT)
    async with httpx.AsyncClient(base_url=service.url, headers=headers, timeout=120, limits=limits) as client:
        return await asyncio.gather(*(client.post("/image/render", json=BODY) for _ in range(COUNT)))


async def check_one_of_all(service: Service, store: Store) -> None:
    with service.client(SCOPE.tenant) as client:
        before = computations(client)
        answers = await post_all(service)
        assert {answer.status_code for answer in answers} == {200}, {answer.text for answer in answers}
        (id,) = {answer.json()["artifact_id"] for answer in answers}
        assert 1 <= computations(client) - before <= GATEWAYS
    records = [json.loads(store.get(key)) for key in store.keys(keys.records(SCOPE))]
    assert sorted(record["kind"] for record in records) == ["image_composition", "image_render"]
    (file,) = store.keys(f"{SCOPE.prefix}media_v2/_/image_render/")
    assert Path(file).stem == id


async def test_equal_requests_at_once_are_one_computation(service: Service) -> None:
    await check_one_of_all(service, Store(service.environment["ARTIFACT_STORE_URL"]))


@pytest.fixture
def on_s3(s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """An application of its own, since the store is chosen at its start; models and kernels are the others'."""
    shared = Path(os.environ.get("MATTEBOX_HOME", ROOT / "var")).absolute()
    for name, value in {
        "AWS_ENDPOINT": s3_server,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1",
        "NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", str(shared / "numba")),
    }.items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "home"
    home.mkdir()
    (shared / "models").mkdir(exist_ok=True)
    (home / "models").symlink_to(shared / "models")
    with serving(home, f"s3://{BUCKET}/crowd", tmp_path / "serve.log") as service:
        yield service


@pytest.mark.slow
async def test_equal_requests_at_once_are_one_computation_on_s3(on_s3: Service) -> None:
    await check_one_of_all(on_s3, Store(on_s3.environment["ARTIFACT_STORE_URL"]))
