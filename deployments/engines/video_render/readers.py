"""Decoders of the clips' files, kept open from one segment of a render to the next.

To go on reading costs nothing; to seek costs a group of pictures. What is read is the same either way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import Any

import av
from av.video.frame import VideoFrame

from deployments.engines.video_render import frames
from deployments.engines.video_render.clock import Clock, sought
from deployments.errors import UndecodableMedia
from deployments.media.decoding import spread
from deployments.media.probe import open_media
from deployments.operation import Inputs, Source

NEAR_S = Fraction(1)
"""What lies no further ahead is read up to; a seek would go back further than that saves."""
MOST_IDLE = 4
"""Files that are kept open though no clip reads them: each holds a decoder's frames."""
ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Codec -> the decoder that gives its alpha."""
Pair = tuple[VideoFrame, int]
"""A decoded frame, which nobody writes to, and its pts."""


class Reader:
    """One file's frames, in order. A clip that pulled one frame too many leaves it to the next one."""

    def __init__(self, source: Source, threads: int) -> None:
        """Raises UndecodableMedia for a file without a picture."""
        self.source_id = source.id
        self._open = ExitStack()
        self._container = self._open.enter_context(open_media(source.path(), source.media_type))
        if not self._container.streams.video:
            self._open.close()
            raise UndecodableMedia("the file has no video stream")
        self._stream: Any = self._container.streams.video[0]
        spread(self._stream, threads)
        self._decoder = _with_alpha(self._stream)
        self.matrix = frames.matrix(self._stream.codec_context)
        self.clock = Clock.of(self._container, self._stream)
        self.start = Fraction(self._container.start_time or 0, av.time_base)
        """Seconds of the container's start."""
        self._frames: Iterator[Pair] | None = None
        self._recent: deque[Pair] = deque(maxlen=2)
        self._ended = False

    def reaches(self, seconds: Fraction) -> bool:
        """Whether the frame on screen at `seconds` of the source is one of the last two, or not far ahead."""
        if not self._recent:
            return False
        first, last = (self.clock.seconds(self._recent[n][1]) for n in (0, -1))
        return first <= seconds and (self._ended or seconds - last < NEAR_S)

    def pairs(self, seconds: Fraction) -> Iterator[Pair]:
        """From the frame on screen at `seconds` of the source, or one before it, to the last one."""
        if self._frames is None:
            self._frames = sought(self._container, self._stream, self.clock, seconds, self._decoder)
        yield from tuple(self._recent)
        for pair in self._frames:
            self._recent.append(pair)
            yield pair
        self._ended = True

    def close(self) -> None:
        self._recent.clear()
        self._frames = None
        self._open.close()


def _with_alpha(stream: Any) -> Any:
    """A decoder for a stream of VP8 or VP9 whose packets carry an alpha beside the picture, which FFmpeg's own decoders
    leave out; None: its own will do."""
    name = ALPHA.get(stream.codec_context.name) if stream.metadata.get("alpha_mode") == "1" else None
    if name is None:
        return None
    try:
        decoder: Any = av.CodecContext.create(name, "r")
    except (av.FFmpegError, ValueError):  # a build without libvpx
        return None
    decoder.extradata = stream.codec_context.extradata
    return decoder


class Readers:
    """The open files of one pass over the timeline. For one thread at a time."""

    def __init__(self, inputs: Inputs, threads: int, idle: int = MOST_IDLE) -> None:
        self._inputs, self._threads, self._most = inputs, threads, idle
        self._idle: list[Reader] = []

    def take(self, source_id: str, seconds: Fraction) -> Reader:
        """A reader that gives the frames from `seconds` of the source on, for the caller alone."""
        for reader in self._idle:
            if reader.source_id == source_id and reader.reaches(seconds):
                self._idle.remove(reader)
                return reader
        return Reader(self._inputs[source_id], self._threads)

    def give(self, reader: Reader) -> None:
        """Back from who took it."""
        self._idle.append(reader)
        while len(self._idle) > self._most:
            self._idle.pop(0).close()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


__all__ = ["Pair", "Reader", "Readers"]
