"""The pictures of a render, encoded a segment at a time: closed groups of pictures on a fixed grid of the timeline.

Each segment is a small file made by an encoder of its own, so its bytes follow from its frames alone: one of them can
be made again without the others, and equal frames give equal bytes. `join.py` puts their packets into one stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.video.frame import VideoFrame

from deployments.engines.video_render import frames
from deployments.engines.video_render.facts import Facts
from deployments.errors import BackendUnavailable
from deployments.operation import Plan

SEGMENT_S = 4
"""The grid, in seconds of the file."""
OPTIONS = {"a53cc": "0"}
"""Closed captions of the source do not travel inside the frames."""
BITEXACT = {"fflags": "+bitexact"}


@dataclass(slots=True)
class Segment:
    """A stretch of frames and the file that holds them."""

    path: Path
    first: int
    """Number of its first frame."""
    end: int
    """Of the first frame after it."""
    delay: int = 0
    """How many frames the encoder holds back before it gives the first one."""


class Writer:
    """Encodes one segment."""

    def __init__(self, plan: Plan, leader: Facts, path: Path, first: int) -> None:
        """Raises BackendUnavailable where the encoder is not in this build of FFmpeg."""
        self._out = av.open(str(path), "w", format=plan.parameters["profile"]["container"], options=BITEXACT)
        self._stream = encoder(self._out, plan, leader)
        self._pixels = plan.parameters["profile"]["pixels"]
        self._start: int | None = None
        self._order: list[int] = []
        self.segment = Segment(path, first, first)

    @property
    def time_base(self) -> Fraction:
        base: Fraction = self._stream.codec_context.time_base
        return base

    def put(self, frame: VideoFrame, pts: int) -> None:
        """The next frame; pts in the file's time base."""
        self._start = pts if self._start is None else self._start
        if self._pixels != frames.PIXELS:
            frame = frame.reformat(format=self._pixels)
        stamped = frames.for_encoder(frame, pts - self._start, self.time_base)
        self._mux(self._stream.encode(stamped))
        self.segment.end += 1

    def close(self) -> Segment:
        self._mux(self._stream.encode(None))
        self._out.close()
        ranks = {pts: rank for rank, pts in enumerate(sorted(self._order))}
        self.segment.delay = max((n - ranks[pts] for n, pts in enumerate(self._order)), default=0)
        return self.segment

    def _mux(self, packets: list[Any]) -> None:
        self._order += [packet.pts for packet in packets]
        self._out.mux(packets)


def encoder(out: OutputContainer, plan: Plan, leader: Facts) -> Any:
    """A video stream with the first clip's color meaning. Raises BackendUnavailable."""
    profile, picture = plan.parameters["profile"], plan.parameters["picture"]
    rate = Fraction(*picture["rate"]) if picture["rate"] else leader.rate
    try:
        stream: Any = out.add_stream(profile["codec"], rate=rate, options=OPTIONS | profile["options"])
    except (av.FFmpegError, ValueError) as error:
        raise BackendUnavailable(f"the encoder {profile['codec']} is not in this build of FFmpeg") from error
    context = stream.codec_context
    stream.width, stream.height = picture["canvas"]
    stream.pix_fmt = profile["pixels"]
    context.time_base = 1 / rate if picture["rate"] else leader.time_base
    context.thread_type = "FRAME"  # FFmpeg's default cuts each frame into slices, which costs quality and speed
    context.color_range, context.colorspace = frames.MPEG_RANGE, frames.SPACES[leader.matrix]
    context.color_primaries, context.color_trc = leader.primaries, leader.transfer
    if profile["width"] is None and leader.aspect:
        context.sample_aspect_ratio = leader.aspect
    return stream


__all__ = ["SEGMENT_S", "Segment", "Writer", "encoder"]
