"""One clip of a sequence, resolved: its source, its place in the picture, its masks, its faces. Light."""

from __future__ import annotations

from fractions import Fraction

from artifacts import Registry, Scope
from deployments.engines.video_render.hiding import face_blur
from deployments.engines.video_render.sources import Found, mask_id
from deployments.errors import InvalidRequest
from deployments.operation import JSON, Input

MOST_SCALED = 1 << 26
"""Pixels that a video may be scaled to."""


def shown_clip(
    registry: Registry, scope: Scope, inputs: list[Input], clip: JSON, source: Found, where: str, *, aspect: Fraction
) -> JSON:
    """A clip that is seen, as a part of the plan. `aspect`: of the canvas's pixels, width over height.

    Raises InvalidRequest, MissingDependency, WrongAsset, NotFound, naming the field.
    """
    crop = _crop(clip, source, where)
    size = source.upright if crop is None else source.turned((crop[2], crop[3]))
    stretch = source.aspect / aspect
    return timed(clip, source) | {
        "opacity": clip["opacity"],
        "blend_mode": clip["blend_mode"],
        "mask_artifact_id": mask_id(registry, scope, inputs, clip, source.size, where),
        "crop": crop,
        "size": [round(float(size[0] * stretch), 6), size[1]],
        "step": 2 if source.kind == "video" else 1,
        "scale": clip.get("scale"),
        "position": clip.get("position"),
        "face_blur": face_blur(registry, scope, inputs, clip, source, where),
    }


def timed(clip: JSON, source: Found) -> JSON:
    """What a clip takes of its source, when, and how loud. out_ms None: to the last frame and sample.

    ramps: [way, shape, from, to] in ms of the timeline. lead_ms, tail_ms: what a transition adds before and after.
    """
    length = clip["out_ms"] if source.kind == "image" else round(source.meta["duration_ms"])
    out_ms = clip.get("out_ms") or length
    start, lasts = clip["start_ms_on_timeline"], round((min(out_ms, length) - clip["in_ms"]) / clip["speed"])
    rise, fall = clip.get("audio_fade_in_ms", 0), clip.get("audio_fade_out_ms", 0)
    return {
        "source_id": source.id,
        "kind": source.kind,
        "start_ms": start,
        "in_ms": clip["in_ms"],
        "out_ms": None if out_ms >= length else out_ms,
        "duration_ms": lasts,
        "lead_ms": 0,
        "tail_ms": 0,
        "speed": clip["speed"],
        "volume_db": clip["volume_db"],
        "ramps": ([["rise", "linear", start, start + rise]] if rise else [])
        + ([["fall", "linear", start + lasts - fall, start + lasts]] if fall else []),
    }


def check_scaled(row: JSON, where: str) -> None:
    """InvalidRequest for a video that would become larger than MOST_SCALED: all of it is scaled, seen or not."""
    if row["kind"] != "video":
        return
    keys = [key[1] for keys in row["curves"].get("scale", ()) for key in keys]
    scale = max([row["scale"] or 0, *keys])
    width, height = (side * scale for side in row["size"])
    if width * height > MOST_SCALED:
        raise InvalidRequest(
            f"{where}.scale makes the clip {width:.0f}x{height:.0f} pixels, and a clip is scaled to "
            f"{MOST_SCALED // 1_000_000} million at most: crop what is shown of it, and scale that",
            field=f"{where}.scale",
        )


def _crop(clip: JSON, source: Found, where: str) -> list[int] | None:
    if clip.get("crop") is None:
        return None
    x, y, width, height = clip["crop"]
    if x + width > source.size[0] or y + height > source.size[1]:
        raise InvalidRequest(
            f"{where}.crop reaches to {x + width}, {y + height}, and the source has {source.size[0]}x{source.size[1]} "
            "pixels",
            field=f"{where}.crop",
        )
    return [x & ~1, y & ~1, width & ~1, height & ~1] if source.kind == "video" else [x, y, width, height]


__all__ = ["check_scaled", "shown_clip", "timed"]
