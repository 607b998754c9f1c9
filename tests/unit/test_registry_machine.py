"""Any sequence of commits, deletions and changes leaves the registry like a plain dict."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from artifacts import Draft, Record, Registry, Scope, Store
from artifacts.canonical import make_id
from artifacts.errors import Conflict, NotFound, VersionConflict
from artifacts.sweep import gc

SCOPES = (Scope("t_a", "dev"), Scope("t_a", "prod"), Scope("t_b", "dev"))
META = {"width": 1, "height": 1, "feather": 0, "selection_hash": "x", "selection": {}}
scopes, names = st.sampled_from(SCOPES), st.sampled_from("abc")
PARENT = make_id("asset", "parent")


class RegistryMachine(RuleBasedStateMachine):
    """Against dicts: computations by (scope, name), what stands by (scope, id), latest, documents."""

    url = "memory://"
    records = Bundle("records")

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.registry = Registry(Store(self.url or self.folder.as_uri()))
        self.current: dict[tuple[Scope, str], str] = {}
        self.standing: dict[tuple[Scope, str], bytes] = {}
        self.sides: dict[tuple[Scope, str], str] = {}
        self.made_from: dict[tuple[Scope, str], str] = {}
        self.last: dict[Scope, str] = {}
        self.documents: dict[tuple[Scope, str], tuple[int, int]] = {}

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder, ignore_errors=True)

    @rule(target=records, scope=scopes, name=names, data=st.binary(max_size=4), side=st.booleans())
    def commit(self, scope: Scope, name: str, data: bytes, side: bool) -> tuple[Scope, str]:
        sides = [Draft("side", "mask", "image/png", b"side", META)] if side else []
        main = Draft("", "mask", "image/png", data, META)
        record = self.registry.commit(scope, cache_key=name, main=main, sides=sides, parent_asset_id=PARENT)
        known = self.current.get((scope, name))
        assert known in (None, record.id)  # the first writer's, as long as it stands
        self.current[scope, name] = record.id
        self.standing.setdefault((scope, record.id), data)
        if side:
            self.sides[scope, self.registry.side_id(scope, "mask", name, "mask", "side")] = record.id
        return scope, record.id

    @rule(target=records, made=records, name=names)
    def commit_from(self, made: tuple[Scope, str], name: str) -> tuple[Scope, str]:
        scope, source = made
        inputs = [{"id": source, "role": "source"}]
        draft = Draft("", "mask", "image/png", b"child", META)
        cache_key = f"{name} of {source}"
        try:
            record = self.registry.commit(scope, cache_key=cache_key, main=draft, inputs=inputs)
        except NotFound:
            assert (scope, source) not in self.standing
            return made
        self.standing.setdefault((scope, record.id), b"child")
        self.made_from[scope, record.id] = source
        self.current[scope, cache_key] = record.id
        return scope, record.id

    @rule(made=records, scope=scopes)
    def delete(self, made: tuple[Scope, str], scope: Scope) -> None:
        id = made[1]
        try:
            self.registry.delete(scope, id)
        except NotFound:
            assert (scope, id) not in self.standing
            return
        del self.standing[scope, id]
        self.current = {key: value for key, value in self.current.items() if (key[0], value) != (scope, id)}

    @rule(made=records)
    def use(self, made: tuple[Scope, str]) -> None:
        if made in self.standing:
            record = self.registry.artifact(*made)
            self.registry.set_latest(made[0], record)
            if record.parent_asset_id:
                self.last[made[0]] = record.id

    @rule(scope=scopes, name=names, value=st.integers(0, 3), expected=st.none() | st.integers(0, 3))
    def change(self, scope: Scope, name: str, value: int, expected: int | None) -> None:
        version, before = self.documents.get((scope, name), (0, None))
        try:
            got = self.registry.documents.update(
                scope, "sequences", make_id("sequence", name), lambda _: {"n": value}, expected=expected
            )
        except VersionConflict:
            assert expected not in (None, version)
            return
        assert expected in (None, version)
        self.documents[scope, name] = (version + (before != value), value)
        assert (got.version, got.body) == (self.documents[scope, name][0], {"n": value})

    @rule()
    def sweep(self) -> None:
        gc(self.registry, grace_s=0, now=1e11)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "registry"):
            return
        for (scope, name), id in self.current.items():
            found = self.registry.find(scope, "mask", name)
            assert found
            assert found.id == id
        for (scope, id), data in self.standing.items():
            record: Record = self.registry.artifact(scope, id)
            assert self.registry.read(scope, record) == data
            assert record.sha256 == hashlib.sha256(data).hexdigest()
            for other in SCOPES:
                assert other == scope or (other, id) in self.standing or self._absent(other, id)
        for (scope, side), main in self.sides.items():
            if (scope, main) in self.standing:
                assert self.registry.read(scope, self.registry.artifact(scope, side)) == b"side"
                try:
                    self.registry.delete(scope, side)
                    raise AssertionError("a side was deleted alone")
                except Conflict:
                    pass
            else:
                assert self._absent(scope, side)
        for scope, id in self.last.items():
            latest = self.registry.latest(scope, PARENT, "mask")
            assert (latest.id if latest else None) == (id if (scope, id) in self.standing else None)
        for (scope, name), (version, value) in self.documents.items():
            document: Any = self.registry.documents.get(scope, "sequences", make_id("sequence", name))
            assert (document.version, document.body) == (version, {"n": value})

    def _absent(self, scope: Scope, id: str) -> bool:
        try:
            self.registry.artifact(scope, id)
        except NotFound:
            return True
        return False


class FileMachine(RegistryMachine):
    url = ""


few = {"deadline": None, "suppress_health_check": list(HealthCheck)}
TestMemory = RegistryMachine.TestCase
TestMemory.settings = settings(max_examples=40, stateful_step_count=25, **few)  # type: ignore[arg-type]
TestFile = FileMachine.TestCase
TestFile.settings = settings(max_examples=8, stateful_step_count=15, **few)  # type: ignore[arg-type]
