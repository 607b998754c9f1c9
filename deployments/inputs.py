"""The inputs of a plan as its work sees them, read from the registry on demand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from artifacts import Asset, Record, Registry, Scope
from artifacts.errors import NotFound
from deployments.operation import Folder, Input, Plan, Source


class StoredSource:
    """One input; see operation.Source."""

    def __init__(self, registry: Registry, scope: Scope, item: Input, scratch: Folder) -> None:
        found: Asset | Record = (
            registry.asset(scope, item.id) if item.id.startswith("asset_") else registry.artifact(scope, item.id)
        )
        self.id, self.role = item.id, item.role
        self.kind, self.media_type, self.sha256, self.meta = found.kind, found.media_type, found.sha256, found.meta
        self._registry, self._scope, self._scratch = registry, scope, scratch
        self._store = registry.store
        self._key = registry.key(scope, found)
        self._name = f"{item.id}.{self._key.rpartition('.')[2]}"

    def read(self) -> bytes:
        return self._store.get(self._key)

    def path(self) -> Path:
        local = self._store.local_path(self._key)
        if local is not None:
            return local
        copy = self._scratch / self._name
        if not copy.exists():
            self._store.copy_to(self._key, copy)
        return copy

    def json(self) -> Any:
        return json.loads(self.read())

    def beside(self, id: str) -> Source:
        side = self._registry.artifact(self._scope, id)
        if side.main != self.id:
            raise NotFound
        return StoredSource(self._registry, self._scope, Input(id, side.kind), self._scratch)


class StoredInputs:
    """See operation.Inputs. NotFound when an input was deleted since the plan was made."""

    def __init__(self, registry: Registry, plan: Plan, scratch: Folder) -> None:
        items = dict.fromkeys(item for part in (plan, *plan.before) for item in part.inputs)
        self._sources: list[Source] = [StoredSource(registry, plan.scope, item, scratch) for item in items]

    def one(self, role: str) -> Source:
        (found,) = self.all(role)
        return found

    def all(self, role: str) -> list[Source]:
        return [source for source in self._sources if source.role == role]

    def __getitem__(self, id: str) -> Source:
        return next(source for source in self._sources if source.id == id)


__all__ = ["StoredInputs", "StoredSource"]
