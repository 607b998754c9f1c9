"""The segments of a render: those that were kept are found, the others made one after the other, proved, and kept.

While one is searched for faces and kept, the next one is composed already. A segment with a face left in it is not
kept; the others are made all the same, so that a report tells of all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from fractions import Fraction

from artifacts.canonical import digest
from deployments.engines.video_render.cut import GRID_MS
from deployments.engines.video_render.film import Film, Stage
from deployments.engines.video_render.notes import Notes
from deployments.engines.video_render.proof import prove
from deployments.engines.video_render.segments import Segment
from deployments.errors import ResidualFaces
from deployments.operation import JSON, Inputs, Output, Plan, Tools

MEDIA_TYPES = {"mp4": "video/mp4", "mov": "video/quicktime"}
AHEAD = 2
"""Segments that are searched while the next one is composed."""


async def reel(plans: Sequence[Plan], inputs: Inputs, tools: Tools) -> tuple[list[Segment], int]:
    """Every segment, and how many of them were there already. Raises as `render` does, but for faces that are left."""
    stage = Stage.of(inputs, tools)
    gauge = Gauge(plans, tools)
    under_way: list[asyncio.Task[Segment]] = []
    segments: list[Segment | asyncio.Task[Segment]] = []
    found = 0
    try:
        for plan in plans:
            kept = await tools.thread(_kept, plan, tools)
            if kept is not None:
                segments.append(kept)
                found += 1
                gauge.add(len(kept.pts))
                continue
            film = Film(plan, stage)
            notes = await tools.thread(film.shoot, gauge.add)
            under_way.append(asyncio.ensure_future(_finished(film, notes, tools)))
            segments.append(under_way[-1])
            while len(under_way) > AHEAD:
                await under_way.pop(0)
        return [one if isinstance(one, Segment) else await one for one in segments], found
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        stage.readers.close()


async def segment(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """One segment by itself. Raises as `render` does."""
    stage = Stage.of(inputs, tools)
    film, gauge = Film(plan, stage), Gauge([plan], tools)
    try:
        made = await _proved(film, await tools.thread(film.shoot, gauge.add), tools)
    finally:
        stage.readers.close()
    if _left(plan, made):
        raise ResidualFaces("faces are still found in this segment, so it is not kept")
    return _output(plan, made)


async def _finished(film: Film, notes: Notes, tools: Tools) -> Segment:
    made = await _proved(film, notes, tools)
    if not _left(film.plan, made):
        await tools.thread(tools.parts.keep, film.plan, _output(film.plan, made))
    return made


async def _proved(film: Film, notes: Notes, tools: Tools) -> Segment:
    proof: JSON | None = None
    if film.plan.parameters["proof"] is not None:
        proof = (await prove(tools, notes, film)).said(notes.times_ms)
    return Segment(notes.path, notes.pts, notes.time_base, notes.delay, notes.painted, notes.lasts, proof)


def _left(plan: Plan, made: Segment) -> bool:
    """Whether faces are left that nobody allowed."""
    return bool(made.proof and made.proof["residual"]["count"] and not plan.parameters["proof"]["allow_residual"])


def _kept(plan: Plan, tools: Tools) -> Segment | None:
    source = tools.parts.find(plan)
    return None if source is None else Segment.of(plan, source.path(), source.meta)


def _output(plan: Plan, made: Segment) -> Output:
    parameters = plan.parameters
    begin = parameters["index"] * GRID_MS
    ticks = (made.pts[-1] + 1) * made.time_base + made.lasts if made.pts else Fraction(begin, 1000)
    end = max(begin, min(begin + GRID_MS, round(ticks * 1000)))
    meta = {
        "plan_hash": digest(parameters),
        "index": parameters["index"],
        "duration_ms": end - begin,
        "shows_faces": _shows_faces(plan, made),
        "backend_version": plan.backend_version,
    }
    kind = MEDIA_TYPES[parameters["encoder"]["container"]]
    return Output(kind, made.path, meta | made.facts(), start_ms=begin, end_ms=end)


def _shows_faces(plan: Plan, made: Segment) -> bool:
    """Whether its pictures may show faces: they were not searched, or some were left."""
    blurs = [row["face_blur"] for row in plan.parameters["clips"] if row["face_blur"]]
    chosen = any(blur[name] for blur in blurs for name in ("tracks", "spans", "min_face_px", "mask_artifact_id"))
    return made.proof is None or chosen or made.proof["residual"]["count"] > 0


class Gauge:
    """How many of a render's frames are behind."""

    def __init__(self, plans: Sequence[Plan], tools: Tools) -> None:
        self._tools, self._done = tools, 0
        rate = Fraction(*plans[0].parameters["leader"]["rate"])
        counts = [plan.parameters.get("frames", (0, round(GRID_MS / 1000 * rate))) for plan in plans]
        self._expected = sum(end - first for first, end in counts)

    def add(self, frames: int = 1) -> None:
        self._done += frames
        self._tools.progress(self._done, max(self._expected, self._done))


__all__ = ["MEDIA_TYPES", "reel", "segment"]
