"""The routes of projects and sequences: one table, each row with an example."""

from __future__ import annotations

from deployments.answers import Filters, Project, Sequence
from deployments.route import Route
from deployments.timeline import handlers
from deployments.timeline.models import SequenceRequest
from deployments.timeline.requests import (
    AutomationRequest,
    ClipPatch,
    ClipRequest,
    FiltersRequest,
    MoveRequest,
    ProjectRequest,
    SplitRequest,
    TrackRequest,
    TransitionRequest,
    TrimRequest,
)

_ID = {"id": "sequence_aaaaaaaa"}
_CLIP_ID = {"id": "clip_aaaaaaaa"}
_TARGET = {"target_type": "clip", "target_id": "clip_aaaaaaaa"}
_CLIP = {"asset_id": "asset_aaaaaaaa", "in_ms": 500, "out_ms": 2500}
_OVERLAY = {"kind": "overlay", "clips": [{"artifact_id": "image_aaaaaaaa", "position": [16, 16], "scale": 0.25}]}
_DISSOLVE = {
    "kind": "crossfade", "from_clip_id": "clip_aaaaaaaa", "to_clip_id": "clip_bbbbbbbb", "duration_ms": 500
}  # fmt: skip
_BLUR = {"type": "face_blur", "params": {"source_summary_id": "summary_aaaaaaaa"}, "mask_artifact_id": "mask_aaaaaaaa"}
_FADE = {
    "target_id": "clip_aaaaaaaa",
    "property": "opacity",
    "keyframes": [{"ms": 0, "value": 0, "easing": "linear"}, {"ms": 500, "value": 1}],
}

ROUTES = (
    Route(
        "POST",
        "/video/projects",
        handlers.create_project,
        "Make a project",
        body=ProjectRequest,
        example={"name": "A day at the beach"},
        headers=("Idempotency-Key",),
        answer=Project,
        status=201,
    ),
    Route(
        "GET",
        "/video/projects/{id}",
        handlers.get_project,
        "A project, its version as ETag",
        params={"id": "project_aaaaaaaa"},
        answer=Project,
    ),
    Route(
        "POST",
        "/video/sequences",
        handlers.create_sequence,
        "Make a sequence",
        body=SequenceRequest,
        example={"tracks": [{"kind": "video", "clips": [_CLIP, _CLIP]}]},
        headers=("Idempotency-Key",),
        answer=Sequence,
        status=201,
    ),
    Route(
        "GET",
        "/video/sequences/{id}",
        handlers.get_sequence,
        "A sequence, its version as ETag",
        params=_ID,
        headers=("If-None-Match",),
        answer=Sequence,
    ),
    Route(
        "POST",
        "/video/sequences/{id}/tracks",
        handlers.add_track,
        "Put a track over the others",
        body=TrackRequest,
        params=_ID,
        example=_OVERLAY,
        headers=("Idempotency-Key",),
        answer=Sequence,
    ),
    Route(
        "POST",
        "/video/sequences/{id}/transitions",
        handlers.add_transition,
        "Put a transition between two clips",
        body=TransitionRequest,
        params=_ID,
        example=_DISSOLVE,
        headers=("Idempotency-Key",),
        answer=Sequence,
    ),
    Route(
        "POST",
        "/video/tracks/{id}/clips",
        handlers.add_clip,
        "Put a clip on a track",
        body=ClipRequest,
        params={"id": "track_aaaaaaaa"},
        example=_CLIP,
        headers=("Idempotency-Key",),
        answer=Sequence,
    ),
    Route(
        "PATCH",
        "/video/clips/{id}",
        handlers.patch_clip,
        "Change fields of a clip; null gives a field its default back",
        body=ClipPatch,
        params=_CLIP_ID,
        example={"opacity": 0.5, "volume_db": -6},
        if_match=True,
        answer=Sequence,
    ),
    Route(
        "DELETE",
        "/video/clips/{id}",
        handlers.delete_clip,
        "Take a clip away",
        params=_CLIP_ID,
        if_match=True,
        answer=Sequence,
    ),
    Route(
        "POST",
        "/video/clips/{id}/trim",
        handlers.trim_clip,
        "Give a clip new ends",
        body=TrimRequest,
        params=_CLIP_ID,
        example={"in_ms": 600, "out_ms": 2400},
        headers=("Idempotency-Key",),
        answer=Sequence,
    ),
    Route(
        "POST",
        "/video/clips/{id}/split",
        handlers.split_clip,
        "Make two clips of one",
        body=SplitRequest,
        params=_CLIP_ID,
        example={"at_ms": 1000},
        headers=("Idempotency-Key",),
        answer=Sequence,
    ),
    Route(
        "POST",
        "/video/clips/{id}/move",
        handlers.move_clip,
        "Move a clip in time or to another track",
        body=MoveRequest,
        params=_CLIP_ID,
        example={"track_id": "track_aaaaaaaa", "start_ms_on_timeline": 250},
        headers=("Idempotency-Key",),
        answer=Sequence,
    ),
    Route(
        "GET",
        "/video/filter-stacks/{target_type}/{target_id}",
        handlers.get_filters,
        "The filters of a clip, track, sequence",
        params=_TARGET,
        answer=Filters,
    ),
    Route(
        "PUT",
        "/video/filter-stacks/{target_type}/{target_id}",
        handlers.put_filters,
        "Set the filters, in order",
        body=FiltersRequest,
        params=_TARGET,
        example={"filters": [_BLUR]},
        if_match=True,
        answer=Sequence,
    ),
    Route(
        "POST",
        "/video/automation",
        handlers.put_automation,
        "Set the keyframes of a property",
        body=AutomationRequest,
        example=_FADE,
        headers=("Idempotency-Key",),
        answer=Sequence,
    ),
)

__all__ = ["ROUTES"]
