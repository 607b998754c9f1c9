"""media_v2 over HTTP: upload, look up, content, lineage."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from artifacts import Asset, Record, Registry
from artifacts.errors import NotFound
from deployments.answers import Artifact as ArtifactAnswer
from deployments.answers import Asset as AssetAnswer
from deployments.answers import AssetAndArtifacts, Lineage
from deployments.errors import PayloadTooLarge, RangeNotSatisfiable, UnsupportedMedia
from deployments.media.multipart import read_multipart
from deployments.media.sniff import sniff
from deployments.operation import JSON, Context
from deployments.operations import Runner
from deployments.route import Call, Reply, Route

RANGE = re.compile(r"bytes=(\d*)-(\d*)")
INLINE = (
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/gif",
    "image/avif",
    "image/tiff",
    "image/bmp",
    "video/",
    "audio/",
)
"""What a browser may show in place; everything else is a download."""
PROBED = ("width", "height", "duration_ms", "fps", "audio_channels", "sample_rate", "codec_info")


async def upload(call: Call) -> Reply:
    """`POST /media-v2/assets`: multipart, streamed to the store, hashed on the way, probed by a replica."""
    receiving = call.registry.receive(call.context.scope, call.settings.max_upload_bytes)

    async def sink(data: bytes) -> None:
        if not await receiving.write(data):
            raise PayloadTooLarge(f"the file is larger than {call.settings.max_upload_bytes} bytes (MAX_UPLOAD_BYTES)")

    try:
        fields = await read_multipart(call.request.headers.get("content-type", ""), call.request.stream(), sink)
        asset = await adopt(call.runner, call.context, receiving, fields)
    except BaseException:
        await receiving.abandon()
        raise
    return Reply(asset_json(asset), 201)


async def adopt(runner: Runner, context: Context, receiving: Any, fields: dict[str, list[str]]) -> Asset:
    """Close a received upload, find out what it is, and make an asset of it."""
    sha256 = await receiving.close()
    found = sniff(receiving.head)
    if found is None:
        raise UnsupportedMedia(
            "these bytes are no picture, video or sound that is served; docs/artifacts.md lists them"
        )
    meta = await runner.probe(context.scope, receiving.key, found.kind, found.media_type)
    return runner.registry.adopt(
        context.scope,
        receiving.key,
        kind=found.kind,
        media_type=found.media_type,
        size_bytes=receiving.size,
        sha256=sha256,
        meta=meta,
        tags=[tag.strip() for field in fields.get("tags", []) for tag in field.split(",") if tag.strip()],
        source_ref=next(iter(fields.get("source_ref", [])), None),
    )


def asset_json(asset: Asset) -> JSON:
    """The wire's Asset: what the probe found stands beside the rest."""
    told = {key: asset.meta[key] for key in PROBED if key in asset.meta}
    return {
        "id": asset.id,
        "kind": asset.kind,
        "media_type": asset.media_type,
        "size_bytes": asset.size_bytes,
        "sha256": asset.sha256,
        **told,
        "tags": asset.tags,
        "meta": {key: value for key, value in asset.meta.items() if key not in PROBED},
        "source_ref": asset.source_ref,
        "uri": asset.uri,
        "created_at": asset.created_at,
    }


async def get_asset(call: Call) -> Reply:
    """`GET /media-v2/assets/{id}`: the asset, and the artifacts made from it."""
    scope, id = call.context.scope, call.params["id"]
    asset = call.registry.asset(scope, id)
    made = []
    for child in call.registry.children(scope, id):
        record = _artifact(call.registry, call.context, child)
        if record:
            made.append(record.public())
    return Reply({"asset": asset_json(asset), "artifacts": made})


async def get_artifact(call: Call) -> Reply:
    """`GET /media-v2/artifacts/{id}`."""
    return Reply(call.registry.artifact(call.context.scope, call.params["id"]).public())


async def get_lineage(call: Call) -> Reply:
    """`GET /media-v2/artifacts/{id}/lineage?direction=up|down|both`."""
    return Reply(
        lineage(call.registry, call.context, call.params["id"], call.request.query_params.get("direction", "both"))
    )


