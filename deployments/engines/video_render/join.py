"""The finished file: the segments' packets as one stream, the sound beside them, soft captions."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
from av.packet import Packet

from deployments.engines.video_render import texts
from deployments.engines.video_render.captions import cues_of
from deployments.engines.video_render.cut import GRID_MS
from deployments.engines.video_render.facts import heard_of
from deployments.engines.video_render.segments import Segment
from deployments.engines.video_render.sound import Sound, soundtrack
from deployments.errors import UndecodableMedia
from deployments.media.probe import open_media
from deployments.operation import Inputs, Plan, Source, Stopped, Tools

MUXER = {"movflags": "+faststart", "fflags": "+bitexact"}
"""The index in front; no name of the writing library and no time of writing in the file."""


@dataclass(slots=True)
class Strip:
    """Every frame of a file. With the segments' own times all that grows with a render: sixteen bytes a frame."""

    time_base: Fraction
    pts: array[int] = field(default_factory=lambda: array("q"))
    end: Fraction = Fraction(0)
    """Seconds."""


def join(plan: Plan, inputs: Inputs, tools: Tools, segments: Sequence[Segment]) -> tuple[Path, Sound, Strip]:
    """The segments into the file. Raises UndecodableMedia where no frame is in any, Stopped."""
    filled = [segment for segment in segments if segment.pts]
    if not filled:
        raise UndecodableMedia("the video has no frame that can be decoded")
    strip = Strip(filled[0].time_base)
    for pts in chain.from_iterable(segment.pts for segment in filled):
        strip.pts.append(max(pts, strip.pts[-1] + 1) if strip.pts else pts)  # frames of one time are pushed apart
    strip.end = strip.pts[-1] * strip.time_base + _lasts(plan, segments, strip)
    with av.open(str(filled[0].path)) as first:
        made = _written(plan, inputs, tools, first.streams.video[0], _packets(filled, strip), strip.end)
    return *made, strip


def _lasts(plan: Plan, segments: Sequence[Segment], strip: Strip) -> Fraction:
    """Seconds that the last frame is shown: it may stay through segments in which none begins."""
    if plan.parameters["picture"]["rate"]:
        return strip.time_base
    index = max(n for n, segment in enumerate(segments) if segment.pts)
    if segments[index].lasts:
        return segments[index].lasts
    later = (Fraction(n * GRID_MS, 1000) + one.lasts for n, one in enumerate(segments) if n > index and one.lasts)
    shown = strip.pts[-1] * strip.time_base
    return max(Fraction(0), next(later, shown) - shown)


def copy(plan: Plan, inputs: Inputs, tools: Tools, source: Source) -> tuple[Path, Sound, Strip] | None:
    """The source's own packets into the file; None where they cannot be shown from a key frame on."""
    with open_media(source.path(), source.media_type) as container:
        stream: Any = container.streams.video[0]
        start = round(Fraction(container.start_time or 0, av.time_base) / stream.time_base)
        strip = Strip(stream.time_base)
        last = _noted(container.demux(stream), start, strip)
        if last is None:
            return None
        strip.end = (max(strip.pts) + last) * stream.time_base
        container.seek(start, stream=stream)
        moved = (_moved(packet, start) for packet in container.demux(stream) if packet.dts is not None)
        return *_written(plan, inputs, tools, stream, moved, strip.end), strip


def _noted(packets: Iterator[Any], start: int, strip: Strip) -> int | None:
    """How long the last packet lasts, in ticks; None: they do not begin with a key frame, or some are not shown."""
    last = 1
    for packet in packets:
        if packet.dts is None:
            continue
        if packet.pts is None or packet.is_discard or packet.is_corrupt or not (strip.pts or packet.is_keyframe):
            return None
        strip.pts.append(packet.pts - start)
        last = packet.duration or last
    if not strip.pts or min(strip.pts) < 0:
        return None
    return last


def _moved(packet: Any, start: int) -> tuple[Any, Fraction]:
    """The packet, timed from the file's start, and its seconds of decoding."""
    packet.pts, packet.dts = packet.pts - start, packet.dts - start
    return packet, packet.dts * packet.time_base


def _written(
    plan: Plan, inputs: Inputs, tools: Tools, template: Any, packets: Iterator[tuple[Any, Fraction]], end: Fraction
) -> tuple[Path, Sound]:
    container = plan.parameters["profile"]["container"]
    target = tools.scratch / f"render.{container}"
    heard = {row["source_id"]: heard_of(inputs[row["source_id"]]) for row in plan.parameters["sounds"]}
    try:
        with av.open(str(target), "w", format=container, options=MUXER) as out:
            stream = out.add_stream_from_template(template)
            sound = soundtrack(out, plan, inputs, tools, {id: one for id, one in heard.items() if one})
            soft = plan.parameters["soft_captions"]
            text = texts.track(out) if soft else None
            for packet, at in packets:
                if tools.stop.is_set():
                    raise Stopped
                sound.until(at)
                packet.stream = stream
                out.mux(packet)
            sound.finish()
            if text:
                texts.write(out, text, cues_of(plan.parameters, soft, inputs), int(end * 1000))
    except (av.FFmpegError, EOFError) as error:
        raise UndecodableMedia(f"the video cannot be rendered: {type(error).__name__}") from error
    return target, sound


def _packets(segments: Sequence[Segment], strip: Strip) -> Iterator[tuple[Packet, Fraction]]:
    """The packets of all segments in the order of decoding, stamped for the whole file, and their seconds of decoding.

    A packet's pts is that of its frame; its dts that of the frame `delay` places before it in the order of decoding,
    for the first ones as much before the first frame: as one encoder would have given them.
    """
    delay = max(segment.delay for segment in segments)
    pts, number, first = strip.pts, 0, 0
    for segment in segments:
        for packet, shown in _ordered(segment.path):
            own = pts[first + shown]
            early = pts[min(delay, len(pts) - 1)] - pts[0]
            dts = pts[number - delay] if number >= delay else pts[number] - early
            after = pts[first + shown + 1] if first + shown + 1 < len(pts) else round(strip.end / strip.time_base)
            packet.time_base = strip.time_base
            packet.pts, packet.dts, packet.duration = own, dts, max(1, after - own)
            number += 1
            yield packet, dts * strip.time_base
        first += len(segment.pts)


def _ordered(path: Path) -> list[tuple[Packet, int]]:
    """A segment's packets in the order of decoding, each with its frame's number."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(container.streams.video[0]) if packet.dts is not None]
    ranks = {pts: rank for rank, pts in enumerate(sorted(packet.pts or 0 for packet in packets))}
    return [(packet, ranks[packet.pts or 0]) for packet in packets]


__all__ = ["Strip", "copy", "join"]
