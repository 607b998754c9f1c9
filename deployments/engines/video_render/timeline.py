"""A sequence's body as what is rendered: checked against what is served, every size and time resolved. Light.

Served now: clips of videos and still pictures one after another on one video track, and still pictures over them.
Everything else is refused with a sentence that says so, for a render that leaves something out in silence is worse
than none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from artifacts import Registry, Scope
from configs.profiles import Profile
from deployments.engines.video_render.clips import Found, mask_id, need, placed, source_of, video_clip
from deployments.errors import InvalidRequest
from deployments.operation import JSON, Input
from deployments.timeline import sequences

SERVED = (
    "served now are clips of videos and pictures one after another on one video track, with still pictures on overlay "
    "tracks"
)
STILL_FPS = 30
"""Frames a second where no clip has any of its own."""
NEUTRAL = (("speed", 1), ("blend_mode", "normal"))


@dataclass(slots=True)
class Resolved:
    """What a sequence comes to."""

    picture: JSON
    """canvas [w, h], fps, rate [frames, seconds] or None for the one clip's own times, duration_ms."""
    clips: list[JSON]
    overlays: list[JSON] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    parent_asset_id: str | None = None
    assets: list[str] = field(default_factory=list)
    """The video assets shown, in order."""


def has_video(registry: Registry, scope: Scope, body: JSON) -> bool:
    """Whether a clip of the video tracks moves; `source` needs one to follow."""
    return any(source_of(registry, scope, clip, at).kind == "video" for at, clip in _clips(body, "video"))


def resolve(
    registry: Registry, scope: Scope, body: JSON, profile: Profile, start_ms: int = 0, end_ms: int | None = None
) -> Resolved:
    """The part from start_ms to end_ms. Raises NotFound, InvalidRequest naming the field, WrongAsset, and
    MissingDependency."""
    if body.get("transitions") or body.get("automation"):
        raise InvalidRequest(f"transitions and automation are not rendered yet; {SERVED}", field="sequence.transitions")
    for n, holder in enumerate((body, *body["tracks"])):
        if any(item.get("enabled", True) for item in holder.get("filters", ())):
            raise InvalidRequest(
                "filters of tracks and sequences are not rendered yet; put them on the clips",
                field=f"sequence.tracks[{n - 1}].filters" if n else "sequence.filters",
            )
    for where, _ in _clips(body, "audio"):
        raise InvalidRequest(f"audio tracks are not mixed yet; {SERVED}", field=where)
    inputs: list[Input] = []
    rows = _video_rows(registry, scope, body, inputs)
    leader = next((source for _, _, source in rows if source.kind == "video"), rows[0][2])
    own = leader.upright
    canvas = list(own) if profile.width is None or profile.height is None else [profile.width, profile.height]
    clips = []
    for where, clip, source in rows:
        made = video_clip(registry, scope, inputs, clip, source, where)
        made["place"] = placed(clip, source, canvas, profile.width is not None)
        clips.append(made)
    whole = max(clip["start_ms"] + clip["duration_ms"] for clip in clips)
    end = min(whole, whole if end_ms is None else end_ms)
    if start_ms >= end:
        raise InvalidRequest(f"start_ms is {start_ms}, and the sequence lasts {whole} ms", field="start_ms")
    clips = [cut for clip in clips if (cut := _window(clip, start_ms, end))]
    if not clips:
        raise InvalidRequest(f"nothing is shown from {start_ms} to {end} ms", field="start_ms")
    kept = {clip["source_id"] for clip in clips}
    fps = profile.fps or leader.fps or STILL_FPS
    single = len(clips) == 1 and clips[0]["start_ms"] == 0 and clips[0]["kind"] == "video"
    rate = Fraction(fps).limit_denominator(1001)
    picture = {
        "canvas": canvas,
        "fps": fps,
        "rate": None if single and profile.fps is None else [rate.numerator, rate.denominator],
        "duration_ms": end - start_ms,
    }
    if picture["rate"] is None and profile.fps is None:
        picture["fps"] = leader.fps
    used = {id for clip in clips for id in _named(clip)}
    found = Resolved(picture, clips, inputs=[item for item in inputs if item.id in used])
    found.parent_asset_id = next((source.asset_id for *_, source in rows if source.id in kept), None)
    shown = [source.id for *_, source in rows if source.id in kept and source.kind == "video" and source.is_asset]
    found.assets = list(dict.fromkeys(shown))
    for where, clip in _clips(body, "overlay"):
        item = _overlay(registry, scope, found.inputs, clip, where)
        if item["start_ms"] < end and (item["end_ms"] is None or item["end_ms"] > start_ms):
            item["start_ms"] = max(0, item["start_ms"] - start_ms)
            item["end_ms"] = None if item["end_ms"] is None or item["end_ms"] >= end else item["end_ms"] - start_ms
            found.overlays.append(item)
    return found


