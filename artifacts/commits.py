"""What a computation made becomes findable: bytes and links, the records beside it, then its own record."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from artifacts import keys
from artifacts.errors import NotFound
from artifacts.identity import artifact_id, sources_of, standing
from artifacts.kinds import check_meta, kind_of
from artifacts.records import Ahead, Draft, Laid, Record, record_of
from artifacts.scope import Scope
from artifacts.store import Store

JSON = dict[str, Any]
CREATE_ONLY_LIMIT = 64 << 20
"""Bytes up to this are put create-only at their key; larger ones at a key that follows from their content."""
WINNER_WAIT_S = 5.0
"""How long the record of whoever put the bytes first is waited for; the record is written from the stored bytes then,
which is right however slow the winner was: of two equal records the first stands."""
FIRST_LOOK_S, LAST_LOOK_S = 0.05, 0.8
"""Between two looks for that record, doubling: many who look all the time would keep the winner from writing it."""


class Commits:
    """The registry's writing of artifacts. A record cannot lead to bytes, links or sides that are not durable."""

    def __init__(self, store: Store) -> None:
        self.store = store

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
        main_id, generation = standing(self.store, scope, main.kind, cache_key)
        drafts = {artifact_id(side.kind, cache_key, generation, side.name): side for side in sides} | {main_id: main}
        for draft in drafts.values():
            check_meta(draft.kind, draft.media_type, draft.meta)
        joined = [{"id": id, "role": draft.role} for id, draft in drafts.items() if draft.role]
        made_from = {id: [*map(dict, inputs), *(joined if id == main_id else ())] for id in drafts}
        links = [(source, id) for id in drafts for source in sources_of(made_from[id], parent_asset_id)]
        laid = {id: known for part in ahead for id, known in part.laid.items()}
        linked = {link for part in ahead for link in part.links}
        links = [link for link in links if link not in linked]
        small = self._lay(scope, parent_asset_id, {id: draft for id, draft in drafts.items() if id not in laid}, laid)

        def records() -> list[Record]:
            beside = {id: None if id == main_id else main_id for id in drafts}
            return [
                record_of(scope, id, draft, laid[id], parent=parent_asset_id, inputs=made_from[id], main=beside[id])
                for id, draft in drafts.items()
            ]

        ready = records()
        contents = ((key, _bytes(drafts[id].data)) for id, key in small.items())
        count = len(small) + len(links) + len(ready)
        batches = [chain(_linking(scope, links), contents), _recording(scope, ready)]
        with self.store.in_order(count, *batches) as (put, put_records):
            made = put()[len(links) :]
            if all(made):
                return self._publish(ready, put_records)[-1]
        for (id, key), new in zip(small.items(), made, strict=True):
            if not new:
                laid[id] = self._laid_before(scope, id, key)
        return self._publish(records())[-1]

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
        still being made, for `commit`: worth it where a put waits for a network. Without a record they are nothing,
        and gc takes the bytes."""
        main_id, generation = standing(self.store, scope, kind, cache_key)
        id = artifact_id(side.kind, cache_key, generation, side.name)
        sources = sources_of(inputs, parent_asset_id)
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
        self, scope: Scope, parent: str | None, drafts: Mapping[str, Draft], laid: dict[str, Laid]
    ) -> dict[str, str]:
        """Where the bytes of all drafts lie or are to be put, into `laid` by id. Large ones are put; the keys of the
        others, by id."""
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
        return small

    def _laid_before(self, scope: Scope, id: str, key: str) -> Laid:
        """What lies at a key that another writer of it was faster to put."""
        winner = self._winner(scope, id)
        if winner:
            return Laid(winner.uri, winner.sha256, winner.size_bytes)
        stored = self.store.get(key)  # the first writer died before its record: its bytes stand
        self.store.flush(key)
        return Laid(keys.uri(key), hashlib.sha256(stored).hexdigest(), len(stored))

    def publish(self, record: Record) -> Record:
        """Links, then the record, whose bytes are there; of several writers the first wins. NotFound when an input or
        the parent was deleted."""
        scope = Scope(record.tenant, record.env)
        sources = sources_of(record.inputs, record.parent_asset_id)
        self.store.create_all((keys.link(scope, source, record.id), b"") for source in sources)
        return self._publish([record])[0]

    def _publish(self, records: Sequence[Record], put: Callable[[], list[bool]] | None = None) -> list[Record]:
        """Records of one scope, whose bytes and links are there, by `put` where they were written before; of several
        writers the first wins. They lie in one folder, in which no later name outlives an earlier one.

        The links come before the look for tombstones, as a deletion puts its tombstone before it lists the links: of
        the two that meet, one sees the other. NotFound when an input or the parent was deleted.
        """
        scope = Scope(records[0].tenant, records[0].env)
        self._refuse_deleted(scope, records)
        made = put() if put else self.store.create_all(_recording(scope, records))
        return [
            record if new else Record.from_bytes(self.store.get(keys.record(scope, record.id)))
            for record, new in zip(records, made, strict=True)
        ]

    def _refuse_deleted(self, scope: Scope, records: Sequence[Record]) -> None:
        """NotFound where what one of them was made from was deleted."""
        for source in dict.fromkeys(s for record in records for s in sources_of(record.inputs, record.parent_asset_id)):
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


__all__ = ["CREATE_ONLY_LIMIT", "WINNER_WAIT_S", "Commits"]
