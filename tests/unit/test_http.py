"""The HTTP face on the local dispatch: scope, bodies, uploads, content, envelopes."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from artifacts import Registry, Store
from configs.settings import Settings
from deployments.body import MAX_DEPTH
from deployments.gateway.http import build_http
from deployments.replicas.local import local_runner

SCOPE = {"X-Tenant-Id": "t_acme", "X-Env": "dev"}
TRIANGLE = {"type": "polygon", "points": [[1, 1], [7, 1], [1, 7]]}
MASK = {"width": 8, "height": 8, "selection": TRIANGLE}


@pytest.fixture
def registry() -> Registry:
    return Registry(Store("memory://"))


@pytest.fixture
async def http(tmp_path: Path, registry: Registry) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(mattebox_home=tmp_path, max_upload_bytes=100_000, max_body_bytes=20_000)
    runner = local_runner(settings, registry)
    transport = httpx.ASGITransport(build_http(runner, registry, settings), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=SCOPE) as client:
        yield client


def png(color: tuple[int, int, int] = (200, 30, 60), size: tuple[int, int] = (16, 12)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


async def upload(http: httpx.AsyncClient, data: bytes, **fields: str) -> httpx.Response:
    return await http.post("/media-v2/assets", files={"file": ("x.png", data)}, data=fields)


def said(answer: httpx.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert error["http_status"] == answer.status_code
    assert error["request_id"] == answer.headers["x-request-id"]
    assert error["message"]
    return answer.status_code, error["code"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Tenant-Id": "", "X-Env": "dev"}, (400, "missing_scope")),
        ({"X-Tenant-Id": "t_acme", "X-Env": ""}, (400, "missing_scope")),
        ({"X-Tenant-Id": "t_unknown", "X-Env": "dev"}, (400, "invalid_scope")),
        ({"X-Tenant-Id": "acme", "X-Env": "dev"}, (400, "invalid_scope")),
        ({"X-Tenant-Id": "t_acme", "X-Env": "moon"}, (400, "invalid_scope")),
        ({"X-Tenant-Id": "t_acme", "X-Env": "prod"}, (403, "env_not_served")),
    ],
)
async def test_the_scope_comes_first(
    http: httpx.AsyncClient, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    assert said(await http.post("/image/masks", content=b"not json", headers=headers)) == expected
    assert said(await http.get("/media-v2/assets/nothing", headers=headers)) == expected


@pytest.mark.parametrize("tenants", [("t_acme", "t_other"), ("t_other", "t_acme")])
async def test_two_tenants_are_none(http: httpx.AsyncClient, tenants: tuple[str, str]) -> None:
    """A proxy that adds its header to the caller's, and does not put it in its place, must let nobody choose."""
    headers = [*(("X-Tenant-Id", tenant) for tenant in tenants), ("X-Env", "dev")]
    asked = httpx.Request("GET", "http://test/media-v2/kinds", headers=headers)
    assert said(await http.send(asked)) == (400, "invalid_scope")


async def test_a_body_may_repeat_the_scope_and_not_change_it(http: httpx.AsyncClient) -> None:
    assert (await http.post("/image/masks", json=MASK | {"tenant_id": "t_acme", "env": "dev"})).status_code == 200
    assert said(await http.post("/image/masks", json=MASK | {"tenant_id": "t_other"})) == (403, "scope_mismatch")


@pytest.mark.parametrize("path", ["/", "/nothing", "/media-v2", "/image/render/x"])
async def test_unknown_paths_are_404_in_an_envelope(http: httpx.AsyncClient, path: str) -> None:
    assert said(await http.get(path)) == (404, "not_found")


async def test_a_wrong_method_is_405(http: httpx.AsyncClient) -> None:
    assert said(await http.delete("/image/masks")) == (405, "method_not_allowed")


