"""The proof: the finished file is decoded and searched for faces, and what is still one is covered.

A hit of at least `SURE` in the file counts as a face when the same detector has it, at that place (IoU of at least
`SAME`), in the same frame composed without face_blur; a hit without a counterpart was made by the painting, and is
reported alone. Faces that the caller chose to leave open do not count. What counts is linked over the frames around
it, covered in one color by a further pass over the timeline, and the file is searched again.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from artifacts import Draft
from deployments.engines.video_render.compose import Cover, Scene
from deployments.engines.video_render.notes import Notes
from deployments.errors import ResidualFaces
from deployments.operation import JSON, Inputs, Plan, Side, Stopped, Tools
from kernels.faces import iou
from kernels.tracks import Linking, link
from kernels.yuv import Matrix

SURE = 0.5
"""Least confidence of a hit, on the common scale."""
SAME = 0.3
"""Least IoU of a hit with its counterpart."""
REPAIRS = 2
"""Passes that cover what was found, before the render is given up."""
SIDE = 640
"""Longest side of what the detector sees, in pixels, times the search's scale."""
BATCH = 16
IN_FLIGHT = 2
LISTED = 1000
"""Most hits that a report lists one by one; its counts are of all."""
REPORT = "proof/report"
Boxes = NDArray[np.float64]
"""[n, 5] x, y, w, h in pixels of the render, confidence"""
Hits = dict[int, Boxes]
"""By the number of the frame."""


@dataclass(slots=True)
class Proof:
    """What was searched and found."""

    searched: int = 0
    """Frames of the file that is kept."""
    artefacts: Hits = field(default_factory=dict)
    """In the file that is kept: hits that are no faces."""
    repaired: Hits = field(default_factory=dict)
    """Faces that were found and then covered."""
    residual: list[JSON] = field(default_factory=list)
    """Faces that are left."""
    passes: int = 1

    def report(self, plan: Plan, notes: Notes) -> Side:
        """The anonymise_report."""
        wanted = plan.parameters["proof"]
        blurs = [clip["face_blur"] for clip in plan.parameters["clips"] if clip["face_blur"]]
        grades = {blur["grade"] for blur in blurs}
        times = notes.times_ms
        meta = {
            "summary_ids": list(dict.fromkeys(blur["summary_id"] for blur in blurs)),
            "backend_version": plan.backend_version,
            "frames": self.searched,
            "faces": notes.painted,
            "residual_faces": len(self.residual),
            "grade": "reversible" if "reversible" in grades else "irreversible",
            "mode": wanted["mode"],
            "detector": wanted["detector"],
            "model_used": wanted["model"],
            "independent": wanted["independent"],
            "scale": wanted["scale"],
            "repaired_faces": sum(map(len, self.repaired.values())),
            "artefacts": sum(map(len, self.artefacts.values())),
            "passes": self.passes,
            "cache_key": plan.cache_key,
            "shows_faces": False,
        }
        body = meta | {
            "render_frames": len(notes.pts),
            "residual": self.residual[:LISTED],
            "repaired": _listed(self.repaired, times),
            "artefact_hits": _listed(self.artefacts, times),
        }
        data = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        return Side(REPORT, "anonymise_report", "application/json", data, meta, 0, round(notes.end * 1000))


async def prove(
    plan: Plan,
    inputs: Inputs,
    tools: Tools,
    notes: Notes,
    encode: Callable[[Sequence[Cover]], Awaitable[Notes]],
) -> tuple[Notes, Proof]:
    """The file that is kept and its proof. Raises ResidualFaces, with the report, unless the plan allows them."""
    wanted = plan.parameters["proof"]
    chosen = notes.searched(wanted["mode"])
    proof, covers = Proof(), []
    search = _Search(plan, inputs, tools)
    for turn in range(REPAIRS + 1):
        proof.passes, proof.searched = turn + 1, len(chosen)
        faces, proof.artefacts = await search.faces(notes, chosen)
        if not faces or turn == REPAIRS:
            break
        near = sorted(_near(faces, chosen, notes) - set(chosen))
        around, _ = await search.faces(notes, near)
        found = faces | around
        proof.repaired |= found
        covers.append(await tools.thread(_covered, found, notes))
        chosen = sorted({*chosen, *near})
        notes = await encode(covers)
    proof.residual = _listed(faces, notes.times_ms, most=None)
    if proof.residual and not wanted["allow_residual"]:
        report = proof.report(plan, notes)
        raise ResidualFaces(
            f"{len(proof.residual)} faces are still found in {len(faces)} frames of the finished file, so it is not "
            "kept: look at the report, hide faces with style solid or preset strong, make the summary anew with "
            "another detector, or set allow_residual",
            report=Draft("", report.kind, report.media_type, report.data, report.meta, 0, report.end_ms),
        )
    return notes, proof


