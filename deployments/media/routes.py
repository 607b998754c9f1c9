"""media_v2 over HTTP: the table of its routes."""

from __future__ import annotations

import json

from deployments.answer import Artifact, Asset, AssetAndArtifacts, Assets, Deleted, DeletedAsset, Kinds, Lineage
from deployments.answer import Registered as RegisteredAnswer
from deployments.media import looking, receive
from deployments.media.content import get_content
from deployments.media.lineage import DIRECTIONS, lineage, mermaid
from deployments.media.query import choice, flag, whole
from deployments.media.register import RegisterKey, register_artifact
from deployments.operation import JSON
from deployments.route import Call, Reply, Route


async def get_asset(call: Call) -> Reply:
    """`GET /media-v2/assets/{id}`: the asset, and the artifacts made from it."""
    registry = call.registry
    look = looking.asset_and_artifacts
    return Reply(await registry.store.aside(look, registry, call.context.scope, call.params["id"]))


async def list_assets(call: Call) -> Reply:
    """`GET /media-v2/assets?kind=&tag=&limit=&cursor=`: a page, by id; `next_cursor` is null after the last."""
    asked = call.request.query_params
    limit = whole("limit", asked.get("limit", str(looking.PAGE)), looking.MAX_PAGE)
    named = (asked.get("kind"), asked.get("tag"), limit, asked.get("cursor", ""))
    return Reply(await call.registry.store.aside(looking.page, call.registry, call.context.scope, *named))


async def get_kinds(call: Call) -> Reply:
    """`GET /media-v2/kinds`"""
    return Reply(looking.kinds())


async def delete_asset(call: Call) -> Reply:
    """`DELETE /media-v2/assets/{id}?cascade=true|false`: 409 with the count of what was made from it."""
    registry, cascade = call.registry, flag(call, "cascade")
    gone = registry.store.aside(looking.delete_asset, registry, call.context.scope, call.params["id"], cascade)
    return Reply(await gone)


async def delete_artifact(call: Call) -> Reply:
    """`DELETE /media-v2/artifacts/{id}`: with its sides; what was made from it stays."""
    registry = call.registry
    gone = registry.store.aside(looking.delete_artifact, registry, call.context.scope, call.params["id"])
    return Reply(await gone)


async def get_artifact(call: Call) -> Reply:
    """`GET /media-v2/artifacts/{id}`."""
    registry = call.registry
    return Reply((await registry.store.aside(registry.artifact, call.context.scope, call.params["id"])).public())


async def get_lineage(call: Call) -> Reply:
    """`GET /media-v2/artifacts/{id}/lineage?direction=up|down|both&format=json|mermaid`."""
    asked = call.request.query_params
    direction = choice("direction", asked.get("direction", "both"), DIRECTIONS)
    form = choice("format", asked.get("format", "json"), ("json", "mermaid"))
    scope = call.context.scope
    graph = await call.registry.store.aside(lineage, call.registry, scope, call.params["id"], direction)
    if form == "mermaid":
        return Reply(mermaid(graph).encode(), 200, "text/plain; charset=utf-8")
    return Reply(graph)


_ASSET = {"id": "asset_aaaaaaaa"}
_ARTIFACT = {"id": "mask_aaaaaaaa"}
_DIRECTION = {"type": "string", "enum": list(DIRECTIONS), "default": "both", "example": "up"}
_FLAG: JSON = {"type": "boolean", "default": False}
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
    "additionalProperties": False,
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "kind": {"type": "string", "description": "GET /media-v2/kinds lists them.", "example": "render"},
        "meta": {"type": "string", "description": "A JSON object.", "example": json.dumps(_RENDER)},
        "media_type": {"type": "string", "description": "Default: what the bytes are.", "example": "video/mp4"},
        **receive.SCOPE_FIELDS,
    },
}
_KEY = {"kind": "render", "key": "tenants/t_acme/dev/media_v2/asset_aaaaaaaa/render/made.mp4", "meta": _RENDER}
_PAGE: dict[str, JSON] = {
    "kind": {"type": "string", "enum": list(looking.MEDIA), "example": "video"},
    "tag": {"type": "string", "example": "holiday"},
    "limit": {"type": "integer", "minimum": 1, "default": looking.PAGE, "example": 10},
    "cursor": {"type": "string", "description": "The `next_cursor` of the page before."},
}
_FORMAT = {"type": "string", "enum": ["json", "mermaid"], "default": "json", "example": "json"}
_REDIRECT = _FLAG | {"description": "307 to a signed address of the store (5 minutes), where it gives one."}

ROUTES = (
    Route(
        "POST",
        "/media-v2/assets",
        receive.upload,
        "Upload a picture, a video or a sound",
        form=receive.FORM,
        body=receive.FetchRequest,
        example=receive.EXAMPLE,
        answer=Asset,
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
        answer=RegisteredAnswer,
        refuses=(409,),
        status=201,
    ),
    Route(
        "DELETE",
        "/media-v2/assets/{id}",
        delete_asset,
        "Delete an asset, with `cascade` all that was made from it",
        params=_ASSET,
        query={"cascade": _FLAG | {"example": True}},
        answer=DeletedAsset,
        refuses=(409,),
    ),
    Route(
        "DELETE",
        "/media-v2/artifacts/{id}",
        delete_artifact,
        "Delete an artifact and what was made beside it",
        params=_ARTIFACT,
        answer=Deleted,
        refuses=(409,),
    ),
    Route(
        "GET",
        "/media-v2/assets/{id}",
        get_asset,
        "An asset and what was made from it",
        params=_ASSET,
        answer=AssetAndArtifacts,
    ),
    Route("GET", "/media-v2/artifacts/{id}", get_artifact, "An artifact's record", params=_ARTIFACT, answer=Artifact),
    Route(
        "GET",
        "/media-v2/artifacts/{id}/content",
        get_content,
        "The bytes, whole or a range",
        params=_ARTIFACT,
        query={"redirect": _REDIRECT},
        produces="*/*",
        headers=("Range", "If-None-Match"),
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

__all__ = ["ROUTES"]
