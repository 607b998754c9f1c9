"""What a store must be before anything is served from it, and the operator's commands over it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.exceptions import NotSupportedError

from artifacts import Draft, Registry, Scope, Store
from artifacts.addresses import refuse_unshared
from artifacts.errors import UnsuitableStore
from configs.settings import load
from deployments.cli import main

META = {"width": 4, "height": 4, "feather": 0, "selection_hash": "x", "selection": {}}
put = obstore.put


def overwrites(store: Any, key: str, data: bytes, mode: Any = None) -> Any:
    return put(store, key, data)


def refuses(store: Any, key: str, data: bytes, mode: Any = None) -> Any:
    raise NotSupportedError("no conditional put")


@pytest.mark.parametrize("instead", [overwrites, refuses])
def test_a_store_without_create_only_put_is_refused(instead: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obstore.put", instead)
    with pytest.raises(UnsuitableStore, match="create-only"):
        Store("memory://")


@pytest.mark.parametrize("url", ["nonsense://x", "file://host/x", "x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UnsuitableStore):
        Store(url)


def test_a_store_on_one_disk_serves_prod_only_when_told(tmp_path: Path) -> None:
    prod = {"mattebox_home": str(tmp_path), "served_envs": "dev,prod", "trusted_proxy": True}
    with pytest.raises(ValueError, match="ALLOW_LOCAL_STORE=1"):
        load(prod)
    assert load(prod | {"allow_local_store": True}).allow_local_store
    assert load(prod | {"artifact_store_url": "s3://bucket/x"}).envs == {"dev", "prod"}
    assert load({"mattebox_home": str(tmp_path)}).store_url.startswith("file:")


def test_replicas_must_see_the_same_store() -> None:
    refuse_unshared("file:///x", 1, False)
    refuse_unshared("file:///x", 2, True)
    refuse_unshared("s3://bucket", 9, False)
    for url, nodes, allow in (("file:///x", 2, False), ("memory://", 1, True)):
        with pytest.raises(UnsuitableStore):
            refuse_unshared(url, nodes, allow)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MATTEBOX_HOME", str(tmp_path))
    monkeypatch.setattr("deployments.doctor.examine", lambda settings: [])
    return tmp_path


def test_doctor_fsck_ends_with_1_on_damage(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry = Registry(Store((home / "artifacts").as_uri()))
    scope = Scope("t_acme", "dev")
    record = registry.commit(scope, cache_key="k", main=Draft("", "mask", "image/png", b"pixels", META))
    assert main(["doctor", "--fsck"]) == 0
    assert "1 records, 6 bytes read: 0 problems" in capsys.readouterr().out
    path = registry.store.local_path(registry.key(scope, record))
    assert path
    path.write_bytes(b"pixelz")
    assert main(["doctor", "--fsck", "--json"]) == 1
    assert record.id in json.loads(capsys.readouterr().out)["fsck"]["problems"][0]


def test_gc_says_what_it_did_and_refuses_a_short_grace(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gc", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trashed"] == 0
    assert main(["gc", "--grace-hours", "1"]) == 0
    with pytest.raises(SystemExit):
        main(["gc", "--grace-hours", "0.9"])
