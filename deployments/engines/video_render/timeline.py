"""A sequence's body as what is rendered: checked against what is served, every size and time resolved. Light.

Served now: one clip of a video asset on the video tracks, and still pictures over it. Everything else is refused with
a sentence that says so, for a render that leaves something out in silence is worse than none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from pydantic import ValidationError

from artifacts import Asset, Record, Registry, Scope
from artifacts.errors import NotFound
from configs.profiles import Profile
from deployments.engines.video_render.models import FaceBlur
from deployments.errors import InvalidRequest, MissingDependency, WrongAsset
from deployments.operation import JSON, Input

SIDEWAYS = (90, 270)
SERVED = "served now is one clip of a video asset on the video tracks, with still pictures on overlay tracks"


@dataclass(slots=True)
class Resolved:
    """What a sequence comes to."""

    asset: Asset
    """Of the one video clip."""
    video: JSON
    overlays: list[JSON] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)

    def need(self, id: str, role: str) -> str:
        """Notes an input, once for each role."""
        if Input(id, role) not in self.inputs:
            self.inputs.append(Input(id, role))
        return id


def resolve(registry: Registry, scope: Scope, body: JSON, profile: Profile) -> Resolved:
    """Raises NotFound, InvalidRequest naming the field, WrongAsset, and MissingDependency."""
    if body.get("transitions") or body.get("automation"):
        raise InvalidRequest(f"transitions and automation are not rendered yet; {SERVED}", field="sequence.transitions")
    where, clip = _one_clip(body)
    asset = _video_asset(registry, scope, clip, where)
    found = Resolved(asset, {})
    found.need(asset.id, "video")
    found.video = _video(registry, scope, found, clip, where, profile)
    for at, item in _overlay_clips(body):
        found.overlays.append(_overlay(registry, scope, found, item, at))
    return found


def _clips(body: JSON, kind: str) -> Iterator[tuple[str, JSON]]:
    for t, track in enumerate(body["tracks"]):
        for c, clip in enumerate(track["clips"]):
            if track["kind"] == kind:
                yield f"sequence.tracks[{t}].clips[{c}]", clip


def _one_clip(body: JSON) -> tuple[str, JSON]:
    for where, _ in _clips(body, "audio"):
        raise InvalidRequest(f"audio tracks are not mixed yet; {SERVED}", field=where)
    clips = list(_clips(body, "video"))
    if len(clips) != 1:
        raise InvalidRequest(
            f"the sequence has {len(clips)} clips on its video tracks; {SERVED}", field="sequence.tracks"
        )
    where, clip = clips[0]
    if clip["start_ms_on_timeline"]:
        raise InvalidRequest(
            f"the video clip begins at {clip['start_ms_on_timeline']} ms; {SERVED}, beginning at 0",
            field=f"{where}.start_ms_on_timeline",
        )
    if clip["volume_db"]:
        raise InvalidRequest("volume_db is not applied yet; leave it at 0", field=f"{where}.volume_db")
    _plain(clip, where)
    return where, clip


def _plain(clip: JSON, where: str) -> None:
    for name, neutral in (("speed", 1), ("blend_mode", "normal")):
        if clip[name] != neutral:
            raise InvalidRequest(f"{name} is not rendered yet; leave it at {neutral}", field=f"{where}.{name}")


def _video_asset(registry: Registry, scope: Scope, clip: JSON, where: str) -> Asset:
    if not clip.get("asset_id"):
        raise InvalidRequest(f"{where} shows an artifact; {SERVED}", field=f"{where}.artifact_id")
    asset = registry.asset(scope, clip["asset_id"])
    if asset.kind != "video":
        raise InvalidRequest(f"{where} shows an asset of kind {asset.kind}; {SERVED}", field=f"{where}.asset_id")
    return asset


def _video(registry: Registry, scope: Scope, found: Resolved, clip: JSON, where: str, profile: Profile) -> JSON:
    meta = found.asset.meta
    size = (int(meta["width"]), int(meta["height"]))
    duration = int(meta["duration_ms"])
    out_ms = clip.get("out_ms")
    canvas, place = _placed(clip, meta, profile)
    return {
        "asset_id": found.asset.id,
        "in_ms": clip["in_ms"],
        "out_ms": None if out_ms is None or out_ms >= duration else out_ms,  # None: to the last frame and sample
        "duration_ms": min(out_ms or duration, duration) - clip["in_ms"],
        "fps": profile.fps or meta.get("fps"),
        "canvas": canvas,
        "place": place,
        "opacity": clip["opacity"],
        "mask_artifact_id": _mask(registry, scope, found, clip, size, where),
        "face_blur": _face_blur(registry, scope, found, clip, size, where),
    }


def _placed(clip: JSON, meta: JSON, profile: Profile) -> tuple[list[int], list[int]]:
    """([width, height] of the picture, [x, y, width, height] of the clip in it), all even but for x and y below 0."""
    width, height = (int(meta["width"]), int(meta["height"]))
    if meta.get("rotation") in SIDEWAYS:
        width, height = height, width
    own = [max(2, width & ~1), max(2, height & ~1)]
    canvas = own if profile.width is None or profile.height is None else [profile.width, profile.height]
    position, scale = clip.get("position"), clip.get("scale")
    if canvas == own and position is None and scale is None:
        return canvas, [0, 0, *own]
    stretch = Fraction(1)
    if profile.width is not None:  # a profile's pixels are square; `source` keeps the clip's own
        stretch = Fraction(*_info(meta).get("sample_aspect_ratio", [1, 1]))
    shown = (own[0] * stretch, Fraction(own[1]))
    factor = Fraction(scale) if scale is not None else min(canvas[0] / shown[0], canvas[1] / shown[1])
    size = [max(2, 2 * round(side * factor / 2)) for side in shown]
    if position is None:
        position = [(whole - side) / 2 for whole, side in zip(canvas, size, strict=True)]
    return canvas, [*(2 * round(value / 2) for value in position), *size]


def _info(meta: JSON) -> JSON:
    video: JSON = meta.get("codec_info", {}).get("video", {})
    return video


def _mask(
    registry: Registry, scope: Scope, found: Resolved, holder: JSON, size: tuple[int, int], where: str
) -> str | None:
    """The id of the holder's mask, which has the source's size."""
    id = holder.get("mask_artifact_id")
    if id is None:
        return None
    mask = registry.artifact(scope, id)
    given = (mask.meta.get("width"), mask.meta.get("height"))
    if mask.kind != "mask" or given != size:
        raise InvalidRequest(
            f"{where}.mask_artifact_id is a {mask.kind} of {given[0]}x{given[1]}; give a mask of {size[0]}x{size[1]}, "
            "the pixels of what it is laid on",
            field=f"{where}.mask_artifact_id",
        )
    return found.need(mask.id, "mask")


def _face_blur(
    registry: Registry, scope: Scope, found: Resolved, clip: JSON, size: tuple[int, int], where: str
) -> JSON | None:
    filters = [(n, item) for n, item in enumerate(clip["filters"]) if item.get("enabled", True)]
    for n, item in filters:
        if item["type"] != "face_blur":
            at = f"{where}.filters[{n}]"
            raise InvalidRequest(f"{at}: there is no filter {item['type']!r}; there is face_blur", field=f"{at}.type")
    if len(filters) > 1:
        raise InvalidRequest(f"{where} carries {len(filters)} face_blur filters; keep one", field=f"{where}.filters")
    if not filters:
        return None
    n, item = filters[0]
    at = f"{where}.filters[{n}]"
    try:
        params = FaceBlur.model_validate(item["params"])
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in (f"{at}.params", *first["loc"]))
        raise InvalidRequest(f"{name}: {first['msg']}", field=name) from None
    summary = _summary(registry, scope, params, found.asset, at)
    tracks_id = tracks_of(registry, scope, summary)
    found.need(summary.id, "summary")
    found.need(tracks_id, "tracks")
    return {
        "summary_id": summary.id,
        "tracks_id": tracks_id,
        "preset": params.look,
        "style": params.style,
        "min_face_px": params.min_face_px,
        "mask_artifact_id": _mask(registry, scope, found, item, size, at),
    }


def _summary(registry: Registry, scope: Scope, params: FaceBlur, asset: Asset, where: str) -> Record:
    field = f"{where}.params.source_summary_id"
    try:
        summary = registry.artifact(scope, params.source_summary_id)
    except NotFound:
        raise MissingDependency(
            f"{field} names no summary of faces, and the clip is not rendered with its faces open; "
            f'make one with POST /video/regions {{"asset_id": "{asset.id}"}} and set the filter anew with '
            "POST /video/anonymise/faces",
            field=field,
        ) from None
    if summary.kind != "video_region_summary":
        raise InvalidRequest(f"{field} is a {summary.kind}; give a video_region_summary", field=field)
    if summary.parent_asset_id != asset.id:
        raise WrongAsset(f"{field} is of asset {summary.parent_asset_id}, and the clip shows {asset.id}", field=field)
    return summary


def tracks_of(registry: Registry, scope: Scope, summary: Record) -> str:
    """The id of a summary's face_tracks. Raises MissingDependency where it has none."""
    id = summary.meta.get("face_tracks_artifact_id")
    if id is None:
        id = json.loads(registry.read(scope, summary))["meta"].get("face_tracks_artifact_id")
    if id is None:
        raise MissingDependency(
            f"the summary {summary.id} was made without a box for each frame; make it again with POST /video/regions",
        )
    return registry.artifact(scope, id).id


