"""Projects: documents that name sequences. A body is {id, name, sequence_ids}."""

from __future__ import annotations

import secrets

from artifacts import Registry, Scope
from artifacts.canonical import make_id
from artifacts.documents import Document
from artifacts.errors import NotFound
from deployments.operation import JSON
from deployments.timeline.requests import ProjectRequest

TYPE = "projects"


def create(registry: Registry, scope: Scope, request: ProjectRequest, idempotency_key: str | None = None) -> Document:
    """With an idempotency key the same project each time."""
    id = make_id("project", [scope.tenant, scope.env], "new", idempotency_key or secrets.token_hex(16))
    body: JSON = {"id": id, "name": request.name, "sequence_ids": []}
    return registry.documents.update(scope, TYPE, id, lambda old: old or body)


def get(registry: Registry, scope: Scope, id: str) -> Document:
    """Raises NotFound."""
    document = registry.documents.get(scope, TYPE, id)
    if document is None:
        raise NotFound
    return document


def add_sequence(registry: Registry, scope: Scope, id: str, sequence_id: str) -> None:
    """Notes a sequence, once. Raises NotFound."""

    def change(body: JSON | None) -> JSON:
        if body is None:
            raise NotFound
        if sequence_id not in body["sequence_ids"]:
            body["sequence_ids"].append(sequence_id)
        return body

    registry.documents.update(scope, TYPE, id, change)


def shown(document: Document) -> JSON:
    return document.body | {"version": document.version}


__all__ = ["TYPE", "add_sequence", "create", "get", "shown"]
