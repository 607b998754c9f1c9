"""From tracks to what is kept: the summary, the tracks of every frame, and the masks of the sampled frames."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import overload

import cv2
import numpy as np

from artifacts.canonical import digest
from deployments.operation import JSON, Side
from kernels.faces import Track, ellipse_mask

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
    """A face in a sampled frame."""

    track_id: int
    time_ms: int
    box: tuple[float, float, float, float]
    """x, y, w, h in source pixels, inside the frame."""
    confidence: float

    @property
    def name(self) -> str:
        return f"{REGION}/{self.track_id}/{self.time_ms:06d}"


class Masks(Sequence[Side]):
    """One mask a sampled face, drawn when it is asked for: a long clip's masks never lie in memory together."""

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
    """The ellipse in the face's box as an 8-bit PNG of the source's size."""
    done, png = cv2.imencode(".png", ellipse_mask(clip.width, clip.height, seen.box), PNG)
    assert done
    source = {
        "asset_id": clip.asset_id,
        "region": REGION,
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
        meta | {"selection_hash": digest(meta)},
        seen.time_ms,
        seen.time_ms,
    )


def sampled(tracks: Sequence[Track], clip: Timeline) -> list[Seen]:
    """The faces of the sampled frames, by time and track; a face outside the frame is not one."""
    found = []
    for time_ms, frame in clip.samples:
        for track_id, track in enumerate(tracks, start=1):
            if not track.first <= frame <= track.last:
                continue
            x, y, w, h = track.boxes[frame - track.first]
            left, right = np.clip([x, x + w], 0, clip.width)
            top, bottom = np.clip([y, y + h], 0, clip.height)
            if right - left < 0.5 or bottom - top < 0.5:
                continue
            box = (_tenth(left), _tenth(top), _tenth(right - left), _tenth(bottom - top))
            found.append(Seen(track_id, time_ms, box, _share(track.confidence[frame - track.first])))
    return found


def entry(seen: Seen, mask_id: str, clip: Timeline) -> JSON:
    sides = (clip.width, clip.height) * 2
    return {
        "time_ms": seen.time_ms,
        "region": REGION,
        "mask_artifact_id": mask_id,
        "box": [round(value / side, 6) for value, side in zip(seen.box, sides, strict=True)],
        "confidence": seen.confidence,
        "track_id": seen.track_id,
    }


def overview(tracks: Sequence[Track], clip: Timeline) -> list[JSON]:
    """One line a track; its end is that of its last frame."""
    ends = [*clip.times_ms[1:], clip.end_ms]
    return [
        {
            "track_id": track_id,
            "region": REGION,
            "start_ms": round(clip.times_ms[track.first]),
            "end_ms": round(ends[track.last]),
            "frames": len(track.boxes),
            "confidence": _share(track.confidence[track.detected].mean()),
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
