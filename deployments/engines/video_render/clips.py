"""One clip of a sequence, resolved: its source, its place in the picture, its masks, its faces. Light."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction

from pydantic import ValidationError

from artifacts import Asset, Record, Registry, Scope
from artifacts.errors import NotFound
from deployments.engines.video_regions.models import FaceTracks, said
from deployments.errors import InvalidRequest, MissingDependency, WrongAsset
from deployments.operation import JSON, Input
from deployments.timeline.filters import FaceBlur, check_params

SIDEWAYS = (90, 270)
TURNED = 5
"""EXIF orientations from here on change a picture's sides."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a clip shows."""

    id: str
    is_asset: bool
    asset_id: str | None
    """The asset itself, or the one that the artifact belongs to."""
    kind: str
    """`video`, `image` or another."""
    media_type: str
    meta: JSON
    field: str
    """The JSON path that named it."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what is decoded; of a picture upright."""
        width, height = int(self.meta["width"]), int(self.meta["height"])
        return (height, width) if self.meta.get("orientation", 1) >= TURNED else (width, height)

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as it is shown; of a video without an odd column or row."""
        width, height = self.turned(self.size)
        return (max(2, width & ~1), max(2, height & ~1)) if self.kind == "video" else (width, height)

    def turned(self, size: tuple[int, int]) -> tuple[int, int]:
        """A size of decoded pixels, as it is shown."""
        return size[::-1] if self.meta.get("rotation") in SIDEWAYS else size

    @property
    def fps(self) -> float | None:
        return self.meta.get("fps") if self.kind == "video" else None


def source_of(registry: Registry, scope: Scope, clip: JSON, where: str) -> Found:
    """Raises NotFound naming the field."""
    item: Asset | Record
    field = f"{where}.asset_id" if clip.get("asset_id") else f"{where}.artifact_id"
    try:
        if clip.get("asset_id"):
            item = registry.asset(scope, clip["asset_id"])
            asset_id: str | None = item.id
        else:
            item = registry.artifact(scope, clip["artifact_id"])
            asset_id = item.parent_asset_id
    except NotFound as error:
        raise NotFound(error.message, field) from None
    kind = item.media_type.partition("/")[0]
    return Found(item.id, isinstance(item, Asset), asset_id, kind, item.media_type, item.meta, field)


def shown_clip(
    registry: Registry, scope: Scope, inputs: list[Input], clip: JSON, source: Found, where: str, *, square: bool
) -> JSON:
    """A clip that is seen, as a part of the plan. `square`: the picture's pixels are; else they are the clip's own.

    Raises InvalidRequest, MissingDependency, WrongAsset, NotFound, naming the field.
    """
    crop = _crop(clip, source, where)
    size = source.upright if crop is None else source.turned((crop[2], crop[3]))
    video: JSON = source.meta.get("codec_info", {}).get("video", {})
    stretch = Fraction(*video.get("sample_aspect_ratio", [1, 1])) if square else Fraction(1)
    return timed(clip, source) | {
        "opacity": clip["opacity"],
        "blend_mode": clip["blend_mode"],
        "mask_artifact_id": mask_id(registry, scope, inputs, clip, source.size, where),
        "crop": crop,
        "size": [round(float(size[0] * stretch), 6), size[1]],
        "step": 2 if source.kind == "video" else 1,
        "scale": clip.get("scale"),
        "position": clip.get("position"),
        "face_blur": _face_blur(registry, scope, inputs, clip, source, where),
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


def mask_id(
    registry: Registry, scope: Scope, inputs: list[Input], holder: JSON, size: tuple[int, int], where: str
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
    return need(inputs, mask.id, "mask")


def need(inputs: list[Input], id: str, role: str) -> str:
    """Notes an input, once for each role."""
    if Input(id, role) not in inputs:
        inputs.append(Input(id, role))
    return id


def _face_blur(
    registry: Registry, scope: Scope, inputs: list[Input], clip: JSON, source: Found, where: str
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
    if source.kind != "video":
        raise InvalidRequest(f"{at}: faces are hidden in videos, and the clip shows a picture", field=f"{at}.type")
    check_params(item["type"], item["params"], at)
    params = FaceBlur.model_validate(item["params"])
    summary = _summary(registry, scope, params, source, at)
    if params.tracks_artifact_id is None:
        tracks_id = tracks_of(registry, scope, summary)
    else:
        tracks_id = _own_tracks(registry, scope, params.tracks_artifact_id, source, f"{at}.params.tracks_artifact_id")
    return {
        "summary_id": need(inputs, summary.id, "summary"),
        "tracks_id": need(inputs, tracks_id, "tracks"),
        "model": summary.meta["model_used"],
        "preset": params.look,
        "style": params.style,
        "grade": params.grade,
        "min_face_px": params.min_face_px,
        "tracks": None if params.tracks is None else params.tracks.model_dump(),
        "spans": None if params.spans is None else [[span.start_ms, span.end_ms] for span in params.spans],
        "mask_artifact_id": mask_id(registry, scope, inputs, item, source.size, at),
    }


def _summary(registry: Registry, scope: Scope, params: FaceBlur, source: Found, where: str) -> Record:
    field = f"{where}.params.source_summary_id"
    try:
        summary = registry.artifact(scope, params.source_summary_id)
    except NotFound:
        raise MissingDependency(
            f"{field} names no summary of faces, and the clip is not rendered with its faces open; "
            f'make one with POST /video/regions {{"asset_id": "{source.id}"}} and set the filter anew with '
            "POST /video/anonymise/faces",
            field=field,
        ) from None
    if summary.kind != "video_region_summary":
        raise InvalidRequest(f"{field} is a {summary.kind}; give a video_region_summary", field=field)
    if not source.is_asset or summary.parent_asset_id != source.id:
        raise WrongAsset(f"{field} is of asset {summary.parent_asset_id}, and the clip shows {source.id}", field=field)
    return summary


def _own_tracks(registry: Registry, scope: Scope, id: str, source: Found, field: str) -> str:
    """The face_tracks that a filter names instead of its summary's. Raises NotFound, InvalidRequest, WrongAsset."""
    try:
        record = registry.artifact(scope, id)
    except NotFound as error:
        raise NotFound(error.message, field) from None
    if record.kind != "face_tracks":
        raise InvalidRequest(f"{field} is a {record.kind}; give a face_tracks", field=field)
    if record.parent_asset_id != source.id:
        raise WrongAsset(f"{field} is of asset {record.parent_asset_id}, and the clip shows {source.id}", field=field)
    size = (record.meta["width"], record.meta["height"])
    if size != source.size:
        raise InvalidRequest(
            f"{field} is for {size[0]}x{size[1]} pixels, and the video has {source.size[0]}x{source.size[1]}",
            field=field,
        )
    try:
        FaceTracks.model_validate_json(registry.read(scope, record))
    except ValidationError as error:
        raise InvalidRequest(f"{field} cannot be read: {said(error)}", field=field) from None
    return record.id


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


__all__ = ["Found", "mask_id", "need", "shown_clip", "source_of", "timed", "tracks_of"]
