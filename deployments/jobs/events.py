"""A job's changes as server-sent events (WHATWG HTML, 9.2): who was cut off goes on after the last one it saw."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

from artifacts import Registry, Scope
from artifacts.errors import NotFound
from deployments.jobs import job
from deployments.operation import JSON

LOOK_S = 0.25
QUIET_S = 15.0
"""A comment is sent after so long a silence, so that neither proxies nor clients take the stream for dead."""
RETRY_MS = 1000


def last_seen(header: str) -> int:
    """The document's version in a Last-Event-ID; 0 for what was not ours."""
    return int(header) if header.isascii() and header.isdigit() and len(header) <= 15 else 0


async def stream(registry: Registry, scope: Scope, id: str, seen: int) -> AsyncIterator[bytes]:
    """`id` is the document's version, `event` the state, `data` the job as GET shows it; the last event is the end."""
    yield f"retry: {RETRY_MS}\n\n".encode()
    before: JSON | None = None
    said = time.monotonic()
    while True:
        try:
            version, body = await registry.store.aside(job.versioned, registry, scope, id)
        except NotFound:
            return
        shown = job.shown(body)
        if version > seen and shown != before:  # a renewed lease is a version, and no news
            yield event(version, shown)
            before, said = shown, time.monotonic()
        if body["state"] not in job.OPEN:
            return
        if time.monotonic() - said > QUIET_S:
            yield b": still here\n\n"
            said = time.monotonic()
        await asyncio.sleep(LOOK_S)


def event(version: int, shown: JSON) -> bytes:
    return f"id: {version}\nevent: {shown['state']}\ndata: {json.dumps(shown, separators=(',', ':'))}\n\n".encode()


__all__ = ["event", "last_seen", "stream"]
