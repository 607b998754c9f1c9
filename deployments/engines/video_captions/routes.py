"""GET /video/captions/{artifact_id}/srt, /vtt and /json: a transcript as a subtitle file, or as it is stored."""

from __future__ import annotations

import asyncio
import json

from artifacts import Record, Registry, Scope
from artifacts.errors import NotFound
from deployments.engines.video_captions.models import CaptionsJson, Cue
from deployments.engines.video_captions.plan import KIND
from deployments.engines.video_captions.srt import FORMATS
from deployments.operation import JSON
from deployments.route import STORED, Call, Reply, Route

_ID = {"artifact_id": "transcript_aaaaaaaa"}


async def _json(call: Call) -> Reply:
    record, transcript = await _transcript(call)
    return Reply(transcript, headers={"ETag": f'"{record.sha256}"'})


def _subtitles(name: str) -> Route:
    form = FORMATS[name]

    async def handle(call: Call) -> Reply:
        record, transcript = await _transcript(call)
        cues = [Cue.model_validate(cue) for cue in transcript["cues"]]
        headers = {
            "Content-Disposition": f'attachment; filename="{record.id}.{name}"',
            **STORED,
        }
        return Reply(form.write(cues).encode(), media_type=form.media_type, headers=headers)

    path, summary = f"/video/captions/{{artifact_id}}/{name}", f"A transcript as {name.upper()}"
    return Route("GET", path, handle, summary, params=_ID, produces=form.media_type.partition(";")[0])


async def _transcript(call: Call) -> tuple[Record, JSON]:
    """NotFound, always the same, for an id that is malformed, absent, another tenant's or no transcript's."""
    return await asyncio.to_thread(_load, call.registry, call.context.scope, call.params["artifact_id"])


def _load(registry: Registry, scope: Scope, id: str) -> tuple[Record, JSON]:
    record = registry.artifact(scope, id)
    if record.kind != KIND:
        raise NotFound
    transcript: JSON = json.loads(registry.read(scope, record))
    return record, transcript


ROUTES = (
    Route(
        "GET",
        "/video/captions/{artifact_id}/json",
        _json,
        "A transcript: language, segments with words, cues",
        params=_ID,
        answer=CaptionsJson,
    ),
    *(_subtitles(name) for name in FORMATS),
)

__all__ = ["ROUTES"]
