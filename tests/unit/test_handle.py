"""The handle's methods beside the operations: the same answers and refusals as over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from artifacts import Registry, Store
from configs.settings import Settings
from deployments.gateway.admission import Admission
from deployments.gateway.handle import HandleFace
from deployments.gateway.lookups import LOOKUPS
from deployments.replicas.local import local_runner
from tests.unit.test_http import png

CONTEXT = {"tenant_id": "t_acme", "env": "dev"}
MASK = {"width": 8, "height": 8, "selection": {"type": "rect", "x": 1, "y": 1, "width": 4, "height": 4}}
TRACKS = {"kind": "face_tracks", "meta": {"width": 8, "height": 8, "tracks_count": 0}}

BY_ID = [*(name for name in LOOKUPS if not name.startswith("list_")), "get_content", "cancel_job"]


@pytest.fixture
def face(tmp_path: Path) -> HandleFace:
    face = HandleFace()
    face.settings = Settings(mattebox_home=tmp_path, max_upload_bytes=10_000)
    face.registry = Registry(Store("memory://"))
    face.runner = local_runner(face.settings, face.registry)
    face.admission = Admission(4)
    return face


async def call(face: HandleFace, name: str, request: dict[str, Any], **context: str) -> Any:
    return await getattr(face, name)(request, context=CONTEXT | context)


async def refused(face: HandleFace, name: str, request: dict[str, Any], **context: str) -> tuple[str, str | None]:
    with pytest.raises(RuntimeError) as caught:
        await call(face, name, request, **context)
    error = caught.value.args[0]["error"]
    return error["code"], error["details"].get("field")


async def test_upload_look_up_lineage_and_delete(face: HandleFace) -> None:
    asset = await call(face, "upload_asset", {"data": png(), "tags": ["a"], "source_ref": "r", "kind": "image"})
    assert await call(face, "get_asset", {"id": asset["id"]}) == asset
    assert await call(face, "list_assets", {"kind": "image", "tag": "a"}) == {"assets": [asset], "next_cursor": None}
    assert (await call(face, "list_assets", {"tag": "b"}))["assets"] == []
    made = await call(face, "image_masks", MASK | {"parent_asset_id": asset["id"]})
    record = await call(face, "get_artifact", {"id": made["artifact_id"]})
    assert await call(face, "list_artifacts", {"id": asset["id"]}) == {"asset": asset, "artifacts": [record]}
    graph = await call(face, "get_lineage", {"id": record["id"], "direction": "up"})
    assert graph["edges"] == [{"from": asset["id"], "to": record["id"], "role": "parent"}]
    assert await refused(face, "delete_asset", {"id": asset["id"]}) == ("conflict", None)
    assert await call(face, "delete_artifact", {"id": record["id"]}) == {"id": record["id"], "deleted": True}
    gone = await call(face, "delete_asset", {"id": asset["id"], "cascade": True})
    assert gone == {"id": asset["id"], "deleted": True, "deleted_artifacts": 0}
    assert await refused(face, "get_asset", {"id": asset["id"]}) == ("not_found", None)
    assert "mask" in {row["kind"] for row in (await call(face, "list_kinds", {}))["kinds"]}


async def test_register_by_bytes_and_by_key(face: HandleFace) -> None:
    asset = (await call(face, "upload_asset", {"data": png()}))["id"]
    first = await call(face, "register_artifact", TRACKS | {"asset_id": asset, "data": b"[]"})
    assert (first["origin"], first["cache"], first["parent_asset_id"]) == ("registered", "miss", asset)
    again = await call(face, "register_artifact", TRACKS | {"asset_id": asset, "data": b"[]"})
    assert (again["id"], again["cache"]) == (first["id"], "hit")
    key = f"tenants/t_acme/dev/media_v2/{asset}/face_tracks/made.json"
    face.registry.store.create(key, b"{}")
    lying = await call(face, "register_artifact", TRACKS | {"asset_id": asset, "key": key})
    assert (await call(face, "get_content", {"id": lying["id"]})) == b"{}"
    assert (await refused(face, "register_artifact", {"asset_id": asset, "kind": "x", "data": b""}))[
        0
    ] == "invalid_meta"
    assert list(face.registry.store.keys("tenants/t_acme/dev/incoming/")) == []


async def test_jobs_are_listed_got_and_left(face: HandleFace) -> None:
    assert await call(face, "list_jobs", {}) == {"jobs": []}
    assert await refused(face, "get_job", {"id": "job_aaaaaaaa"}) == ("not_found", None)
    assert await refused(face, "cancel_job", {"id": "job_aaaaaaaa"}) == ("not_found", None)
    assert await refused(face, "list_jobs", {"limit": 101}) == ("invalid_request", "limit")


@pytest.mark.parametrize(
    "name", sorted({*LOOKUPS, "get_content", "cancel_job"} - {"list_kinds", "list_assets", "list_jobs"})
)
async def test_a_malformed_id_is_named_and_a_foreign_one_absent(face: HandleFace, name: str) -> None:
    for wrong in ({"id": "no-id"}, {}, {"id": 5}):
        assert await refused(face, name, wrong) == ("invalid_request", "id")
    asset = (await call(face, "upload_asset", {"data": png()}))["id"]
    assert await refused(face, name, {"id": asset}, tenant_id="t_other") == ("not_found", None)
    assert await refused(face, name, {"id": asset, "tenant_id": "t_other"}) == ("scope_mismatch", "tenant_id")
    assert await refused(face, name, {"id": asset, "more": 1}) == ("invalid_request", "more")


async def test_a_wrong_upload_leaves_nothing(face: HandleFace) -> None:
    for request, expected in (
        ({}, ("invalid_request", "data")),
        ({"data": "text"}, ("invalid_request", "data")),
        ({"data": bytes(10_001)}, ("payload_too_large", "data")),
        ({"data": bytes(10_000)}, ("unsupported_media", None)),
        ({"data": b"text"}, ("unsupported_media", None)),
        ({"data": png(), "more": 1}, ("invalid_request", "more")),
    ):
        assert await refused(face, "upload_asset", request) == expected
    assert list(face.registry.store.keys("tenants/")) == []
