"""GET /video/masks/{id}."""

from __future__ import annotations

from deployments.engines.video_mask.models import VideoMask
from deployments.engines.video_mask.plan import KIND, shown
from deployments.route import Call, Reply, Route, artifact


async def get_mask(call: Call) -> Reply:
    """`{artifact_id, uri, asset_id, width, height, inputs, meta}`; its bytes are the artifact's content."""
    record = await artifact(call, KIND)
    return Reply(shown(record), headers={"ETag": f'"{record.sha256}"'})


ROUTES = (Route("GET", "/video/masks/{id}", get_mask, "A mask", params={"id": "mask_aaaaaaaa"}, answer=VideoMask),)

__all__ = ["ROUTES"]
