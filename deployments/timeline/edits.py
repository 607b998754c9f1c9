"""Changes of a stored sequence: each one step from a version to the next, by compare-and-swap."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from typing import Any

from artifacts import Registry, Scope
from artifacts.documents import Document
from artifacts.errors import NotFound
from deployments.errors import InvalidRequest
from deployments.operation import JSON
from deployments.timeline import sequences, sources
from deployments.timeline.cutting import halves
from deployments.timeline.models import Clip, Filter, Track, Transition
from deployments.timeline.requests import AutomationRequest, MoveRequest, SplitRequest, TrimRequest

KEPT_KEYS = 100
"""Idempotency keys that a sequence remembers, the newest."""
Change = Callable[[JSON], None]


def edit(
    registry: Registry, scope: Scope, id: str, change: Change, expected: int | None = None, key: str | None = None
) -> Document:
    """The sequence after the change. `key`: an idempotency key; one that was seen before changes nothing.

    Raises NotFound, and VersionConflict where another version is `expected`.
    """
    said = None if key is None else hashlib.sha256(key.encode()).hexdigest()[:32]
    present = sequences.get(registry, scope, id)
    if said is not None and said in present.body.get("keys", ()):
        return present

    def apply(body: JSON | None) -> JSON:
        if body is None:
            raise NotFound
        if said is not None:
            if said in body.get("keys", ()):
                return body
            body["keys"] = [*body.get("keys", []), said][-KEPT_KEYS:]
        change(body)
        body["duration_ms"] = sequences.duration(body["tracks"])
        return body

    return registry.documents.update(scope, sequences.TYPE, id, apply, expected=expected)


def clip_of(body: JSON, id: str) -> tuple[JSON, JSON]:
    """(track, clip); NotFound."""
    for track, clip in sequences.clips_of(body):
        if clip["id"] == id:
            return track, clip
    raise NotFound


def track_of(body: JSON, id: str) -> JSON:
    """NotFound."""
    for track in body["tracks"]:
        if track["id"] == id:
            found: JSON = track
            return found
    raise NotFound


def add_clip(registry: Registry, scope: Scope, track_id: str, clip: Clip) -> Change:
    def change(body: JSON) -> None:
        track = track_of(body, track_id)
        after = max((sequences.clip_end(item) or 0 for item in track["clips"]), default=0)
        stored = sequences.stored(registry, scope, Track(kind=track["kind"]), clip, after, "")
        track["clips"].append({"id": sequences.next_id(body, "clip"), **stored})

    return change


def patch_clip(registry: Registry, scope: Scope, id: str, fields: JSON) -> Change:
    """Fields of a Clip; null gives a field its default back."""

    def change(body: JSON) -> None:
        track, clip = clip_of(body, id)
        _replace(registry, scope, track, clip, fields)

    return change


def delete_clip(id: str) -> Change:
    """The clip, and the transitions and automation that name it."""

    def change(body: JSON) -> None:
        track, clip = clip_of(body, id)
        track["clips"].remove(clip)
        ends = ("from_clip_id", "to_clip_id")
        body["transitions"] = [row for row in body["transitions"] if id not in (row[end] for end in ends)]
        body["automation"] = [row for row in body["automation"] if row["target_id"] != id]

    return change


def trim(registry: Registry, scope: Scope, id: str, request: TrimRequest) -> Change:
    """New ends in the source; what is still shown stays where it is on the timeline."""

    def change(body: JSON) -> None:
        track, clip = clip_of(body, id)
        in_ms = clip["in_ms"] if request.in_ms is None else request.in_ms
        start = clip["start_ms_on_timeline"] + round((in_ms - clip["in_ms"]) / clip["speed"])
        if start < 0:
            raise InvalidRequest("in_ms would put the clip's start before the timeline's; move it first", field="in_ms")
        said = {"in_ms": in_ms, "start_ms_on_timeline": start}
        _replace(registry, scope, track, clip, said | ({} if request.out_ms is None else {"out_ms": request.out_ms}))

    return change


def split(id: str, request: SplitRequest) -> Change:
    """Two clips of one, at a time of the timeline. The second one gets a new id, the transition out, the fade of the
    sound at the end and the keyframes from there on, so that both show and sound as the one did."""

    def change(body: JSON) -> None:
        track, clip = clip_of(body, id)
        start, end = clip["start_ms_on_timeline"], sequences.clip_end(clip)
        if not start < request.at_ms or (end is not None and request.at_ms >= end):
            raise InvalidRequest(
                f"at_ms is {request.at_ms}, and the clip lasts from {start} to {'the end' if end is None else end}",
                field="at_ms",
            )
        cut = clip["in_ms"] + round((request.at_ms - start) * clip["speed"])
        second = clip | {
            "id": sequences.next_id(body, "clip"), "in_ms": cut, "start_ms_on_timeline": request.at_ms,
            "audio_fade_in_ms": 0, "filters": copy.deepcopy(clip["filters"]),
        }  # fmt: skip
        clip["out_ms"] = cut
        clip["audio_fade_out_ms"] = 0
        track["clips"].insert(track["clips"].index(clip) + 1, second)
        for row in body["transitions"]:
            if row["from_clip_id"] == id:
                row["from_clip_id"] = second["id"]
        for row in [row for row in body["automation"] if row["target_id"] == id]:
            row["keyframes"], rest = halves(row["keyframes"], request.at_ms - start)
            body["automation"].append(row | {"target_id": second["id"], "keyframes": rest})

    return change


def move(registry: Registry, scope: Scope, id: str, request: MoveRequest) -> Change:
    """Another time, another track of the same sequence, or both."""

    def change(body: JSON) -> None:
        track, clip = clip_of(body, id)
        if request.start_ms_on_timeline is not None:
            clip["start_ms_on_timeline"] = request.start_ms_on_timeline
        if request.track_id is not None and request.track_id != track["id"]:
            try:
                target = track_of(body, request.track_id)
            except NotFound as error:
                raise NotFound(error.message, "track_id") from None
            track["clips"].remove(clip)
            target["clips"].append(clip)
            _replace(registry, scope, target, clip, {})

    return change


def add_transition(request: Transition) -> Change:
    """Between two clips of one video track, one after the other."""

    def change(body: JSON) -> None:
        ends = {field: getattr(request, field) for field in ("from_clip_id", "to_clip_id")}
        for field, id in ends.items():
            try:
                clip_of(body, id)
            except NotFound as error:
                raise NotFound(error.message, field) from None
        sequences.check_ends(body, ends)
        body["transitions"].append({"id": sequences.next_id(body, "transition"), **request.model_dump()})

    return change


def target(body: JSON, kind: str, id: str) -> JSON:
    """What carries a filter stack: a clip, a track or the sequence itself. NotFound."""
    if kind == "clip":
        return clip_of(body, id)[1]
    if kind == "track":
        return track_of(body, id)
    if kind == "sequence" and id == body["id"]:
        return body
    raise NotFound


def put_filters(registry: Registry, scope: Scope, kind: str, id: str, filters: list[Filter]) -> Change:
    def change(body: JSON) -> None:
        holder = target(body, kind, id)
        sources.check_filters(registry, scope, filters)
        holder["filters"] = [item.model_dump(exclude_none=True) for item in filters]

    return change


def put_automation(request: AutomationRequest) -> Change:
    """Keyframes of one property, instead of those that were there; none: it is no longer automated."""

    def change(body: JSON) -> None:
        ids = {body["id"], *(track["id"] for track in body["tracks"]), *(c["id"] for _, c in sequences.clips_of(body))}
        if request.target_id not in ids:
            raise NotFound(field="target_id")
        same = (request.target_id, request.property)
        body["automation"] = [row for row in body["automation"] if (row["target_id"], row["property"]) != same]
        if request.keyframes:
            rows = sorted(request.keyframes, key=lambda row: row.ms)
            body["automation"].append(
                {
                    "target_id": request.target_id,
                    "property": request.property,
                    "keyframes": [row.model_dump(mode="json", exclude_none=True) for row in rows],
                }
            )

    return change


def _replace(registry: Registry, scope: Scope, track: JSON, clip: JSON, fields: dict[str, Any]) -> None:
    said = {key: value for key, value in clip.items() if key != "id"} | fields
    if fields.get("asset_id"):
        said.pop("artifact_id", None)
    if fields.get("artifact_id"):
        said.pop("asset_id", None)
    wanted = Clip.model_validate({key: value for key, value in said.items() if value is not None})
    made = sequences.stored(registry, scope, Track(kind=track["kind"]), wanted, clip["start_ms_on_timeline"], "")
    id = clip["id"]
    clip.clear()
    clip.update({"id": id, **made})


__all__ = [
    "add_clip",
    "add_transition",
    "clip_of",
    "delete_clip",
    "edit",
    "move",
    "patch_clip",
    "put_automation",
    "put_filters",
    "split",
    "target",
    "track_of",
    "trim",
]
