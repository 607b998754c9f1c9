"""A video decoded once, from its first frame to its last: when each frame is shown, which ones are sampled, and small
upright pictures of them for a detector."""

from __future__ import annotations

import threading
from collections.abc import Collection, Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
import numpy.typing as npt

from deployments.errors import UndecodableMedia
from deployments.operation import Stopped

Bytes = npt.NDArray[np.uint8]
Item = TypeVar("Item")
BATCH = 16
"""Frames that travel to the detector together."""
ONE_THREAD_PX = 1 << 19
"""Pictures of no more pixels are decoded by one thread: at 640x360 it takes three quarters of two threads' processor
time and no longer, since a frame is over before another thread has taken the next."""


@dataclass(frozen=True, slots=True)
class View:
    """How a small frame lies on the source's pixels."""

    width: int
    """Of the source frame, as decoded, before any turn for display."""
    height: int
    small: tuple[int, int]
    """Width and height of the small frame before it is turned."""
    turns: int = 0
    """Quarter turns counter-clockwise from the decoded to the upright picture, 0..3."""

    def to_source(self, boxes: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Boxes [n, 4] x, y, w, h of the small upright frame in pixels of the decoded one."""
        x, y, w, h = np.asarray(boxes, np.float64).reshape(-1, 4).T
        width, height = self.small
        back = {
            0: (x, y, w, h),
            1: (width - y - h, x, h, w),
            2: (width - x - w, height - y - h, w, h),
            3: (y, height - x - w, h, w),
        }[self.turns]
        scale = np.array([self.width / width, self.height / height] * 2)
        boxes_there: npt.NDArray[np.float64] = np.stack(back, axis=1) * scale
        return boxes_there


@dataclass(frozen=True, slots=True)
class Batch:
    numbers: list[int]
    """Of the frames, counted from 0."""
    frames: Bytes
    """[N, h, w, 3] BGR, upright"""
    view: View

    def whole(self) -> Batch:
        """The same without the room that is left in `frames`."""
        return Batch(self.numbers, self.frames[: len(self.numbers)], self.view)


def small_size(width: int, height: int, side: int) -> tuple[int, int]:
    """The size whose longer side is `side`; never larger than given."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def turns_of(frame: av.VideoFrame) -> int:
    """Quarter turns counter-clockwise from the decoded to the upright picture, 0..3."""
    return round((frame.rotation or 0) / 90) % 4


def batches(items: Iterable[tuple[int, Bytes, View]]) -> Generator[Batch, None, None]:
    """(number, picture, view) in arrays of at most BATCH, a new one where the view changes."""
    filled: Batch | None = None
    for number, picture, view in items:
        if filled and (len(filled.numbers) == BATCH or view != filled.view):
            yield filled.whole()
            filled = None
        if filled is None:
            filled = Batch([], np.empty((BATCH, *picture.shape), np.uint8), view)
        filled.frames[len(filled.numbers)] = picture
        filled.numbers.append(number)
    if filled:
        yield filled.whole()


class Decoder:
    """Decodes a video once. Not for several threads at a time.

    Times are counted from the start of the container, in whole ticks of 1 / `rate` ms: frame n is at
    `ticks[n] / rate` ms, exactly.
    """

    def __init__(self, path: Path, *, threads: int, stop: threading.Event) -> None:
        self.pts: list[int] = []
        self.ticks: list[int] = []
        self.end = 0
        """The tick at which the last frame ends."""
        self.time_base = Fraction(1, 1000)
        self.rate = 1
        self.expected = 0
        """How many frames there are by the container's word; 0: it does not say."""
        self._path, self._threads, self._stop = path, threads, stop

    def decoded(self) -> Iterator[av.VideoFrame]:
        """Every frame that can be decoded, its time noted. Raises UndecodableMedia, Stopped."""
        try:
            with av.open(str(self._path)) as container:
                if not container.streams.video:
                    raise UndecodableMedia("the file has no video stream")
                stream = container.streams.video[0]
                spread(stream, self._threads)
                self.time_base = stream.time_base or self.time_base
                self.rate = self.time_base.denominator
                self.expected = stream.frames
                start = round(Fraction(container.start_time or 0, av.time_base) / self.time_base)
                for frame in _frames(container, stream):
                    if self._stop.is_set():
                        raise Stopped
                    self._note(frame, start)
                    yield frame
        except av.FFmpegError as error:
            raise UndecodableMedia("the video cannot be decoded") from error
        if not self.pts:
            raise UndecodableMedia("the video has no frame that can be decoded")

    def sampled(self, items: Iterable[Item], every_ms: int) -> Iterator[Item]:
        """Of one item a decoded frame, those that some sample will name (known one frame later)."""
        step, sample = 0, 0
        held: Item | None = None
        for item in items:
            step = every_ms * self.rate  # the rate is known from the first frame on
            if held is not None and sample * step < self.ticks[-1]:
                yield held
                sample = -(-self.ticks[-1] // step)
            held = item
        if held is not None and (sample * step < self.end or sample == 0):
            yield held

    def samples(self, interval_ms: int) -> list[tuple[int, int]]:
        """(time_ms, frame number) of each sample: the last frame at or before k x interval, while the clip lasts."""
        count = -(-self.end // (interval_ms * self.rate)) if self.end > 0 else 1
        nominal = np.arange(max(1, count)) * interval_ms
        at = np.searchsorted(np.asarray(self.ticks), nominal * self.rate, side="right") - 1
        return list(zip(nominal.tolist(), np.maximum(at, 0).tolist(), strict=True))

    @property
    def times_ms(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.ticks, np.float64) / self.rate

    def _note(self, frame: av.VideoFrame, start: int) -> None:
        """Remember when the frame is shown; a frame without a time follows the one before it."""
        lasts = frame.duration or (self.pts[-1] - self.pts[-2] if len(self.pts) > 1 else 1)
        pts = frame.pts if frame.pts is not None else (self.pts[-1] + lasts if self.pts else start)
        tick = (pts - start) * self.time_base.numerator * 1000
        self.pts.append(pts)
        self.ticks.append(max(tick, self.ticks[-1]) if self.ticks else tick)
        self.end = self.ticks[-1] + lasts * self.time_base.numerator * 1000


def spread(stream: Any, threads: int) -> None:
    """Has a video stream decoded by at most so many threads. Frames are the same by any number."""
    context = stream.codec_context
    context.thread_count = 1 if 0 < context.width * context.height <= ONE_THREAD_PX else threads
    stream.thread_type = "AUTO"


def _frames(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Every frame that can be decoded: a damaged packet costs its own frames alone."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue


def towards(wanted: Collection[int], packets: Iterable[Any], context: Any) -> Iterator[av.VideoFrame]:
    """Of a stream's packets, from a key frame on, the frames with these pts and those that others are predicted from:
    the rest, half of what x264 writes, is not decoded. A damaged packet costs its own frames alone."""
    for packet in packets:
        context.skip_frame = "DEFAULT" if packet.pts is None or packet.pts in wanted else "NONREF"
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue


__all__ = ["BATCH", "Batch", "Decoder", "View", "batches", "small_size", "spread", "towards", "turns_of"]
