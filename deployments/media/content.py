"""The bytes of an artifact or asset: whole or a range, or a signed address of the object store."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from artifacts import Asset, Record
from deployments.errors import RangeNotSatisfiable
from deployments.media.query import flag
from deployments.route import STORED, Call, Reply

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
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
SIGNED_S = 300
"""How long a signed address leads to the bytes, in seconds."""


async def get_content(call: Call) -> Reply:
    """`GET /media-v2/artifacts/{id}/content?redirect=true|false`, of an asset too: Range, ETag, If-None-Match.

    Asked to, and where the store can sign, 307 to an address of the store. What is no picture, video or sound is never
    redirected: the store would not send the headers that keep a browser from running it.
    """
    redirect = flag(call, "redirect")
    registry, scope, id = call.registry, call.context.scope, call.params["id"]
    look = registry.asset if id.startswith("asset_") else registry.artifact
    item: Asset | Record = await registry.store.aside(look, scope, id)
    asked = call.request.headers
    inline = item.media_type.startswith(INLINE)
    headers = {
        "ETag": f'"{item.sha256}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
        **STORED,
        "Content-Disposition": "inline" if inline else f'attachment; filename="{id}"',
    }
    if _known(asked.get("if-none-match"), item.sha256):
        return Reply(b"", 304, item.media_type, headers)
    key = registry.key(scope, item)
    if redirect and inline:
        address = await registry.store.aside(registry.store.sign, key, SIGNED_S)
        if address is not None:
            return Reply(b"", 307, item.media_type, {"Location": address, "Cache-Control": "no-store"})
    start, end = _range(asked.get("range"), item.size_bytes)
    partial = (start, end) != (0, item.size_bytes)
    if partial:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{item.size_bytes}"
    headers["Content-Length"] = str(end - start)
    if start == end:
        return Reply(b"", 200, item.media_type, headers)
    body: AsyncIterator[bytes] = registry.store.stream(key, start, end)
    return Reply(body, 206 if partial else 200, item.media_type, headers)


def _known(header: str | None, sha256: str) -> bool:
    """Whether If-None-Match names this content (RFC 9110 §13.1.2: a list, its tags compared weakly)."""
    tags = [tag.strip().removeprefix("W/") for tag in (header or "").split(",")]
    return f'"{sha256}"' in tags or tags == ["*"]


def _range(header: str | None, size: int) -> tuple[int, int]:
    """The half-open range asked for; the whole where the header is absent or of several ranges (RFC 9110 §14.2)."""
    match = RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.group(0) == "bytes=-":
        return 0, size
    first, last = match.groups()
    if first and last and int(last) < int(first):  # no range at all: the header is as good as absent
        return 0, size
    if not first:  # the last n bytes
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    if start >= end:
        raise RangeNotSatisfiable(f"the content has {size} bytes", size=size)
    return start, end


__all__ = ["SIGNED_S", "get_content"]
