"""Frames as planes: decoded in order, turned upright, scaled onto the canvas, writable where needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import PictureType, VideoFrame

from deployments.errors import UndecodableMedia
from kernels.yuv import BLACK, Matrix, Planes

PIXELS = "yuv420p"
MPEG_RANGE = 1
"""AVCOL_RANGE_MPEG: 16..235."""
FULL_RANGE = 2
MATRICES: dict[int, Matrix] = {1: "bt709", 5: "bt601", 6: "bt601", 7: "bt601", 9: "bt2020", 10: "bt2020"}
"""AVColorSpace -> matrix."""
SPACES: dict[Matrix, int] = {"bt709": 1, "bt601": 6, "bt2020": 9}
SCALER: dict[Matrix, str] = {"bt709": "ITU709", "bt601": "ITU601", "bt2020": "ITU709"}
"""The scaler's names; it has none for BT.2020, whose weights lie nearest BT.709's."""
HD_HEIGHT = 720
"""A stream that does not name its color space is read as BT.709 from this height on, below as BT.601: as players do."""


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

    def seconds(self, pts: int) -> Fraction:
        return (pts - self.start) * self.time_base


def between(
    frames: Iterator[tuple[VideoFrame, int]], clock: Clock, start_ms: int, end_ms: int | None
) -> Iterator[Shown]:
    """The frames on screen from start_ms to end_ms (None: to the end), the first one shown from the clip's start.

    A clip from 0 keeps the offset at which its stream begins; one that is cut begins with the frame on screen there.
    """
    begin = Fraction(start_ms, 1000)
    held: tuple[VideoFrame, int] | None = None
    for frame, pts in frames:
        at = clock.seconds(pts) - begin
        if start_ms and at < 0:
            held = frame, pts
            continue
        if held is not None and at > 0:
            yield Shown(*held, Fraction(0))
        held = None
        if end_ms is not None and at >= Fraction(end_ms - start_ms, 1000):
            return
        yield Shown(frame, pts, at)
    if held is not None:
        yield Shown(*held, Fraction(0))


def on_screen(shown: Iterator[Shown], times: Iterable[Fraction]) -> Iterator[Shown]:
    """At each of the rising times the frame on screen: the first before it begins, the last after it ends."""
    after = next(shown, None)
    held = after
    for time in times:
        while after is not None and after.at <= time:
            held, after = after, next(shown, None)
        if held is None:
            return
        yield Shown(held.frame, held.pts, time)


def planes(frame: VideoFrame) -> Planes:
    """Views of the frame's own memory: Y [h, w], Cb and Cr [ceil(h/2), ceil(w/2)]; rows may be padded behind."""
    y, u, v = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    )
    return y, u, v


def as_yuv420(frame: VideoFrame) -> VideoFrame:
    """8 bits, 4:2:0, limited range; the same frame where it is that already."""
    full = frame.format.name.startswith("yuvj") or frame.color_range == FULL_RANGE
    if frame.format.name == PIXELS and not full:
        return frame
    if full:
        return _like(frame, frame.reformat(format=PIXELS, src_color_range="JPEG", dst_color_range="MPEG"))
    return _like(frame, frame.reformat(format=PIXELS))


def in_matrix(frame: VideoFrame, given: Matrix, wanted: Matrix) -> VideoFrame:
    """A frame of one clip with the matrix of the file that it goes into."""
    rgb = frame.reformat(format="rgb24", src_colorspace=SCALER[given])
    made = rgb.reformat(format=PIXELS, dst_colorspace=SCALER[wanted])
    made.colorspace, made.color_range = SPACES[wanted], MPEG_RANGE
    return made


def black(size: tuple[int, int]) -> VideoFrame:
    """A frame of width and height."""
    frame = VideoFrame(*size, PIXELS)
    for plane, value in zip(planes(frame), BLACK, strict=True):
        plane[...] = value
    return frame


def turns(frame: VideoFrame) -> int:
    """Quarter turns counter-clockwise that its metadata asks for, 0..3."""
    return round((frame.rotation or 0) / 90) % 4


