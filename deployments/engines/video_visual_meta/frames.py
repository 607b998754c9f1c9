"""One pass over a video: how much each frame changes, a tiny picture of it, and the sampled frames for a detector."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from deployments.media.decoding import Batch, Decoder, View, batches, small_size, turns_of
from deployments.media.light import standard
from kernels.shots import SMALL, TINY, change

Bytes = npt.NDArray[np.uint8]
CHROMA = (SMALL[0] // 2, SMALL[1] // 2)
PLANAR = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"})
"""Formats whose planes can be read as they lie: 8 bits, luma and two chromas."""
BEFORE = 1280
"""Longest side that another format is converted at."""


class Looker(Decoder):
    """Decodes a video once; see Decoder. `pictures`: whether the sampled frames are wanted, for a detector."""

    def __init__(
        self, path: Path, *, interval_ms: int, side: int, pictures: bool, threads: int, stop: threading.Event
    ) -> None:
        super().__init__(path, threads=threads, stop=stop)
        self.changes: list[float] = []
        """Of each frame from the one before; see kernels.shots.change."""
        self.size = (0, 0)
        """Width and height of the decoded frames."""
        self.turns = 0
        self._tiny = bytearray()
        self._side = side
        self._reformat = VideoReformatter()
        frames = self._seen()
        self._found = batches(self._pictures(self.sampled(frames, interval_ms)) if pictures else self._drained(frames))

    @property
    def tiny(self) -> Bytes:
        """uint8 [n, 9, 16], the luma of every frame."""
        return np.frombuffer(bytes(self._tiny), np.uint8).reshape(-1, TINY[1], TINY[0])

    def batch(self) -> Batch | None:
        """The next sampled frames, or None after the last. Raises UndecodableMedia, Stopped."""
        return next(self._found, None)

    def close(self) -> None:
        """Let go of the file before its end. A thread that is still in `batch` does so itself when it is stopped."""
        with suppress(ValueError):
            self._found.close()

    def _seen(self) -> Iterator[tuple[int, av.VideoFrame]]:
        before: list[Bytes] = []
        cv2.setNumThreads(1)  # planes this small are slower in several threads
        for frame in self.decoded():
            if not before:
                self.size, self.turns = (frame.width, frame.height), turns_of(frame)
            sizes = (SMALL, CHROMA, CHROMA)
            now = [
                cv2.resize(plane, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
                for plane, size in zip(self._planes(frame), sizes, strict=True)
            ]
            self.changes.append(change(before, now) if before else 0.0)
            self._tiny += cv2.resize(now[0], TINY, interpolation=cv2.INTER_AREA).tobytes()
            before = now
            yield len(self.pts) - 1, frame

    def _planes(self, frame: av.VideoFrame) -> list[Bytes]:
        """Luma and two chromas, uint8, of any size."""
        if frame.format.name not in PLANAR:
            width, height = small_size(frame.width, frame.height, BEFORE)
            frame = self._reformat.reformat(frame, width - width % 2 or 2, height - height % 2 or 2, "yuv420p")
        return [
            np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
            for plane in frame.planes
        ]

    def _pictures(self, frames: Iterator[tuple[int, av.VideoFrame]]) -> Iterator[tuple[int, Bytes, View]]:
        for number, frame in frames:
            small = small_size(frame.width, frame.height, self._side)
            turns = turns_of(frame)
            seen = standard(frame, small)
            picture = seen.to_ndarray(width=small[0], height=small[1], format="bgr24", interpolation="AREA")
            # a stream that changes its size midway is measured on the first
            yield number, np.ascontiguousarray(np.rot90(picture, turns)), View(*self.size, small, turns)

    def _drained(self, frames: Iterator[tuple[int, av.VideoFrame]]) -> Iterator[tuple[int, Bytes, View]]:
        for _ in frames:
            pass
        yield from ()


__all__ = ["Looker"]
