"""The worst frames that a proof saw, as pictures for people to look at: faces left, faces covered, and artefacts.

They are of the finished file, so a report shows nothing that the render does not show.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import accumulate

import av
import cv2
import numpy as np

from deployments.engines.video_render.segments import Segment, frames_of
from deployments.errors import UndecodableMedia
from deployments.operation import JSON, Side, Stopped

MOST = {"residual": 8, "repaired": 4, "artefacts": 4}
"""Kind of hit -> most pictures of it, the worst kind first."""
APART_MS = 1000
"""Hits of a kind that are closer than this are likely of one face: the surest is shown."""
SIDE = 640
"""Longest side of a picture, in pixels; smaller frames are not enlarged."""
COLORS = {"residual": (40, 40, 230), "repaired": (40, 160, 240), "artefacts": (200, 160, 40)}
"""BGR of the frame around a hit."""
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 85]


def rows(said: JSON) -> list[JSON]:
    """The hits that are shown, of what was said of all segments: `kind` beside what the hit's row says. Of each kind
    the surest, no two within APART_MS."""
    chosen: list[JSON] = []
    for kind, most in MOST.items():
        own: list[JSON] = []
        for row in sorted(said[kind]["rows"], key=lambda row: (-row["confidence"], row["frame"], row["box"])):
            if len(own) < most and all(abs(row["time_ms"] - other["time_ms"]) >= APART_MS for other in own):
                own.append({"kind": kind} | row)
        chosen += own
    return chosen


def name(number: int) -> str:
    return f"proof/worst/{number}"


def pictures(shown: Sequence[JSON], segments: Sequence[Segment], threads: int, stop: threading.Event) -> list[Side]:
    """A `thumbnail` of each of `rows`, in their order: the whole frame, all that is shown of it framed.

    Raises UndecodableMedia, Stopped.
    """
    firsts = [0, *accumulate(len(segment.pts) for segment in segments)]
    made: dict[int, Side] = {}
    for segment, first, after in zip(segments, firsts, firsts[1:], strict=False):
        wanted = sorted({row["frame"] - first for row in shown if first <= row["frame"] < after})
        if wanted and stop.is_set():
            raise Stopped
        for number, frame in _read(segment, wanted, threads):
            here = [n for n, row in enumerate(shown) if row["frame"] == first + number]
            made |= {n: _side(frame, [shown[m] for m in here], n, shown[n]["time_ms"]) for n in here}
    return [made[n] for n in range(len(shown))]


def _read(segment: Segment, numbers: Sequence[int], threads: int) -> Iterator[tuple[int, av.VideoFrame]]:
    try:
        yield from frames_of(segment.path, numbers, threads)
    except av.FFmpegError as error:
        raise UndecodableMedia("the finished file cannot be read again") from error


def _side(frame: av.VideoFrame, hits: Sequence[JSON], number: int, time_ms: int) -> Side:
    scale = min(1.0, SIDE / max(frame.width, frame.height))
    width, height = (max(1, round(side * scale)) for side in (frame.width, frame.height))
    small = frame.to_ndarray(width=width, height=height, format="bgr24").astype(np.uint8, copy=False)
    small = np.ascontiguousarray(small)
    for hit in hits:
        x, y, w, h = (round(value * scale) for value in hit["box"])
        cv2.rectangle(small, (x, y), (x + w, y + h), COLORS[hit["kind"]], 2)
    done, jpeg = cv2.imencode(".jpg", small, JPEG)
    assert done
    meta = {"width": width, "height": height, "shows_faces": True}
    return Side(name(number), "thumbnail", "image/jpeg", jpeg.tobytes(), meta, time_ms, time_ms)


__all__ = ["MOST", "name", "pictures", "rows"]