class _Search:
    """Looks for faces in a file, and tells those of the source from those that the painting made."""

    def __init__(self, plan: Plan, inputs: Inputs, tools: Tools) -> None:
        self._plan, self._inputs, self._tools = plan, inputs, tools
        self._detector = plan.parameters["proof"]["detector"]
        self._scale = plan.parameters["proof"]["scale"]
        self._known: dict[int, tuple[Boxes, Boxes]] = {}

    async def faces(self, notes: Notes, chosen: Sequence[int]) -> tuple[Hits, Hits]:
        """(faces, artefacts) in these frames of the file."""
        decoded = _decoded(notes, chosen, self._tools.settings.threads)
        hits = {number: boxes async for number, boxes in self._hits(decoded) if len(boxes)}
        await self._look_up([n for n in hits if n not in self._known], notes.matrix)
        faces: Hits = {}
        artefacts: Hits = {}
        for number, boxes in hits.items():
            source, left_open = self._known[number]
            spared = _meets(boxes, left_open)
            counted = _meets(boxes, source) & ~spared
            for kept, which in ((faces, counted), (artefacts, ~counted & ~spared)):
                if which.any():
                    kept[number] = boxes[which]
        return faces, artefacts

    async def _look_up(self, numbers: list[int], matrix: Matrix) -> None:
        """What the frames show without face_blur, and which faces the caller left open."""
        if not numbers:
            return
        scene = Scene(self._plan, self._inputs, self._tools, matrix, painted=False)
        left_open: dict[int, Boxes] = {}

        def composed() -> Iterator[tuple[int, VideoFrame]]:
            wanted, last = set(numbers), max(numbers)
            for picture in scene.pictures():
                if picture.number in wanted:
                    frame = picture.frame()
                    left_open[picture.number] = picture.left_open()
                    yield picture.number, frame
                if picture.number >= last:
                    return

        async for number, boxes in self._hits(composed()):
            self._known[number] = boxes, left_open[number]

    async def _hits(self, given: Iterator[tuple[int, VideoFrame]]) -> AsyncIterator[tuple[int, Boxes]]:
        """(number, hits) of each frame, detected in batches, IN_FLIGHT at a time, the next one decoded meanwhile."""
        batches = self._batches(given)
        flying: deque[tuple[list[int], tuple[float, float], asyncio.Future[list[np.ndarray]]]] = deque()
        try:
            while True:
                batch = await self._tools.thread(next, batches, None)
                if batch is not None:
                    numbers, pictures, scale = batch
                    flying.append((numbers, scale, asyncio.ensure_future(self._detect(pictures))))
                while flying and (batch is None or len(flying) > IN_FLIGHT):
                    numbers, scale, landing = flying.popleft()
                    for number, found in zip(numbers, await landing, strict=True):
                        sure = found[found[:, 4] >= SURE, :5].astype(np.float64)
                        yield number, sure * [*scale, *scale, 1.0]
                if batch is None:
                    return
        finally:
            for *_, waiting in flying:
                waiting.cancel()

    async def _detect(self, pictures: NDArray[np.uint8]) -> list[np.ndarray]:
        return await self._tools.detect(self._detector, pictures)

    def _batches(
        self, given: Iterator[tuple[int, VideoFrame]]
    ) -> Iterator[tuple[list[int], NDArray[np.uint8], tuple[float, float]]]:
        numbers: list[int] = []
        pictures: list[NDArray[np.uint8]] = []
        scale = (1.0, 1.0)
        for number, frame in given:
            if self._tools.stop.is_set():
                raise Stopped
            factor = self._scale * min(1.0, SIDE / max(frame.width, frame.height))
            width, height = (max(1, round(side * factor)) for side in (frame.width, frame.height))
            scale = frame.width / width, frame.height / height
            way = "AREA" if factor < 1 else "BICUBIC"
            small = frame.to_ndarray(width=width, height=height, format="bgr24", interpolation=way)
            pictures.append(small.astype(np.uint8, copy=False))
            numbers.append(number)
            if len(numbers) == BATCH:
                yield numbers, np.stack(pictures), scale
                numbers, pictures = [], []
        if numbers:
            yield numbers, np.stack(pictures), scale


def _decoded(notes: Notes, chosen: Sequence[int], threads: int) -> Iterator[tuple[int, VideoFrame]]:
    """(number, frame) of these frames of the file."""
    if not chosen:
        return
    wanted, last = set(chosen), chosen[-1]
    with av.open(str(notes.path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "AUTO", threads
        for number, frame in enumerate(container.decode(stream)):
            if number in wanted:
                yield number, frame
            if number >= last:
                return


def _meets(boxes: Boxes, others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[n] Whether each box lies where one of the others does."""
    if not len(others):
        return np.zeros(len(boxes), bool)
    met: NDArray[np.bool_] = iou(boxes[:, :4], others[:, :4]).max(axis=1) >= SAME
    return met


def _near(faces: Iterable[int], chosen: Sequence[int], notes: Notes) -> set[int]:
    """The frames from the one searched before each of these to the one searched after it, in its shot."""
    order = np.asarray(chosen)
    near: set[int] = set()
    for number in faces:
        first, last = notes.shot(number)
        at = int(np.searchsorted(order, number))
        before = int(order[at - 1]) + 1 if at else 0
        after = int(order[at + 1]) - 1 if at + 1 < len(order) else last
        near.update(range(max(first, before), min(last, after) + 1))
    return near


def _covered(found: Hits, notes: Notes) -> Cover:
    numbers = sorted(found)
    return Cover(link([found[n] for n in numbers], numbers, notes.times_ms, notes.cuts, Linking(min_confidence=SURE)))


def _listed(hits: Hits, times_ms: np.ndarray, most: int | None = LISTED) -> list[JSON]:
    rows = [
        {
            "frame": number,
            "time_ms": round(float(times_ms[number])),
            "box": [round(float(value), 1) for value in row[:4]],
            "confidence": round(float(row[4]), 4),
        }
        for number, boxes in sorted(hits.items())
        for row in boxes
    ]
    return rows[:most]


__all__ = ["REPORT", "Proof", "prove"]
