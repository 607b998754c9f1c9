"""media_v2's routes on the local dispatch: delete, list, kinds, register, lineage."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from artifacts import Registry, Scope, Store
from artifacts.kinds import KINDS
from configs.settings import Settings
from deployments.gateway.http import build_http
from deployments.media.looking import MAX_PAGE
from deployments.replicas.local import local_runner

SAME = {"X-Request-Id": "same"}
SCOPE = {"X-Tenant-Id": "t_acme", "X-Env": "dev"}
ACME = Scope("t_acme", "dev")
MASK_META = {"width": 8, "height": 6, "feather": 0, "selection_hash": "x", "source": "by hand"}
TRANSCRIPT = json.dumps(
    {"backend": "b", "backend_version": "1", "model_used": "m", "cache_key": "c", "duration_ms": 1, "language": "en"}
)


@pytest.fixture
def registry() -> Registry:
    return Registry(Store("memory://"))


@pytest.fixture
async def http(tmp_path: Path, registry: Registry) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(mattebox_home=tmp_path, max_upload_bytes=50_000)
    transport = httpx.ASGITransport(build_http(local_runner(settings, registry), registry, settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=SCOPE) as client:
        yield client


def png(value: int = 200, size: tuple[int, int] = (8, 6)) -> bytes:
    out = io.BytesIO()
    Image.new("L", size, value).save(out, "PNG")
    return out.getvalue()


async def upload(http: httpx.AsyncClient, value: int = 0, **fields: str) -> str:
    answer = await http.post("/media-v2/assets", files={"file": ("x.png", png(value))}, data=fields)
    assert answer.status_code == 201
    return str(answer.json()["id"])


async def register(http: httpx.AsyncClient, asset: str, data: bytes | None = None, **fields: object) -> httpx.Response:
    said = {"kind": "mask", "meta": json.dumps(MASK_META)} | {k: v for k, v in fields.items() if v is not None}
    files = {"file": ("m.png", png() if data is None else data)}
    return await http.post(f"/media-v2/assets/{asset}/artifacts", files=files, data=said)


async def render(http: httpx.AsyncClient, asset: str, **layer: str) -> str:
    body = {"composition": {"width": 8, "height": 6, "layers": [{"asset_id": asset} | layer]}}
    return str((await http.post("/image/render", json=body)).json()["artifact_id"])


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_deleted_and_never_been_answer_the_same_bytes_on_every_route(http: httpx.AsyncClient) -> None:
    asset = await upload(http)
    made = await render(http, asset)
    assert (await http.delete(f"/media-v2/assets/{asset}?cascade=true")).json()["deleted_artifacts"] == 2
    for tail in ("", "/content", "/lineage", "/lineage?format=mermaid"):
        answers = [
            await http.get(f"/media-v2/artifacts/{id}{tail}", headers=SAME)
            for id in (made, asset, "image_aaaaaaaa", "asset_aaaaaaaa", "no-id")
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
    for method, tail in (("GET", ""), ("DELETE", ""), ("DELETE", "?cascade=true")):
        ids = (asset, "asset_aaaaaaaa", "no-id")
        answers = [await http.request(method, f"/media-v2/assets/{id}{tail}", headers=SAME) for id in ids]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
    assert (await http.get("/media-v2/assets")).json() == {"assets": [], "next_cursor": None}
    assert said(await register(http, asset)) == (404, "not_found")


async def test_another_tenant_deletes_and_registers_nothing(http: httpx.AsyncClient) -> None:
    asset = await upload(http)
    made = (await register(http, asset)).json()["id"]
    other = SAME | {"X-Tenant-Id": "t_other"}
    for path in (f"artifacts/{made}", f"assets/{asset}"):
        absent = await http.delete(f"/media-v2/{path.partition('_')[0]}_aaaaaaaa", headers=SAME)
        assert (await http.delete(f"/media-v2/{path}", headers=other)).content == absent.content
    assert (await http.get(f"/media-v2/artifacts/{made}")).status_code == 200


async def test_an_asset_with_descendants_is_deleted_with_them_or_not_at_all(http: httpx.AsyncClient) -> None:
    asset = await upload(http)
    made = await render(http, asset)  # with its composition
    refused = await http.delete(f"/media-v2/assets/{asset}")
    assert said(refused) == (409, "conflict")
    assert refused.json()["error"]["details"]["count"] == 2
    assert (await http.delete(f"/media-v2/artifacts/{made}")).status_code == 200
    assert (await http.delete(f"/media-v2/assets/{asset}")).json() == {
        "id": asset,
        "deleted": True,
        "deleted_artifacts": 0,
    }
    assert said(await http.delete(f"/media-v2/assets/{asset}?cascade=yes")) == (400, "invalid_request")


async def test_a_side_is_deleted_with_its_main_and_not_alone(http: httpx.AsyncClient) -> None:
    made = await render(http, await upload(http))
    inputs = (await http.get(f"/media-v2/artifacts/{made}")).json()["inputs"]
    (side,) = [item["id"] for item in inputs if item["role"] == "composition"]
    assert said(await http.delete(f"/media-v2/artifacts/{side}")) == (409, "conflict")
    await http.delete(f"/media-v2/artifacts/{made}")
    assert (await http.get(f"/media-v2/artifacts/{side}")).status_code == 404


async def test_what_was_deleted_comes_back_under_another_id(http: httpx.AsyncClient) -> None:
    asset = await upload(http)
    first = (await register(http, asset)).json()["id"]
    await http.delete(f"/media-v2/artifacts/{first}")
    again = (await register(http, asset)).json()
    assert (again["id"] != first, again["cache"]) == (True, "miss")
    await http.delete(f"/media-v2/assets/{asset}?cascade=true")
    fresh = await upload(http)
    assert fresh != asset
    assert (await http.get(f"/media-v2/assets/{fresh}")).json()["artifacts"] == []
    assert (await http.get(f"/media-v2/artifacts/{fresh}/content")).content == png(0)


async def test_lists_are_paged_and_filtered(http: httpx.AsyncClient) -> None:
    ids = sorted([await upload(http, value, tags="even" if value % 2 == 0 else "odd") for value in range(5)])
    seen, cursor = [], ""
    while True:
        page = (await http.get(f"/media-v2/assets?limit=2&cursor={cursor}")).json()
        assert len(page["assets"]) <= 2
        seen += [asset["id"] for asset in page["assets"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids
    assert len((await http.get("/media-v2/assets?tag=even&kind=image")).json()["assets"]) == 3
    assert (await http.get("/media-v2/assets?kind=video")).json()["assets"] == []
    assert (await http.get("/media-v2/assets", headers={"X-Tenant-Id": "t_other"})).json()["assets"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=-1", "limit=1e3", "cursor=../x", "kind=mask"])
async def test_bad_list_queries_are_named(http: httpx.AsyncClient, query: str) -> None:
    answer = await http.get(f"/media-v2/assets?{query}")
    assert said(answer) == (400, "invalid_request")
    assert answer.json()["error"]["details"]["field"] == query.partition("=")[0]
    assert (await http.get(f"/media-v2/assets?limit={MAX_PAGE + 1}")).status_code == 200


async def test_kinds_are_the_table(http: httpx.AsyncClient) -> None:
    kinds = {row["kind"]: row for row in (await http.get("/media-v2/kinds")).json()["kinds"]}
    assert kinds.keys() == KINDS.keys()
    assert kinds["mask"]["required_meta"]["feather"] == "number"
    assert kinds["thumbnail"]["required_meta"]["shows_faces"] == "boolean"


async def test_registered_bytes_are_an_artifact_of_their_asset(http: httpx.AsyncClient) -> None:
    asset = await upload(http)
    first, second = await register(http, asset), await register(http, asset)
    made = first.json()
    assert first.status_code == second.status_code == 201
    assert (made["origin"], made["parent_asset_id"], made["media_type"]) == ("registered", asset, "image/png")
    assert (second.json()["id"], second.json()["cache"]) == (made["id"], "hit")
    assert (await register(http, asset, meta=json.dumps(MASK_META | {"note": 1}))).json()["id"] != made["id"]
    assert (await http.get(f"/media-v2/artifacts/{made['id']}/content")).content == png()
    assert len((await http.get(f"/media-v2/assets/{asset}")).json()["artifacts"]) == 2
    graph = (await http.get(f"/media-v2/artifacts/{made['id']}/lineage")).json()
    assert graph["edges"] == [{"from": asset, "to": made["id"], "role": "parent"}]


async def test_a_registered_mask_is_an_input_like_any_other(http: httpx.AsyncClient) -> None:
    asset = await upload(http)
    mask = (await register(http, asset)).json()["id"]
    made = await render(http, asset, mask_artifact_id=mask)
    assert {item["id"] for item in (await http.get(f"/media-v2/artifacts/{made}")).json()["inputs"]} >= {asset, mask}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", ["missing", "mistyped"])
async def test_each_kind_names_the_field_of_bad_meta(http: httpx.AsyncClient, kind: str, wrong: str) -> None:
    asset = await upload(http)
    samples = {int: 1, str: "x", list: [], bool: True, (int, float): 1.5}
    good = {key: samples[expected] for key, expected in KINDS[kind].meta.items()}  # type: ignore[index]
    for key in good:
        bad = {k: v for k, v in good.items() if k != key} | ({key: None} if wrong == "mistyped" else {})
        answer = await register(http, asset, kind=kind, meta=json.dumps(bad))
        assert said(answer) == (400, "invalid_meta")
        assert answer.json()["error"]["details"]["field"] == f"meta.{key}"


@pytest.mark.parametrize(
    ("fields", "data", "expected", "field"),
    [
        ({"kind": "nothing"}, None, (400, "invalid_meta"), "kind"),
        ({"meta": "{"}, None, (400, "invalid_meta"), "meta"),
        ({"meta": "[]"}, None, (400, "invalid_meta"), "meta"),
        ({"meta": json.dumps(MASK_META | {"n": 2**60})}, None, (400, "invalid_meta"), "meta"),
        ({"meta": json.dumps(MASK_META | {"width": 9})}, None, (400, "invalid_meta"), "meta.width"),
        ({"media_type": "image/jpeg"}, None, (400, "invalid_meta"), "media_type"),
        ({}, b"text", (415, "unsupported_media"), None),
        ({}, png()[:40], (422, "undecodable_media"), None),
        ({"tenant_id": "t_other"}, None, (403, "scope_mismatch"), "tenant_id"),
        ({"kind": "asr_transcript", "meta": TRANSCRIPT}, b"{", (400, "invalid_request"), "file"),
    ],
)
async def test_what_cannot_be_registered_is_said_and_leaves_nothing(
    http: httpx.AsyncClient,
    registry: Registry,
    fields: dict[str, object],
    data: bytes | None,
    expected: tuple[int, str],
    field: str | None,
) -> None:
    asset = await upload(http)
    before = set(registry.store.keys("tenants/"))
    answer = await register(http, asset, data, **fields)
    assert said(answer) == expected
    assert answer.json()["error"]["details"].get("field") == field
    assert set(registry.store.keys("tenants/")) == before


async def test_bytes_that_lie_in_the_assets_folder_are_registered_by_key(
    http: httpx.AsyncClient, registry: Registry
) -> None:
    asset = await upload(http)
    folder = f"tenants/t_acme/dev/media_v2/{asset}"
    url, body = f"/media-v2/assets/{asset}/artifacts", {"kind": "mask", "meta": MASK_META}
    registry.store.create(f"{folder}/brought/m.png", png())
    made = await http.post(url, json=body | {"key": f"{folder}/brought/m.png"})
    assert (made.status_code, made.json()["uri"]) == (201, f"store://{folder}/brought/m.png")
    again = await http.post(url, json=body | {"key": f"store://{folder}/brought/m.png"})
    assert (again.json()["id"], again.json()["cache"]) == (made.json()["id"], "hit")
    other = {"meta": MASK_META | {"note": 1}}
    for taken in (f"{folder}/brought/m.png", f"{folder}/source.png"):
        assert said(await http.post(url, json=body | other | {"key": taken})) == (409, "conflict")
    assert said(await http.post(url, json=body | {"key": f"{folder}/none.png"})) == (404, "not_found")
    for outside in (
        "tenants/t_other/dev/media_v2/x/m.png",
        "tenants/t_acme/dev/media_v2/asset_aaaaaaaa/m.png",
        f"{folder}/../x",
        f"{folder}/%2e%2e/x",
        "system/jobs/x",
    ):
        assert said(await http.post(url, json=body | {"key": outside})) == (403, "prefix_violation")


async def test_lineage_as_mermaid_escapes_what_a_caller_wrote(http: httpx.AsyncClient) -> None:
    asset = await upload(http)
    meta = {"preset_id": 'x"]-->y["<b>', "format": "PNG", "color_profile": "sRGB", "layers_count": 1, "dpi": 72}
    meta |= {"width": 8, "height": 6, "pipeline_hash": "p"}
    made = (await register(http, asset, kind="image_render", meta=json.dumps(meta))).json()["id"]
    answer = await http.get(f"/media-v2/artifacts/{made}/lineage?format=mermaid")
    lines = answer.text.splitlines()
    assert answer.headers["content-type"].startswith("text/plain")
    assert (lines[0], len(lines)) == ("flowchart LR", 4)
    assert answer.text.count("-->") == 1
    assert "<b>" not in answer.text
    for query in ("direction=left", "format=dot"):
        assert said(await http.get(f"/media-v2/artifacts/{made}/lineage?{query}")) == (400, "invalid_request")


async def test_lineage_leaves_out_what_was_deleted(http: httpx.AsyncClient) -> None:
    asset = await upload(http)
    mask = (await register(http, asset)).json()["id"]
    made = await render(http, asset, mask_artifact_id=mask)
    await http.delete(f"/media-v2/artifacts/{mask}")
    graph = (await http.get(f"/media-v2/artifacts/{made}/lineage")).json()
    nodes = {node["id"] for node in graph["nodes"]}
    assert mask not in nodes
    assert {edge["from"] for edge in graph["edges"]} | {edge["to"] for edge in graph["edges"]} <= nodes


async def test_the_older_json_form_of_an_upload_is_refused_by_name(http: httpx.AsyncClient) -> None:
    answer = await http.post("/media-v2/assets", json={"source_uri": "https://example.com/a.png", "tags": ["a"]})
    assert said(answer) == (403, "remote_fetch_off")
    assert said(await http.post("/media-v2/assets", json={})) == (400, "invalid_request")
    mismatch = {"source_uri": "https://example.com/a.png", "tenant_id": "t_other"}
    assert said(await http.post("/media-v2/assets", json=mismatch)) == (403, "scope_mismatch")
