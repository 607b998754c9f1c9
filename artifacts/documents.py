"""Documents are what changes: JSON with a version, changed by compare-and-swap."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from artifacts import keys
from artifacts.errors import NotFound, VersionConflict
from artifacts.scope import Scope
from artifacts.store import Store

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """One state of a document. The version counts from 1 and is the HTTP ETag."""

    version: int
    body: JSON


class Documents:
    """The documents of a store, by scope, type and id."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, scope: Scope, type: str, id: str) -> Document | None:
        try:
            return _read(self._store.get(keys.document(scope, type, id)))
        except NotFound:
            return None

    def ids(self, scope: Scope, type: str) -> list[str]:
        """The ids of a scope's documents of one type, sorted."""
        prefix = keys.documents(scope, type)
        return sorted(key.removeprefix(prefix) for key in self._store.keys(prefix))

    def update(
        self,
        scope: Scope,
        type: str,
        id: str,
        change: Callable[[JSON | None], JSON],
        *,
        expected: int | None = None,
    ) -> Document:
        """Change a document; an equal body makes no new version.

        `change` gets the present body (None: absent) and may run more than once. VersionConflict when `expected` is
        given and the stored version is another.
        """
        after: list[Document] = []

        def swap(old: bytes | None) -> bytes | None:
            before = _read(old) if old is not None else None
            if expected is not None and (before.version if before else 0) != expected:
                raise VersionConflict(f"the document is at version {before.version if before else 0}, not {expected}")
            body = change(json.loads(json.dumps(before.body)) if before else None)
            unchanged = before is not None and before.body == body
            after[:] = [before if unchanged and before else Document((before.version if before else 0) + 1, body)]
            return None if unchanged else _write(after[0])

        self._store.update(keys.document(scope, type, id), swap)
        return after[0]


def _read(data: bytes) -> Document:
    stored = json.loads(data)
    return Document(stored["version"], stored["body"])


def _write(document: Document) -> bytes:
    return json.dumps({"version": document.version, "body": document.body}, separators=(",", ":")).encode()


__all__ = ["Document", "Documents"]
