"""The registry on file:// and memory://: look-up, lineage, deletion, latest, documents, uploads."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from artifacts import Draft, Registry, Store, files
from artifacts.canonical import make_id
from artifacts.disk import SHORT
from artifacts.errors import InvalidMeta, NotFound, VersionConflict
from tests.unit.registry_bench import ACME, META, OTHER, key, mask


@pytest.fixture(params=["memory", "file"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    return Registry(Store("memory://" if request.param == "memory" else (tmp_path / "store").as_uri()))


def test_commit_find_and_read(registry: Registry) -> None:
    assert registry.find(ACME, "mask", key()) is None
    record = registry.commit(ACME, cache_key=key(), main=mask(), inputs=[{"id": "asset_aaaaaaaa", "role": "source"}])
    assert registry.find(ACME, "mask", key()) == record == registry.artifact(ACME, record.id)
    assert registry.read(ACME, record) == b"pixels"
    assert record.sha256 == hashlib.sha256(b"pixels").hexdigest()
    assert record.uri.startswith("store://tenants/t_acme/dev/media_v2/_/mask/")
    assert registry.children(ACME, "asset_aaaaaaaa") == [record.id]


def test_another_tenant_sees_nothing(registry: Registry) -> None:
    record = registry.commit(ACME, cache_key=key(), main=mask())
    with pytest.raises(NotFound) as foreign:
        registry.artifact(OTHER, record.id)
    with pytest.raises(NotFound) as absent:
        registry.artifact(OTHER, make_id("mask", "never"))
    with pytest.raises(NotFound) as malformed:
        registry.artifact(OTHER, "../../etc/passwd")
    assert str(foreign.value) == str(absent.value) == str(malformed.value)


def test_sides_lie_beside_and_are_findable_before_the_work_ends(registry: Registry) -> None:
    expected = registry.side_id(ACME, "mask", key(), "mask", "face/1/000500")
    registry.commit(ACME, cache_key=key(), main=mask(), sides=[mask(b"side", "face/1/000500")])
    assert registry.read(ACME, registry.artifact(ACME, expected)) == b"side"
    assert "/regions/" in registry.artifact(ACME, expected).uri


def test_a_deleted_artifact_is_absent_and_new_work_takes_the_next_generation(registry: Registry) -> None:
    first = registry.commit(ACME, cache_key=key(), main=mask())
    registry.delete(ACME, first.id)
    with pytest.raises(NotFound):
        registry.artifact(ACME, first.id)
    assert registry.find(ACME, "mask", key()) is None
    second = registry.commit(ACME, cache_key=key(), main=mask())
    assert second.id != first.id
    assert registry.find(ACME, "mask", key()) == second


@pytest.mark.parametrize("lacking", ["width", "selection_hash", "selection"])
def test_missing_meta_is_named(registry: Registry, lacking: str) -> None:
    meta = {name: value for name, value in META.items() if name != lacking}
    with pytest.raises(InvalidMeta) as caught:
        registry.commit(ACME, cache_key=key(), main=Draft("", "mask", "image/png", b"", meta))
    assert caught.value.field == f"meta.{lacking}"


def test_ill_typed_meta_and_unknown_kinds_are_refused(registry: Registry) -> None:
    with pytest.raises(InvalidMeta):
        registry.commit(ACME, cache_key=key(), main=mask(width="4"))
    with pytest.raises(InvalidMeta):
        registry.commit(ACME, cache_key=key(), main=mask(width=True))
    with pytest.raises(InvalidMeta):
        registry.commit(ACME, cache_key=key(), main=Draft("", "nothing", "image/png", b"", {}))


def test_latest_is_the_last_success_and_never_a_stub(registry: Registry) -> None:
    parent = make_id("asset", "p")
    first = registry.commit(ACME, cache_key=key(), main=mask(), parent_asset_id=parent)
    second = registry.commit(ACME, cache_key=key(operation="b"), main=mask(), parent_asset_id=parent)
    stub = registry.commit(ACME, cache_key=key(operation="c"), main=mask(stub=True), parent_asset_id=parent)
    for record in (second, first, stub):
        registry.set_latest(ACME, record)
    assert registry.latest(ACME, parent, "mask") == first
    assert registry.latest(OTHER, parent, "mask") is None
    registry.delete(ACME, first.id)
    assert registry.latest(ACME, parent, "mask") is None


def test_documents_count_versions_and_equal_bodies_make_none(registry: Registry) -> None:
    id = make_id("sequence", "s")
    assert registry.documents.get(ACME, "sequences", id) is None
    assert registry.documents.update(ACME, "sequences", id, lambda _: {"n": 1}).version == 1
    assert registry.documents.update(ACME, "sequences", id, lambda old: old or {}).version == 1
    assert registry.documents.update(ACME, "sequences", id, lambda _: {"n": 2}, expected=1).version == 2
    with pytest.raises(VersionConflict):
        registry.documents.update(ACME, "sequences", id, lambda _: {"n": 3}, expected=1)


def test_no_update_is_lost_among_threads(registry: Registry) -> None:
    id = make_id("sequence", "s")

    def add(_: int) -> None:
        registry.documents.update(ACME, "sequences", id, lambda old: {"n": (old or {"n": 0})["n"] + 1})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(40)))
    document = registry.documents.get(ACME, "sequences", id)
    assert document
    assert (document.body["n"], document.version) == (40, 40)


async def test_uploads_are_streamed_hashed_and_capped(registry: Registry) -> None:
    upload = registry.receive(ACME, max_bytes=10)
    assert await upload.write(b"12345")
    assert not await upload.write(b"678901")
    assert await upload.write(b"67890")
    sha256 = await upload.close()
    assert sha256 == hashlib.sha256(b"1234567890").hexdigest()

    def adopt(upload_key: str, tags: list[str]) -> object:
        return registry.adopt(
            ACME, upload_key, kind="image", media_type="image/png", size_bytes=10, sha256=sha256, meta={}, tags=tags
        )

    asset = adopt(upload.key, ["a"])
    again = registry.receive(ACME, max_bytes=10)
    await again.write(b"1234567890")
    await again.close()
    united = adopt(again.key, ["b"])
    assert (united.id, united.tags) == (asset.id, ["a", "b"])  # type: ignore[attr-defined]
    assert registry.read(ACME, united) == b"1234567890"  # type: ignore[arg-type]
    assert not registry.store.exists(upload.key)


async def test_a_stream_gives_the_asked_range(registry: Registry) -> None:
    record = registry.commit(ACME, cache_key=key(), main=mask(b"0123456789"))
    chunks = [chunk async for chunk in registry.store.stream(registry.key(ACME, record), 2, 5)]
    assert b"".join(chunks) == b"234"


@pytest.mark.parametrize("number", [1, files.TOGETHER, 2 * files.TOGETHER + 1])
def test_of_many_files_each_is_made_once(tmp_path: Path, number: int) -> None:
    registry = Registry(Store((tmp_path / "store").as_uri()))
    items = [(f"a/{n}/b", b"%d" % n if n % 2 else b"") for n in range(number)]
    assert registry.store.create_all([*items, items[0]]) == [*[True] * number, False]
    assert registry.store.create_all((name, b"other") for name, _ in items) == [False] * number
    assert [(name, registry.store.get(name)) for name, _ in items] == items


@pytest.mark.parametrize("size", [SHORT - 1, SHORT, SHORT + 1, 3 * SHORT])
def test_all_of_a_file_is_read(tmp_path: Path, size: int) -> None:
    made = Store((tmp_path / "store").as_uri())
    data = bytes(range(256)) * (size // 256 + 1)
    made.create("a/b", data[:size])
    assert made.get("a/b") == data[:size]
