"""Stored visual meta: by id, by asset, by clip."""

from __future__ import annotations

import json

from artifacts import Record, Registry, Scope
from artifacts.errors import NotFound as Absent
from deployments.engines.video_visual_meta.plan import KIND
from deployments.errors import InvalidRequest
from deployments.operation import JSON
from deployments.timeline import sequences


def clip_of(registry: Registry, scope: Scope, clip_id: str) -> JSON:
    """The clip, whose id names its sequence. Raises NotFound, and InvalidRequest where it shows no asset."""
    body = sequences.get(registry, scope, sequences.sequence_of(clip_id)).body
    clip = next((clip for _, clip in sequences.clips_of(body) if clip["id"] == clip_id), None)
    if clip is None:
        raise Absent
    if "asset_id" not in clip:
        raise InvalidRequest(f"the clip {clip_id} shows an artifact; visual meta is made of assets", field="clip_id")
    return clip


def latest(registry: Registry, scope: Scope, asset_id: str) -> Record | None:
    return registry.latest(scope, asset_id, KIND)


def summary_of(registry: Registry, scope: Scope, record: Record) -> JSON:
    """The artifact's body: models.VisualMeta."""
    summary: JSON = json.loads(registry.read(scope, record))
    return summary


def within(summary: JSON, start_ms: int, end_ms: int | None) -> JSON:
    """What lies in this stretch of the asset; times stay the asset's own."""
    end = summary["duration_ms"] if end_ms is None else min(end_ms, summary["duration_ms"])
    frames = [frame for frame in summary["frames"] if start_ms <= frame["timestamp_ms"] < end]
    shots = [
        shot
        | {"start_ms": max(start_ms, shot["start_ms"]), "end_ms": min(end, shot["end_ms"])}
        | ({} if shot["start_ms"] >= start_ms else {"transition": None})
        for shot in summary["shots"]
        if shot["start_ms"] < end and shot["end_ms"] > start_ms
    ]
    return summary | {"frames": frames, "shots": shots}


__all__ = ["clip_of", "latest", "summary_of", "within"]
