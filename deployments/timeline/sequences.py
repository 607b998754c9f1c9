"""Sequences as documents of the registry. A body is JSON:

    {id, project_id?, render_profile, duration_ms, tracks: [{id, kind, clips: [{id, …}]}], transitions, automation,
     made}

Times are resolved when a clip is stored, so a stored clip always has in_ms and start_ms_on_timeline, and out_ms unless
it is a still picture on an overlay track, which stays to the end. `made` counts the sub-ids and is never shown.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence

from artifacts import Registry, Scope
from artifacts.canonical import make_id
from artifacts.documents import Document
from artifacts.errors import NotFound
from configs.profiles import profiles
from deployments.errors import InvalidRequest, UnknownPreset
from deployments.operation import JSON
from deployments.timeline import projects, sources
from deployments.timeline.models import Clip, SequenceBody, SequenceRequest, Track

TYPE = "sequences"
HIDDEN = ("made", "keys", "anonymised")
"""What a body keeps and the wire does not show. `keys`: idempotency keys seen. `anonymised`: the summaries
by which its faces were hidden, so that a render is searched even where nothing was found."""
STILL_MS = 5000
"""How long a still picture stays on a video track, when its clip does not say."""
SUB_DIGITS = 6
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
SHOWS = {"video": ("video", "image"), "overlay": ("video", "image"), "audio": ("audio", "video")}
"""Track kind -> what its clips may be."""


def new_id(scope: Scope, idempotency_key: str | None = None) -> str:
    """An id for a new sequence; with an idempotency key the same one each time."""
    return make_id("sequence", [scope.tenant, scope.env], "new", idempotency_key or secrets.token_hex(16))


def id_of_asset(scope: Scope, asset_id: str) -> str:
    """The id of an asset's own sequence."""
    return make_id("sequence", [scope.tenant, scope.env], "asset", asset_id)


def sub_id(prefix: str, sequence_id: str, number: int) -> str:
    """The id of a track or clip: the sequence's, and a number."""
    digits = "".join(_BASE32[number >> 5 * place & 31] for place in reversed(range(SUB_DIGITS)))
    return f"{prefix}_{sequence_id.partition('_')[2]}{digits}"


def sequence_of(id: str) -> str:
    """The sequence that a track's or clip's id lies in."""
    return f"sequence_{id.partition('_')[2][:-SUB_DIGITS]}"


def get(registry: Registry, scope: Scope, id: str) -> Document:
    """Raises NotFound."""
    document = registry.documents.get(scope, TYPE, id)
    if document is None:
        raise NotFound
    return document


def shown(document: Document) -> JSON:
    """The wire's Sequence."""
    return {key: value for key, value in document.body.items() if key not in HIDDEN} | {"version": document.version}


def create(registry: Registry, scope: Scope, id: str, request: SequenceRequest) -> Document:
    """Make the document; one that is there already stays as it is."""
    if request.render_profile not in profiles():
        raise UnknownPreset(
            f"there is no render profile {request.render_profile!r}; there are {', '.join(profiles())}",
            field="render_profile",
        )
    if request.project_id is not None and registry.documents.get(scope, projects.TYPE, request.project_id) is None:
        raise NotFound(field="project_id")
    body = build(registry, scope, id, request)
    body["render_profile"] = request.render_profile
    if request.project_id is not None:
        body["project_id"] = request.project_id
    made = registry.documents.update(scope, TYPE, id, lambda old: old or body)
    if request.project_id is not None:
        projects.add_sequence(registry, scope, request.project_id, id)
    return made


def of_asset(registry: Registry, scope: Scope, asset_id: str) -> JSON:
    """The body that an asset's own sequence begins with: one clip, the whole of it."""
    request = SequenceBody(tracks=[Track(kind="video", clips=[Clip(asset_id=asset_id)])])
    return build(registry, scope, id_of_asset(scope, asset_id), request)


def build(registry: Registry, scope: Scope, id: str, request: SequenceRequest | SequenceBody, where: str = "") -> JSON:
    """A body from a request: ids given, times resolved, every source looked up. `where`: the request's JSON path, with
    a dot behind it.

    Raises NotFound, and InvalidRequest naming the field.
    """
    body: JSON = {
        "id": id,
        "render_profile": "source",
        "duration_ms": 0,
        "tracks": [],
        "transitions": [],
        "automation": [],
        "made": 0,
    }
    names: dict[str, str] = {}
    for number, track in enumerate(request.tracks):
        _add(body, registry, scope, track, names, f"{where}tracks[{number}].")
    for number, transition in enumerate(request.transitions):
        for field in ("from_clip_id", "to_clip_id"):
            if getattr(transition, field) not in names:
                raise InvalidRequest(
                    f"{getattr(transition, field)!r} is no clip of this request; give the clip an `id` and name that",
                    field=f"{where}transitions[{number}].{field}",
                )
        ends = {"from_clip_id": names[transition.from_clip_id], "to_clip_id": names[transition.to_clip_id]}
        check_ends(body, ends, f"{where}transitions[{number}].")
        body["transitions"].append({"id": next_id(body, "transition"), **transition.model_dump(), **ends})
    body["duration_ms"] = duration(body["tracks"])
    return body


