"""media_v2 over HTTP: upload, look up, content, lineage."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

from pydantic import Field

from artifacts import Asset, Record, Registry, Scope
from artifacts.canonical import is_id
from artifacts.errors import NotFound
from artifacts.kinds import KINDS, type_name
from deployments.answer import Artifact as ArtifactAnswer
from deployments.answer import Asset as AssetAnswer
from deployments.answer import AssetAndArtifacts, Assets, Deleted, DeletedAsset, Kinds, Lineage, Registered
from deployments.body import Body, check_body, read_json
from deployments.errors import InvalidRequest, PayloadTooLarge, RangeNotSatisfiable, RemoteFetchOff, UnsupportedMedia
from deployments.media.lineage import lineage, mermaid
from deployments.media.multipart import read_multipart
from deployments.media.register import RegisterKey, register_artifact
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
PAGE, MAX_PAGE = 50, 200
"""Assets of a page: unless asked for, and at most."""
PROBED = ("width", "height", "duration_ms", "fps", "audio_channels", "sample_rate", "codec_info")


async def upload(call: Call) -> Reply:
    """`POST /media-v2/assets`: multipart, streamed to the store, hashed on the way, probed by a replica."""
    if call.request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        return await _fetch(call)
    receiving = call.registry.receive(call.context.scope, call.settings.max_upload_bytes)

    async def sink(data: bytes) -> None:
        if not await receiving.write(data):
            raise PayloadTooLarge(f"the file is larger than {call.settings.max_upload_bytes} bytes (MAX_UPLOAD_BYTES)")

    try:
        fields = await read_multipart(call.request.headers.get("content-type", ""), call.request.stream(), sink)
        check_body(call.context, {name: values[0] for name, values in fields.items()})
        asset = await adopt(call.runner, call.context, receiving, fields)
    except BaseException:
        await receiving.abandon()
        raise
    return Reply(asset_json(asset), 201)


class FetchRequest(Body):
    """The older form of an upload: an address instead of bytes."""

    source_uri: str = Field(min_length=1, max_length=2048)
    kind: str | None = None
    tags: list[str] | str | None = None
    source_ref: str | None = None


async def _fetch(call: Call) -> Reply:
    FetchRequest.model_validate(await read_json(call))
    raise RemoteFetchOff("media is not fetched from addresses here: send the bytes as multipart/form-data, part `file`")


async def adopt(runner: Runner, context: Context, receiving: Any, fields: dict[str, list[str]]) -> Asset:
    """Close a received upload, find out what it is, and make an asset of it."""
    sha256 = await receiving.close()
    found = sniff(receiving.head)
    if found is None:
        raise UnsupportedMedia(
            "these bytes are no picture, video or sound that is served; docs/artifacts.md lists them"
        )
    meta = await runner.probe(context.scope, receiving.key, found.kind, found.media_type)
    registry = runner.registry
    return await registry.store.aside(
        registry.adopt,
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
    registry, scope, id = call.registry, call.context.scope, call.params["id"]

    def look() -> JSON:
        asset = registry.asset(scope, id)
        made = [_artifact(registry, scope, child) for child in registry.children(scope, id)]
        return {"asset": asset_json(asset), "artifacts": [record.public() for record in made if record]}

    return Reply(await registry.store.aside(look))


async def list_assets(call: Call) -> Reply:
    """`GET /media-v2/assets?kind=&tag=&limit=&cursor=`: a page, by id; `next_cursor` is null after the last."""
    asked = call.request.query_params
    kind, cursor, limit = asked.get("kind"), asked.get("cursor", ""), asked.get("limit", str(PAGE))
    if kind is not None:
        _one_of("kind", kind, ("image", "video", "audio"))
    if cursor and not is_id(cursor):
        raise InvalidRequest("cursor must be a next_cursor of an earlier answer", field="cursor")
    if not re.fullmatch("[0-9]{1,9}", limit) or int(limit) < 1:
        raise InvalidRequest(f"limit must be a whole number from 1; beyond {MAX_PAGE} it is cut", field="limit")
    registry = call.registry
    found, following = await registry.store.aside(
        registry.assets,
        call.context.scope,
        kind=kind,
        tag=asked.get("tag"),
        after=cursor,
        limit=min(int(limit), MAX_PAGE),
    )
    return Reply({"assets": [asset_json(asset) for asset in found], "next_cursor": following})


async def get_kinds(call: Call) -> Reply:
    """`GET /media-v2/kinds`: what an artifact can be, and what its meta must say."""
    return Reply(
        {
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
    )


async def delete_asset(call: Call) -> Reply:
    """`DELETE /media-v2/assets/{id}?cascade=true|false`: 409 with the count of what was made from it."""
    cascade = call.request.query_params.get("cascade", "false")
    _one_of("cascade", cascade, ("true", "false"))
    registry, id = call.registry, call.params["id"]
    deleted = await registry.store.aside(registry.delete_asset, call.context.scope, id, cascade=cascade == "true")
    return Reply({"id": id, "deleted": True, "deleted_artifacts": deleted})


async def delete_artifact(call: Call) -> Reply:
    """`DELETE /media-v2/artifacts/{id}`: with its sides; what was made from it stays."""
    registry, id = call.registry, call.params["id"]
    await registry.store.aside(registry.delete, call.context.scope, id)
    return Reply({"id": id, "deleted": True})


def _one_of(name: str, given: str, choices: tuple[str, ...]) -> None:
    if given not in choices:
        raise InvalidRequest(f"{name} must be one of {', '.join(choices)}", field=name)


async def get_artifact(call: Call) -> Reply:
    """`GET /media-v2/artifacts/{id}`."""
    registry = call.registry
    return Reply((await registry.store.aside(registry.artifact, call.context.scope, call.params["id"])).public())


async def get_lineage(call: Call) -> Reply:
    """`GET /media-v2/artifacts/{id}/lineage?direction=up|down|both&format=json|mermaid`."""
    asked = call.request.query_params
    direction, form = asked.get("direction", "both"), asked.get("format", "json")
    _one_of("direction", direction, ("up", "down", "both"))
    _one_of("format", form, ("json", "mermaid"))
    scope = call.context.scope
    graph = await call.registry.store.aside(lineage, call.registry, scope, call.params["id"], direction)
    if form == "mermaid":
        return Reply(mermaid(graph).encode(), 200, "text/plain; charset=utf-8")
    return Reply(graph)


async def get_content(call: Call) -> Reply:
    """`GET /media-v2/artifacts/{id}/content`, of an asset too: Range, ETag, If-None-Match."""
    registry, scope, id = call.registry, call.context.scope, call.params["id"]
    look = registry.asset if id.startswith("asset_") else registry.artifact
    item: Asset | Record = await registry.store.aside(look, scope, id)
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


def _artifact(registry: Registry, scope: Scope, id: str) -> Record | None:
    """A linked artifact; None where it was deleted, or its record never came."""
    try:
        return registry.artifact(scope, id)
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

_RENDER = {
    "profile": "source",
    "duration_ms": 6000,
    "width": 640,
    "height": 360,
    "fps": 30,
    "plan_hash": "made-elsewhere",
    "encoder": "libx264",
    "dependencies": [],
}
_REGISTER = {
    "type": "object",
    "required": ["file", "kind", "meta"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "kind": {"type": "string", "description": "GET /media-v2/kinds lists them.", "example": "render"},
        "meta": {"type": "string", "description": "A JSON object.", "example": json.dumps(_RENDER)},
        "media_type": {"type": "string", "description": "Default: what the bytes are.", "example": "video/mp4"},
    },
}
_KEY = {"kind": "render", "key": "tenants/t_acme/dev/media_v2/asset_aaaaaaaa/render/made.mp4", "meta": _RENDER}
_PAGE: dict[str, JSON] = {
    "kind": {"type": "string", "enum": ["image", "video", "audio"], "example": "video"},
    "tag": {"type": "string", "example": "holiday"},
    "limit": {"type": "integer", "minimum": 1, "default": PAGE, "example": 10},
    "cursor": {"type": "string", "description": "The `next_cursor` of the page before."},
}
_CASCADE = {"type": "boolean", "default": False, "example": True}
_FORMAT = {"type": "string", "enum": ["json", "mermaid"], "default": "json", "example": "json"}

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
        "/media-v2/assets",
        list_assets,
        "The assets, by kind and tag, a page at a time",
        query=_PAGE,
        answer=Assets,
    ),
    Route("GET", "/media-v2/kinds", get_kinds, "The kinds of artifact and what their meta must say", answer=Kinds),
    Route(
        "POST",
        "/media-v2/assets/{id}/artifacts",
        register_artifact,
        "Register an artifact of your own bytes",
        params=_ASSET,
        form=_REGISTER,
        body=RegisterKey,
        example=_KEY,
        answer=Registered,
        status=201,
    ),
    Route(
        "DELETE",
        "/media-v2/assets/{id}",
        delete_asset,
        "Delete an asset, with `cascade` all that was made from it",
        params=_ASSET,
        query={"cascade": _CASCADE},
        answer=DeletedAsset,
    ),
    Route(
        "DELETE",
        "/media-v2/artifacts/{id}",
        delete_artifact,
        "Delete an artifact and what was made beside it",
        params=_ARTIFACT,
        answer=Deleted,
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
        query={"direction": _DIRECTION, "format": _FORMAT},
        answer=Lineage,
    ),
)

__all__ = ["ROUTES", "adopt", "asset_json"]
