"""Uploads: bytes streamed to the store, hashed on the way, told apart by their first bytes, probed by a replica."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from artifacts import Asset
from artifacts.upload import Upload
from deployments.answer import MediaKind
from deployments.body import SCOPE_HEADERS, Body, check_body, parse, read_as
from deployments.errors import InvalidRequest, PayloadTooLarge, RemoteFetchOff, UnsupportedMedia
from deployments.media.multipart import read_multipart
from deployments.media.sniff import sniff
from deployments.operation import JSON, Context
from deployments.route import Call, Reply
from deployments.runner import Runner

MOST_TAGS = 64
LONGEST_TAG = 128
"""Characters."""
PROBED = ("width", "height", "duration_ms", "fps", "audio_channels", "sample_rate", "codec_info")


def _tags(given: Any) -> Any:
    """One or more words with commas between, or a JSON array of them, as a list without blanks."""
    rows = given if isinstance(given, list) else [] if given is None else [given]
    words: list[Any] = []
    for row in rows:
        if isinstance(row, str) and row.lstrip().startswith("["):
            words += parse(b'{"tags":%s}' % row.encode())["tags"]
        elif isinstance(row, str):
            words += row.split(",")
        else:
            words.append(row)
    stripped = [word.strip() if isinstance(word, str) else word for word in words]
    return [word for word in stripped if word != ""]


Tag = Annotated[str, Field(max_length=LONGEST_TAG)]


class UploadFields(Body):
    """What may stand beside the file."""

    kind: MediaKind | None = None
    """What the caller takes it for; the bytes decide."""
    tags: Annotated[list[Tag], BeforeValidator(_tags), Field(default_factory=list, max_length=MOST_TAGS)]
    source_ref: str | None = Field(None, max_length=2048)
    """What the caller calls it."""


class FetchRequest(UploadFields):
    """The older form of an upload: an address instead of bytes. Nothing is fetched: 403 `remote_fetch_off`."""

    source_uri: str = Field(min_length=1, max_length=2048)


async def upload(call: Call) -> Reply:
    """`POST /media-v2/assets`: multipart, or the older JSON form."""
    if call.request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        await read_as(call, FetchRequest)
        raise RemoteFetchOff(
            "media is not fetched from addresses here: send the bytes as multipart/form-data, part `file`"
        )
    receiving = call.registry.receive(call.context.scope, call.settings.max_upload_bytes)

    async def sink(data: bytes) -> None:
        if not await receiving.write(data):
            raise PayloadTooLarge(f"the file is larger than {call.settings.max_upload_bytes} bytes (MAX_UPLOAD_BYTES)")

    try:
        fields = await read_multipart(call.request.headers.get("content-type", ""), call.request.stream(), sink)
        check_body(call.context, {name: values[0] for name, values in fields.items()})
        said = UploadFields.model_validate(single(fields, many=("tags",)))
        asset = await adopt(call.runner, call.context, receiving, said)
    except BaseException:
        await receiving.abandon()
        raise
    return Reply(asset_json(asset), 201)


def single(fields: Mapping[str, Sequence[str]], many: Sequence[str] = ()) -> JSON:
    """A form's fields as an object: one value each, a list for those in `many`; InvalidRequest for a repeated one."""
    for name, values in fields.items():
        if len(values) > 1 and name not in many:
            raise InvalidRequest(f"the field {name!r} is sent {len(values)} times", field=name)
    return {name: list(values) if name in many else values[0] for name, values in fields.items()}


async def adopt(runner: Runner, context: Context, receiving: Upload, said: UploadFields) -> Asset:
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
        tags=said.tags,
        source_ref=said.source_ref,
    )


def asset_json(asset: Asset) -> JSON:
    """The wire's Asset: what the probe found stands beside the rest."""
    told = {key: asset.meta[key] for key in PROBED if asset.meta.get(key) is not None}
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


SCOPE_FIELDS: JSON = {
    name: {"type": "string", "description": f"Equal to the header {header}."} for name, header in SCOPE_HEADERS.items()
}
FORM: JSON = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "kind": {
            "type": "string",
            "enum": ["image", "video", "audio"],
            "description": "What you take it for; the bytes decide.",
        },
        "tags": {
            "type": "string",
            "description": "Words with commas between, or a JSON array; may be sent more than once.",
            "example": "holiday, beach",
        },
        "source_ref": {"type": "string", "description": "What you call it.", "example": "cms/4711"},
        **SCOPE_FIELDS,
    },
}
"""The multipart body of an upload."""
EXAMPLE: JSON = {"source_uri": "https://example.org/clip.mp4", "kind": "video", "tags": ["holiday"]}

__all__ = [
    "EXAMPLE",
    "FORM",
    "PROBED",
    "SCOPE_FIELDS",
    "FetchRequest",
    "UploadFields",
    "adopt",
    "asset_json",
    "single",
    "upload",
]
