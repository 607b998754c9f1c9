"""A picture of each track, so that a person can tell whose it is: a part of the frame in which it was seen best."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from deployments.engines.video_regions.summary import Timeline
from deployments.errors import UndecodableMedia
from deployments.media.decoding import spread, towards, turns_of
from deployments.media.light import standard
from deployments.operation import Side, Stopped
from kernels.tracks import Track

Bytes = npt.NDArray[np.uint8]
SIDE = 160
"""Longest side, in pixels; smaller faces are not enlarged."""
AROUND = 1.3
"""The box grows by this factor, so that hair and chin are seen."""
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 85]
SEEK_S = 2
"""Frames closer than this are decoded one after another; for others the file is sought."""


def best(track: Track) -> int:
    """The row of the track whose detection is sure and large: the greatest confidence x side, the first of equals."""
    sides = np.sqrt(track.boxes[:, 2] * track.boxes[:, 3])
    return int(np.argmax(np.where(track.detected, track.confidence * sides, -1.0)))


def of_video(
    path: Path, tracks: Sequence[Track], clip: Timeline, *, threads: int, stop: threading.Event
) -> dict[int, Side]:
    """Track id, counted from 1, -> its thumbnail, upright; a frame that cannot be found again has none.

    Raises UndecodableMedia, Stopped.
    """
    rows = {track_id: (track, best(track)) for track_id, track in enumerate(tracks, start=1)}
    wanted: dict[int, list[int]] = {}
    for track_id, (track, n) in rows.items():
        wanted.setdefault(clip.pts[track.first + n], []).append(track_id)
    made: dict[int, Side] = {}
    try:
        for frame in _at(path, sorted(wanted), threads):
            if stop.is_set():
                raise Stopped
            picture = standard(frame).to_ndarray(format="bgr24").astype(np.uint8, copy=False)
            for track_id in wanted[frame.pts or 0]:
                track, n = rows[track_id]
                part = cut(picture, track.boxes[n])
                if part is not None:
                    time_ms = round(clip.times_ms[track.first + n])
                    made[track_id] = _side(np.rot90(part, turns_of(frame)), track_id, time_ms, clip)
    except av.FFmpegError as error:
        raise UndecodableMedia("the video cannot be decoded") from error
    return made


def of_picture(picture: Bytes, tracks: Sequence[Track], clip: Timeline) -> dict[int, Side]:
    """The same of a picture [h, w, 3] BGR, upright, at any scale of the boxes' pixels."""
    scale = np.array([picture.shape[1] / clip.width, picture.shape[0] / clip.height] * 2)
    parts = {track_id: cut(picture, track.boxes[best(track)] * scale) for track_id, track in enumerate(tracks, start=1)}
    return {track_id: _side(part, track_id, 0, clip) for track_id, part in parts.items() if part is not None}


def cut(picture: Bytes, box: npt.ArrayLike) -> Bytes | None:
    """The part of a picture [h, w, 3] under a box x, y, w, h grown by AROUND; None where it lies outside."""
    x, y, w, h = np.asarray(box, np.float64)
    grown = np.array([x - w * (AROUND - 1) / 2, y - h * (AROUND - 1) / 2, w * AROUND, h * AROUND])
    left, top = np.maximum(np.floor(grown[:2]), 0).astype(int)
    right, bottom = np.minimum(np.ceil(grown[:2] + grown[2:]), picture.shape[1::-1]).astype(int)
    return picture[top:bottom, left:right] if right > left and bottom > top else None


def _side(part: Bytes, track_id: int, time_ms: int, clip: Timeline) -> Side:
    scale = min(1.0, SIDE / max(part.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in part.shape[:2])
    small = cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=cv2.INTER_AREA)
    done, jpeg = cv2.imencode(".jpg", small, JPEG)
    assert done
    meta = {"width": width, "height": height, "shows_faces": True, "track_id": track_id, "asset_id": clip.asset_id}
    return Side(f"thumbnail/{track_id}", "thumbnail", "image/jpeg", jpeg.tobytes(), meta, time_ms, time_ms)


def _at(path: Path, wanted: Sequence[int], threads: int) -> Iterator[av.VideoFrame]:
    """The frames at these pts, which rise; one that is not there is left out."""
    if not wanted:
        return
    with av.open(str(path)) as container:
        stream: Any = container.streams.video[0]
        spread(stream, threads)
        far = round(SEEK_S / stream.time_base)
        frames: Iterator[av.VideoFrame] = iter(())
        last: int | None = None
        for pts in wanted:
            if last is None or pts - last > far:
                frames = _from(container, stream, pts, wanted)
            for frame in frames:
                last = last if frame.pts is None else int(frame.pts)
                if frame.pts == pts:
                    yield frame
                if last is not None and last >= pts:
                    break


def _from(container: Any, stream: Any, pts: int, wanted: Collection[int]) -> Iterator[av.VideoFrame]:
    """The frames from a key frame before `pts` on; from the file's first one where the index is wrong."""
    for back in (round(0.5 / stream.time_base), pts - (stream.start_time or 0)):
        container.seek(pts - back, stream=stream)
        frames = towards(wanted, container.demux(stream), stream.codec_context)
        first = next(frames, None)
        if first is not None and first.pts is not None and first.pts <= pts:
            break
    return chain([] if first is None else [first], frames)


__all__ = ["AROUND", "SIDE", "best", "cut", "of_picture", "of_video"]