def upright(frame: VideoFrame, quarters: int) -> VideoFrame:
    """Turned counter-clockwise by so many quarters."""
    if not quarters:
        return frame
    return _copied(frame, *[np.rot90(plane, quarters) for plane in planes(frame)])


def even(frame: VideoFrame) -> VideoFrame:
    """Without its last column or row where their number is odd: 4:2:0 is encoded in whole blocks."""
    if frame.width % 2 == 0 and frame.height % 2 == 0:
        return frame
    width, height = frame.width & ~1, frame.height & ~1
    y, u, v = planes(frame)
    return _copied(frame, y[:height, :width], u[: height // 2, : width // 2], v[: height // 2, : width // 2])


def placed(frame: VideoFrame, canvas: tuple[int, int], place: tuple[int, int, int, int]) -> VideoFrame:
    """Scaled to place = (x, y, width, height; all even) on a black canvas (width, height); cut to it."""
    x, y, width, height = place
    if (width, height) != (frame.width, frame.height):
        frame = _like(frame, frame.reformat(width=width, height=height, interpolation="BICUBIC"))
    if (x, y, width, height) == (0, 0, *canvas):
        return frame
    board = VideoFrame(*canvas, PIXELS)
    for index, (below, above, black) in enumerate(zip(planes(board), planes(frame), BLACK, strict=True)):
        below[...] = black
        left, top = (x // 2, y // 2) if index else (x, y)
        x0, y0 = max(0, left), max(0, top)
        x1, y1 = min(below.shape[1], left + above.shape[1]), min(below.shape[0], top + above.shape[0])
        if x1 > x0 and y1 > y0:
            below[y0:y1, x0:x1] = above[y0 - top : y1 - top, x0 - left : x1 - left]
    return _like(frame, board)


def writable(frame: VideoFrame) -> VideoFrame:
    """The frame with memory of its own: the decoder's is still read by frames to come."""
    frame.make_writable()
    return frame


def duplicate(frame: VideoFrame) -> VideoFrame:
    return _copied(frame, *planes(frame))


def matrix(context: Any) -> Matrix:
    """Of a stream's codec context."""
    return MATRICES.get(int(context.colorspace), "bt709" if context.height >= HD_HEIGHT else "bt601")


def for_encoder(frame: VideoFrame, pts: int, time_base: Fraction) -> VideoFrame:
    """Stamped, and free of the decoder's choice of picture type, which the encoder would follow."""
    frame.pts, frame.time_base, frame.pict_type = pts, time_base, PictureType.NONE
    return frame


def decoded(container: InputContainer, streams: list[Any], other: Callable[[Any], None] | None) -> Iterator[VideoFrame]:
    """Every frame of streams[0] that can be decoded; packets of the other streams go to `other`.

    A damaged packet costs its own frames alone. Raises UndecodableMedia for a change of size.
    """
    size: tuple[int, int] | None = None
    for packet in container.demux(streams):
        if packet.stream is not streams[0]:
            if other:
                other(packet)
            continue
        try:
            frames = packet.decode()
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


def _copied(frame: VideoFrame, *parts: np.ndarray) -> VideoFrame:
    made = VideoFrame(parts[0].shape[1], parts[0].shape[0], PIXELS)
    for plane, part in zip(planes(made), parts, strict=True):
        plane[...] = part
    return _like(frame, made)


def _like(frame: VideoFrame, made: VideoFrame) -> VideoFrame:
    """`made` with the colors' meaning of `frame`."""
    made.colorspace, made.color_range = frame.colorspace, MPEG_RANGE
    made.color_primaries, made.color_trc = frame.color_primaries, frame.color_trc
    return made


__all__ = [
    "PIXELS",
    "SPACES",
    "Clock",
    "Shown",
    "as_yuv420",
    "between",
    "black",
    "decoded",
    "duplicate",
    "even",
    "for_encoder",
    "in_matrix",
    "matrix",
    "on_screen",
    "placed",
    "planes",
    "turns",
    "upright",
    "writable",
]
