"""gc and fsck: nothing that a record names is ever lost, what nobody can reach goes, and damage is named."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from artifacts import Asset, Draft, Registry, Scope, Store, keys
from artifacts.canonical import make_id
from artifacts.registration import register
from artifacts.sweep import fsck, gc

ACME = Scope("t_acme", "dev")
META = {"width": 4, "height": 4, "feather": 0, "selection_hash": "x", "selection": {}}
HOUR = 3600.0


@pytest.fixture(params=["memory", "file"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    return Registry(Store("memory://" if request.param == "memory" else (tmp_path / "store").as_uri()))


def mask(data: bytes = b"pixels", name: str = "") -> Draft:
    return Draft(name, "mask", "image/png", data, META)


async def asset(registry: Registry, data: bytes = b"source") -> Asset:
    upload = registry.receive(ACME, 100)
    await upload.write(data)
    sha256 = await upload.close()
    return registry.adopt(
        ACME, upload.key, kind="image", media_type="image/png", size_bytes=len(data), sha256=sha256, meta={}
    )


def sweep(registry: Registry, hours: float) -> dict[str, int]:
    """gc with a grace of one hour, at a clock that many hours on; only what it did."""
    done = gc(registry, grace_s=HOUR, now=time.time() + hours * HOUR)
    return {name: getattr(done, name) for name in done.__slots__ if getattr(done, name)}  # type: ignore[attr-defined]


async def test_what_is_named_stays(registry: Registry) -> None:
    source = await asset(registry)
    inputs = [{"id": source.id, "role": "source"}]
    made = registry.commit(ACME, cache_key="k", main=mask(), sides=[mask(b"side", "one")], inputs=inputs)
    key = keys.folder(ACME, source.id) + "brought/x"
    registry.store.create(key, b"brought")
    brought, _ = register(
        registry, ACME, source.id, key, kind="mask", media_type="image/png", meta=META, sha256="0" * 64
    )
    assert sweep(registry, 50) == {}
    assert registry.read(ACME, made) == b"pixels"
    assert registry.read(ACME, brought) == b"brought"
    assert registry.read(ACME, source) == b"source"


def test_orphans_go_through_trash_after_a_grace_each(registry: Registry) -> None:
    key = keys.content(ACME, None, "mask", make_id("mask", "dead writer"), "png", folder="mask")
    registry.store.create(key, b"bytes of a writer that died")
    assert sweep(registry, 0.9) == {}
    assert sweep(registry, 1.1) == {"trashed": 1}
    assert registry.store.exists(keys.trash(ACME, key))
    assert sweep(registry, 0.9) == {}
    assert sweep(registry, 1.1) == {"emptied": 1}
    assert list(registry.store.keys("tenants/")) == []


def test_a_record_that_appears_late_gets_its_bytes_back(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    record = registry.commit(ACME, cache_key="k", main=mask())
    stored = registry.store.get(keys.record(ACME, record.id))
    move = registry.store.move

    def slow_writer(source: str, target: str) -> None:
        move(source, target)
        registry.store.create(keys.record(ACME, record.id), stored)

    registry.store.delete(keys.record(ACME, record.id))
    monkeypatch.setattr(registry.store, "move", slow_writer)
    assert sweep(registry, 2) == {"put_back": 1}
    assert registry.read(ACME, record) == b"pixels"
    registry.store.delete(keys.record(ACME, record.id))
    monkeypatch.setattr(registry.store, "move", move)
    assert sweep(registry, 2) == {"trashed": 1}
    registry.store.create(keys.record(ACME, record.id), stored)  # after the second look, before trash is emptied
    assert sweep(registry, 2) == {"put_back": 1}
    assert registry.read(ACME, record) == b"pixels"
    assert fsck(registry).problems == []


async def test_what_was_deleted_is_freed_and_its_tombstones_stay(registry: Registry) -> None:
    source = await asset(registry)
    inputs = [{"id": source.id, "role": "source"}]
    made = registry.commit(ACME, cache_key="k", main=mask(), sides=[mask(b"side", "one")], inputs=inputs)
    registry.delete_asset(ACME, source.id, cascade=True)
    assert sweep(registry, 0.9) == {}
    assert sweep(registry, 2) == {"deleted_records": 3, "trashed": 3}
    assert sweep(registry, 2) == {"emptied": 3}
    left = list(registry.store.keys("tenants/"))
    assert left
    assert all("/tombstones/" in key for key in left)
    assert registry.find(ACME, "mask", "k") is None
    assert registry.commit(ACME, cache_key="k", main=mask()).id != made.id


async def test_stale_uploads_go(registry: Registry) -> None:
    upload = registry.receive(ACME, 100)
    await upload.write(b"half")
    await upload.close()
    assert sweep(registry, 0.9) == {}
    assert sweep(registry, 1.1) == {"uploads": 1}


async def test_fsck_is_silent_on_a_sound_store_and_names_each_damage(registry: Registry) -> None:
    source = await asset(registry)
    inputs = [{"id": source.id, "role": "source"}]
    made = [
        registry.commit(ACME, cache_key=name, main=mask(name.encode()), inputs=inputs) for name in ("a", "b", "c", "d")
    ]
    sound = fsck(registry)
    assert (sound.assets, sound.records, sound.problems, sound.orphans) == (1, 4, [], [])
    store = registry.store
    store.delete(registry.key(ACME, made[0]))
    for record, data in ((made[1], b"x"), (made[2], b"longer than it was")):
        store.delete(registry.key(ACME, record))
        store.create(registry.key(ACME, record), data)
    store.delete(keys.link(ACME, source.id, made[3].id))
    orphan = f"{ACME.prefix}media_v2/_/mask/{make_id('mask', 'o')}.png"
    store.create(orphan, b"o")
    found = fsck(registry)
    assert len(found.problems) == 4
    for record in made:
        assert any(record.id in line for line in found.problems)
    assert found.orphans == [orphan]
