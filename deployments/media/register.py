"""`POST /media-v2/assets/{id}/artifacts`: an artifact of the caller's own bytes."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field

from artifacts.canonical import canonical
from artifacts.errors import InvalidMeta
from artifacts.kinds import check_meta, kind_of
from artifacts.registration import own_key, register, stored_sha256
from deployments.body import Body, check_body, read_json
from deployments.errors import InvalidRequest, PayloadTooLarge, UnsupportedMedia
from deployments.media.multipart import read_multipart
from deployments.media.sniff import HEAD, sniff
from deployments.operation import JSON
from deployments.route import Call, Reply

MAX_JSON_BYTES = 64 << 20
"""Largest JSON artifact, which is parsed whole."""
JSON_TYPE = "application/json"


class RegisterKey(Body):
    """Bytes that lie in the asset's own folder already, and that no record names."""

    kind: str = Field(max_length=64)
    key: str = Field(max_length=1024)
    meta: dict[str, Any]
    media_type: str | None = Field(None, max_length=128)


async def register_artifact(call: Call) -> Reply:
    """Multipart `file`, `kind`, `meta` (JSON), `media_type?`; or JSON `{kind, key, meta, media_type?}`."""
    if call.request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data":
        return await _received(call)
    return await _lying(call)


async def _lying(call: Call) -> Reply:
    body = RegisterKey.model_validate(await read_json(call))
    store, scope, parent = call.registry.store, call.context.scope, call.params["id"]
    _check_kind(body.kind, body.meta)
    key = own_key(scope, parent, body.key)
    await store.aside(call.registry.asset, scope, parent)
    head = await store.aside(store.head, key, HEAD)
    size = await store.aside(store.size, key)
    media_type = await _checked(call, key, head, size, body.kind, body.meta, body.media_type)
    sha256 = await store.aside(stored_sha256, call.registry, key)
    return await _registered(call, key, sha256, body.kind, body.meta, media_type)


async def _received(call: Call) -> Reply:
    store, limit = call.registry.store, call.settings.max_upload_bytes
    receiving = call.registry.receive(call.context.scope, limit)

    async def sink(data: bytes) -> None:
        if not await receiving.write(data):
            raise PayloadTooLarge(f"the file is larger than {limit} bytes (MAX_UPLOAD_BYTES)")

    try:
        fields = await read_multipart(call.request.headers.get("content-type", ""), call.request.stream(), sink)
        one = {name: values[0] for name, values in fields.items()}
        check_body(call.context, one)
        kind, meta = one.get("kind", ""), _meta(one.get("meta", "{}"))
        _check_kind(kind, meta)
        await store.aside(call.registry.asset, call.context.scope, call.params["id"])
        sha256 = await receiving.close()
        media_type = await _checked(
            call, receiving.key, receiving.head, receiving.size, kind, meta, one.get("media_type")
        )
        reply = await _registered(call, receiving.key, sha256, kind, meta, media_type)
    except BaseException:
        await receiving.abandon()
        raise
    if reply.body["cache"] == "hit":
        await receiving.abandon()
    return reply


def _meta(text: str) -> JSON:
    def refuse(name: str) -> float:
        raise ValueError(f"{name} is not JSON")

    try:
        meta = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidMeta(f"meta is not valid JSON: {error}", "meta") from None
    if not isinstance(meta, dict):
        raise InvalidMeta("meta must be a JSON object", "meta")
    return meta


def _check_kind(kind: str, meta: JSON) -> None:
    """What can be said of kind and meta before the bytes are looked at."""
    check_meta(kind, kind_of(kind).media_types[0], meta)
    try:
        canonical(meta)
    except (ValueError, RecursionError) as error:
        raise InvalidMeta(f"meta has no canonical form: {error}", "meta") from None


async def _checked(call: Call, key: str, head: bytes, size: int, kind: str, meta: JSON, given: str | None) -> str:
    """The media type of the bytes at `key`, which their first bytes and the probe confirm."""
    allowed = kind_of(kind).media_types
    found = sniff(head)
    media_type = given or (found.media_type if found else JSON_TYPE if JSON_TYPE in allowed else allowed[0])
    check_meta(kind, media_type, meta)
    if media_type == JSON_TYPE:
        await _check_json(call, key, size)
        return media_type
    if found is None or found.media_type != media_type:
        raise UnsupportedMedia(f"the first bytes are those of {found.media_type if found else 'no'} media, not {given}")
    probed = await call.runner.probe(call.context.scope, key, found.kind, media_type)
    for side in ("width", "height"):
        if side in probed and side in meta and meta[side] != probed[side]:
            raise InvalidMeta(f"meta.{side} is {meta[side]}, and the picture's is {probed[side]}", f"meta.{side}")
    return media_type


async def _check_json(call: Call, key: str, size: int) -> None:
    if size > MAX_JSON_BYTES:
        raise PayloadTooLarge(f"a JSON artifact is at most {MAX_JSON_BYTES} bytes")
    store = call.registry.store
    try:
        json.loads(await store.aside(store.get, key))
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the bytes are not valid JSON: {error}", field="file") from None


async def _registered(call: Call, key: str, sha256: str, kind: str, meta: JSON, media_type: str) -> Reply:
    record, hit = await call.registry.store.aside(
        register,
        call.registry,
        call.context.scope,
        call.params["id"],
        key,
        kind=kind,
        media_type=media_type,
        meta=meta,
        sha256=sha256,
    )
    return Reply(record.public() | {"cache": "hit" if hit else "miss", "warnings": []}, 201)


__all__ = ["RegisterKey", "register_artifact"]
