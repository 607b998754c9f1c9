"""Look at every frame of a video for its shots, and at the sampled ones for subjects."""

from __future__ import annotations

import asyncio
from collections import deque

import numpy as np

from deployments.engines.video_visual_meta.frames import Looker
from deployments.engines.video_visual_meta.models import Frame, Shot, Subject, VisualMeta
from deployments.engines.video_visual_meta.subjects import Found, from_detections, from_summary
from deployments.media.decoding import Batch
from deployments.operation import JSON, Inputs, Output, Plan, Stopped, Tools
from kernels.shots import Boundary, find_shots

IN_FLIGHT = 2
"""Batches at the detector while the next one is decoded."""


async def analyze(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """A `visual_meta`. Raises UndecodableMedia, Stopped."""
    source = inputs.one("asset")
    subjects = plan.parameters["subjects"]
    clip = Looker(
        await tools.thread(source.path),
        interval_ms=plan.parameters["frame_sample_interval_ms"],
        side=subjects.get("detector_side", 1),
        pictures=subjects["from"] == "detector",
        threads=tools.settings.threads,
        stop=tools.stop,
    )
    detected = await _look(clip, subjects, tools)
    output: Output = await tools.thread(_output, plan, inputs, clip, detected)
    return output


async def _look(clip: Looker, subjects: JSON, tools: Tools) -> dict[int, list[Subject]]:
    """Decode to the end; the sampled frames go to the detector, `IN_FLIGHT` batches at a time."""
    found: dict[int, list[Subject]] = {}
    flying: deque[tuple[Batch, asyncio.Future[list[np.ndarray]]]] = deque()

    async def land() -> None:
        batch, future = flying.popleft()
        found.update(from_detections(batch, await future, subjects["min_confidence"]))
        tools.progress(batch.numbers[-1] + 1, max(clip.expected, len(clip.pts)))
        if tools.stop.is_set():
            raise Stopped

    try:
        while (batch := await tools.thread(clip.batch)) is not None:
            if len(flying) == IN_FLIGHT:
                await land()
            flying.append((batch, asyncio.ensure_future(tools.detect(subjects["detector"], batch.frames))))
        while flying:
            await land()
    finally:
        for _, future in flying:
            future.cancel()
        clip.close()
    return found


def _output(plan: Plan, inputs: Inputs, clip: Looker, detected: Found) -> Output:
    given = plan.parameters
    interval, source = given["frame_sample_interval_ms"], inputs.one("asset")
    samples = clip.samples(interval)
    boundaries = find_shots(clip.changes, clip.tiny) if given["detect_shot_boundaries"] else []
    from_where = given["subjects"]["from"]
    found = from_summary(inputs, clip.pts, samples, clip.size) if from_where == "summary" else detected
    duration = round(clip.end / clip.rate)
    body = VisualMeta(
        asset_id=source.id,
        frames=_frames(samples, boundaries, found, clip),
        shots=_shots(boundaries, clip.times_ms.tolist(), duration),
        duration_ms=duration,
        frame_sample_interval_ms=interval,
    )
    meta = {
        "backend": plan.backend,
        "backend_version": plan.backend_version,
        "model_used": given["subjects"]["model"],
        "cache_key": plan.cache_key,
        "duration_ms": duration,
        "frame_sample_interval_ms": interval,
        "detect_shot_boundaries": given["detect_shot_boundaries"],
        "subjects_from": from_where,
        "width": clip.size[0],
        "height": clip.size[1],
        "rotation": clip.turns * 90,
        "frames": len(clip.pts),
        "shots_count": len(body.shots),
        "device": "cpu",
    }
    if from_where == "summary":
        meta["summary_artifact_id"] = inputs.one("summary").id
    if plan.backend == "stub":
        meta |= {"stub": True, "stub_reason": _reason(plan)}
    return Output("application/json", body.model_dump_json().encode(), meta, (), 0, duration)


def _reason(plan: Plan) -> str:
    said = [warning.message for warning in plan.warnings if warning.field == "backend"]
    return said[0] if said else "the stub was asked for"


def _shots(boundaries: list[Boundary], times_ms: list[float], duration: int) -> list[Shot]:
    starts = [0, *(round(times_ms[boundary.frame]) for boundary in boundaries)]
    ways = [None, *(boundary.transition for boundary in boundaries)]
    return [
        Shot(start_ms=start, end_ms=end, transition=way)
        for start, end, way in zip(starts, [*starts[1:], duration], ways, strict=True)
    ]


def _frames(samples: list[tuple[int, int]], boundaries: list[Boundary], found: Found, clip: Looker) -> list[Frame]:
    begins = np.asarray([boundary.frame for boundary in boundaries], np.int64)
    changes = np.asarray(clip.changes) / 255
    changes[[boundary.frame for boundary in boundaries if boundary.transition == "cut"]] = np.nan
    ends = [frame for _, frame in samples[1:]] + [len(changes) - 1]
    frames, before = [], 0
    for (time_ms, number), end in zip(samples, ends, strict=True):
        subjects = list(found.get(number, ()))
        first = subjects[0].box if subjects else None
        moved = changes[number + 1 : max(end, number) + 1]
        moved = moved[np.isfinite(moved)]
        frames.append(
            Frame(
                timestamp_ms=time_ms,
                subjects=subjects,
                primary_subject_center_x=round(first[0] + first[2] / 2, 6) if first else None,
                primary_subject_center_y=round(first[1] + first[3] / 2, 6) if first else None,
                shot_boundary=bool(((begins > before) & (begins <= number)).any()),
                motion=round(min(1.0, float(moved.mean())), 5) if len(moved) else 0.0,
            )
        )
        before = number
    return frames


__all__ = ["analyze"]
