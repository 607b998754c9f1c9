"""What the clips of a sequence name: looked up, and each refusal with its field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from artifacts import Registry, Scope
from artifacts.errors import NotFound
from deployments.errors import InvalidRequest
from deployments.timeline.filters import check_stack
from deployments.timeline.models import Clip, Filter


def check_filters(registry: Registry, scope: Scope, filters: Sequence[Filter], where: str = "") -> None:
    """What filters are told is what they take, and every mask that they name is one. Raises NotFound and
    InvalidRequest, naming the field."""
    check_stack(filters, where)
    for number, item in enumerate(filters):
        if item.mask_artifact_id is not None:
            field = path(where, f"filters[{number}].mask_artifact_id")
            check_mask(registry, scope, item.mask_artifact_id, field)


def check_mask(registry: Registry, scope: Scope, id: str, field: str) -> None:
    if _artifact_kind(registry, scope, id, field) != "mask":
        raise InvalidRequest(f"{field} names no mask", field=field)


def path(where: str, field: str) -> str:
    return f"{where}.{field}" if where else field


def source(registry: Registry, scope: Scope, clip: Clip, where: str) -> tuple[str, int | None]:
    """What a clip shows (`video`, `image`, `audio`) and how long that lasts in ms (a still: None)."""
    if clip.asset_id is not None:
        try:
            asset = registry.asset(scope, clip.asset_id)
        except NotFound as error:
            raise NotFound(error.message, path(where, "asset_id")) from None
        return asset.kind, None if asset.kind == "image" else length(asset.meta)
    assert clip.artifact_id is not None
    try:
        record = registry.artifact(scope, clip.artifact_id)
    except NotFound as error:
        raise NotFound(error.message, path(where, "artifact_id")) from None
    kind = record.media_type.partition("/")[0]
    if kind not in ("video", "image", "audio"):
        raise InvalidRequest(
            f"{path(where, 'artifact_id')} is a {record.kind}, which cannot be shown",
            field=path(where, "artifact_id"),
        )
    return kind, None if kind == "image" else length(record.meta)


def length(meta: dict[str, Any]) -> int | None:
    value = meta.get("duration_ms")
    return None if value is None else round(value)


def _artifact_kind(registry: Registry, scope: Scope, id: str, field: str) -> str:
    """The kind of an artifact; NotFound names the field."""
    try:
        return registry.artifact(scope, id).kind
    except NotFound as error:
        raise NotFound(error.message, field) from None


__all__ = ["check_filters", "check_mask", "path", "source"]
