"""`POST /media-v2/assets/{id}/artifacts`: an artifact of the caller's own bytes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from artifacts import Store
from artifacts.canonical import canonical
from artifacts.errors import InvalidMeta
from artifacts.kinds import check_meta, kind_of
from artifacts.registration import own_key, register, stored_sha256
from artifacts.upload import Upload
from deployments.body import Body, check_body, parse, parse_value, read_as
from deployments.errors import InvalidRequest, PayloadTooLarge, UnsupportedMedia
from deployments.media.multipart import read_multipart
from deployments.media.receive import single
from deployments.media.sniff import HEAD, sniff
from deployments.operation import JSON, Context
from deployments.route import Call, Reply
from deployments.runner import Runner

MAX_JSON_BYTES = 32 << 20
"""Largest JSON artifact, which is parsed whole."""
MAX_JSON_VALUES = 1_000_000
"""Most values of one: each costs some 80 bytes while it is parsed."""
JSON_TYPE = "application/json"


class RegisterFields(Body):
    """What is said of the bytes."""

    kind: str = Field("", max_length=64)
    meta: dict[str, Any] = Field(default_factory=dict)
    media_type: str | None = Field(None, max_length=128)


class RegisterKey(RegisterFields):
    """Bytes that lie in the asset's own folder already, and that no record names."""

    kind: str = Field(max_length=64)
    key: str = Field(max_length=1024)
    meta: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Registration:
    """Who registers what for which asset."""

    runner: Runner
    context: Context
    parent: str
    said: RegisterFields

    async def lying(self, given: str) -> JSON:
        """The artifact of the bytes at a key. Raises PrefixViolation, NotFound, Conflict and what the bytes deserve."""
        store, scope = self.runner.registry.store, self.context.scope
        _check_kind(self.said.kind, self.said.meta)
        key = own_key(scope, self.parent, given)
        await store.aside(self.runner.registry.asset, scope, self.parent)
        head = await store.aside(store.head, key, HEAD)
        size = await store.aside(store.size, key)
        media_type = await self._checked(key, head, size)
        sha256 = await store.aside(stored_sha256, self.runner.registry, key)
        return await self._registered(key, sha256, media_type)

    async def received(self, receiving: Upload) -> JSON:
        """The artifact of an upload, which is used up: moved to its place, or removed."""
        try:
            _check_kind(self.said.kind, self.said.meta)
            registry = self.runner.registry
            await registry.store.aside(registry.asset, self.context.scope, self.parent)
            sha256 = await receiving.close()
            media_type = await self._checked(receiving.key, receiving.head, receiving.size)
            made = await self._registered(receiving.key, sha256, media_type)
        except BaseException:
            await receiving.abandon()
            raise
        if made["cache"] == "hit":
            await receiving.abandon()
        return made

    async def _checked(self, key: str, head: bytes, size: int) -> str:
        """The media type of the bytes at `key`, which their first bytes and the probe confirm."""
        kind, meta, given = self.said.kind, self.said.meta, self.said.media_type
        allowed = kind_of(kind).media_types
        found = sniff(head)
        media_type = given or (found.media_type if found else JSON_TYPE if JSON_TYPE in allowed else allowed[0])
        check_meta(kind, media_type, meta)
        if media_type == JSON_TYPE:
            await _check_json(self.runner.registry.store, key, size)
            return media_type
        if found is None or found.media_type != media_type:
            seen = found.media_type if found else "no media"
            raise UnsupportedMedia(f"the first bytes are those of {seen}, not of {media_type}")
        probed = await self.runner.probe(self.context.scope, key, found.kind, media_type)
        for side in ("width", "height"):
            if side in probed and side in meta and meta[side] != probed[side]:
                raise InvalidMeta(f"meta.{side} is {meta[side]}, and the picture's is {probed[side]}", f"meta.{side}")
        return media_type

    async def _registered(self, key: str, sha256: str, media_type: str) -> JSON:
        registry, said = self.runner.registry, self.said
        named: JSON = {"kind": said.kind, "media_type": media_type, "meta": said.meta, "sha256": sha256}
        made = registry.store.aside(register, registry, self.context.scope, self.parent, key, **named)
        record, hit = await made
        return record.public() | {"cache": "hit" if hit else "miss", "warnings": []}


async def register_artifact(call: Call) -> Reply:
    """Multipart `file`, `kind`, `meta` (JSON), `media_type?`; or JSON `{kind, key, meta, media_type?}`."""
    if call.request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data":
        return await _multipart(call)
    body = await read_as(call, RegisterKey)
    return Reply(await Registration(call.runner, call.context, call.params["id"], body).lying(body.key), 201)


async def _multipart(call: Call) -> Reply:
    limit = call.settings.max_upload_bytes
    receiving = call.registry.receive(call.context.scope, limit)

    async def sink(data: bytes) -> None:
        if not await receiving.write(data):
            raise PayloadTooLarge(f"the file is larger than {limit} bytes (MAX_UPLOAD_BYTES)")

    try:
        fields = await read_multipart(call.request.headers.get("content-type", ""), call.request.stream(), sink)
        one = single(fields)
        check_body(call.context, one)
        said = RegisterFields.model_validate(one | {"meta": _meta(one.get("meta", "{}"))})
    except BaseException:
        await receiving.abandon()
        raise
    return Reply(await Registration(call.runner, call.context, call.params["id"], said).received(receiving), 201)


def _meta(text: str) -> JSON:
    try:
        return parse(text.encode())
    except InvalidRequest as error:
        raise InvalidMeta(error.message.replace("the body", "meta", 1), "meta") from None


def _check_kind(kind: str, meta: JSON) -> None:
    """What can be said of kind and meta before the bytes are looked at."""
    check_meta(kind, kind_of(kind).media_types[0], meta)
    try:
        canonical(meta)
    except (ValueError, RecursionError) as error:
        raise InvalidMeta(f"meta has no canonical form: {error}", "meta") from None


async def _check_json(store: Store, key: str, size: int) -> None:
    """In a thread: a large one takes seconds. Raises PayloadTooLarge and InvalidRequest."""
    if size > MAX_JSON_BYTES:
        raise PayloadTooLarge(f"a JSON artifact is at most {MAX_JSON_BYTES} bytes")
    try:
        await asyncio.to_thread(lambda: parse_value(store.get(key), MAX_JSON_VALUES))
    except InvalidRequest as error:
        raise InvalidRequest(error.message.replace("the body", "the file", 1), field="file") from None


__all__ = ["RegisterFields", "RegisterKey", "Registration", "register_artifact"]
