"""GET /video/regions/{id}: a summary as it is stored, a stub's flagged as one."""

from __future__ import annotations

import asyncio
import json

from deployments.engines.video_regions.models import StoredRegions
from deployments.operation import Warning
from deployments.route import Call, Reply, Route, artifact

KIND = "video_region_summary"


async def get_regions(call: Call) -> Reply:
    """`{summary_artifact_id, uri, summary, artifact_meta, stub, warnings}`."""
    record = await artifact(call, KIND)
    summary = json.loads(await asyncio.to_thread(call.registry.read, call.context.scope, record))
    stub = bool(record.meta.get("stub"))
    said = [Warning(f"made by a stub, which looks at no picture: {record.meta.get('stub_reason')}")] if stub else []
    body = {
        "summary_artifact_id": record.id,
        "uri": record.uri,
        "summary": summary,
        "artifact_meta": record.meta,
        "stub": stub,
        "warnings": [warning.json() for warning in said],
    }
    return Reply(body, headers={"ETag": f'"{record.sha256}"'})


ROUTES = (
    Route(
        "GET",
        "/video/regions/{id}",
        get_regions,
        "A summary of regions",
        params={"id": "regions_aaaaaaaa"},
        answer=StoredRegions,
    ),
)

__all__ = ["ROUTES"]
