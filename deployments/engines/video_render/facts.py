"""What the encoder follows of a clip's file: its clock, its rate, its colors' meaning, and its sound."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from deployments.engines.video_render import frames
from deployments.errors import UndecodableMedia
from deployments.media.probe import open_media
from deployments.operation import Source
from kernels.tonemap import TRANSFERS
from kernels.yuv import Matrix


@dataclass(frozen=True, slots=True)
class Heard:
    """A stream of sound."""

    codec: str
    rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class Facts:
    """One video file."""

    time_base: Fraction
    rate: Fraction
    """Frames a second, on average."""
    matrix: Matrix
    primaries: int
    transfer: int
    """AVColorPrimaries and AVColorTransferCharacteristic."""
    aspect: Fraction | None
    """Of a pixel."""


LEAST_TICK_S = Fraction(1, 25)
STILLS = Facts(Fraction(1, 30), Fraction(30), "bt709", 1, 1, None)
"""A file of pictures alone follows BT.709."""


def facts_of(source: Source) -> Facts:
    """Raises UndecodableMedia for a file without a picture."""
    with open_media(source.path(), source.media_type) as container:
        if not container.streams.video:
            raise UndecodableMedia("the file has no video stream")
        video: Any = container.streams.video[0]
        context = video.codec_context
        sdr = int(context.color_trc) not in TRANSFERS and not _is_rgb(context)
        return Facts(
            time_base=_fine(video.time_base or Fraction(1, 1000)),
            rate=Fraction(video.average_rate or video.guessed_rate or 25),
            matrix=frames.matrix(context) if sdr else "bt709",  # HDR is tone-mapped, and RGB has none
            primaries=int(context.color_primaries) if sdr else frames.BT709,
            transfer=int(context.color_trc) if sdr else frames.BT709,
            aspect=Fraction(video.sample_aspect_ratio) if video.sample_aspect_ratio else None,
        )


def _fine(time_base: Fraction) -> Fraction:
    """A whole part of it, fine enough for what changes while a frame of a slow clip stays."""
    return time_base / math.ceil(time_base / LEAST_TICK_S)


def _is_rgb(context: Any) -> bool:
    return context.format is not None and (context.format.is_rgb or context.format.has_palette)


def heard_of(source: Source) -> Heard | None:
    """A file's sound; None: it has none."""
    with open_media(source.path(), source.media_type) as container:
        audio: Any = next((stream for stream in container.streams.audio if stream.codec_context), None)
        return None if audio is None else Heard(audio.codec_context.name, audio.rate, audio.channels)


__all__ = ["STILLS", "Facts", "Heard", "facts_of", "heard_of"]
