"""Who is in a sampled frame, and where."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from deployments.engines.video_visual_meta.models import Subject
from deployments.errors import UndecodableMedia
from deployments.media.decoding import Batch
from deployments.operation import JSON, Inputs, Source

SMALLEST = 1e-6
"""Least area, as a share of the frame, of something that is seen."""
Found = Mapping[int, Sequence[Subject]]
"""Subjects by frame number, the primary one first."""


def from_detections(batch: Batch, detections: Sequence[np.ndarray], least: float) -> dict[int, list[Subject]]:
    """Faces of at least the confidence `least`."""
    found = {}
    for number, faces in zip(batch.numbers, detections, strict=True):
        sure = faces[faces[:, 4] >= least]
        boxes = batch.view.to_source(sure[:, :4])
        size = (batch.view.width, batch.view.height)
        found[number] = _ordered([_subject(box, face[4], size) for box, face in zip(boxes, sure, strict=True)])
    return found


def from_summary(
    inputs: Inputs, pts: Sequence[int], samples: Sequence[tuple[int, int]], size: tuple[int, int]
) -> dict[int, list[Subject]]:
    """The faces of a region summary: by its tracks of every frame, or, an older one's, by the sample before."""
    tracks = inputs.all("tracks")
    if tracks:
        return _from_tracks(tracks[0].json(), pts, samples)
    summary = inputs.one("summary")
    interval = summary.meta["frame_sample_interval_ms"]
    at: dict[int, list[Subject | None]] = {}
    for entry in summary.json()["entries"]:
        if entry.get("region", "face") == "face":
            box = _pixels(entry["box"], size) if "box" in entry else _around(inputs[entry["mask_artifact_id"]])
            subject = _subject(box, entry.get("confidence", 0.5), size, entry.get("track_id"))
            at.setdefault(entry["time_ms"], []).append(subject)
    return {frame: _ordered(at.get(time_ms // interval * interval, [])) for time_ms, frame in samples}


def _from_tracks(body: JSON, pts: Sequence[int], samples: Sequence[tuple[int, int]]) -> dict[int, list[Subject]]:
    number_of = {pts[frame]: frame for _, frame in samples}
    found: dict[int, list[Subject | None]] = {frame: [] for _, frame in samples}
    for track in body["tracks"]:
        for row in track["boxes"]:
            frame = number_of.get(row[0])
            if frame is not None and track["region"] == "face":
                subject = _subject(row[1:5], row[5], (body["width"], body["height"]), track["track_id"])
                found[frame].append(subject)
    return {frame: _ordered(subjects) for frame, subjects in found.items()}


def _pixels(box: Sequence[float], size: tuple[int, int]) -> list[float]:
    return [value * side for value, side in zip(box, size * 2, strict=True)]


def _around(mask: Source) -> list[float]:
    """The box x, y, w, h in pixels around what a mask selects."""
    try:
        with Image.open(io.BytesIO(mask.read()), formats=["PNG"]) as image:
            box = image.convert("L").point(lambda value: 255 * (value >= 128)).getbbox()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UndecodableMedia(f"the mask {mask.id} cannot be decoded") from error
    left, top, right, bottom = box or (0, 0, 0, 0)
    return [left, top, right - left, bottom - top]


def _subject(
    box: Sequence[float] | np.ndarray, confidence: float, size: tuple[int, int], track_id: int | None = None
) -> Subject | None:
    """The part of the box that lies in the frame; None where none does."""
    x, y, w, h = (float(value) for value in box)
    left, right = (min(max(edge / size[0], 0.0), 1.0) for edge in (x, x + w))
    top, bottom = (min(max(edge / size[1], 0.0), 1.0) for edge in (y, y + h))
    if (right - left) * (bottom - top) < SMALLEST:
        return None
    inside = tuple(round(value, 6) for value in (left, top, right - left, bottom - top))
    return Subject(label="face", box=inside, confidence=round(float(confidence), 4), track_id=track_id)


def _ordered(subjects: Sequence[Subject | None]) -> list[Subject]:
    """The largest first: that is the primary one."""
    seen = [subject for subject in subjects if subject is not None]
    return sorted(seen, key=lambda subject: (-subject.box[2] * subject.box[3], -subject.confidence, subject.box))


__all__ = ["Found", "from_detections", "from_summary"]
