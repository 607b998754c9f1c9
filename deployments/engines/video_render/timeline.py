"""A sequence's body as what is rendered: checked against what is served, every size and time resolved. Light.

The tracks become lanes, bottom to top: one for each video track, then one for each clip of the overlay tracks. In a
lane at most two clips are seen at a time, and two only during a transition. What is not served is refused with a
sentence that says so, for a render that leaves something out in silence is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from artifacts import Registry, Scope
from configs.profiles import Profile
from deployments.engines.video_render.clips import check_scaled, shown_clip, timed
from deployments.engines.video_render.motion import automated, moved
from deployments.engines.video_render.passages import passages
from deployments.engines.video_render.sources import Found, need, source_of
from deployments.errors import InvalidRequest
from deployments.operation import JSON, Input, Warning

STILL_FPS = 30
"""Frames a second where no clip has any of its own."""


@dataclass(slots=True)
class Resolved:
    """What a sequence comes to."""

    picture: JSON
    """canvas [w, h], fps, rate [frames, seconds] or None for the one clip's own times, duration_ms."""
    clips: list[JSON]
    """What is seen, by lane and time; `lane` says which."""
    transitions: list[JSON]
    sounds: list[JSON]
    """What is heard, of the clips above and of the audio tracks."""
    inputs: list[Input] = field(default_factory=list)
    parent_asset_id: str | None = None
    assets: list[str] = field(default_factory=list)
    """The video assets shown, in order."""
    heard: list[str] = field(default_factory=list)
    """The assets of the audio tracks, in order."""
    warnings: list[Warning] = field(default_factory=list)
    """What of the sequence is not in the file."""


@dataclass(slots=True)
class Row:
    """A clip of a track with what it shows."""

    where: str
    track: JSON
    clip: JSON
    source: Found


def has_video(registry: Registry, scope: Scope, body: JSON) -> bool:
    """Whether a clip of the video tracks moves; `source` needs one to follow."""
    return any(source_of(registry, scope, clip, at).kind == "video" for at, _, clip in _clips(body, "video"))


def resolve(
    registry: Registry, scope: Scope, body: JSON, profile: Profile, start_ms: int = 0, end_ms: int | None = None
) -> Resolved:
    """The part from start_ms to end_ms. Raises NotFound, InvalidRequest naming the field, WrongAsset, and
    MissingDependency."""
    for n, holder in enumerate((body, *body["tracks"])):
        if any(item.get("enabled", True) for item in holder.get("filters", ())):
            raise InvalidRequest(
                "filters of tracks and sequences are not rendered; put them on the clips",
                field=f"sequence.tracks[{n - 1}].filters" if n else "sequence.filters",
            )
    inputs: list[Input] = []
    lanes = _lanes(registry, scope, body)
    rows = [row for lane in lanes for row in lane]
    if not rows:
        raise InvalidRequest("the sequence has no clip on a video track", field="sequence.tracks")
    leader = next((row.source for row in rows if row.source.kind == "video"), rows[0].source)
    canvas = [side & ~1 for side in leader.upright]
    if profile.width is not None and profile.height is not None:
        canvas = [profile.width, profile.height]
    aspect = leader.aspect if profile.width is None else Fraction(1)
    clips = []
    for number, lane in enumerate(lanes):
        for row in lane:
            made = shown_clip(registry, scope, inputs, row.clip, row.source, row.where, aspect=aspect)
            need(inputs, row.source.id, "video")
            clips.append(made | {"lane": number, "overlay": False, "curves": automated(body, row.track, row.clip)})
            check_scaled(clips[-1], row.where)
    transitions = passages(body, [(row.clip["id"], row.where) for row in rows], clips)
    whole = max(clip["start_ms"] + clip["duration_ms"] - clip["tail_ms"] for clip in clips)
    end = min(whole, whole if end_ms is None else end_ms)
    if start_ms >= end:
        raise InvalidRequest(f"start_ms is {start_ms}, and the sequence lasts {whole} ms", field="start_ms")
    warnings = _unseen(registry, scope, body, whole)
    sounds = _sounds(registry, scope, body, inputs)
    overlays = _overlays(registry, scope, body, inputs, len(lanes), whole, aspect)
    kept = [(n, cut) for n, clip in enumerate(clips) if (cut := _window(clip, start_ms, end))]
    if not kept:
        raise InvalidRequest(f"nothing is shown from {start_ms} to {end} ms", field="start_ms")
    numbers = {old: new for new, (old, _) in enumerate(kept)}
    main = [cut for _, cut in kept]
    seen = main + [cut for clip in overlays if (cut := _window(clip, start_ms, end))]
    heard = [clip for clip in seen if clip["kind"] == "video"]
    found = Resolved(
        _picture(canvas, profile, leader, main, end - start_ms),
        seen,
        [
            row
            | {"first": numbers[row["first"]], "second": numbers[row["second"]], "start_ms": row["start_ms"] - start_ms}
            for row in transitions
            if row["first"] in numbers and row["second"] in numbers
        ],
        [{key: clip[key] for key in HEARD} | {"music": False} for clip in heard]
        + [
            {key: cut[key] for key in HEARD} | {"music": True}
            for clip in sounds
            if (cut := _window(clip, start_ms, end))
        ],
    )
    used = {id for clip in (*seen, *found.sounds) for id in _named(clip)}
    found.inputs = [item for item in inputs if item.id in used]
    shown = {clip["source_id"] for clip in main}
    found.parent_asset_id = next((row.source.asset_id for row in rows if row.source.id in shown), None)
    assets = [r.source.id for r in rows if r.source.id in shown and r.source.kind == "video" and r.source.is_asset]
    found.assets = list(dict.fromkeys(assets))
    found.heard = list(dict.fromkeys(row["source_id"] for row in found.sounds if row["music"]))
    found.warnings = warnings
    return found


