"""Find the faces of a video or a picture: decode, detect, link into tracks, draw masks."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from deployments.engines.video_regions import thumbnails
from deployments.engines.video_regions.detectors import detector_of
from deployments.engines.video_regions.frames import QUIET_MS, Batch, Reader, read_image
from deployments.engines.video_regions.models import DETECTORS
from deployments.engines.video_regions.summary import (
    Masks,
    Timeline,
    dumps,
    entry,
    overview,
    sampled,
    tracks_side,
)
from deployments.operation import JSON, Inputs, Output, Plan, Side, Source, Stopped, Tools
from kernels.faces import mean_over
from kernels.tracks import POINTS, Linking, Track, link

IN_FLIGHT = 2
"""Batches at the detector while the next one is decoded."""
SAME = 0.4
"""IoU above which boxes of two scales of a picture are one face."""
GROWTH = 0.02
"""Share of its size by which a box grows for each 100 ms to the nearest sight: the face may have moved on its own."""

SLACK_MS = 100
"""A frame may stand this much later than the time at which it was to be searched."""


@dataclass(slots=True)
class _Found:
    """The faces of the frames that were searched: all that grows with the clip's length."""

    frames: list[int] = field(default_factory=list)
    boxes: list[npt.NDArray[np.float32]] = field(default_factory=list)
    """[faces, 15] x, y, w, h in source pixels, confidence, five landmarks x, y"""

    def add(self, batch: Batch, detections: list[np.ndarray]) -> None:
        for number, faces in zip(batch.numbers, detections, strict=True):
            points = faces[:, 5:].reshape(-1, 2)
            marks = batch.view.to_source(np.column_stack([points, np.zeros_like(points)]))[:, :2]
            boxes = batch.view.to_source(faces[:, :4])
            rows = np.column_stack([boxes, faces[:, 4], marks.reshape(len(faces), 2 * POINTS)])
            self.frames.append(number)
            self.boxes.append(rows.astype(np.float32))


