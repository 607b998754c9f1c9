"""The registry: assets, artifacts, their lineage, and what is latest. Everything by scope; no index, no cache."""

from __future__ import annotations

import bisect
import hashlib
import random
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from artifacts import keys
from artifacts.canonical import make_id
from artifacts.documents import Documents
from artifacts.errors import Conflict, NotFound
from artifacts.kinds import check_meta, kind_of
from artifacts.records import Ahead, Asset, Draft, Laid, Record, now, record_of
from artifacts.scope import Scope
from artifacts.store import Store, Upload

JSON = dict[str, Any]
CREATE_ONLY_LIMIT = 64 << 20
"""Bytes up to this are put create-only at their key; larger ones at a key that follows from their content."""
WINNER_WAIT_S = 5.0
"""How long the record of whoever put the bytes first is waited for; the record is written from the stored bytes then,
which is right however slow the winner was: of two equal records the first stands."""
FIRST_LOOK_S, LAST_LOOK_S = 0.05, 0.8
"""Between two looks for that record, doubling: many who look all the time would keep the winner from writing it."""
SCAN = 2000
"""Most records that are read for one page of a listing."""


class Registry:
    """Raises artifacts.errors; every method blocks on the store (see Store.is_local)."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.documents = Documents(store)

    # assets

    def asset(self, scope: Scope, id: str) -> Asset:
        """NotFound for an absent, malformed or foreign id."""
        if self.store.exists(keys.tombstone(scope, id)):
            raise NotFound
        return Asset.from_bytes(self.store.get(keys.asset(scope, id)))

    def asset_id(self, scope: Scope, sha256: str) -> str:
        """The id that these bytes have or will get: after a deletion they come back under another one."""
        return self.undeleted(scope, "asset", [scope.tenant, scope.env], sha256)

    def undeleted(self, scope: Scope, prefix: str, *parts: Any) -> str:
        """The id of the first generation without a tombstone, of what follows from its content; generation 0 is
        not spelled out."""
        id, generation = make_id(prefix, *parts), 0
        while self.store.exists(keys.tombstone(scope, id)):
            generation += 1
            id = make_id(prefix, *parts, generation)
        return id

    def receive(self, scope: Scope, max_bytes: int) -> Upload:
        """A place for an upload's bytes until they are hashed and probed."""
        return self.store.upload(keys.incoming(scope, make_id("upload", secrets.token_hex(16))), max_bytes)

    def adopt(
        self,
        scope: Scope,
        upload_key: str,
        *,
        kind: str,
        media_type: str,
        size_bytes: int,
        sha256: str,
        meta: JSON,
        tags: Sequence[str] = (),
        source_ref: str | None = None,
    ) -> Asset:
        """Make an asset of a received upload; an equal one keeps its record and gains the tags."""
        id = self.asset_id(scope, sha256)
        key = keys.source(scope, id, keys.extension(media_type))
        self.store.move(keys.check(scope, upload_key), key)
        made = Asset(
            id, kind, media_type, size_bytes, sha256, keys.uri(key), now(), sorted(set(tags)), meta, source_ref
        )

        def unite(old: bytes | None) -> bytes:
            if old is None:
                return made.to_bytes()
            stored = Asset.from_bytes(old)
            return Asset(**(vars(stored) | {"tags": sorted({*stored.tags, *tags})})).to_bytes()

        self.store.update(keys.asset(scope, id), unite)
        if self.asset_id(scope, sha256) == id:
            return self.asset(scope, id)
        return self.adopt(  # deleted in between: once more, under the next generation's id
            scope,
            key,
            kind=kind,
            media_type=media_type,
            size_bytes=size_bytes,
            sha256=sha256,
            meta=meta,
            tags=tags,
            source_ref=source_ref,
        )

    def assets(
        self, scope: Scope, *, kind: str | None = None, tag: str | None = None, after: str = "", limit: int = 50
    ) -> tuple[list[Asset], str | None]:
        """A page of the assets by id, from beyond the id `after`, and the id to go on from (None: that was all).

        A page may hold fewer than `limit`, and even none, while there are more: at most SCAN records are read for it.
        """
        prefix = keys.assets(scope)
        ids = sorted(key.removeprefix(prefix).removesuffix(".json") for key in self.store.keys(prefix))
        rest = ids[bisect.bisect_right(ids, after) :]
        found: list[Asset] = []
        for number, id in enumerate(rest, 1):
            try:
                asset = self.asset(scope, id)
            except NotFound:
                asset = None
            if asset and kind in (None, asset.kind) and (tag is None or tag in asset.tags):
                found.append(asset)
            if len(found) == limit or number == SCAN:
                return found, id if number < len(rest) else None
        return found, None

    # artifacts

    def artifact(self, scope: Scope, id: str) -> Record:
        """NotFound for an absent, malformed, foreign or deleted id; a side goes with its main."""
        if self.store.exists(keys.tombstone(scope, id)):
            raise NotFound
        record = Record.from_bytes(self.store.get(keys.record(scope, id)))
        if record.main and self.store.exists(keys.tombstone(scope, record.main)):
            raise NotFound
        return record

    def find(self, scope: Scope, kind: str, cache_key: str) -> Record | None:
        """The artifact of a computation, if it was made: one GET of a record and a look for its tombstone."""
        stored = self.stored(scope, kind, cache_key)
        return None if stored is None else Record.from_bytes(stored)

    def stored(self, scope: Scope, kind: str, cache_key: str) -> bytes | None:
        """The bytes of the record that `find` would give."""
        id, _ = self._standing(scope, kind, cache_key)
        try:
            return self.store.get(keys.record(scope, id))
        except NotFound:
            return None

    def side_id(self, scope: Scope, main_kind: str, cache_key: str, kind: str, name: str) -> str:
        """The id that a computation's side artifact has or will get."""
        return _id(kind, cache_key, self._standing(scope, main_kind, cache_key)[1], name)

    def _standing(self, scope: Scope, kind: str, cache_key: str) -> tuple[str, int]:
        """The id of a computation's main artifact in the first generation that was not deleted, and which one that
        is."""
        generation = 0
        while self.store.exists(keys.tombstone(scope, id := _id(kind, cache_key, generation))):
            generation += 1
        return id, generation

    def commit(
        self,
        scope: Scope,
        *,
        cache_key: str,
        main: Draft,
        sides: Sequence[Draft] = (),
        inputs: Sequence[JSON] = (),
        parent_asset_id: str | None = None,
        ahead: Sequence[Ahead] = (),
    ) -> Record:
        """Make a computation's artifacts findable: the sides first, the main record last. What was laid `ahead` for
        this very call is not laid again.

        `inputs` are `{id, role}` each; a side with a role joins those of the main. Of several writers of one key the
        first wins, and all get its record. NotFound when an input was deleted meanwhile.
        """
        main_id, generation = self._standing(scope, main.kind, cache_key)
        drafts = {_id(side.kind, cache_key, generation, side.name): side for side in sides} | {main_id: main}
        for draft in drafts.values():
            check_meta(draft.kind, draft.media_type, draft.meta)
        joined = [{"id": id, "role": draft.role} for id, draft in drafts.items() if draft.role]
        made_from = {id: [*map(dict, inputs), *(joined if id == main_id else ())] for id in drafts}
        links = [(source, id) for id in drafts for source in _sources(made_from[id], parent_asset_id)]
        laid = {id: known for part in ahead for id, known in part.laid.items()}
        linked = {link for part in ahead for link in part.links}

        def record(id: str) -> Record:
            beside = None if id == main_id else main_id
            return record_of(scope, id, drafts[id], laid[id], parent=parent_asset_id, inputs=made_from[id], main=beside)

        rest = {id: draft for id, draft in drafts.items() if id not in laid}
        ready = [record(id) for id in drafts if id not in rest]  # with the other bytes, for the same flushes
        laid |= self._lay(scope, parent_asset_id, rest, [link for link in links if link not in linked], ready)
        others = [record(id) for id in rest if id != main_id]
        if others:
            self._publish(others)
        return self._publish([record(main_id)])[0]

    def lay_ahead(
        self,
        scope: Scope,
        side: Draft,
        *,
        cache_key: str,
        kind: str,
        inputs: Sequence[JSON] = (),
        parent_asset_id: str | None = None,
    ) -> Ahead:
        """A small side's bytes and links and the links of the main artifact of that `kind`, durable while the rest is
        still being made, for `commit`. Without a record they are nothing, and gc takes the bytes."""
        main_id, generation = self._standing(scope, kind, cache_key)
        id = _id(side.kind, cache_key, generation, side.name)
        sources = _sources(inputs, parent_asset_id)
        links = [(source, made) for made in (id, main_id) for source in sources] + (
            [(id, main_id)] if side.role else []
        )
        assert isinstance(side.data, bytes)
        key = _content(scope, parent_asset_id, side, id)
        *_, new = self.store.create_all([*_linking(scope, links), (key, side.data)])
        if not new:  # of a writer that died, or of one that is at it too
            if self.store.get(key) != side.data:
                return Ahead(links=frozenset(links))
            self.store.flush(key)
        return Ahead({id: Laid(keys.uri(key), _sha256(side.data), len(side.data))}, frozenset(links))

    def _lay(
        self,
        scope: Scope,
        parent: str | None,
        drafts: Mapping[str, Draft],
        links: Sequence[tuple[str, str]],
        ready: Sequence[Record],
    ) -> dict[str, Laid]:
        """The bytes of all drafts, by id, with the links between ids: durable together, before any record of theirs is
        put, so that a record without its bytes cannot exist. Records that are `ready`, whose bytes and links are
        durable already, are put with them."""
        self._refuse_deleted(scope, ready)
        laid: dict[str, Laid] = {}
        small: dict[str, str] = {}
        for id, draft in drafts.items():
            key = _content(scope, parent, draft, id)
            size = len(draft.data) if isinstance(draft.data, bytes) else draft.data.stat().st_size
            sha256 = _sha256(draft.data)
            if size <= CREATE_ONLY_LIMIT:
                small[id] = key
            else:
                assert isinstance(draft.data, Path)
                ext = keys.extension(draft.media_type)
                key = key.removesuffix(ext) + f"{sha256}.{ext}"
                self.store.create_from(key, draft.data)
            laid[id] = Laid(keys.uri(key), sha256, size)
        made = self.store.create_all(
            chain(
                _linking(scope, links),
                ((key, _bytes(drafts[id].data)) for id, key in small.items()),
                _recording(scope, ready),
            )
        )
        for (id, key), new in zip(small.items(), made[len(links) : len(links) + len(small)], strict=True):
            if not new:
                laid[id] = self._laid_before(scope, id, key)
        return laid

    def _laid_before(self, scope: Scope, id: str, key: str) -> Laid:
        """What lies at a key that another writer of it was faster to put."""
        winner = self._winner(scope, id)
        if winner:
            return Laid(winner.uri, winner.sha256, winner.size_bytes)
        stored = self.store.get(key)  # the first writer died before its record: its bytes stand
        return Laid(keys.uri(key), hashlib.sha256(stored).hexdigest(), len(stored))

    def publish(self, record: Record) -> Record:
        """Links, then the record, whose bytes are there; of several writers the first wins. NotFound when an input or
        the parent was deleted."""
        scope = Scope(record.tenant, record.env)
        sources = _sources(record.inputs, record.parent_asset_id)
        self.store.create_all((keys.link(scope, source, record.id), b"") for source in sources)
        return self._publish([record])[0]

    def _publish(self, records: Sequence[Record]) -> list[Record]:
        """Records of one scope, whose bytes and links are there; of several writers the first wins.

        The links come before the look for tombstones, as a deletion puts its tombstone before it lists the links: of
        the two that meet, one sees the other. NotFound when an input or the parent was deleted.
        """
        scope = Scope(records[0].tenant, records[0].env)
        self._refuse_deleted(scope, records)
        made = self.store.create_all(_recording(scope, records))
        return [
            record if new else Record.from_bytes(self.store.get(keys.record(scope, record.id)))
            for record, new in zip(records, made, strict=True)
        ]

    def _refuse_deleted(self, scope: Scope, records: Sequence[Record]) -> None:
        """NotFound where what one of them was made from was deleted."""
        for source in dict.fromkeys(s for record in records for s in _sources(record.inputs, record.parent_asset_id)):
            if self.store.exists(keys.tombstone(scope, source)):
                raise NotFound

    def _winner(self, scope: Scope, id: str) -> Record | None:
        """The record of whoever put the bytes first, waited for."""
        until, pause = time.monotonic() + WINNER_WAIT_S, FIRST_LOOK_S
        while True:
            try:
                return Record.from_bytes(self.store.get(keys.record(scope, id)))
            except NotFound:
                left = until - time.monotonic()
                if left <= 0:
                    return None
                time.sleep(min(left, pause * random.uniform(0.5, 1)))  # apart from the others who wait  # noqa: S311
                pause = min(2 * pause, LAST_LOOK_S)

    def delete(self, scope: Scope, id: str) -> None:
        """Put the tombstone: from now on the id, and those of its sides, are as absent as ones that never were.

        Conflict for a side. What was made from the artifact stays.
        """
        main = self.artifact(scope, id).main
        if main:
            raise Conflict(f"{id} was made beside {main} and is deleted with it: DELETE {main}", "id")
        self.store.create(keys.tombstone(scope, id), b"")

    def delete_asset(self, scope: Scope, id: str, *, cascade: bool = False) -> int:
        """Delete the asset, with all that was made from it when `cascade`; how many artifacts went with it.

        Conflict with their count when there are some and `cascade` is not set.
        """
        self.asset(scope, id)
        standing = len(self.descendants(scope, id))
        if standing and not cascade:
            raise Conflict(
                f"{standing} artifacts were made from this asset: add ?cascade=true to delete them too", count=standing
            )
        self.store.create(keys.tombstone(scope, id), b"")
        for child, record in self._descend(scope, id):  # of work that raced with this deletion, its results too
            self.store.create(keys.tombstone(scope, child), b"")
            if record and record.main:  # a side whose main never came: the next computation makes both anew
                self.store.create(keys.tombstone(scope, record.main), b"")
        return standing

    def descendants(self, scope: Scope, id: str) -> list[Record]:
        """What was made from an asset or artifact, directly or through others, itself left out."""
        return [record for _, record in self._descend(scope, id) if record]

    def _descend(self, scope: Scope, id: str) -> Iterator[tuple[str, Record | None]]:
        """Each descendant once, before its own children are looked for; None: deleted, or its record never came."""
        pending, seen = [id], {id}
        while pending:
            for child in self.children(scope, pending.pop()):
                if child not in seen:
                    seen.add(child)
                    pending.append(child)
                    try:
                        record: Record | None = self.artifact(scope, child)
                    except NotFound:
                        record = None
                    yield child, record

    def read(self, scope: Scope, item: Record | Asset) -> bytes:
        return self.store.get(self.key(scope, item))

    def key(self, scope: Scope, item: Record | Asset) -> str:
        """Where the bytes lie; PrefixViolation when the record points outside the scope."""
        return keys.from_uri(scope, item.uri)

    def children(self, scope: Scope, id: str) -> list[str]:
        """The ids of the artifacts that were made from this asset or artifact."""
        prefix = keys.links(scope, id)
        return sorted(key.removeprefix(prefix) for key in self.store.keys(prefix))

    # latest

    def latest(self, scope: Scope, asset_id: str, kind: str) -> Record | None:
        """The artifact of the last successful request for this asset and kind; None where there is none."""
        document = self.documents.get(scope, "latest", make_id("latest", asset_id, kind))
        if document is None:
            return None
        try:
            return self.artifact(scope, document.body["id"])
        except NotFound:
            return None

    def set_latest(self, scope: Scope, record: Record) -> None:
        """Called after each success, hits included; stubs and registered artifacts are never the latest."""
        if record.parent_asset_id is None or record.origin != "computed" or record.meta.get("stub"):
            return
        id = make_id("latest", record.parent_asset_id, record.kind)
        present = self.documents.get(scope, "latest", id)
        if present is None or present.body["id"] != record.id:
            self.documents.update(scope, "latest", id, lambda _: {"id": record.id})


