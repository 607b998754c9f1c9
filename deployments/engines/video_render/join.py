"""The finished file: the segments' packets as one stream, the sound beside them, soft captions."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.packet import Packet

from deployments.engines.video_render import texts
from deployments.engines.video_render.captions import cues_of
from deployments.engines.video_render.facts import heard_of
from deployments.engines.video_render.notes import Notes
from deployments.engines.video_render.segments import Segment
from deployments.engines.video_render.sound import Sound, soundtrack
from deployments.errors import UndecodableMedia
from deployments.media.probe import open_media
from deployments.operation import Inputs, Plan, Source, Stopped, Tools

MUXER = {"movflags": "+faststart", "fflags": "+bitexact"}
"""The index in front; no name of the writing library and no time of writing in the file."""


def join(plan: Plan, inputs: Inputs, tools: Tools, notes: Notes) -> tuple[Path, Sound]:
    """The segments into the file. Raises UndecodableMedia, Stopped."""
    with av.open(str(notes.segments[0].path)) as first:
        return _written(plan, inputs, tools, first.streams.video[0], _packets(notes), notes.end)


def copy(plan: Plan, inputs: Inputs, tools: Tools, source: Source, notes: Notes) -> tuple[Path, Sound] | None:
    """The source's own packets into the file, noted; None where they cannot be shown from a key frame on."""
    with open_media(source.path(), source.media_type) as container:
        stream: Any = container.streams.video[0]
        start = round(Fraction(container.start_time or 0, av.time_base) / stream.time_base)
        last = _noted(container.demux(stream), start, notes)
        if last is None:
            return None
        notes.time_base = stream.time_base
        notes.end = (max(notes.pts) + last) * stream.time_base
        container.seek(start, stream=stream)
        moved = (_moved(packet, start) for packet in container.demux(stream) if packet.dts is not None)
        return _written(plan, inputs, tools, stream, moved, notes.end)


def _noted(packets: Iterator[Any], start: int, notes: Notes) -> int | None:
    """How long the last packet lasts, in ticks; None: they do not begin with a key frame, or some are not shown."""
    last = 1
    for packet in packets:
        if packet.dts is None:
            continue
        if packet.pts is None or packet.is_discard or packet.is_corrupt or not (notes.pts or packet.is_keyframe):
            return None
        notes.pts.append(packet.pts - start)
        last = packet.duration or last
    if not notes.pts or min(notes.pts) < 0:
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


def _packets(notes: Notes) -> Iterator[tuple[Packet, Fraction]]:
    """The packets of all segments in the order of decoding, stamped for the whole file, and their seconds of decoding.

    A packet's pts is that of its frame; its dts that of the frame `delay` places before it in the order of decoding,
    for the first ones as much before the first frame: as one encoder would have given them.
    """
    delay = max(segment.delay for segment in notes.segments)
    number = 0
    for segment in notes.segments:
        for packet, shown in _ordered(segment):
            pts = notes.pts[shown]
            if number >= delay:
                dts = notes.pts[number - delay]
            else:
                dts = notes.pts[number] - (notes.pts[min(delay, len(notes.pts) - 1)] - notes.pts[0])
            after = notes.pts[shown + 1] if shown + 1 < len(notes.pts) else round(notes.end / notes.time_base)
            packet.time_base = notes.time_base
            packet.pts, packet.dts, packet.duration = pts, dts, max(1, after - pts)
            number += 1
            yield packet, dts * notes.time_base


def _ordered(segment: Segment) -> list[tuple[Packet, int]]:
    """Its packets in the order of decoding, each with its frame's number."""
    with av.open(str(segment.path)) as container:
        packets = [packet for packet in container.demux(container.streams.video[0]) if packet.dts is not None]
    ranks = {pts: rank for rank, pts in enumerate(sorted(packet.pts or 0 for packet in packets))}
    return [(packet, segment.first + ranks[packet.pts or 0]) for packet in packets]


__all__ = ["copy", "join"]
