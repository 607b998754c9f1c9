"""The search for faces in a segment, and which of what it finds are faces of the source.

A frame is looked at fine, as large as the detector is meant to see it, or coarse, where the plan names a smaller scale:
a large face is found by either, at a quarter of the cost. A coarse look that is in doubt is followed by a fine one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from deployments.engines.video_render.film import Film
from deployments.engines.video_render.notes import Notes
from deployments.engines.video_render.segments import frames_of
from deployments.operation import Plan, Stopped, Tools
from kernels.faces import iou

SURE = 0.5
"""Least confidence of a hit, on the common scale."""
DOUBT = 0.2
"""A coarse look with a hit between this confidence and SURE is followed by a fine one."""
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


Look = tuple[int, float]
"""The number of a frame, and the scale it is looked at."""


class Search:
    """By one detector. Remembers of each frame what was found in it, until the segment is made anew and it is looked at
    again."""

    def __init__(
        self, detector: str, fine: float, coarse: float | None, tools: Tools, notes: Notes, film: Film
    ) -> None:
        """The scales of its looks; `coarse` is None where it makes none."""
        self._tools, self._notes, self._film = tools, notes, film
        self._detector, self._fine = detector, fine
        self._scales = (fine,) if coarse is None else (fine, coarse)
        self._hit: dict[Look, Boxes] = {}
        self._known: dict[Look, Boxes] = {}
        self._left_open: Hits = {}

    @property
    def fine(self) -> int:
        """How many frames were looked at fine."""
        return sum(scale == self._fine for _, scale in self._hit)

    async def look(self, numbers: Sequence[int], fine: Collection[int] | None = None) -> None:
        """Searches these frames of the segment as it is now, and, where something is found, of the source.

        Those of `fine`, and all where it is None, are searched fine at once; the others coarse first.
        """
        first = set(numbers) if fine is None else set(fine) & set(numbers)
        looks: dict[int, list[float]] = {n: [self._scales[0 if n in first else -1]] for n in numbers}
        for number in numbers:  # what was seen of the segment as it was before
            for scale in self._scales:
                self._hit.pop((number, scale), None)
        doubted = await self._searched(looks)
        await self._searched({n: [self._fine] for n in sorted(doubted)})
        await self._look_up([look for n in numbers for look in self._looks(n) if len(self._hit[look])])

    def faces(self, numbers: Iterable[int]) -> Hits:
        """Hits with a counterpart in the source that the caller did not leave open, of frames that were searched."""
        return {n: boxes for n in numbers if len(boxes := self._sorted(n)[0])}

    def artefacts(self, numbers: Iterable[int]) -> Hits:
        """Hits without one."""
        return {n: boxes for n in numbers if len(boxes := self._sorted(n)[1])}

    def _looks(self, number: int) -> list[Look]:
        return [(number, scale) for scale in self._scales if (number, scale) in self._hit]

    def _sorted(self, number: int) -> tuple[Boxes, Boxes]:
        """Faces and artefacts of a frame; what a fine look found too is not told twice."""
        faces: list[Boxes] = []
        others: list[Boxes] = []
        for look in self._looks(number):
            boxes = self._hit[look]
            if len(boxes):
                spared = _meets(boxes, self._left_open[number])
                counted = _meets(boxes, self._known[look]) & ~spared
                faces.append(boxes[counted])
                others.append(boxes[~counted & ~spared])
        return _joined(faces), _joined(others)

    async def _searched(self, looks: Mapping[int, Sequence[float]]) -> set[int]:
        """The numbers of the frames in which a coarse look is in doubt."""
        doubted: set[int] = set()
        if looks:
            async for look, found in self._hits(self._decoded(sorted(looks)), looks):
                confidence = found[:, 4]
                self._hit[look] = found[confidence >= SURE]
                if look[1] != self._fine and ((confidence >= DOUBT) & (confidence < SURE)).any():
                    doubted.add(look[0])
        return doubted

    async def _look_up(self, wanted: list[Look]) -> None:
        """What the frames show without face_blur, and which faces the caller left open."""
        looks: dict[int, list[float]] = {}
        for number, scale in wanted:
            if (number, scale) not in self._known:
                looks.setdefault(number, []).append(scale)

        def composed() -> Iterator[tuple[int, VideoFrame]]:
            with closing(self._film.pictures(painted=False)) as pictures:
                for picture in pictures:
                    if picture.number in looks:
                        frame = picture.frame()
                        self._left_open[picture.number] = picture.left_open()
                        yield picture.number, frame
                    if picture.number >= max(looks):
                        return

        if looks:
            async for look, found in self._hits(composed(), looks):
                self._known[look] = found[found[:, 4] >= SURE]

    def _decoded(self, numbers: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
        """(number, frame) of these frames of the segment."""
        return frames_of(self._notes.path, numbers, self._tools.settings.threads)

    async def _hits(
        self, given: Iterator[tuple[int, VideoFrame]], looks: Mapping[int, Sequence[float]]
    ) -> AsyncIterator[tuple[Look, Boxes]]:
        """(look, all that is found) of each look at each frame, in batches, IN_FLIGHT at a time, the next one decoded
        meanwhile."""
        batches = self._batches(given, looks)
        flying: deque[tuple[list[Look], tuple[float, float], asyncio.Future[list[np.ndarray]]]] = deque()
        try:
            while True:
                batch = await self._tools.thread(next, batches, None)
                if batch is not None:
                    numbers, pictures, scale = batch
                    flying.append((numbers, scale, asyncio.ensure_future(self._detect(pictures))))
                while flying and (batch is None or len(flying) > IN_FLIGHT):
                    numbers, scale, landing = flying.popleft()
                    for look, found in zip(numbers, await landing, strict=True):
                        yield look, found[:, :5].astype(np.float64) * [*scale, *scale, 1.0]
                if batch is None:
                    return
        finally:
            for *_, waiting in flying:
                waiting.cancel()

    async def _detect(self, pictures: NDArray[np.uint8]) -> list[np.ndarray]:
        return await self._tools.detect(self._detector, pictures)

    def _batches(
        self, given: Iterator[tuple[int, VideoFrame]], looks: Mapping[int, Sequence[float]]
    ) -> Iterator[tuple[list[Look], NDArray[np.uint8], tuple[float, float]]]:
        """The looks at frames of one size, their pictures, and what takes x and y to the frames' pixels."""
        waiting: dict[tuple[int, int], tuple[list[Look], NDArray[np.uint8]]] = {}
        across = down = 0
        for number, frame in given:
            across, down = frame.width, frame.height
            for scale in looks[number]:
                if self._tools.stop.is_set():
                    raise Stopped
                small = _small(frame, scale)
                size = small.shape[1], small.shape[0]
                if size not in waiting:
                    waiting[size] = [], np.empty((BATCH, *small.shape), np.uint8)
                mine, pictures = waiting[size]
                pictures[len(mine)] = small
                mine.append((number, scale))
                if len(mine) == BATCH:
                    del waiting[size]
                    yield mine, pictures, (across / size[0], down / size[1])
        for size, (mine, pictures) in waiting.items():
            yield mine, pictures[: len(mine)], (across / size[0], down / size[1])


