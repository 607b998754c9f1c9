"""The registry: assets, artifacts, their lineage, and what is latest. Everything by scope; no index, no cache."""

from __future__ import annotations

import bisect
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from artifacts import keys
from artifacts.canonical import make_id
from artifacts.commits import Commits
from artifacts.documents import Documents
from artifacts.errors import Conflict, NotFound
from artifacts.identity import artifact_id, standing
from artifacts.records import Asset, Record, now
from artifacts.scope import Scope
from artifacts.store import Store
from artifacts.upload import Upload

JSON = dict[str, Any]
SCAN = 2000
"""Most records that are read for one page of a listing."""


class Registry(Commits):
    """Raises artifacts.errors; every method blocks on the store (see Store.is_local)."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
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
        id, _ = standing(self.store, scope, kind, cache_key)
        try:
            return self.store.get(keys.record(scope, id))
        except NotFound:
            return None

    def side_id(self, scope: Scope, main_kind: str, cache_key: str, kind: str, name: str) -> str:
        """The id that a computation's side artifact has or will get."""
        return artifact_id(kind, cache_key, standing(self.store, scope, main_kind, cache_key)[1], name)

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


__all__ = ["Registry"]
