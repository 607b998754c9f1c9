"""From tracks to what is kept: the summary, the tracks of every frame, and the masks of the sampled frames."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import overload

import cv2
import numpy as np
import numpy.typing as npt

from artifacts.canonical import digest
from deployments.operation import JSON, Side
from kernels.regions import Oval, draw, ovals, without
from kernels.tracks import POINTS, Track

REGION = "face"
PNG = [cv2.IMWRITE_PNG_COMPRESSION, 3]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Which frames there are, and which of them are sampled."""

    asset_id: str
    width: int
    """Of the decoded frames, in pixels."""
    height: int
    pts: Sequence[int]
    """Of every frame."""
    time_base: Fraction
    """Seconds a unit of pts."""
    times_ms: Sequence[float]
    """Of every frame, from the start of the container."""
    end_ms: float
    """When the last frame ends."""
    samples: Sequence[tuple[int, int]]
    """(time_ms, frame number)"""


@dataclass(frozen=True, slots=True)
class Seen:
    """A region in a sampled frame: of one face, or, the background, of all that are there."""

    region: str
    track_id: int | None
    time_ms: int
    box: tuple[float, float, float, float]
    """x, y, w, h in source pixels, inside the frame."""
    confidence: float
    ovals: tuple[Oval, ...]
    taken: tuple[Oval, ...] = ()
    """What is left out of it."""

    @property
    def name(self) -> str:
        return f"{self.region}/{self.track_id or 0}/{self.time_ms:06d}"


