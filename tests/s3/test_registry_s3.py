"""The registry's whole suite once more, on a real S3 server, and what only a remote store has."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import pytest

from artifacts import Draft, Registry, Store, keys
from artifacts.store import CHUNK
from configs.settings import Settings
from deployments.gateway.http import build_http
from deployments.replicas.local import local_runner
from tests.unit.registry_bench import ACME, META, key
from tests.unit.test_commits import *  # noqa: F403
from tests.unit.test_identity import *  # noqa: F403
from tests.unit.test_registry import *  # noqa: F403
from tests.unit.test_registry_sweep import *  # noqa: F403


@pytest.fixture
def registry(s3_url: str) -> Registry:
    return Registry(Store(s3_url))


def test_the_store_is_remote(registry: Registry) -> None:
    assert not registry.store.is_local
    assert registry.store.local_path("x") is None


def test_large_files_go_by_multipart(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artifacts.commits.CREATE_ONLY_LIMIT", 3)
    path = tmp_path / "large"
    path.write_bytes(b"0123456789abcdef" * (12 * CHUNK // 16))  # over two parts of 5 MiB
    record = registry.commit(ACME, cache_key=key(), main=Draft("", "mask", "image/png", path, META))
    copy = tmp_path / "copy"
    registry.store.copy_to(registry.key(ACME, record), copy)
    assert record.size_bytes == copy.stat().st_size == 12 * CHUNK
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == record.sha256


async def test_a_large_upload_and_a_range_of_it_are_streamed(registry: Registry) -> None:
    upload = registry.receive(ACME, 100 * CHUNK)
    for number in range(20):
        assert await upload.write(bytes([number]) * CHUNK)
    sha256 = await upload.close()
    asset = registry.adopt(
        ACME, upload.key, kind="image", media_type="image/png", size_bytes=20 * CHUNK, sha256=sha256, meta={}
    )
    stored = registry.key(ACME, asset)
    got = b"".join([chunk async for chunk in registry.store.stream(stored, 7 * CHUNK - 1, 9 * CHUNK)])
    assert got == b"\x06" + b"\x07" * CHUNK + b"\x08" * CHUNK
    assert not registry.store.exists(upload.key)
    assert registry.store.head(stored, 4) == b"\0\0\0\0"


async def test_an_abandoned_upload_leaves_nothing(registry: Registry) -> None:
    upload = registry.receive(ACME, 100)
    await upload.write(b"half")
    await upload.abandon()
    assert list(registry.store.keys(keys.incoming(ACME, "upload_aaaaaaaa").rpartition("/")[0] + "/")) == []


async def test_content_is_redirected_to_a_signed_address_when_asked(registry: Registry, tmp_path: Path) -> None:
    settings = Settings(mattebox_home=tmp_path)
    made = registry.commit(ACME, cache_key=key(), main=Draft("", "mask", "image/png", b"the bytes", META))
    json_ = registry.commit(
        ACME,
        cache_key=key(operation="tracks"),
        main=Draft("", "face_tracks", "application/json", b"{}", {"width": 4, "height": 4, "tracks_count": 0}),
    )
    app = build_http(local_runner(settings, registry), registry, settings)
    headers = {"X-Tenant-Id": ACME.tenant, "X-Env": ACME.env}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=headers) as http:
        answer = await http.get(f"/media-v2/artifacts/{made.id}/content?redirect=true")
        assert (answer.status_code, answer.content) == (307, b"")
        assert answer.headers["cache-control"] == "no-store"
        address = httpx.URL(answer.headers["location"])
        assert 0 < int(address.params["X-Amz-Expires"]) <= 300
        async with httpx.AsyncClient() as anybody:
            assert (await anybody.get(address)).content == b"the bytes"
        assert (await http.get(f"/media-v2/artifacts/{made.id}/content")).content == b"the bytes"
        download = await http.get(f"/media-v2/artifacts/{json_.id}/content?redirect=true")
        assert (download.status_code, download.content) == (200, b"{}")