async def test_the_request_id_is_echoed_when_fit_for_a_log(http: httpx.AsyncClient) -> None:
    assert (await http.get("/nothing", headers={"X-Request-Id": "abc-1"})).headers["x-request-id"] == "abc-1"
    assert (await http.get("/nothing", headers={"X-Request-Id": "a b"})).headers["x-request-id"] != "a b"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"width": NaN}', b"\xff", b"[" * 100_000])
async def test_what_is_no_json_object_is_400(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post("/image/masks", content=body[:19_000])
    assert said(answer) == (400, "invalid_request")


async def test_nesting_is_capped_on_both_sides(http: httpx.AsyncClient) -> None:
    def nested(depth: int) -> bytes:
        return b'{"x":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    fits = (await http.post("/image/masks", content=nested(MAX_DEPTH))).json()["error"]["message"]
    deep = (await http.post("/image/masks", content=nested(MAX_DEPTH + 1))).json()["error"]["message"]
    assert "nested" not in fits
    assert "nested" in deep


async def test_large_bodies_are_413(http: httpx.AsyncClient) -> None:
    assert said(await http.post("/image/masks", content=b" " * 20_001)) == (413, "payload_too_large")
    assert said(await http.post("/image/masks", content=b" " * 20_000)) == (400, "invalid_request")


async def test_upload_look_up_and_content(http: httpx.AsyncClient) -> None:
    data = png()
    first = await upload(http, data, tags="a, b")
    assert first.status_code == 201
    asset = first.json()
    assert (asset["kind"], asset["media_type"], asset["width"], asset["height"]) == ("image", "image/png", 16, 12)
    assert asset["size_bytes"] == len(data)
    again = (await upload(http, data, tags="c")).json()
    assert (again["id"], again["tags"]) == (asset["id"], ["a", "b", "c"])
    found = (await http.get(f"/media-v2/assets/{asset['id']}")).json()
    assert found["asset"]["id"] == asset["id"]
    content = await http.get(f"/media-v2/artifacts/{asset['id']}/content")
    assert content.content == data
    assert content.headers["x-content-type-options"] == "nosniff"
    assert content.headers["content-security-policy"] == "sandbox"


async def test_uploads_are_capped_at_the_byte(http: httpx.AsyncClient) -> None:
    assert said(await upload(http, b"x" * 100_000)) == (415, "unsupported_media")
    assert said(await upload(http, b"x" * 100_001)) == (413, "payload_too_large")


async def test_uploads_are_sniffed_and_probed(http: httpx.AsyncClient) -> None:
    assert said(await upload(http, b"plain text")) == (415, "unsupported_media")
    assert said(await upload(http, png()[:40])) == (422, "undecodable_media")
    assert said(await upload(http, b"")) == (415, "unsupported_media")


async def test_bytes_that_an_operation_answers_are_guarded_like_stored_ones(http: httpx.AsyncClient) -> None:
    layer = {"type": "solid", "color": "#102030"}
    shown = await http.post("/image/preview", json={"composition": {"width": 8, "height": 8, "layers": [layer]}})
    assert (shown.status_code, shown.headers["content-type"][:6]) == (200, "image/")
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["content-security-policy"] == "sandbox"


async def test_a_refused_upload_leaves_nothing(http: httpx.AsyncClient, registry: Registry) -> None:
    for data in (b"plain text", png()[:40], b"\x89PNG" + b"x" * 100_000):
        assert (await upload(http, data)).status_code >= 400
    assert list(registry.store.keys("tenants/")) == []


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-3", 206, slice(0, 4)),
        ("bytes=5-", 206, slice(5, None)),
        ("bytes=-4", 206, slice(-4, None)),
        ("bytes=0-999999", 200, slice(None)),
        ("bytes=0-1,3-4", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
    ],
)
async def test_ranges(http: httpx.AsyncClient, asked: str, status: int, part: slice) -> None:
    data = png()
    id = (await upload(http, data)).json()["id"]
    answer = await http.get(f"/media-v2/artifacts/{id}/content", headers={"Range": asked})
    assert answer.status_code == status
    assert answer.content == data[part]
    if status == 206:
        start, end, _ = part.indices(len(data))
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(data)}"


