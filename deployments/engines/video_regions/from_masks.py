"""Tracks from the entries of an older summary: each face held from its sample to the next, by its box or its mask."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from deployments.engines.video_regions.summary import dumps
from deployments.errors import UndecodableMedia
from deployments.operation import JSON, Inputs, Output, Plan, Source, Stopped, Tools

CHOSEN = 128
"""A mask's value from which on a pixel belongs to the face."""


def tracks_of_entries(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """`face_tracks` with one track an entry, from a sample before it to a sample after it. Raises UndecodableMedia.

    Nothing is known of the face between samples, so it is hidden from the one before to the one after.
    """
    video, summary = inputs.one("asset"), inputs.one("summary")
    width, height = plan.parameters["width"], plan.parameters["height"]
    interval = summary.meta["frame_sample_interval_ms"]
    start = _start_ms(video)
    faces = [entry for entry in summary.json()["entries"] if entry.get("region", "face") == "face"]
    tracks: list[JSON] = []
    for number, entry in enumerate(faces):
        if tools.stop.is_set():
            raise Stopped
        tools.progress(number, len(faces))
        if "box" in entry:
            box = [value * side for value, side in zip(entry["box"], (width, height) * 2, strict=True)]
        else:
            box = around(inputs[entry["mask_artifact_id"]], width, height)
        if box[2] <= 0 or box[3] <= 0:
            continue
        row = [*(round(value, 1) for value in box), round(float(entry.get("confidence", 1.0)), 4), 1]
        times = (max(0, entry["time_ms"] - interval), entry["time_ms"] + interval)
        boxes = [[start + at, *row] for at in times]
        tracks.append({"track_id": len(tracks) + 1, "region": "face", "boxes": boxes})
    body = {
        "asset_id": video.id,
        "width": width,
        "height": height,
        "time_base": [1, 1000],
        "start": start,
        "tracks": tracks,
    }
    meta: JSON = {"width": width, "height": height, "tracks_count": len(tracks), "shows_faces": False}
    for name in ("stub", "stub_reason"):
        if name in summary.meta:
            meta[name] = summary.meta[name]
    return Output("application/json", dumps(body), meta)


def around(mask: Source, width: int, height: int) -> list[float]:
    """x, y, w, h in the video's pixels of what a mask selects; no size where it selects nothing."""
    try:
        with Image.open(io.BytesIO(mask.read()), formats=["PNG"]) as image:
            chosen = np.asarray(image.convert("L")) >= CHOSEN
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UndecodableMedia(f"the mask {mask.id} cannot be decoded") from error
    rows, columns = np.flatnonzero(chosen.any(axis=1)), np.flatnonzero(chosen.any(axis=0))
    if not len(rows):
        return [0.0, 0.0, 0.0, 0.0]
    box = np.array([columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]], np.float64)
    scaled: list[float] = (box * ([width / chosen.shape[1], height / chosen.shape[0]] * 2)).tolist()
    return scaled


def _start_ms(video: Source) -> int:
    """When the container starts, in ms of its frames' own times."""
    try:
        with av.open(str(video.path())) as container:
            return round(Fraction(container.start_time or 0, av.time_base) * 1000)
    except av.FFmpegError as error:
        raise UndecodableMedia("the video cannot be opened") from error


__all__ = ["around", "tracks_of_entries"]