async def find_regions(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """The summary, with a mask for each sampled face, the tracks of every frame and a picture of each beside it."""
    source = inputs.one("asset")
    search = _in_picture if source.kind == "image" else _in_video
    clip, tracks, pictures = await search(plan, source, tools)
    output: Output = await tools.thread(_output, plan, clip, tracks, pictures, tools)
    return output


Thumbnails = dict[int, Side]
"""By track id."""


async def _in_picture(plan: Plan, source: Source, tools: Tools) -> tuple[Timeline, list[Track], Thumbnails]:
    path = await tools.thread(source.path)
    side, most = plan.parameters["detector_side"], tools.settings.max_image_pixels
    detector = _detector(plan)
    scales = DETECTORS[detector].picture_scales
    batches = await tools.thread(lambda: read_image(path, side=side, most_pixels=most, scales=scales))
    ways: list[npt.NDArray[np.float64]] = []
    for batch in batches:
        seen = _Found()
        seen.add(batch, await tools.detect(detector, batch.frames))
        ways += [boxes.astype(np.float64) for boxes in seen.boxes]
    tracks = link([mean_over(ways, SAME)], [0], [0.0], how=_linking(plan))
    tools.progress(1, 1)
    view = batches[0].view
    clip = Timeline(source.id, view.width, view.height, [0], Fraction(1, 1000), [0.0], 0.0, [(0, 0)])
    return clip, tracks, thumbnails.of_picture(batches[-1].frames[0], tracks, clip)


async def _in_video(plan: Plan, source: Source, tools: Tools) -> tuple[Timeline, list[Track], Thumbnails]:
    interval = plan.parameters["frame_sample_interval_ms"]
    reader = Reader(
        await tools.thread(source.path),
        side=plan.parameters["detector_side"],
        threads=tools.settings.threads,
        stop=tools.stop,
        mode=plan.parameters["mode"],
        interval_ms=interval,
    )
    found = await _search(reader, _detector(plan), tools)

    def linked() -> list[Track]:
        assert reader.view is not None
        size = (reader.view.width, reader.view.height)
        return link(found.boxes, found.frames, reader.times_ms, reader.cuts, _linking(plan), reader.motion, size)

    tracks = await tools.thread(linked)
    view = reader.view
    assert view is not None
    clip = Timeline(
        asset_id=source.id,
        width=view.width,
        height=view.height,
        pts=reader.pts,
        time_base=reader.time_base,
        times_ms=reader.times_ms.tolist(),
        end_ms=reader.end / reader.rate,
        samples=reader.samples(interval),
    )

    def seen_best() -> Thumbnails:
        threads = tools.settings.threads
        return thumbnails.of_video(source.path(), tracks, clip, threads=threads, stop=tools.stop)

    return clip, tracks, await tools.thread(seen_best)


async def _search(reader: Reader, detector: str, tools: Tools) -> _Found:
    """Detect batch after batch, `IN_FLIGHT` at a time, decoding the next one meanwhile."""
    found = _Found()
    flying: deque[tuple[Batch, asyncio.Future[list[np.ndarray]]]] = deque()

    async def land() -> None:
        batch, future = flying.popleft()
        found.add(batch, await future)
        tools.progress(batch.numbers[-1] + 1, max(reader.expected, len(reader.pts)))
        if tools.stop.is_set():
            raise Stopped

    try:
        while (batch := await tools.thread(reader.batch)) is not None:
            if len(flying) == IN_FLIGHT:
                await land()
            flying.append((batch, asyncio.ensure_future(tools.detect(detector, batch.frames))))
        while flying:
            await land()
    finally:
        for _, future in flying:
            future.cancel()
        reader.close()
    return found


def _detector(plan: Plan) -> str:
    return detector_of(plan.backend, plan.parameters["model"])


def _linking(plan: Plan) -> Linking:
    """Sampled frames lie far apart: a face is then held from sample to sample."""
    least = plan.parameters["min_confidence"]
    if plan.parameters["mode"] != "sampled":
        return Linking(min_confidence=least, reach_ms=QUIET_MS + SLACK_MS, growth=GROWTH)
    interval = plan.parameters["frame_sample_interval_ms"]
    usual = Linking()
    return Linking(
        min_confidence=least,
        gap_ms=max(usual.gap_ms, 2.0 * interval),
        extend_ms=max(usual.extend_ms, float(interval)),
        growth=GROWTH,
    )


def _output(plan: Plan, clip: Timeline, tracks: list[Track], pictures: Thumbnails, tools: Tools) -> Output:
    duration = round(clip.end_ms)
    seen = sampled(tracks, clip, plan.parameters["include_regions"])
    made_by: JSON = {
        "backend": plan.backend,
        "backend_version": plan.backend_version,
        "model_used": plan.parameters["model"],
        "cache_key": plan.cache_key,
        "duration_ms": duration,
        "frame_sample_interval_ms": plan.parameters["frame_sample_interval_ms"],
        "include_regions": plan.parameters["include_regions"],
        "min_confidence": plan.parameters["min_confidence"],
        "device": "cpu",
    }
    if plan.backend == "stub":
        reasons = [warning.message for warning in plan.warnings if warning.field == "backend"]
        made_by |= {"stub": True, "stub_reason": reasons[0] if reasons else "the stub was asked for"}
    all_boxes = tracks_side(tracks, clip, made_by)
    meta = made_by | {
        "mode": plan.parameters["mode"],
        "width": clip.width,
        "height": clip.height,
        "frames": len(clip.pts),
        "face_tracks_artifact_id": tools.side_id(all_boxes.kind, all_boxes.name),
        "shows_faces": False,
    }
    summary = {
        "asset_id": clip.asset_id,
        "entries": [entry(face, tools.side_id("mask", face.name), clip) for face in seen],
        "tracks": overview(tracks, clip, {id: tools.side_id(side.kind, side.name) for id, side in pictures.items()}),
        "meta": meta,
    }
    others = [all_boxes, *(pictures[id] for id in sorted(pictures))]
    return Output("application/json", dumps(summary), meta, Masks(seen, clip, others), 0, duration)


__all__ = ["find_regions"]
