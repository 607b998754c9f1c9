"""What an operator runs over a whole store: `gc` frees bytes that no record names, `fsck` says what does not hold.

Bytes are put before their record, so a writer at work looks like one that died: gc waits for a grace time, moves
bytes to trash/, looks for the record again and puts them back if one appeared, and deletes a grace later after the same
look. Both walk every scope of the store and may run beside a service.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from artifacts import keys
from artifacts.canonical import is_id
from artifacts.errors import NotFound, RegistryError
from artifacts.records import Asset, Record
from artifacts.registration import named_by
from artifacts.registry import Registry
from artifacts.scope import Scope
from artifacts.store import Entry

GRACE_S = 24 * 3600.0
"""Longer than any write takes."""


@dataclass(slots=True)
class Swept:
    """What gc did, in objects."""

    deleted_records: int = 0
    """Records and links of what was deleted by its owner."""
    trashed: int = 0
    put_back: int = 0
    emptied: int = 0
    uploads: int = 0
    """Stale ones under incoming/."""


@dataclass(slots=True)
class Checked:
    """What fsck saw."""

    records: int = 0
    assets: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)
    """One line each, by key; empty when all holds."""
    orphans: list[str] = field(default_factory=list)
    """Keys of bytes that no record names: gc's work, no fault."""


def scopes(registry: Registry) -> list[Scope]:
    """Every scope that the store holds something of."""
    found = set()
    for key in registry.store.keys("tenants/"):
        parts = key.split("/")
        if len(parts) > 3:
            found.add((parts[1], parts[2]))
    return [Scope(tenant, env) for tenant, env in sorted(found)]


def gc(registry: Registry, *, grace_s: float = GRACE_S, now: float | None = None) -> Swept:
    """Free what nobody can reach; see the top of this file. `now` is in seconds since the epoch."""
    swept, until = Swept(), (time.time() if now is None else now) - grace_s
    for scope in scopes(registry):
        _drop_deleted(registry, scope, until, swept)
        _empty_trash(registry, scope, until, swept)
        _trash_orphans(registry, scope, until, swept)
        for entry in _old(registry, f"{scope.prefix}incoming/", until):
            registry.store.delete(entry.key)
            swept.uploads += 1
    return swept


def _old(registry: Registry, prefix: str, until: float) -> Iterator[Entry]:
    """What lay there before `until`; listed first, since the caller changes it."""
    return (entry for entry in list(registry.store.entries(prefix)) if entry.since <= until)


def _drop_deleted(registry: Registry, scope: Scope, until: float, swept: Swept) -> None:
    """Remove the records of what was deleted; tombstones stay, and the bytes become orphans."""
    dead = {entry.key.rpartition("/")[2] for entry in _old(registry, f"{scope.prefix}tombstones/", until)}
    if not dead:
        return
    for id in dead:
        key = keys.asset(scope, id) if id.startswith("asset_") else keys.record(scope, id)
        if registry.store.exists(key):
            registry.store.delete(key)
            swept.deleted_records += 1
    for key in list(registry.store.keys(keys.records(scope))):
        record = _record(registry, key)
        if record and record.main in dead:
            registry.store.delete(key)
            dead.add(record.id)
            swept.deleted_records += 1
    for key in list(registry.store.keys(f"{scope.prefix}links/")):
        source, child = key.split("/")[-2:]
        if source in dead or child in dead:
            registry.store.delete(key)


def _trash_orphans(registry: Registry, scope: Scope, until: float, swept: Swept) -> None:
    for entry in _old(registry, f"{scope.prefix}media_v2/", until):
        if named_by(registry, scope, entry.key):
            continue
        trash = keys.trash(scope, entry.key)
        registry.store.move(entry.key, trash)
        if named_by(registry, scope, entry.key):  # its writer was only slow
            registry.store.move(trash, entry.key)
            swept.put_back += 1
        else:
            swept.trashed += 1


def _empty_trash(registry: Registry, scope: Scope, until: float, swept: Swept) -> None:
    for entry in _old(registry, f"{scope.prefix}trash/", until):
        key = keys.from_trash(scope, entry.key)
        if named_by(registry, scope, key) and not registry.store.exists(key):
            registry.store.move(entry.key, key)
            swept.put_back += 1
        else:  # nobody's, or made anew meanwhile
            registry.store.delete(entry.key)
            swept.emptied += 1


def fsck(registry: Registry) -> Checked:
    """Read every record and its bytes: present, of the right size and hash, inputs and links leading somewhere."""
    checked = Checked()
    for scope in scopes(registry):
        _check_scope(registry, scope, checked)
    return checked


def _check_scope(registry: Registry, scope: Scope, checked: Checked) -> None:
    store, named = registry.store, set[str]()
    dead = {key.rpartition("/")[2] for key in store.keys(f"{scope.prefix}tombstones/")}
    for key in store.keys(keys.assets(scope)):
        asset = _asset(registry, key)
        if asset is None:
            checked.problems.append(f"{key}: cannot be read")
        else:
            named.add(asset.uri)
            if asset.id not in dead:
                checked.assets += 1
                _check_bytes(registry, scope, key, asset, checked)
    for key in store.keys(keys.records(scope)):
        record = _record(registry, key)
        if record is None:
            checked.problems.append(f"{key}: cannot be read")
            continue
        named.add(record.uri)
        if record.id in dead or record.main in dead:
            continue
        checked.records += 1
        _check_bytes(registry, scope, key, record, checked)
        for id in [*(item["id"] for item in record.inputs), *filter(None, [record.parent_asset_id])]:
            if not store.exists(keys.link(scope, id, record.id)):
                checked.problems.append(f"{key}: no link leads from its input {id}")
            if id not in dead and not _stands(registry, scope, id):
                checked.problems.append(f"{key}: its input {id} does not exist")
    checked.orphans += [key for key in store.keys(f"{scope.prefix}media_v2/") if keys.uri(key) not in named]
    for key in store.keys(f"{scope.prefix}links/"):
        source, child = key.split("/")[-2:]
        if not (is_id(source) and is_id(child)):
            checked.problems.append(f"{key}: leads nowhere")
        elif child not in dead and not _stands(registry, scope, child):
            checked.orphans.append(key)  # its writer ended before the record


def _check_bytes(registry: Registry, scope: Scope, key: str, item: Asset | Record, checked: Checked) -> None:
    try:
        hashed, size = hashlib.sha256(), 0
        for chunk in registry.store.chunks(registry.key(scope, item)):
            hashed.update(chunk)
            size += len(chunk)
    except RegistryError as error:
        checked.problems.append(f"{key}: its bytes: {error}")
        return
    checked.bytes += size
    if size != item.size_bytes:
        checked.problems.append(f"{key}: {size} bytes, recorded {item.size_bytes}")
    elif hashed.hexdigest() != item.sha256:
        checked.problems.append(f"{key}: its bytes are not those that were recorded")


def _stands(registry: Registry, scope: Scope, id: str) -> bool:
    return registry.store.exists(keys.asset(scope, id) if id.startswith("asset_") else keys.record(scope, id))


def _record(registry: Registry, key: str) -> Record | None:
    try:
        return Record.from_bytes(registry.store.get(key))
    except (NotFound, ValueError, TypeError):
        return None


def _asset(registry: Registry, key: str) -> Asset | None:
    try:
        return Asset.from_bytes(registry.store.get(key))
    except (NotFound, ValueError, TypeError):
        return None


__all__ = ["GRACE_S", "Checked", "Swept", "fsck", "gc", "scopes"]