def _clips(body: JSON, kind: str) -> Iterator[tuple[str, JSON]]:
    for t, track in enumerate(body["tracks"]):
        for c, clip in enumerate(track["clips"]):
            if track["kind"] == kind:
                yield f"sequence.tracks[{t}].clips[{c}]", clip


def _video_rows(registry: Registry, scope: Scope, body: JSON, inputs: list[Input]) -> list[tuple[str, JSON, Found]]:
    """(where, clip, source) of the video track, by time; none over another."""
    tracks = [track for track in body["tracks"] if track["kind"] == "video" and track["clips"]]
    if len(tracks) != 1:
        raise InvalidRequest(
            f"the sequence has {len(tracks)} video tracks with clips; {SERVED}", field="sequence.tracks"
        )
    rows: list[tuple[str, JSON, Found]] = []
    for where, clip in sorted(_clips(body, "video"), key=lambda row: row[1]["start_ms_on_timeline"]):
        _plain(clip, where)
        source = source_of(registry, scope, clip, where)
        if source.kind not in ("video", "image"):
            raise InvalidRequest(f"{where} shows {source.media_type}; {SERVED}", field=where)
        if rows and clip["start_ms_on_timeline"] < (sequences.clip_end(rows[-1][1]) or 0):
            raise InvalidRequest(
                f"{where} begins at {clip['start_ms_on_timeline']} ms, before the clip before it has ended; {SERVED}",
                field=f"{where}.start_ms_on_timeline",
            )
        need(inputs, source.id, "video")
        rows.append((where, clip, source))
    return rows


def _plain(clip: JSON, where: str) -> None:
    for name, neutral in NEUTRAL:
        if clip[name] != neutral:
            raise InvalidRequest(f"{name} is not rendered yet; leave it at {neutral}", field=f"{where}.{name}")


def _window(clip: JSON, start_ms: int, end_ms: int) -> JSON | None:
    """The clip as it falls into a part of the timeline, timed from that part's start; None: it does not."""
    begins, ends = clip["start_ms"], clip["start_ms"] + clip["duration_ms"]
    if begins >= end_ms or ends <= start_ms:
        return None
    first, last = max(begins, start_ms), min(ends, end_ms)
    cut = clip | {"start_ms": first - start_ms, "in_ms": clip["in_ms"] + first - begins, "duration_ms": last - first}
    if last < ends:
        cut["out_ms"] = cut["in_ms"] + cut["duration_ms"]
    return cut


def _named(clip: JSON) -> Iterator[str]:
    """The ids of everything that a clip is made from."""
    blur = clip["face_blur"] or {}
    ids = (clip["source_id"], clip["mask_artifact_id"], *(blur.get(key) for key in ("summary_id", "tracks_id")))
    yield from (id for id in (*ids, blur.get("mask_artifact_id")) if id is not None)


def _overlay(registry: Registry, scope: Scope, inputs: list[Input], clip: JSON, where: str) -> JSON:
    item = source_of(registry, scope, clip, where)
    if item.kind != "image" or item.media_type == "image/svg+xml":
        raise InvalidRequest(f"{where} is {item.media_type}; {SERVED} (a vector is drawn first)", field=item.field)
    if clip["filters"]:
        raise InvalidRequest("filters on overlays are not rendered yet", field=f"{where}.filters")
    _plain(clip, where)
    start, out_ms = clip["start_ms_on_timeline"], clip.get("out_ms")
    return {
        "id": need(inputs, item.id, "overlay"),
        "start_ms": start,
        "end_ms": None if out_ms is None else start + out_ms - clip["in_ms"],
        "opacity": clip["opacity"],
        "mask_artifact_id": mask_id(registry, scope, inputs, clip, item.size, where),
        "position": [round(value) for value in clip.get("position") or (0, 0)],
        "scale": clip.get("scale") or 1.0,
    }


__all__ = ["Resolved", "has_video", "resolve"]