HEARD = (
    "source_id", "kind", "start_ms", "in_ms", "out_ms", "duration_ms", "speed", "volume_db", "ramps", "curves",
)  # fmt: skip
"""What of a clip its sound follows from."""


def _unseen(registry: Registry, scope: Scope, body: JSON, whole_ms: int) -> list[Warning]:
    """A warning for each clip that begins when the last video clip has ended, and for each picture that moves."""
    made = []
    for kind in ("video", "overlay", "audio"):
        for where, _, clip in _clips(body, kind):
            if clip["start_ms_on_timeline"] >= whole_ms:
                begins = f"begins at {clip['start_ms_on_timeline']} ms, and the video tracks end at {whole_ms} ms"
                made.append(Warning(f"{where} {begins}: it is left out", field=f"{where}.start_ms_on_timeline"))
            elif kind != "audio":
                source = source_of(registry, scope, clip, where)
                if source.kind == "image" and (source.meta.get("frames") or 1) > 1:
                    moves = f"{where} is a picture of {source.meta['frames']} frames, of which the first is shown"
                    made.append(Warning(f"{moves}; a video of them moves", field=source.field))
    return made


def _picture(canvas: list[int], profile: Profile, leader: Found, clips: list[JSON], duration_ms: int) -> JSON:
    first = clips[0]
    own_times = (
        profile.fps is None
        and len(clips) == 1
        and (first["kind"], first["start_ms"], first["speed"]) == ("video", 0, 1)
    )  # fmt: skip
    fps = profile.fps or leader.fps or STILL_FPS
    rate = Fraction(fps).limit_denominator(1001)
    return {
        "canvas": canvas,
        "fps": leader.fps if own_times else fps,
        "rate": None if own_times else [rate.numerator, rate.denominator],
        "duration_ms": duration_ms,
    }


def _clips(body: JSON, kind: str) -> Iterator[tuple[str, JSON, JSON]]:
    """(where, track, clip)"""
    for t, track in enumerate(body["tracks"]):
        for c, clip in enumerate(track["clips"]):
            if track["kind"] == kind:
                yield f"sequence.tracks[{t}].clips[{c}]", track, clip


