"""The registry on file:// and memory://: identity, create-only commit, lineage, latest, documents."""

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
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from artifacts import Ahead, Draft, Record, Registry, Scope, Store, files, keys, store
from artifacts.canonical import cache_key, canonical, is_id, make_id
from artifacts.commits import WINNER_WAIT_S
from artifacts.errors import InvalidMeta, InvalidScope, MissingScope, NotFound, PrefixViolation, VersionConflict

ACME = Scope("t_acme", "dev")
OTHER = Scope("t_other", "dev")
META = {"width": 4, "height": 4, "feather": 0, "selection_hash": "x", "selection": {}}


@pytest.fixture(params=["memory", "file"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    return Registry(Store("memory://" if request.param == "memory" else (tmp_path / "store").as_uri()))


def mask(data: bytes = b"pixels", name: str = "", **meta: object) -> Draft:
    return Draft(name, "mask", "image/png", data, META | meta)


def key(**changes: object) -> str:
    given = {"scope": ACME, "inputs": ["asset_aaaaaaaa"], "operation": "image_masks", "parameters": {"a": 1, "b": 2.5}}
    return cache_key(**(given | {"backend": "cpu", "backend_version": "1", "weights_id": None} | changes))  # type: ignore[arg-type]


def test_canonical_json_follows_rfc_8785() -> None:
    # the RFC's own example, section 3.2.3
    value = {"numbers": [333333333.33333329, 1e30, 4.5, 2e-3, 1e-27], "literals": [None, True, False]}
    assert canonical(value) == b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}'


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**53, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_canonical_json_is_the_librarys(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**53, -(2**53), b"x", {1: 2}, {"a": [object()]}, "\ud800"]
)
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        canonical(value)


@pytest.mark.parametrize("value", [2**53 - 1, 1 - 2**53, 1e-6, 1e-7, 1e21, 1e22, -0.0, 5e-324, 0.1, 1 / 3])
def test_numbers_at_the_edges_are_written_as_the_library_writes_them(value: float) -> None:
    assert canonical([value]) == rfc8785.dumps([value])


def test_cache_key_is_the_sha256_of_the_canonical_tuple() -> None:
    text = (
        '{"backend":"cpu","backend_version":"1","inputs":["asset_aaaaaaaa"],"operation":"image_masks",'
        '"parameters":{"a":1,"b":2.5},"scope":["t_acme","dev"],"weights_id":null}'
    )
    assert key() == hashlib.sha256(text.encode()).hexdigest()
    assert key(parameters={"b": 2.5, "a": 1}) == key()


@pytest.mark.parametrize(
    "change",
    [
        {"scope": OTHER},
        {"inputs": ["asset_bbbbbbbb"]},
        {"operation": "other"},
        {"parameters": {"a": 2}},
        {"backend": "x"},
        {"backend_version": "2"},
        {"weights_id": "w"},
    ],
)
def test_each_part_of_the_identity_makes_another_key(change: dict[str, object]) -> None:
    assert key(**change) != key()


def test_ids_have_the_documented_shape() -> None:
    assert is_id(make_id("mask", "a", 1))
    assert not any(map(is_id, ["mask_../../x", "MASK_aaaaaaaa", "mask_aaaa", "mask_" + "a" * 65, "mask_1111111181"]))


@pytest.mark.parametrize("tenant", ["acme", "t_", "t_unknown", "t_Acme", "t_a/b", "t_" + "a" * 65, "t_a\n"])
def test_malformed_tenants_are_refused(tenant: str) -> None:
    with pytest.raises(InvalidScope):
        Scope(tenant, "dev")


def test_missing_scope_is_its_own_error() -> None:
    with pytest.raises(MissingScope):
        Scope("", "dev")
    with pytest.raises(InvalidScope):
        Scope("t_a", "production")
    assert Scope("t_" + "a" * 63, "prod").prefix.endswith("/prod/")


@pytest.mark.parametrize("bad", ["tenants/t_other/dev/x", "x", "tenants/t_acme/dev/../x", "tenants/t_acme/dev//x"])
def test_keys_outside_the_scope_are_refused(bad: str) -> None:
    with pytest.raises(PrefixViolation):
        keys.check(ACME, bad)


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


@pytest.mark.parametrize("number", [1, files.TOGETHER, 2 * files.TOGETHER + 1])
def test_of_many_files_each_is_made_once(tmp_path: Path, number: int) -> None:
    registry = Registry(Store((tmp_path / "store").as_uri()))
    items = [(f"a/{n}/b", b"%d" % n if n % 2 else b"") for n in range(number)]
    assert registry.store.create_all([*items, items[0]]) == [*[True] * number, False]
    assert registry.store.create_all((name, b"other") for name, _ in items) == [False] * number
    assert [(name, registry.store.get(name)) for name, _ in items] == items


@pytest.mark.parametrize("size", [store.SHORT - 1, store.SHORT, store.SHORT + 1, 3 * store.SHORT])
def test_all_of_a_file_is_read(tmp_path: Path, size: int) -> None:
    made = Store((tmp_path / "store").as_uri())
    data = bytes(range(256)) * (size // 256 + 1)
    made.create("a/b", data[:size])
    assert made.get("a/b") == data[:size]


def test_large_files_go_to_a_key_that_follows_from_their_content(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artifacts.commits.CREATE_ONLY_LIMIT", 3)
    path = tmp_path / "large"
    path.write_bytes(b"large")
    record = registry.commit(ACME, cache_key=key(), main=Draft("", "mask", "image/png", path, META))
    assert hashlib.sha256(b"large").hexdigest() in record.uri
    assert registry.read(ACME, record) == b"large"


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
