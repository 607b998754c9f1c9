"""Soft captions: a text track (mov_text) that players show when asked to."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from av.container import OutputContainer
from av.packet import Packet

from deployments.operation import JSON

CODEC = "mov_text"
MILLISECONDS = Fraction(1, 1000)
HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Sans,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
"""What FFmpeg's encoder takes its default style from."""


def track(out: OutputContainer) -> Any:
    """A text stream, open before the first packet is written."""
    stream: Any = out.add_stream(CODEC)
    stream.codec_context.subtitle_header = HEADER
    stream.codec_context.time_base = stream.time_base = MILLISECONDS
    return stream


def write(out: OutputContainer, stream: Any, cues: Sequence[JSON], end_ms: int) -> None:
    """The cues, timed from the file's start; between two of them the track says nothing, by an empty sample."""
    at = 0
    for cue in cues:
        start, last = max(at, int(cue["start_ms"])), min(end_ms, int(cue["end_ms"]))
        if last <= start:
            continue
        if start > at:
            _put(out, stream, "", at, start)
        _put(out, stream, "\n".join(cue["lines"]), start, last)
        at = last


def _put(out: OutputContainer, stream: Any, text: str, start: int, end: int) -> None:
    """A sample of 3GPP timed text: the text's length in two bytes, and its UTF-8."""
    said = text.encode()[:0xFFFF]
    packet = Packet(len(said).to_bytes(2, "big") + said)
    packet.stream, packet.time_base = stream, MILLISECONDS
    packet.pts = packet.dts = start
    packet.duration = end - start
    out.mux(packet)


__all__ = ["track", "write"]