def _lanes(registry: Registry, scope: Scope, body: JSON) -> list[list[Row]]:
    """The clips of each video track, by time."""
    lanes: dict[str, list[Row]] = {}
    for where, track, clip in _clips(body, "video"):
        source = source_of(registry, scope, clip, where)
        if source.kind not in ("video", "image") or source.media_type == "image/svg+xml":
            raise InvalidRequest(f"{where} is {source.media_type}; videos and pictures are shown", field=source.field)
        lanes.setdefault(track["id"], []).append(Row(where, track, clip, source))
    return [sorted(lane, key=lambda row: int(row.clip["start_ms_on_timeline"])) for lane in lanes.values()]


def _overlays(
    registry: Registry, scope: Scope, body: JSON, inputs: list[Input], lane: int, whole_ms: int, aspect: Fraction
) -> list[JSON]:
    """The clips of the overlay tracks, each in a lane of its own; one without an end stays to the sequence's."""
    made = []
    for number, (where, track, clip) in enumerate(_clips(body, "overlay")):
        source = source_of(registry, scope, clip, where)
        if source.kind not in ("video", "image") or source.media_type == "image/svg+xml":
            raise InvalidRequest(
                f"{where} is {source.media_type}; videos and pictures are laid over (a vector is drawn first)",
                field=source.field,
            )
        stays = clip["in_ms"] + max(1, round((whole_ms - clip["start_ms_on_timeline"]) * clip["speed"]))
        said = clip | {"out_ms": clip.get("out_ms") or (stays if source.kind == "image" else None)}
        said |= {"position": clip.get("position") or [0, 0], "scale": clip.get("scale") or 1.0}
        row = shown_clip(registry, scope, inputs, said, source, where, aspect=aspect)
        need(inputs, source.id, "overlay")
        made.append(row | {"lane": lane + number, "overlay": True, "curves": automated(body, track, clip)})
        check_scaled(made[-1], where)
    return made


def _sounds(registry: Registry, scope: Scope, body: JSON, inputs: list[Input]) -> list[JSON]:
    """The clips of the audio tracks."""
    made = []
    for where, track, clip in _clips(body, "audio"):
        source = source_of(registry, scope, clip, where)
        if source.kind not in ("video", "audio"):
            raise InvalidRequest(f"{where} is {source.media_type}, which has no sound", field=source.field)
        need(inputs, source.id, "sound")
        made.append(timed(clip, source) | {"curves": automated(body, track, clip)})
    return made


def _window(clip: JSON, start_ms: int, end_ms: int) -> JSON | None:
    """The clip as it falls into a part of the timeline, timed from that part's start; None: it does not."""
    begins, ends = clip["start_ms"], clip["start_ms"] + clip["duration_ms"]
    if begins >= end_ms or ends <= start_ms:
        return None
    first, last = max(begins, start_ms), min(ends, end_ms)
    cut = clip | {
        "start_ms": first - start_ms,
        "in_ms": clip["in_ms"] + round((first - begins) * clip["speed"]),
        "duration_ms": last - first,
        "lead_ms": max(0, clip["lead_ms"] - (first - begins)),
        "tail_ms": max(0, clip["tail_ms"] - (ends - last)),
        "ramps": [[way, shape, a - start_ms, b - start_ms] for way, shape, a, b in clip["ramps"]],
        "curves": moved(clip["curves"], start_ms),
    }
    if last < ends:
        cut["out_ms"] = cut["in_ms"] + round(cut["duration_ms"] * clip["speed"])
    return cut


def _named(clip: JSON) -> Iterator[str]:
    """The ids of everything that a clip is made from."""
    blur = clip.get("face_blur") or {}
    ids = (clip["source_id"], clip.get("mask_artifact_id"), *(blur.get(key) for key in ("summary_id", "tracks_id")))
    yield from (id for id in (*ids, blur.get("mask_artifact_id")) if id is not None)


__all__ = ["Resolved", "has_video", "resolve"]
