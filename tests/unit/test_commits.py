"""Commits on file:// and memory://: of several writers one wins, and no record leads to what is not on the disk."""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import obstore
import pytest

from artifacts import Ahead, Draft, Record, Registry, Store, files, keys
from artifacts.commits import WINNER_WAIT_S
from artifacts.errors import NotFound
from tests.unit.registry_bench import ACME, META, key, mask


@pytest.fixture(params=["memory", "file"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    return Registry(Store("memory://" if request.param == "memory" else (tmp_path / "store").as_uri()))


def test_of_many_writers_one_wins_and_all_get_its_record(registry: Registry) -> None:
    gate = threading.Barrier(8)

    def write(number: int) -> tuple[str, str]:
        gate.wait()
        record = registry.commit(ACME, cache_key=key(), main=mask(f"writer {number}".encode()))
        return record.sha256, hashlib.sha256(registry.read(ACME, record)).hexdigest()

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(write, range(8)))
    assert len(answers) == 1
    recorded, stored = answers.pop()
    assert recorded == stored


def test_bytes_of_a_writer_that_died_get_their_record(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artifacts.commits.WINNER_WAIT_S", 0.1)
    record = registry.commit(ACME, cache_key=key(), main=mask(b"first"))
    registry.store.delete(keys.record(ACME, record.id))
    again = registry.commit(ACME, cache_key=key(), main=mask(b"second, other bytes"))
    assert again.sha256 == hashlib.sha256(b"first").hexdigest()
    assert registry.read(ACME, again) == b"first"


def test_a_winner_is_waited_for_within_a_bound_and_without_a_storm_of_looks(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = registry.commit(ACME, cache_key=key(), main=mask())
    registry.store.delete(keys.record(ACME, record.id))
    clock, looks, get = [0.0], [0], registry.store.get

    def look(name: str) -> bytes:
        looks[0] += name == keys.record(ACME, record.id)
        return get(name)

    monkeypatch.setattr(registry.store, "get", look)
    monkeypatch.setattr("artifacts.commits.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("artifacts.commits.time.sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    assert registry.commit(ACME, cache_key=key(), main=mask()).sha256 == record.sha256
    assert clock[0] == pytest.approx(WINNER_WAIT_S)
    assert looks[0] <= 20


def test_a_winner_slower_than_the_wait_leaves_one_record(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artifacts.commits.WINNER_WAIT_S", 0.1)
    second: list[Record] = []
    publish = registry._publish

    def slow(records: list[Record], put: Any) -> list[Record]:
        monkeypatch.setattr(registry, "_publish", publish)
        second.append(registry.commit(ACME, cache_key=key(), main=mask(b"second, other bytes")))
        return publish(records, put)

    monkeypatch.setattr(registry, "_publish", slow)
    first = registry.commit(ACME, cache_key=key(), main=mask(b"first"))
    assert first == second[0] == registry.artifact(ACME, first.id)
    assert registry.read(ACME, first) == b"first"
    assert first.sha256 == hashlib.sha256(b"first").hexdigest()


class Disk:
    """What reaches a file store's disk, in order: `flushed` and a file's name or `(unnamed)`; `named` and a name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.happened: list[tuple[str, str]] = []
        fsync, link, put = os.fsync, os.link, obstore.put

        def flush(handle: int) -> None:
            path = Path(f"/proc/self/fd/{handle}").readlink()
            lost = str(path).endswith(" (deleted)")
            self.happened.append(("flushed", f"(unnamed {os.fstat(handle).st_ino})" if lost else path.name))
            fsync(handle)

        def name(source: str, target: str, **said: Any) -> None:
            self.happened += [
                ("flushed first", f"(unnamed {Path(source).stat().st_ino})"),
                ("named", Path(target).name),
            ]
            link(source, target, **said)

        def put_(objects: object, key: str, *given: object, **said: Any) -> object:
            self.happened.append(("named", Path(key).name))
            return put(objects, key, *given, **said)  # type: ignore[call-overload]

        monkeypatch.setattr(os, "fsync", flush)
        monkeypatch.setattr(os, "link", name)
        monkeypatch.setattr(obstore, "put", put_)

    def at(self, what: str, name: str) -> int:
        return self.happened.index((what, name))


@pytest.mark.parametrize("by_hand", [True, False])
@pytest.mark.parametrize("early", [True, False])
def test_no_record_is_put_before_what_it_names_is_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_hand: bool, early: bool
) -> None:
    """A machine that stops between two puts must not leave a record whose bytes, links or sides are not there."""
    if not by_hand:
        monkeypatch.setattr(files, "can", lambda folder: False)
    registry = Registry(Store((tmp_path / "store").as_uri()))
    disk = Disk(monkeypatch)
    side = Draft("side", "mask", "image/png", b"side", META, role="side")
    inputs = [{"id": "asset_a2345672", "role": "x"}]
    ahead = [registry.lay_ahead(ACME, side, cache_key=key(), kind="mask", inputs=inputs)] if early else []
    main = registry.commit(ACME, cache_key=key(), main=mask(), sides=[side], inputs=inputs, ahead=ahead)
    (beside,) = (item["id"] for item in main.inputs if item["role"] == "side")
    first, last = (disk.at("named", f"{id}.json") for id in (beside, main.id))
    folders = [number for number, item in enumerate(disk.happened) if item == ("flushed", "records")]
    assert first < last < folders[-1] == folders[0]  # names of one folder, of which none outlives an earlier one
    for name in (beside, "asset_a2345672", "regions"):
        assert disk.at("flushed", name) < first
    assert disk.at("flushed", "mask") < first  # the main one's bytes
    assert max(disk.at("named", f"{id}.png") for id in (beside, main.id)) < first
    if by_hand:  # no file has a name before its bytes are on the disk
        needed = [(number, name) for number, (what, name) in enumerate(disk.happened) if what == "flushed first"]
        assert len(needed) == 4
        assert all(disk.at("flushed", name) < number for number, name in needed)
    else:
        assert disk.at("flushed", f"{beside}.png") < first
        assert disk.at("flushed", f"{main.id}.png") < first
        assert first < disk.at("flushed", f"{beside}.json") < last < disk.at("flushed", f"{main.id}.json")
    flushes = [name for what, name in disk.happened if what == "flushed"]
    # the records' own folder, dev, is flushed once more; of what is laid early, `_` of links and of bytes
    assert len(flushes) == len(set(flushes)) + 1 + early


def test_what_was_laid_ahead_is_not_laid_again_and_a_commit_without_it_is_the_same(registry: Registry) -> None:
    side = Draft("side", "mask", "image/png", b"side", META, role="side")
    given: dict[str, Any] = {"inputs": [{"id": "asset_a2345672", "role": "x"}], "parent_asset_id": "asset_b2345672"}
    ahead = registry.lay_ahead(ACME, side, cache_key=key(), kind="mask", **given)
    assert registry.find(ACME, "mask", key()) is None
    made: list[str] = []
    in_order = registry.store.in_order

    def seen(count: int, *batches: Any) -> Any:
        listed = [list(batch) for batch in batches]
        made.extend(name for batch in listed for name, _ in batch)
        assert count == len(made)
        return in_order(count, *listed)

    registry.store.in_order = seen  # type: ignore[method-assign]
    main = registry.commit(ACME, cache_key=key(), main=mask(), sides=[side], ahead=[ahead], **given)
    (beside,) = (item["id"] for item in main.inputs if item["role"] == "side")
    kinds = [name.split("/")[3] for name in made]
    assert kinds == ["media_v2", "records", "records"]
    other = Registry(Store("memory://"))
    assert other.commit(ACME, cache_key=key(), main=mask(), sides=[side], **given).inputs == main.inputs
    assert sorted(other.store.keys("")) == sorted(registry.store.keys(""))
    assert registry.read(ACME, registry.artifact(ACME, beside)) == b"side"
    assert registry.artifact(ACME, beside).main == main.id


def test_bytes_that_lie_there_already_are_taken_at_once_where_they_are_the_same(registry: Registry) -> None:
    """A worker that died after it laid them must not cost the next one the wait for its record."""
    side = Draft("side", "mask", "image/png", b"side", META, role="side")
    first = registry.lay_ahead(ACME, side, cache_key=key(), kind="mask")
    assert registry.lay_ahead(ACME, side, cache_key=key(), kind="mask") == first
    other = replace(side, data=b"another")
    assert registry.lay_ahead(ACME, other, cache_key=key(), kind="mask") == Ahead(links=first.links)


def test_large_files_go_to_a_key_that_follows_from_their_content(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artifacts.commits.CREATE_ONLY_LIMIT", 3)
    path = tmp_path / "large"
    path.write_bytes(b"large")
    record = registry.commit(ACME, cache_key=key(), main=Draft("", "mask", "image/png", path, META))
    assert hashlib.sha256(b"large").hexdigest() in record.uri
    assert registry.read(ACME, record) == b"large"


@pytest.mark.parametrize("sides", [1, files.TOGETHER, files.TOGETHER + 1])
def test_a_commit_of_many_files_is_as_one_of_few(tmp_path: Path, sides: int) -> None:
    """Those that are too many to be open together are put a batch after the other."""
    registry = Registry(Store((tmp_path / "store").as_uri()))
    beside = [mask(b"%d" % number, f"face/{number}") for number in range(sides)]
    main = registry.commit(ACME, cache_key=key(), main=mask(), sides=beside)
    assert registry.find(ACME, "mask", key()) == main
    for number in range(sides):
        record = registry.artifact(ACME, registry.side_id(ACME, "mask", key(), "mask", f"face/{number}"))
        assert (record.main, registry.read(ACME, record)) == (main.id, b"%d" % number)


@pytest.mark.parametrize("deleted", [True, False])
def test_what_is_refused_leaves_no_record(tmp_path: Path, deleted: bool) -> None:
    registry = Registry(Store((tmp_path / "store").as_uri()))
    source = registry.commit(ACME, cache_key=key(operation="source"), main=mask())
    if deleted:
        registry.delete(ACME, source.id)
    before = len(list(Path("/proc/self/fd").iterdir()))
    given: dict[str, Any] = {"cache_key": key(), "main": mask(), "inputs": [{"id": source.id, "role": "source"}]}
    if deleted:
        with pytest.raises(NotFound):
            registry.commit(ACME, **given)
    else:
        registry.commit(ACME, **given)
    assert (registry.find(ACME, "mask", key()) is None) == deleted
    assert len(list(Path("/proc/self/fd").iterdir())) == before
