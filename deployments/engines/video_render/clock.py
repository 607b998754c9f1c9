"""The frames of one clip by time: decoded in order, stamped, pulled to the frame on screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.video.frame import VideoFrame

from deployments.errors import UndecodableMedia

BEFORE_S = Fraction(1, 2)
"""A seek aims this much before what is wanted: an index goes by the order of decoding."""


EDGE_S = Fraction(1, 10**9)
"""What begins right in the middle of a frame is shown by the next one."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame and when it is shown."""

    frame: VideoFrame
    """As decoded."""
    pts: int
    """Of the source, in its time base: what face boxes are addressed by."""
    at: Fraction
    """Seconds from the clip's start."""


@dataclass(slots=True)
class Clock:
    """Times of one video stream. Counted from the start of the container, which players show as 0."""

    time_base: Fraction
    start: int
    """pts of the container's start."""
    last: int | None = field(default=None)
    lasts: int = 1
    """How long the frame before took, in ticks."""

    @classmethod
    def of(cls, container: InputContainer, stream: Any) -> Clock:
        base = stream.time_base or Fraction(1, 1000)
        return cls(base, round(Fraction(container.start_time or 0, av.time_base) / base))

    def pts(self, frame: VideoFrame) -> int:
        """The frame's pts; a frame without one follows the one before it."""
        follows = self.start if self.last is None else self.last + self.lasts
        pts = follows if frame.pts is None else int(frame.pts)
        if frame.duration:
            self.lasts = int(frame.duration)
        elif self.last is not None:
            self.lasts = max(1, pts - self.last)
        self.last = pts
        return pts

    @property
    def ends(self) -> Fraction:
        """Seconds at which the last frame ends."""
        return self.seconds((self.start if self.last is None else self.last) + self.lasts)

    def seconds(self, pts: int) -> Fraction:
        return (pts - self.start) * self.time_base


def ticks(first: int, end: int, time_base: Fraction) -> Iterator[tuple[Fraction, Fraction]]:
    """(its time, the time at which clips are looked up for it) of each frame of a constant rate, in seconds.

    Clips are looked up in a frame's middle: what begins between two frames is then at most half a frame early or late,
    where its sound is exact; at the frame's own time it would be up to a whole one late. A file of a single frame may
    last less than half of it, and shows its beginning.
    """
    early = Fraction(0) if (first, end) == (0, 1) else time_base / 2 - EDGE_S
    for number in range(first, end):
        yield number * time_base, number * time_base + early


def between(
    frames: Iterator[tuple[VideoFrame, int]],
    clock: Clock,
    start_ms: int,
    end_ms: int | None,
    since: Fraction = Fraction(0),
) -> Iterator[Shown]:
    """The frames on screen from start_ms to end_ms (None: to the end), the first one shown from the clip's start.

    A clip from 0 keeps the offset at which its stream begins; one that is cut begins with the frame on screen there,
    and so does one that is taken up `since` seconds after its start.
    """
    begin = Fraction(start_ms, 1000)
    cut = start_ms > 0 or since > 0
    held: tuple[VideoFrame, int] | None = None
    for frame, pts in frames:
        at = clock.seconds(pts) - begin
        if cut and at < since:
            held = frame, pts
            continue
        if held is not None and at > since:
            yield Shown(*held, since)
        held = None
        if end_ms is not None and at >= Fraction(end_ms - start_ms, 1000):
            return
        yield Shown(frame, pts, at)
    if held is not None:
        yield Shown(*held, since)


def decoded(container: InputContainer, stream: Any, decoder: Any = None) -> Iterator[VideoFrame]:
    """Every frame of a stream that can be decoded, by its own decoder or the given one. A damaged packet costs its own
    frames alone.

    Raises UndecodableMedia for a change of size.
    """
    size: tuple[int, int] | None = None
    for packet in container.demux(stream):
        try:
            frames = packet.decode() if decoder is None else decoder.decode(packet)
        except av.error.InvalidDataError:
            continue
        for frame in frames:
            assert isinstance(frame, VideoFrame)
            size = size or (frame.width, frame.height)
            if (frame.width, frame.height) != size:
                raise UndecodableMedia(
                    f"the video changes its size from {size[0]}x{size[1]} to {frame.width}x{frame.height}"
                )
            yield frame


def sought(
    container: InputContainer, stream: Any, clock: Clock, seconds: Fraction, decoder: Any = None
) -> Iterator[tuple[VideoFrame, int]]:
    """(frame, pts) from a key frame at or before `seconds` of the source on; from its first frame where none is.
    `decoder`: as decoded's."""
    wanted = clock.start + int(seconds / clock.time_base)
    back = BEFORE_S
    while seconds - back > 0:
        container.seek(clock.start + int((seconds - back) / clock.time_base), stream=stream)
        frames = _afresh(container, stream, decoder)
        first = next(frames, None)
        if first is not None and first.pts is not None and first.pts <= wanted:
            yield first, clock.pts(first)
            break
        back *= 4
    else:
        container.seek(clock.start if stream.start_time is None else min(clock.start, stream.start_time), stream=stream)
        frames = _afresh(container, stream, decoder)
    for frame in frames:
        yield frame, clock.pts(frame)


def _afresh(container: InputContainer, stream: Any, decoder: Any) -> Iterator[VideoFrame]:
    """`decoded`, after a seek, which empties the stream's own decoder."""
    if decoder is not None:
        decoder.flush_buffers()
    return decoded(container, stream, decoder)


class Reel:
    """Pulls frames to rising times: the frame on screen, the first one before it begins, the last after it ends."""

    def __init__(self, shown: Iterator[Shown]) -> None:
        self._shown = shown
        self._after = next(shown, None)
        self._held = self._after

    def at(self, time: Fraction) -> Shown | None:
        """None: there is no frame at all."""
        while self._after is not None and self._after.at <= time:
            self._held, self._after = self._after, next(self._shown, None)
        return self._held


__all__ = ["EDGE_S", "Clock", "Reel", "Shown", "between", "decoded", "sought", "ticks"]