class Masks(Sequence[Side]):
    """One mask a region, drawn when it is asked for: a long clip's masks never lie in memory together."""

    def __init__(self, seen: Sequence[Seen], clip: Timeline, others: Sequence[Side]) -> None:
        self._seen, self._clip, self._others = seen, clip, others

    def __len__(self) -> int:
        return len(self._seen) + len(self._others)

    @overload
    def __getitem__(self, index: int) -> Side: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Side]: ...
    def __getitem__(self, index: int | slice) -> Side | Sequence[Side]:
        if isinstance(index, slice):
            return [self[n] for n in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        if number < len(self._seen):
            return mask_of(self._seen[number], self._clip)
        return self._others[number - len(self._seen)]


def mask_of(seen: Seen, clip: Timeline) -> Side:
    """The region as an 8-bit PNG of the source's size."""
    if seen.region == "background":
        drawn = 255 - draw(clip.width, clip.height, seen.ovals)
    else:
        drawn = without(draw(clip.width, clip.height, seen.ovals), draw(clip.width, clip.height, seen.taken))
    done, png = cv2.imencode(".png", drawn, PNG)
    assert done
    source = {
        "asset_id": clip.asset_id,
        "region": seen.region,
        "time_ms": seen.time_ms,
        "track_id": seen.track_id,
        "box": list(seen.box),
    }
    meta = {"width": clip.width, "height": clip.height, "feather": 0.0, "source": source}
    return Side(
        seen.name,
        "mask",
        "image/png",
        png.tobytes(),
        meta | {"selection_hash": digest(meta | {"ovals": [list(oval) for oval in (*seen.ovals, *seen.taken)]})},
        seen.time_ms,
        seen.time_ms,
    )


def sampled(tracks: Sequence[Track], clip: Timeline, regions: Sequence[str]) -> list[Seen]:
    """The regions of the sampled frames, by time, region and track; what lies outside the frame is not there."""
    found = []
    for time_ms, frame in clip.samples:
        faces = [
            (track_id, track, frame - track.first)
            for track_id, track in enumerate(tracks, start=1)
            if track.first <= frame <= track.last
        ]
        for region in regions:
            if region == "background":
                found.append(_background(faces, time_ms, clip))
                continue
            found += [seen for face in faces if (seen := _of_face(region, *face, time_ms, clip)) is not None]
    return found


def _of_face(region: str, track_id: int, track: Track, n: int, time_ms: int, clip: Timeline) -> Seen | None:
    """A region of one face; None where it is outside the frame, or where the landmarks it needs are not known."""
    face = _inside(track.boxes[n], clip)
    if face is None:
        return None
    confidence = _share(track.confidence[n])
    if region == "face":
        return Seen(region, track_id, time_ms, face, confidence, tuple(ovals(region, face, np.zeros((0, 2)))))
    points = _pixels(track, n)
    if not np.isfinite(points).all():
        return None
    shapes = tuple(ovals(region, face, points))
    if region == "skin":
        taken = (*ovals("eyes", face, points), *ovals("mouth", face, points))
        return Seen(region, track_id, time_ms, face, confidence, shapes, taken)
    edges = np.array([shape.bounds() for shape in shapes])
    low = edges[:, :2].min(axis=0)
    box = _inside(np.concatenate([low, (edges[:, :2] + edges[:, 2:]).max(axis=0) - low]), clip)
    return None if box is None else Seen(region, track_id, time_ms, box, confidence, shapes)


def _pixels(track: Track, n: int) -> npt.NDArray[np.float64]:
    """[5, 2] landmarks in source pixels; NaN where there are none."""
    if not len(track.points):
        return np.full((POINTS, 2), np.nan)
    points: npt.NDArray[np.float64] = track.boxes[n, :2] + track.points[n] * track.boxes[n, 2:]
    return points.round(1)


def _background(faces: Sequence[tuple[int, Track, int]], time_ms: int, clip: Timeline) -> Seen:
    """All but the faces, as sure as the least sure of them."""
    boxes = [box for _, track, n in faces if (box := _inside(track.boxes[n], clip)) is not None]
    shapes = tuple(oval for box in boxes for oval in ovals("background", box, np.zeros((0, 2))))
    confidence = min((_share(track.confidence[n]) for _, track, n in faces), default=1.0)
    return Seen("background", None, time_ms, (0.0, 0.0, clip.width, clip.height), confidence, shapes)


def _inside(box: npt.ArrayLike, clip: Timeline) -> tuple[float, float, float, float] | None:
    """The part of a box that lies in the frame, to a tenth of a pixel; None where there is none to speak of."""
    x, y, w, h = np.asarray(box, np.float64)
    left, right = np.clip([x, x + w], 0, clip.width)
    top, bottom = np.clip([y, y + h], 0, clip.height)
    if right - left < 0.5 or bottom - top < 0.5:
        return None
    return _tenth(left), _tenth(top), _tenth(right - left), _tenth(bottom - top)


def entry(seen: Seen, mask_id: str, clip: Timeline) -> JSON:
    sides = (clip.width, clip.height) * 2
    return {
        "time_ms": seen.time_ms,
        "region": seen.region,
        "mask_artifact_id": mask_id,
        "box": [round(value / side, 6) for value, side in zip(seen.box, sides, strict=True)],
        "confidence": seen.confidence,
        "track_id": seen.track_id,
    }


def overview(tracks: Sequence[Track], clip: Timeline, thumbnails: Mapping[int, str]) -> list[JSON]:
    """One line a track; its end is that of its last frame. thumbnails: track -> artifact, where there is one."""
    ends = [*clip.times_ms[1:], clip.end_ms]
    return [
        {
            "track_id": track_id,
            "region": REGION,
            "start_ms": round(clip.times_ms[track.first]),
            "end_ms": round(ends[track.last]),
            "frames": len(track.boxes),
            "confidence": _share(track.confidence[track.detected].mean()),
            "thumbnail_artifact_id": thumbnails.get(track_id),
        }
        for track_id, track in enumerate(tracks, start=1)
    ]


def tracks_side(tracks: Sequence[Track], clip: Timeline, meta: JSON) -> Side:
    """Every box of every track: rows of pts, x, y, w, h in decoded pixels, confidence, and 1 where it was detected."""
    body = {
        "asset_id": clip.asset_id,
        "width": clip.width,
        "height": clip.height,
        "time_base": [clip.time_base.numerator, clip.time_base.denominator],
        "start": clip.pts[0] - round(Fraction(clip.times_ms[0]) / 1000 / clip.time_base),
        "tracks": [
            {
                "track_id": track_id,
                "region": REGION,
                "boxes": [
                    [clip.pts[track.first + n], *map(_tenth, box), _share(confidence), int(detected)]
                    for n, (box, confidence, detected) in enumerate(
                        zip(track.boxes, track.confidence, track.detected, strict=True)
                    )
                ],
            }
            for track_id, track in enumerate(tracks, start=1)
        ],
    }
    about = {"width": clip.width, "height": clip.height, "tracks_count": len(tracks)}
    return Side("face_tracks", "face_tracks", "application/json", dumps(body), meta | about, 0, round(clip.end_ms))


def dumps(value: JSON) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _tenth(value: float) -> float:
    return round(float(value), 1)


def _share(value: float) -> float:
    return round(float(value), 4)


__all__ = ["Masks", "Seen", "Timeline", "dumps", "entry", "mask_of", "overview", "sampled", "tracks_side"]
