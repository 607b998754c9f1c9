"""GET /video/visual-meta/{id} and /video/visual-meta/by-clip/{clip_id}."""

from __future__ import annotations

import asyncio

from artifacts import Record, Registry, Scope
from deployments.engines.video_visual_meta.lookup import clip_of, latest, summary_of, within
from deployments.engines.video_visual_meta.models import ClipVisualMeta, StoredVisualMeta
from deployments.engines.video_visual_meta.plan import KIND
from deployments.errors import NotFound
from deployments.operation import JSON
from deployments.route import Call, Reply, Route, artifact


async def get_visual_meta(call: Call) -> Reply:
    """`{artifact_id, uri, summary, artifact_meta}`."""
    record = await artifact(call, KIND)
    summary = await asyncio.to_thread(summary_of, call.registry, call.context.scope, record)
    return Reply(_shown(record, summary), headers={"ETag": f'"{record.sha256}"'})


async def get_by_clip(call: Call) -> Reply:
    """The latest of the clip's asset, as far as the clip shows it, with the clip's own id and times."""
    return Reply(await asyncio.to_thread(_by_clip, call.registry, call.context.scope, call.params["clip_id"]))


def _by_clip(registry: Registry, scope: Scope, clip_id: str) -> JSON:
    clip = clip_of(registry, scope, clip_id)
    record = latest(registry, scope, clip["asset_id"])
    if record is None:
        raise NotFound(
            f"there is no visual meta of {clip['asset_id']} yet; POST /video/visual-meta/analyze makes it",
            field="clip_id",
        )
    start, end = clip["in_ms"], clip.get("out_ms")
    summary = within(summary_of(registry, scope, record), start, end)
    return _shown(record, summary) | {"clip_id": clip_id, "in_ms": start, "out_ms": end}


def _shown(record: Record, summary: JSON) -> JSON:
    return {"artifact_id": record.id, "uri": record.uri, "summary": summary, "artifact_meta": record.meta}


ROUTES = (
    Route(
        "GET",
        "/video/visual-meta/{id}",
        get_visual_meta,
        "Shots, and subjects at each sample",
        params={"id": "visual_aaaaaaaa"},
        answer=StoredVisualMeta,
    ),
    Route(
        "GET",
        "/video/visual-meta/by-clip/{clip_id}",
        get_by_clip,
        "The same for what a clip shows",
        params={"clip_id": "clip_aaaaaaaa"},
        answer=ClipVisualMeta,
    ),
)

__all__ = ["ROUTES"]