class Searches:
    """Those of all detectors that the plan names, as one."""

    def __init__(self, plan: Plan, tools: Tools, notes: Notes, film: Film) -> None:
        proof = plan.parameters["proof"]
        self._first = Search(proof["detector"], proof["scale"], proof["coarse"], tools, notes, film)
        also = [Search(proof["also"]["detector"], 1, None, tools, notes, film)] if proof["also"] else []
        self._all = [self._first, *also]

    @property
    def fine(self) -> int:
        """How many frames were looked at fine."""
        return self._first.fine

    async def look(self, numbers: Sequence[int], fine: Collection[int] | None = None) -> None:
        """As Search's."""
        for search in self._all:
            await search.look(numbers, fine)

    def faces(self, numbers: Sequence[int]) -> Hits:
        """As Search's, of any detector."""
        return _together([search.faces(numbers) for search in self._all])

    def artefacts(self, numbers: Sequence[int]) -> Hits:
        """As Search's, of any detector."""
        return _together([search.artefacts(numbers) for search in self._all])


def _small(frame: VideoFrame, scale: float) -> NDArray[np.uint8]:
    """[h, w, 3] BGR: its longer side is at most SIDE times the scale, or it is enlarged by a scale above 1."""
    factor = scale * min(1.0, SIDE / max(frame.width, frame.height))
    width, height = (max(1, round(side * factor)) for side in (frame.width, frame.height))
    same = (width, height) == (frame.width, frame.height)  # a named interpolation is slow even where none is needed
    way = None if same else "AREA" if factor < 1 else "BICUBIC"
    small = frame.to_ndarray(width=width, height=height, format="bgr24", interpolation=way)
    return small.astype(np.uint8, copy=False)


def _together(found: Sequence[Hits]) -> Hits:
    numbers = sorted({number for hits in found for number in hits})
    return {number: _joined([hits[number] for hits in found if number in hits]) for number in numbers}


def _joined(looks: Sequence[Boxes]) -> Boxes:
    """What the looks at a frame found, each face as the first one of them has it."""
    all_boxes: Boxes = np.zeros((0, 5))
    for boxes in looks:
        all_boxes = np.concatenate([all_boxes, boxes[~_meets(boxes, all_boxes)]])
    return all_boxes


def _meets(boxes: Boxes, others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[n] Whether each box lies where one of the others does."""
    if not len(others):
        return np.zeros(len(boxes), bool)
    met: NDArray[np.bool_] = iou(boxes[:, :4], others[:, :4]).max(axis=1) >= SAME
    return met


__all__ = ["SURE", "Boxes", "Hits", "Search", "Searches"]
