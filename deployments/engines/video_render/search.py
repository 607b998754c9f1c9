"""The search for faces in a segment, and which of what it finds are faces of the source."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import closing

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from deployments.engines.video_render.film import Film
from deployments.engines.video_render.notes import Notes
from deployments.operation import Plan, Stopped, Tools
from kernels.faces import iou

SURE = 0.5
"""Least confidence of a hit, on the common scale."""
SAME = 0.3
"""Least IoU of a hit with its counterpart."""
SIDE = 640
"""Longest side of what the detector sees, in pixels, times the search's scale."""
BATCH = 16
IN_FLIGHT = 2
Boxes = NDArray[np.float64]
"""[n, 5] x, y, w, h in pixels of the render, confidence"""
Hits = dict[int, Boxes]
"""By the number of the frame."""


class Search:
    """Remembers of each frame what was found in it, until the segment is made anew and it is looked at again."""

    def __init__(self, plan: Plan, tools: Tools, notes: Notes, film: Film) -> None:
        self._tools, self._notes, self._film = tools, notes, film
        self._detector = plan.parameters["proof"]["detector"]
        self._scale = plan.parameters["proof"]["scale"]
        self._hit: Hits = {}
        self._known: dict[int, tuple[Boxes, Boxes]] = {}

    async def look(self, numbers: Sequence[int]) -> None:
        """Searches these frames of the segment as it is now, and, where something is found, of the source."""
        hits = {number: boxes async for number, boxes in self._hits(self._decoded(numbers))} if numbers else {}
        self._hit |= hits
        await self._look_up([n for n, boxes in hits.items() if len(boxes) and n not in self._known])

    def faces(self, numbers: Iterable[int]) -> Hits:
        """Hits with a counterpart in the source that the caller did not leave open. KeyError where none looked."""
        return {n: boxes for n in numbers if len(boxes := self._sorted(n)[0])}

    def artefacts(self, numbers: Iterable[int]) -> Hits:
        """Hits without one."""
        return {n: boxes for n in numbers if len(boxes := self._sorted(n)[1])}

    def _sorted(self, number: int) -> tuple[Boxes, Boxes]:
        boxes = self._hit[number]
        if not len(boxes):
            return boxes, boxes
        source, left_open = self._known[number]
        spared = _meets(boxes, left_open)
        counted = _meets(boxes, source) & ~spared
        return boxes[counted], boxes[~counted & ~spared]

    async def _look_up(self, numbers: list[int]) -> None:
        """What the frames show without face_blur, and which faces the caller left open."""
        left_open: dict[int, Boxes] = {}

        def composed() -> Iterator[tuple[int, VideoFrame]]:
            wanted = set(numbers)
            with closing(self._film.pictures(painted=False)) as pictures:
                for picture in pictures:
                    if picture.number in wanted:
                        frame = picture.frame()
                        left_open[picture.number] = picture.left_open()
                        yield picture.number, frame
                    if picture.number >= max(wanted):
                        return

        if not numbers:
            return
        async for number, boxes in self._hits(composed()):
            self._known[number] = boxes, left_open[number]

    def _decoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
        """(number, frame) of these frames of the segment."""
        wanted = set(numbers)
        with av.open(str(self._notes.path)) as container:
            stream = container.streams.video[0]
            stream.thread_type, stream.codec_context.thread_count = "AUTO", self._tools.settings.threads
            for number, frame in enumerate(container.decode(stream)):
                if number in wanted:
                    yield number, frame
                if number >= max(wanted):
                    return

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


def _meets(boxes: Boxes, others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[n] Whether each box lies where one of the others does."""
    if not len(others):
        return np.zeros(len(boxes), bool)
    met: NDArray[np.bool_] = iou(boxes[:, :4], others[:, :4]).max(axis=1) >= SAME
    return met


__all__ = ["SURE", "Boxes", "Hits", "Search"]