def _overlay_clips(body: JSON) -> Iterator[tuple[str, JSON]]:
    yield from _clips(body, "overlay")


def _overlay(registry: Registry, scope: Scope, found: Resolved, clip: JSON, where: str) -> JSON:
    item: Asset | Record
    if clip.get("asset_id"):
        item, field = registry.asset(scope, clip["asset_id"]), f"{where}.asset_id"
    else:
        item, field = registry.artifact(scope, clip["artifact_id"]), f"{where}.artifact_id"
    if not item.media_type.startswith("image/") or item.media_type == "image/svg+xml":
        raise InvalidRequest(f"{field} is {item.media_type}; {SERVED} (a vector is drawn first)", field=field)
    if clip["filters"]:
        raise InvalidRequest("filters on overlays are not rendered yet", field=f"{where}.filters")
    _plain(clip, where)
    size = (int(item.meta["width"]), int(item.meta["height"]))
    if item.meta.get("orientation", 1) >= 5:  # shown upright, so a quarter turn changes its sides
        size = (size[1], size[0])
    start, out_ms = clip["start_ms_on_timeline"], clip.get("out_ms")
    return {
        "id": found.need(item.id, "overlay"),
        "start_ms": start,
        "end_ms": None if out_ms is None else start + out_ms - clip["in_ms"],
        "opacity": clip["opacity"],
        "mask_artifact_id": _mask(registry, scope, found, clip, size, where),
        "position": [round(value) for value in clip.get("position") or (0, 0)],
        "scale": clip.get("scale") or 1.0,
    }


__all__ = ["Resolved", "resolve", "tracks_of"]
