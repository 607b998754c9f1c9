"""What a detector sees of a video or a picture: small upright frames, in batches, with the cuts between them."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from deployments.errors import UndecodableMedia
from deployments.operation import Stopped
from kernels.faces import Cuts

Bytes = npt.NDArray[np.uint8]
BATCH = 16
"""Frames that travel to the detector together."""
LUMA = (32, 18)
"""Size of the picture that cuts are found in."""


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


def small_size(width: int, height: int, side: int) -> tuple[int, int]:
    """The size whose longer side is `side`; never larger than given."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


class Reader:
    """Decodes a video once, from its first frame to its last. Not for several threads at a time.

    Times are counted from the start of the container, in whole ticks of 1 / `rate` ms: frame n is at
    `ticks[n] / rate` ms, exactly.
    """

    def __init__(
        self, path: Path, *, side: int, threads: int, stop: threading.Event, every_ms: int | None = None
    ) -> None:
        """`every_ms`: only the frames sampled at this interval are given out; None: all are."""
        self.pts: list[int] = []
        self.ticks: list[int] = []
        self.cuts: list[int] = []
        self.view: View | None = None
        self.end = 0
        """The tick at which the last frame ends."""
        self.time_base = Fraction(1, 1000)
        self.rate = 1
        self.expected = 0
        """How many frames there are by the container's word; 0: it does not say."""
        self._side, self._threads, self._stop, self._every = side, threads, stop, every_ms
        self._sample = 0
        self._found = self._open(path)

    def batch(self) -> Batch | None:
        """The next frames, or None after the last. Raises UndecodableMedia, Stopped."""
        return next(self._found, None)

    def close(self) -> None:
        """Let go of the file before its end. A thread that is still in `batch` does so itself when it is stopped."""
        with suppress(ValueError):
            self._found.close()

    def samples(self, interval_ms: int) -> list[tuple[int, int]]:
        """(time_ms, frame number) of each sample: the last frame at or before k x interval, while the clip lasts."""
        count = -(-self.end // (interval_ms * self.rate)) if self.end > 0 else 1
        nominal = np.arange(max(1, count)) * interval_ms
        at = np.searchsorted(np.asarray(self.ticks), nominal * self.rate, side="right") - 1
        return list(zip(nominal.tolist(), np.maximum(at, 0).tolist(), strict=True))

    @property
    def times_ms(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.ticks, np.float64) / self.rate

    def _open(self, path: Path) -> Generator[Batch, None, None]:
        try:
            with av.open(str(path)) as container:
                if not container.streams.video:
                    raise UndecodableMedia("the file has no video stream")
                stream = container.streams.video[0]
                stream.codec_context.thread_count = self._threads
                stream.thread_type = "AUTO"
                self.time_base = stream.time_base or self.time_base
                self.rate = self.time_base.denominator
                self.expected = stream.frames
                start = round(Fraction(container.start_time or 0, av.time_base) / self.time_base)
                yield from self._batches(container, stream, start)
        except av.FFmpegError as error:
            raise UndecodableMedia("the video cannot be decoded") from error
        if not self.pts:
            raise UndecodableMedia("the video has no frame that can be decoded")

    def _batches(self, container: av.container.InputContainer, stream: av.VideoStream, start: int) -> Iterator[Batch]:
        numbers: list[int] = []
        pictures: list[Bytes] = []
        shown: View | None = None
        for number, picture, view in self._wanted(self._pictures(container, stream, start)):
            if pictures and shown is not None and (len(pictures) == BATCH or view != shown):
                yield Batch(numbers, np.stack(pictures), shown)
                numbers, pictures = [], []
            numbers.append(number)
            pictures.append(picture)
            shown = view
        if pictures and shown is not None:
            yield Batch(numbers, np.stack(pictures), shown)

    def _wanted(self, pictures: Iterator[tuple[int, Bytes, View]]) -> Iterator[tuple[int, Bytes, View]]:
        """Every frame, or with an interval only those that some sample will name (known one frame later)."""
        if self._every is None:
            yield from pictures
            return
        step = self._every * self.rate
        held: tuple[int, Bytes, View] | None = None
        for item in pictures:
            if held is not None and self._sample * step < self.ticks[-1]:
                yield held
                self._sample = -(-self.ticks[-1] // step)
            held = item
        if held is not None and (self._sample * step < self.end or self._sample == 0):
            yield held

    def _pictures(
        self, container: av.container.InputContainer, stream: av.VideoStream, start: int
    ) -> Iterator[tuple[int, Bytes, View]]:
        cuts = Cuts()
        for frame in _decoded(container, stream):
            if self._stop.is_set():
                raise Stopped
            self._note(frame, start)
            small = small_size(frame.width, frame.height, self._side)
            turns = round((frame.rotation or 0) / 90) % 4
            if self.view is None:
                self.view = View(frame.width, frame.height, small, turns)
            picture = frame.to_ndarray(width=small[0], height=small[1], format="bgr24", interpolation="AREA")
            luma = cv2.cvtColor(cv2.resize(picture, LUMA, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
            if cuts.step(luma.astype(np.uint8)):
                self.cuts.append(len(self.pts) - 1)
            view = View(self.view.width, self.view.height, small, turns)
            yield len(self.pts) - 1, np.ascontiguousarray(np.rot90(picture, turns)), view

    def _note(self, frame: av.VideoFrame, start: int) -> None:
        """Remember when the frame is shown; a frame without a time follows the one before it."""
        lasts = frame.duration or (self.pts[-1] - self.pts[-2] if len(self.pts) > 1 else 1)
        pts = frame.pts if frame.pts is not None else (self.pts[-1] + lasts if self.pts else start)
        tick = (pts - start) * self.time_base.numerator * 1000
        self.pts.append(pts)
        self.ticks.append(max(tick, self.ticks[-1]) if self.ticks else tick)
        self.end = self.ticks[-1] + lasts * self.time_base.numerator * 1000


def _decoded(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Every frame that can be decoded: a damaged packet costs its own frames alone."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue


def read_image(path: Path, *, side: int, most_pixels: int) -> Batch:
    """A picture as a batch of one, upright by its EXIF orientation, transparency on black. Raises UndecodableMedia."""
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > most_pixels:
                raise UndecodableMedia(f"the picture has {picture.width} x {picture.height} pixels, over the cap")
            upright = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UndecodableMedia("the picture cannot be decoded") from error
    height, width = upright.shape[:2]
    small = small_size(width, height, side)
    bgr = cv2.resize(upright[..., ::-1].copy(), small, interpolation=cv2.INTER_AREA)
    return Batch([0], np.ascontiguousarray(bgr[None], np.uint8), View(width, height, small))


__all__ = ["Batch", "Reader", "View", "read_image", "small_size"]