async def test_a_range_beyond_the_end_is_416_and_a_known_etag_304(http: httpx.AsyncClient) -> None:
    id = (await upload(http, png())).json()["id"]
    url = f"/media-v2/artifacts/{id}/content"
    assert said(await http.get(url, headers={"Range": "bytes=99999-"})) == (416, "range_not_satisfiable")
    etag = (await http.get(url)).headers["etag"]
    assert (await http.get(url, headers={"If-None-Match": etag})).status_code == 304


async def test_a_mask_over_http_is_a_hit_the_second_time(http: httpx.AsyncClient) -> None:
    first, second = [(await http.post("/image/masks", json=MASK)).json() for _ in range(2)]
    assert (first["cache"], second["cache"]) == ("miss", "hit")
    content = await http.get(f"/media-v2/artifacts/{first['artifact_id']}/content")
    mask = Image.open(io.BytesIO(content.content))
    assert (mask.size, mask.mode, mask.getpixel((2, 2)), mask.getpixel((7, 7))) == ((8, 8), "L", 255, 0)


async def test_a_bad_field_is_named_by_its_path(http: httpx.AsyncClient) -> None:
    layer = {"type": "solid", "color": "#fff", "opacity": 2}
    answer = await http.post("/image/render", json={"composition": {"width": 8, "height": 8, "layers": [layer]}})
    assert said(answer) == (400, "invalid_request")
    assert answer.json()["error"]["details"]["field"] == "composition.layers[0].opacity"


async def test_foreign_absent_and_malformed_ids_answer_the_same_bytes(http: httpx.AsyncClient) -> None:
    made = (await http.post("/image/masks", json=MASK)).json()["artifact_id"]
    same = {"X-Request-Id": "same"}
    other = same | {"X-Tenant-Id": "t_other"}
    for tail in ("", "/content", "/lineage"):
        answers = {
            (await http.get(f"/media-v2/artifacts/{id}{tail}", headers=headers)).content
            for id, headers in ((made, other), ("mask_aaaaaaaaaaaa", same), ("no-id", same))
        }
        assert len(answers) == 1


async def test_lineage_names_what_a_render_was_made_from(http: httpx.AsyncClient) -> None:
    asset = (await upload(http, png())).json()["id"]
    mask = (await http.post("/image/masks", json=MASK)).json()["artifact_id"]
    layer = {"asset_id": asset, "mask_artifact_id": mask}
    made = (await http.post("/image/render", json={"composition": {"width": 8, "height": 8, "layers": [layer]}})).json()
    lineage = (await http.get(f"/media-v2/artifacts/{made['artifact_id']}/lineage?direction=up")).json()
    kinds = {node["id"]: node["kind"] for node in lineage["nodes"]}
    assert {asset, mask, made["artifact_id"]} <= kinds.keys()
    assert "image_composition" in kinds.values()
    down = (await http.get(f"/media-v2/artifacts/{mask}/lineage?direction=down")).json()
    assert made["artifact_id"] in {node["id"] for node in down["nodes"]}


async def test_health_metrics_and_openapi_need_no_scope(http: httpx.AsyncClient) -> None:
    bare = {"X-Tenant-Id": "", "X-Env": ""}
    assert (await http.get("/healthz", headers=bare)).json() == {"status": "ok"}
    await http.post("/image/masks", json=MASK)
    assert 'mattebox_computations_total{operation="image_masks"}' in (await http.get("/metrics", headers=bare)).text
    document = (await http.get("/openapi.json", headers=bare)).json()
    assert document["paths"]["/image/render"]["post"]["requestBody"]
    assert (await http.get("/docs", headers=bare)).status_code == 200
