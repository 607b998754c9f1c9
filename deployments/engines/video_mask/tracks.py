"""The faces of a face_tracks artifact at one moment: for any frame, not for samples alone. Light."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from itertools import pairwise
from statistics import median

from deployments.engines.video_regions.models import FaceTracks

Box = tuple[float, float, float, float]
"""x, y, w, h in pixels of the decoded frame."""


def boxes_at(tracks: FaceTracks, time_ms: int, track_ids: Collection[int] | None) -> list[Box]:
    """The boxes of the frame on screen at time_ms, counted from the container's start: between rows that were taken out
    a box moves evenly. track_ids None: of all tracks."""
    at = tracks.start + Fraction(time_ms, 1000) / Fraction(*tracks.time_base)
    known = sorted({int(row[0]) for track in tracks.tracks for row in track.boxes})
    step = median(b - a for a, b in pairwise(known)) if len(known) > 1 else 1
    before = max((pts for pts in known if pts <= at), default=None)
    if before is not None and at - before < step:
        at = Fraction(before)
    wanted = (track for track in tracks.tracks if track_ids is None or track.track_id in track_ids)
    found = (_at(track.boxes, at) for track in wanted if track.region == "face")
    return [box for box in found if box is not None]


def _at(rows: list[list[float]], at: Fraction) -> Box | None:
    """None outside the track, and where its box has no size."""
    first = max((row for row in rows if row[0] <= at), key=lambda row: row[0], default=None)
    second = min((row for row in rows if row[0] >= at), key=lambda row: row[0], default=None)
    if first is None or second is None:
        return None
    share = float((at - Fraction(first[0])) / (Fraction(second[0]) - Fraction(first[0]))) if second[0] > first[0] else 0
    x, y, w, h = (a + (b - a) * share for a, b in zip(first[1:5], second[1:5], strict=True))
    return (x, y, w, h) if w > 0 and h > 0 else None


__all__ = ["boxes_at"]
