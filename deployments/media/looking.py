"""What the registry holds, as the wire shows it: assets, artifacts, kinds. HTTP routes and handle methods share it."""

from __future__ import annotations

from artifacts import Record, Registry, Scope
from artifacts.canonical import is_id
from artifacts.errors import NotFound
from artifacts.kinds import KINDS, type_name
from deployments.errors import InvalidRequest
from deployments.media.query import choice
from deployments.media.receive import asset_json
from deployments.operation import JSON

PAGE, MAX_PAGE = 50, 200
"""Assets of a page: unless asked for, and at most."""
MEDIA = ("image", "video", "audio")


def asset_and_artifacts(registry: Registry, scope: Scope, id: str) -> JSON:
    """`{asset, artifacts}`. NotFound."""
    asset = registry.asset(scope, id)
    made = [_standing(registry, scope, child) for child in registry.children(scope, id)]
    return {"asset": asset_json(asset), "artifacts": [record.public() for record in made if record]}


def _standing(registry: Registry, scope: Scope, id: str) -> Record | None:
    """A linked artifact; None where it was deleted, or its record never came."""
    try:
        return registry.artifact(scope, id)
    except NotFound:
        return None


def page(registry: Registry, scope: Scope, kind: str | None, tag: str | None, limit: int, cursor: str) -> JSON:
    """`{assets, next_cursor}`, by id, from beyond the cursor. InvalidRequest for a kind or cursor that cannot be."""
    if kind is not None:
        choice("kind", kind, MEDIA)
    if cursor and not is_id(cursor):
        raise InvalidRequest("cursor must be a next_cursor of an earlier answer", field="cursor")
    found, following = registry.assets(scope, kind=kind, tag=tag, after=cursor, limit=limit)
    return {"assets": [asset_json(asset) for asset in found], "next_cursor": following}


def kinds() -> JSON:
    """What an artifact can be, and what its meta must say."""
    return {
        "kinds": [
            {
                "kind": name,
                "id_prefix": kind.prefix,
                "media_types": list(kind.media_types),
                "required_meta": {key: type_name(expected) for key, expected in kind.meta.items()},
            }
            for name, kind in KINDS.items()
        ]
    }


def delete_asset(registry: Registry, scope: Scope, id: str, cascade: bool) -> JSON:
    """NotFound; Conflict with the count of what was made from it, unless `cascade`."""
    return {"id": id, "deleted": True, "deleted_artifacts": registry.delete_asset(scope, id, cascade=cascade)}


def delete_artifact(registry: Registry, scope: Scope, id: str) -> JSON:
    """With its sides; what was made from it stays. NotFound; Conflict for a side."""
    registry.delete(scope, id)
    return {"id": id, "deleted": True}


__all__ = ["MAX_PAGE", "MEDIA", "PAGE", "asset_and_artifacts", "delete_artifact", "delete_asset", "kinds", "page"]