def check_ends(body: JSON, ends: Mapping[str, str], where: str = "") -> None:
    """InvalidRequest for a transition that does not lead from one clip to another of the same track, or on a track
    whose clips lie over others, or are only heard. `ends` are clips of the body."""
    tracks = {clip["id"]: track for track, clip in clips_of(body)}
    first, second = (tracks[ends[name]] for name in ("from_clip_id", "to_clip_id"))
    if first["id"] != second["id"] or ends["from_clip_id"] == ends["to_clip_id"]:
        raise InvalidRequest(
            "a transition leads from one clip to another of the same track", field=f"{where}to_clip_id"
        )
    track_kind, field = first["kind"], f"{where}from_clip_id"
    if track_kind != "video":
        raise InvalidRequest(
            f"transitions lead between clips of video tracks, and this clip is on a track of kind {track_kind}; "
            "automate its opacity or volume_db instead",
            field=field,
        )


def track_added(registry: Registry, scope: Scope, track: Track) -> Callable[[JSON], None]:
    """The change that puts a track over the others."""
    return lambda body: _add(body, registry, scope, track, {}, "")


def clips_of(body: JSON) -> Iterator[tuple[JSON, JSON]]:
    """(track, clip) of each clip, from the bottom track up."""
    for track in body["tracks"]:
        for clip in track["clips"]:
            yield track, clip


def clip_end(clip: JSON) -> int | None:
    """When the clip ends on the timeline, in ms; None where it stays to the sequence's end."""
    if clip.get("out_ms") is None:
        return None
    lasts: int = round((clip["out_ms"] - clip["in_ms"]) / clip["speed"])
    return int(clip["start_ms_on_timeline"]) + lasts


def duration(tracks: Sequence[JSON]) -> int:
    """The end of the last clip that has one, in ms."""
    ends = [clip_end(clip) for track in tracks for clip in track["clips"]]
    return max((end for end in ends if end is not None), default=0)


def _add(body: JSON, registry: Registry, scope: Scope, track: Track, names: dict[str, str], where: str) -> None:
    made: JSON = {"id": next_id(body, "track"), "kind": track.kind, "clips": []}
    if track.filters:
        sources.check_filters(registry, scope, track.filters, where.removesuffix("."))
        made["filters"] = [item.model_dump(exclude_none=True) for item in track.filters]
    after = 0
    for number, clip in enumerate(track.clips):
        kept = stored(registry, scope, track, clip, after, f"{where}clips[{number}]")
        kept = {"id": next_id(body, "clip")} | kept
        if clip.id in names:
            at = f"{where}clips[{number}].id"
            raise InvalidRequest(f"{at}: another clip of this request is called {clip.id!r}", field=at)
        if clip.id is not None:
            names[clip.id] = kept["id"]
        made["clips"].append(kept)
        after = clip_end(kept) or 0
    body["tracks"].append(made)


def next_id(body: JSON, prefix: str) -> str:
    """The id of a new track, clip or transition."""
    body["made"] += 1
    return sub_id(prefix, body["id"], body["made"])


def stored(registry: Registry, scope: Scope, track: Track, clip: Clip, after: int, where: str) -> JSON:
    """A clip as it is kept, but for its id. `after`: where it starts by default; where: its JSON path, may be empty.

    Raises NotFound, and InvalidRequest naming the field.
    """
    kind, length = sources.source(registry, scope, clip, where)
    if kind not in SHOWS[track.kind]:
        field = sources.path(where, "artifact_id" if clip.asset_id is None else "asset_id")
        shows = " or ".join(SHOWS[track.kind])
        raise InvalidRequest(f"{field} is of kind {kind}, and a track of kind {track.kind} takes {shows}", field=field)
    out_ms = length if clip.out_ms is None else clip.out_ms
    if length is not None and (clip.in_ms >= length or (clip.out_ms or 0) > length):
        field = "in_ms" if clip.in_ms >= length else "out_ms"
        raise InvalidRequest(
            f"{sources.path(where, field)} is {getattr(clip, field)}, and the source lasts {length} ms",
            field=sources.path(where, field),
        )
    if kind == "image" and out_ms is None and track.kind == "video":
        out_ms = clip.in_ms + STILL_MS
    if clip.mask_artifact_id is not None:
        sources.check_mask(registry, scope, clip.mask_artifact_id, sources.path(where, "mask_artifact_id"))
    sources.check_filters(registry, scope, clip.filters, where)
    start = clip.start_ms_on_timeline
    if start is None:
        start = 0 if track.kind == "overlay" else after
    said = clip.model_dump(exclude={"id"}) | {"out_ms": out_ms, "start_ms_on_timeline": start}
    said["filters"] = [item.model_dump(exclude_none=True) for item in clip.filters]
    for name in ("position", "crop"):
        if said[name] is not None:
            said[name] = list(said[name])
    return {key: value for key, value in said.items() if value is not None}


__all__ = [
    "TYPE",
    "build",
    "check_ends",
    "clip_end",
    "clips_of",
    "create",
    "duration",
    "get",
    "id_of_asset",
    "new_id",
    "next_id",
    "of_asset",
    "sequence_of",
    "shown",
    "stored",
    "sub_id",
    "track_added",
]
