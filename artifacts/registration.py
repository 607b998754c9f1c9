"""Artifacts that a caller brings: bytes of its own, with a kind and the meta that the kind requires."""

from __future__ import annotations

import hashlib
from typing import Any

from artifacts import keys
from artifacts.canonical import make_id
from artifacts.errors import Conflict, NotFound, PrefixViolation
from artifacts.kinds import check_meta, kind_of
from artifacts.records import Asset, Draft, Laid, Record, record_of
from artifacts.registry import Registry
from artifacts.scope import Scope

JSON = dict[str, Any]
CLAIMS = "claims"
"""The documents that say which record names a key whose name does not tell it."""


def register(
    registry: Registry, scope: Scope, parent: str, key: str, *, kind: str, media_type: str, meta: JSON, sha256: str
) -> tuple[Record, bool]:
    """An artifact of bytes that lie at `key`, and whether it was there already.

    Its id hashes scope, parent, kind, content and meta. Bytes of an upload are moved to where artifacts of their kind
    lie; those in the asset's own folder stay. Raises InvalidMeta, NotFound (parent, key), PrefixViolation, Conflict.
    """
    check_meta(kind, media_type, meta)
    registry.asset(scope, parent)
    id = registry.undeleted(scope, kind_of(kind).prefix, [scope.tenant, scope.env], parent, kind, sha256, meta)
    try:
        return registry.artifact(scope, id), True
    except NotFound:
        size = registry.store.size(key)
    if keys.check(scope, key).startswith(keys.folder(scope, parent)):
        claim(registry, scope, key, id)
    else:
        folder = kind_of(kind).folder or kind
        target = keys.content(scope, parent, kind, id, keys.extension(media_type), folder=folder)
        registry.store.move(key, target)
        key = target
    draft = Draft("", kind, media_type, b"", meta)
    made = record_of(scope, id, draft, Laid(keys.uri(key), sha256, size), parent=parent, origin="registered")
    return registry.publish(made), False


def own_key(scope: Scope, parent: str, given: str) -> str:
    """`given` as a key; PrefixViolation unless it lies under the asset's own folder."""
    key = keys.from_uri(scope, given)
    if not key.startswith(keys.folder(scope, parent)) or key.endswith("/"):
        raise PrefixViolation(f"the key must lie under the asset's own folder, {keys.folder(scope, parent)}", "key")
    return key


def claim(registry: Registry, scope: Scope, key: str, id: str) -> None:
    """Say that the record `id` names `key`; Conflict when another one does."""
    if named_by(registry, scope, key) not in (None, id):
        raise Conflict("a record names this key already: register bytes that none names", "key")

    def take(old: JSON | None) -> JSON:
        if old and old["id"] != id and _names(registry, scope, old["id"], key):
            raise Conflict("a record names this key already: register bytes that none names", "key")
        return {"id": id}

    registry.documents.update(scope, CLAIMS, make_id("claim", key), take)


def named_by(registry: Registry, scope: Scope, key: str) -> str | None:
    """The id of the record that names `key`, whether by the key's own name or by a claim; None: nobody's bytes."""
    folder, _, name = key.rpartition("/")
    candidates = [folder.rpartition("/")[2] if name.startswith(keys.SOURCE) else name.partition(".")[0]]
    claimed = registry.documents.get(scope, CLAIMS, make_id("claim", key))
    if claimed:
        candidates.append(claimed.body["id"])
    return next((id for id in candidates if _names(registry, scope, id, key)), None)


def _names(registry: Registry, scope: Scope, id: str, key: str) -> bool:
    """Whether the record of an asset or artifact names the key; a deleted one's still does, until gc removes it."""
    try:
        if id.startswith("asset_"):
            uri = Asset.from_bytes(registry.store.get(keys.asset(scope, id))).uri
        else:
            uri = Record.from_bytes(registry.store.get(keys.record(scope, id))).uri
    except NotFound:
        return False
    return uri == keys.uri(key)


def stored_sha256(registry: Registry, key: str) -> str:
    """Of the bytes at a key, read as a stream. NotFound."""
    hashed = hashlib.sha256()
    for chunk in registry.store.chunks(key):
        hashed.update(chunk)
    return hashed.hexdigest()


__all__ = ["CLAIMS", "claim", "named_by", "own_key", "register", "stored_sha256"]
