"""Whether a render's pictures are its one clip's own packets: nothing is done to them, so nothing is encoded. Light."""

from __future__ import annotations

from artifacts import Registry, Scope
from artifacts.errors import NotFound
from deployments.engines.video_render.timeline import Resolved
from deployments.operation import JSON

CODECS = ("h264", "hevc")
"""What an MP4 carries and players read."""
CONTAINERS = ("mov",)
PIXELS = ("yuv420p", "yuvj420p")
HDR = (16, 18)
"""Transfers that are tone-mapped, so never copied."""


def copied(profile: str, found: Resolved, registry: Registry, scope: Scope, searched_or_drawn: bool) -> bool:
    """Whether the whole picture of the profile `source` is one video from its first frame to its last, as it is."""
    if profile != "source" or searched_or_drawn or len(found.clips) != 1 or found.picture["rate"] is not None:
        return False
    (clip,) = found.clips
    try:
        meta = registry.asset(scope, clip["source_id"]).meta
    except NotFound:  # an artifact: what is inside is not noted
        return False
    info: JSON = meta.get("codec_info", {})
    video: JSON = info.get("video", {})
    as_it_is = (
        clip["in_ms"] == 0
        and clip["out_ms"] is None
        and clip["opacity"] == 1
        and not clip["curves"].keys() & {"opacity", "opacity_over", "position", "scale"}
        and all(clip[name] is None for name in ("mask_artifact_id", "crop", "scale", "position", "face_blur"))
        and found.picture["canvas"] == [meta["width"], meta["height"]]
        and "rotation" not in meta
    )
    return bool(
        as_it_is
        and any(name in info.get("container", "") for name in CONTAINERS)
        and video.get("codec") in CODECS
        and video.get("pix_fmt") in PIXELS
        and video.get("color_transfer") not in HDR
    )


__all__ = ["copied"]