@lru_cache(maxsize=4096)
def _id(kind: str, cache_key: str, generation: int, name: str = "") -> str:
    return make_id(kind_of(kind).prefix, cache_key, generation, *([name] if name else []))


def _sources(inputs: Sequence[JSON], parent: str | None) -> list[str]:
    """The ids that an artifact of these inputs is made from, each once."""
    return list(dict.fromkeys([*(item["id"] for item in inputs), *filter(None, [parent])]))


def _content(scope: Scope, parent: str | None, draft: Draft, id: str) -> str:
    """The key of an artifact's bytes."""
    folder = kind_of(draft.kind).folder or draft.kind
    if draft.kind == "mask" and draft.name:  # the masks of regions lie in a folder of their own
        folder = "regions"
    return keys.content(scope, parent, draft.kind, id, keys.extension(draft.media_type), folder=folder)


def _linking(scope: Scope, links: Sequence[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    """What is put for links."""
    return ((keys.link(scope, source, id), b"") for source, id in links)


def _recording(scope: Scope, records: Sequence[Record]) -> Iterator[tuple[str, bytes]]:
    """What is put for records."""
    return ((keys.record(scope, record.id), record.to_bytes()) for record in records)


def _bytes(data: bytes | Path) -> bytes:
    return data if isinstance(data, bytes) else data.read_bytes()


def _sha256(data: bytes | Path) -> str:
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()
    with data.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


__all__ = ["Registry"]
