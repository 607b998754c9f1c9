"""The edges of HTTP that no operation knows of: methods, forms, headers, the order of checks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from artifacts import Registry, Store
from configs.settings import Settings
from deployments.gateway.http import build_http
from deployments.media.receive import LONGEST_TAG, MOST_TAGS
from deployments.media.register import MAX_JSON_VALUES
from deployments.replicas.local import local_runner
from deployments.runner import Runner
from tests.unit.test_http import SCOPE, png, said, upload

META = {"width": 8, "height": 8, "tracks_count": 0}


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return local_runner(Settings(mattebox_home=tmp_path), Registry(Store("memory://")))


@pytest.fixture
async def http(runner: Runner) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_http(runner, runner.registry, runner.settings), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=SCOPE) as client:
        yield client


async def register(http: httpx.AsyncClient, asset: str, data: bytes, **fields: str) -> httpx.Response:
    url = f"/media-v2/assets/{asset}/artifacts"
    return await http.post(url, files={"file": ("x", data)}, data={"kind": "face_tracks"} | fields)


async def test_head_is_get_without_its_body(http: httpx.AsyncClient) -> None:
    id = (await upload(http, png())).json()["id"]
    for url in (f"/media-v2/assets/{id}", f"/media-v2/artifacts/{id}/content", "/media-v2/kinds", "/openapi.json"):
        got, head = await http.get(url), await http.head(url)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(got.content))
        assert head.headers["content-type"] == got.headers["content-type"]
    ranged = await http.head(f"/media-v2/artifacts/{id}/content", headers={"Range": "bytes=0-3"})
    assert (ranged.status_code, ranged.headers["content-length"], ranged.content) == (206, "4", b"")
    absent = await http.head("/media-v2/assets/asset_aaaaaaaa")
    assert (absent.status_code, absent.content) == (404, b"")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/image/render", "POST"),
        ("HEAD", "/image/render", "POST"),
        ("OPTIONS", "/media-v2/assets", "GET, HEAD, POST"),
        ("PUT", "/media-v2/artifacts/no-id", "DELETE, GET, HEAD"),
        ("TRACE", "/healthz", "GET, HEAD"),
    ],
)
async def test_what_a_path_does_not_take_is_405_before_any_scope(
    http: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await http.request(method, path, headers={"X-Tenant-Id": "", "X-Env": ""})
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert method == "HEAD" or said(answer) == (405, "method_not_allowed")


async def test_what_is_not_ready_says_so_in_an_envelope(
    http: httpx.AsyncClient, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await http.get("/readyz")).json() == {"status": "ready"}

    async def ready(_: Runner) -> bool:
        return False

    monkeypatch.setattr(Runner, "ready", ready)
    answer = await http.get("/readyz")
    assert said(answer) == (503, "not_ready")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"kind": "sculpture"}, "kind"),
        ({"tags": ",".join(f"t{n}" for n in range(MOST_TAGS + 1))}, "tags"),
        ({"tags": "x" * (LONGEST_TAG + 1)}, "tags[0]"),
        ({"tags": '["a", 5]'}, "tags[1]"),
        ({"source_ref": "x" * 2049}, "source_ref"),
        ({"kind": ["image", "image"]}, "kind"),
    ],
)
async def test_a_wrong_field_beside_a_file_is_400_and_named(
    http: httpx.AsyncClient, runner: Runner, fields: dict[str, Any], field: str
) -> None:
    answer = await http.post("/media-v2/assets", files={"file": ("x.png", png())}, data=fields)
    assert said(answer) == (400, "invalid_request")
    assert answer.json()["error"]["details"]["field"] == field
    assert list(runner.registry.store.keys("tenants/")) == []


async def test_what_may_stand_beside_a_file(http: httpx.AsyncClient) -> None:
    most = ",".join(f"t{n}" for n in range(MOST_TAGS))
    fields = {"kind": "video", "tags": most, "source_ref": "x" * 2048, "tenant_id": "t_acme", "env": "dev"}
    asset = (await upload(http, png(), **fields)).json()
    assert (asset["kind"], len(asset["tags"]), asset["source_ref"]) == ("image", MOST_TAGS, "x" * 2048)
    listed = (await upload(http, png((1, 2, 3)), tags=json.dumps(["a, b", "c" * LONGEST_TAG]))).json()
    assert listed["tags"] == ["a, b", "c" * LONGEST_TAG]
    mismatch = await upload(http, png(), tenant_id="t_other")
    assert said(mismatch) == (403, "scope_mismatch")


async def test_an_address_instead_of_bytes_is_403_and_a_malformed_one_400(http: httpx.AsyncClient) -> None:
    body = {"source_uri": "https://example.org/clip.mp4", "kind": "video", "tags": ["a"], "source_ref": "r"}
    assert said(await http.post("/media-v2/assets", json=body)) == (403, "remote_fetch_off")
    for wrong, field in (({"kind": "x"}, "kind"), ({"more": 1}, "more"), ({"source_uri": ""}, "source_uri")):
        answer = await http.post("/media-v2/assets", json=body | wrong)
        assert said(answer) == (400, "invalid_request")
        assert answer.json()["error"]["details"]["field"] == field


@pytest.mark.parametrize("boundary", ["b" * 5000, "", '"'])
async def test_no_boundary_is_a_fault_of_ours(http: httpx.AsyncClient, boundary: str) -> None:
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    assert said(await http.post("/media-v2/assets", content=b"--b\r\n\r\n", headers=headers)) == (
        400,
        "invalid_request",
    )


async def test_meta_and_json_artifacts_are_capped_like_bodies(http: httpx.AsyncClient) -> None:
    id = (await upload(http, png())).json()["id"]
    for meta in (
        "[" * 5000,
        '{"a":' + "[" * 40 + "]" * 40 + "}",
        '{"a": 1e400}',
        '{"a": NaN}',
        '{"a": "\\ud800"}',
        "[]",
    ):
        answer = await register(http, id, b"{}", meta=meta)
        assert said(answer) == (400, "invalid_meta"), meta
        assert answer.json()["error"]["details"]["field"] == "meta"
    fits = await register(http, id, b"[" + b"0," * 5 + b"0]", meta=json.dumps(META))
    assert fits.status_code == 201
    for data in (b"[" * 5000, b"[" + b"0," * MAX_JSON_VALUES + b"0]", b"{"):
        answer = await register(http, id, data, meta=json.dumps(META))
        assert said(answer) == (400, "invalid_request")
        assert answer.json()["error"]["details"]["field"] == "file"


async def test_times_that_an_artifact_has_not_are_left_out(http: httpx.AsyncClient) -> None:
    mask = {"width": 8, "height": 8, "selection": {"type": "rect", "x": 1, "y": 1, "width": 4, "height": 4}}
    id = (await http.post("/image/masks", json=mask)).json()["artifact_id"]
    assert not {"start_ms", "end_ms"} & (await http.get(f"/media-v2/artifacts/{id}")).json().keys()


async def test_a_store_that_signs_nothing_answers_the_bytes_themselves(http: httpx.AsyncClient) -> None:
    id = (await upload(http, png())).json()["id"]
    for value in ("true", "1", "false", "0"):
        assert (await http.get(f"/media-v2/artifacts/{id}/content?redirect={value}")).content == png()
    assert said(await http.get(f"/media-v2/artifacts/{id}/content?redirect=yes")) == (400, "invalid_request")


async def test_an_etag_among_others_is_304_and_a_reversed_range_is_none(http: httpx.AsyncClient) -> None:
    id = (await upload(http, png())).json()["id"]
    url = f"/media-v2/artifacts/{id}/content"
    etag = (await http.get(url)).headers["etag"]
    assert (await http.get(url, headers={"If-None-Match": f'"x", W/{etag}'})).status_code == 304
    assert (await http.get(url, headers={"If-None-Match": '"x"'})).status_code == 200
    assert (await http.get(url, headers={"Range": "bytes=5-2"})).status_code == 200
