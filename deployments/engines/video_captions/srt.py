"""Cues as SubRip and as WebVTT. Escaped by us: the libraries write `-->`, `&` and `<` as they are."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deployments.engines.video_captions.models import Cue

BRACES = str.maketrans("{}", "()")
INVISIBLE = "\u2060"
"""Word joiner: no width, no break."""
_MARKUP = re.compile(r"--(?=>)|<(?=[A-Za-z/])|\\(?=[A-Za-z])|(?<=\d):(?=\d{1,2}[.,]\d)")


def srt(cues: Sequence[Cue]) -> str:
    """SubRip. It has no escapes, and players take `<i>`, `\\N`, `-->` and time stamps for markup, so a word joiner is
    put inside those, which shows nothing; braces, whose content players hide, become parentheses. All other text stays
    as it is, `&` too."""
    blocks = []
    for cue in cues:
        lines = [_MARKUP.sub(lambda found: found.group() + INVISIBLE, line.translate(BRACES)) for line in _lines(cue)]
        blocks.append("\n".join([str(cue.index), _times(cue, ","), *lines]) + "\n")
    return "\n".join(blocks)


def vtt(cues: Sequence[Cue]) -> str:
    """WebVTT, with its character references for `&`, `<` and `>`."""
    blocks = ["WEBVTT\n"]
    for cue in cues:
        lines = [html.escape(line, quote=False) for line in _lines(cue)]
        blocks.append("\n".join([str(cue.index), _times(cue, "."), *lines]) + "\n")
    return "\n".join(blocks)


def _lines(cue: Cue) -> list[str]:
    """The lines without what would end one or the cue."""
    lines = (" ".join(re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]", " ", line).split()) for line in cue.lines)
    return [line for line in lines if line]


def _times(cue: Cue, comma: str) -> str:
    return f"{_time(cue.start_ms, comma)} --> {_time(cue.end_ms, comma)}"


def _time(ms: int, comma: str) -> str:
    seconds, ms = divmod(ms, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{comma}{ms:03d}"


@dataclass(frozen=True, slots=True)
class Format:
    """A row of FORMATS."""

    write: Callable[[Sequence[Cue]], str]
    media_type: str


FORMATS: Mapping[str, Format] = {
    "srt": Format(srt, "application/x-subrip; charset=utf-8"),
    "vtt": Format(vtt, "text/vtt; charset=utf-8"),
}
"""The subtitle files that a transcript can be had as."""

__all__ = ["FORMATS", "Format", "srt", "vtt"]
