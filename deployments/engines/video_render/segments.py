"""A segment's file: a closed group of pictures by an encoder of its own, so that its bytes follow from its frames.

One of them can be made again without the others, and equal frames give equal bytes. `join.py` puts their packets into
one stream.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.video.frame import VideoFrame

from deployments.engines.video_render import frames
from deployments.errors import BackendUnavailable
from deployments.media import decoding
from deployments.operation import JSON, Plan

OPTIONS = {"a53cc": "0"}
"""Closed captions of the source do not travel inside the frames."""
BITEXACT = {"fflags": "+bitexact"}


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished segment: its file, and what the whole render has to know of it."""

    path: Path
    pts: array[int]
    """Of its frames, in the file's time base; none: no frame begins in it, and its file holds none."""
    time_base: Fraction
    delay: int
    """How many frames the encoder holds back before it gives the first one."""
    painted: int
    """Faces painted, each counted in each frame."""
    lasts: Fraction
    """Seconds that its last frame is shown, where the leading clip ends with it; else 0. Without a frame: how long the
    one from before stays."""
    proof: JSON | None = None
    """What was searched and found in it."""

    def facts(self) -> JSON:
        """All but path and time base, as its artifact's meta keeps them."""
        return {
            "frames": len(self.pts),
            "pts": runs(self.pts),
            "delay": self.delay,
            "faces_painted": self.painted,
            "lasts": list(self.lasts.as_integer_ratio()),
            "proof": self.proof,
        }

    @classmethod
    def of(cls, plan: Plan, path: Path, facts: JSON) -> Segment:
        """From its artifact's meta."""
        return cls(
            path,
            spread(facts["pts"]),
            Fraction(*plan.parameters["leader"]["time_base"]),
            facts["delay"],
            facts["faces_painted"],
            Fraction(*facts["lasts"]),
            facts["proof"],
        )


def runs(pts: array[int]) -> list[list[int]]:
    """[first, step, count] of each stretch of even steps: one of them where the rate is constant."""
    made: list[list[int]] = [[pts[0], 1, 1]] if pts else []
    for before, now in pairwise(pts):
        last = made[-1]
        if last[2] == 1 or last[1] == now - before:
            last[1], last[2] = now - before, last[2] + 1
        else:
            made.append([now, 1, 1])
    return made


def spread(stretches: list[list[int]]) -> array[int]:
    """What `runs` was given."""
    return array("q", (first + step * n for first, step, count in stretches for n in range(count)))


class Writer:
    """Encodes one segment."""

    def __init__(self, plan: Plan, path: Path) -> None:
        """Raises BackendUnavailable where the encoder is not in this build of FFmpeg."""
        wanted = plan.parameters["encoder"]
        self._out = av.open(str(path), "w", format=wanted["container"], options=BITEXACT)
        self._stream = encoder(self._out, plan)
        self._pixels = wanted["pixels"]
        self._start: int | None = None
        self._order: list[int] = []

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

    def close(self) -> int:
        """How many frames the encoder held back before it gave the first one."""
        if self._start is None:
            self._out.start_encoding()
        else:
            self._mux(self._stream.encode(None))
        self._out.close()
        ranks = {pts: rank for rank, pts in enumerate(sorted(self._order))}
        return max((n - ranks[pts] for n, pts in enumerate(self._order)), default=0)

    def _mux(self, packets: list[Any]) -> None:
        self._order += [packet.pts for packet in packets]
        self._out.mux(packets)


def frames_of(path: Path, numbers: Sequence[int], threads: int) -> Iterator[tuple[int, VideoFrame]]:
    """(number, frame) of these frames of a segment's file, which are decoded with those that they are predicted from.

    Raises FFmpegError.
    """
    if not numbers:
        return
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoding.spread(stream, threads)
        shown = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
        container.seek(shown[0], stream=stream)
        wanted = {shown[number]: number for number in numbers}
        for frame in decoding.towards(wanted, container.demux(stream), stream.codec_context):
            if frame.pts in wanted:
                yield wanted[frame.pts], frame
            if frame.pts is None or frame.pts >= max(wanted):
                return


def encoder(out: OutputContainer, plan: Plan) -> Any:
    """A video stream with the first clip's color meaning. Raises BackendUnavailable."""
    wanted, leader = plan.parameters["encoder"], plan.parameters["leader"]
    try:
        stream: Any = out.add_stream(
            wanted["codec"], rate=Fraction(*leader["rate"]), options=OPTIONS | wanted["options"]
        )
    except (av.FFmpegError, ValueError) as error:
        raise BackendUnavailable(f"the encoder {wanted['codec']} is not in this build of FFmpeg") from error
    context = stream.codec_context
    stream.width, stream.height = plan.parameters["picture"]["canvas"]
    stream.pix_fmt = wanted["pixels"]
    context.time_base = Fraction(*leader["time_base"])
    context.thread_type = "FRAME"  # FFmpeg's default cuts each frame into slices, which costs quality and speed
    context.color_range, context.colorspace = frames.MPEG_RANGE, frames.SPACES[leader["matrix"]]
    context.color_primaries, context.color_trc = leader["primaries"], leader["transfer"]
    if wanted["aspect"]:
        context.sample_aspect_ratio = Fraction(*wanted["aspect"])
    return stream


__all__ = ["Segment", "Writer", "encoder", "frames_of", "runs", "spread"]