def lineage(registry: Registry, context: Context, id: str, direction: str) -> JSON:
    """The artifacts and assets that this one was made from (up) and that were made from it (down)."""
    start = registry.artifact(context.scope, id)
    nodes: dict[str, JSON] = {}
    edges: list[JSON] = []

    def node(id: str) -> Record | None:
        if id.startswith("asset_"):
            asset = registry.asset(context.scope, id)
            nodes.setdefault(id, {"id": id, "kind": asset.kind, "label": asset.media_type})
            return None
        record = _artifact(registry, context, id)
        if record:
            nodes.setdefault(id, {"id": id, "kind": record.kind, "label": record.meta.get("preset_id") or record.kind})
        return record

    def walk(step: str, pending: list[str]) -> None:
        seen: set[str] = set()
        while pending:
            here = pending.pop()
            if here in seen:
                continue
            seen.add(here)
            record = node(here)
            if step == "up":
                for item in record.inputs if record else []:
                    edges.append({"from": item["id"], "to": here, "role": item["role"]})
                    pending.append(item["id"])
            else:
                for child in registry.children(context.scope, here):
                    made = node(child)
                    roles = [item["role"] for item in made.inputs if item["id"] == here] if made else []
                    edges.extend({"from": here, "to": child, "role": role} for role in roles)
                    if made:
                        pending.append(child)

    for step in ("up", "down") if direction == "both" else (direction,):
        walk(step, [start.id])
    return {"nodes": list(nodes.values()), "edges": edges}


async def get_content(call: Call) -> Reply:
    """`GET /media-v2/artifacts/{id}/content`, of an asset too: Range, ETag, If-None-Match."""
    registry, scope, id = call.registry, call.context.scope, call.params["id"]
    item: Asset | Record = registry.asset(scope, id) if id.startswith("asset_") else registry.artifact(scope, id)
    asked = call.request.headers
    inline = item.media_type.startswith(INLINE)
    headers = {
        "ETag": f'"{item.sha256}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
        "Content-Disposition": "inline" if inline else f'attachment; filename="{id}"',
    }
    if asked.get("if-none-match") in (f'"{item.sha256}"', "*"):
        return Reply(b"", 304, item.media_type, headers)
    start, end = _range(asked.get("range"), item.size_bytes)
    partial = (start, end) != (0, item.size_bytes)
    if partial:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{item.size_bytes}"
    headers["Content-Length"] = str(end - start)
    key = registry.key(scope, item)
    if start == end:
        return Reply(b"", 200, item.media_type, headers)
    body: AsyncIterator[bytes] = registry.store.stream(key, start, end)
    return Reply(body, 206 if partial else 200, item.media_type, headers)


def _range(header: str | None, size: int) -> tuple[int, int]:
    """The half-open range asked for; the whole where the header is absent or of several ranges (RFC 9110 §14.2)."""
    match = RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.group(0) == "bytes=-":
        return 0, size
    first, last = match.groups()
    if not first:  # the last n bytes
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    if start >= end:
        raise RangeNotSatisfiable(f"the content has {size} bytes", size=size)
    return start, end


def _artifact(registry: Registry, context: Context, id: str) -> Record | None:
    """A linked artifact; None where it was deleted, or its record never came."""
    try:
        return registry.artifact(context.scope, id)
    except NotFound:
        return None


_ASSET = {"id": "asset_aaaaaaaa"}
_ARTIFACT = {"id": "mask_aaaaaaaa"}
_DIRECTION = {"type": "string", "enum": ["up", "down", "both"], "default": "both", "example": "up"}
_UPLOAD = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "tags": {"type": "string", "description": "Words with commas between.", "example": "holiday, beach"},
        "source_ref": {"type": "string", "description": "What the caller calls it.", "example": "cms/4711"},
    },
}

ROUTES = (
    Route(
        "POST",
        "/media-v2/assets",
        upload,
        "Upload a picture, a video or a sound",
        form=_UPLOAD,
        answer=AssetAnswer,
        status=201,
    ),
    Route(
        "GET",
        "/media-v2/assets/{id}",
        get_asset,
        "An asset and what was made from it",
        params=_ASSET,
        answer=AssetAndArtifacts,
    ),
    Route(
        "GET",
        "/media-v2/artifacts/{id}",
        get_artifact,
        "An artifact's record",
        params=_ARTIFACT,
        answer=ArtifactAnswer,
    ),
    Route(
        "GET",
        "/media-v2/artifacts/{id}/content",
        get_content,
        "The bytes, whole or a range",
        params=_ARTIFACT,
        produces="*/*",
    ),
    Route(
        "GET",
        "/media-v2/artifacts/{id}/lineage",
        get_lineage,
        "What it was made from, and what was made from it",
        params=_ARTIFACT,
        query={"direction": _DIRECTION},
        answer=Lineage,
    ),
)

__all__ = ["ROUTES", "adopt", "asset_json", "lineage"]
