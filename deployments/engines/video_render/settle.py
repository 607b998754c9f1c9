"""What a render's plan becomes where it is made: the encoder that works here, the detector whose weights are here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
from av.video.frame import VideoFrame

from configs.profiles import profiles
from configs.settings import Settings
from deployments.engines.video_render import searcher
from deployments.engines.video_render.cut import KIND
from deployments.errors import BackendUnavailable
from deployments.operation import Plan

SIZE = 256
"""Pixels a side of the picture that an encoder is tried with."""


def settle(plan: Plan, weights: Callable[[str], Path], settings: Settings) -> Plan:
    """A segment's plan is settled already. Raises BackendUnavailable where no encoder of the profile works, or no
    detector is here."""
    if plan.kind == KIND:
        return plan
    profile = plan.parameters["profile"]
    row = profiles()[profile["name"]]
    rows = [(row.codec, row.options), *((other.codec, other.options) for other in row.instead)]
    found = next(((codec, options) for codec, options in rows if works(codec, row.pixels)), None)
    if found is None:
        raise BackendUnavailable(
            f"no encoder of the profile {profile['name']} works here: {', '.join(codec for codec, _ in rows)}",
            field="render_profile",
        )
    codec, options = found
    if codec != profile["codec"]:
        used = profile | {"codec": codec, "options": dict(options)}
        plan = replace(plan, parameters=plan.parameters | {"profile": used}, backend=codec)
    return searcher.settle(plan, weights, settings)


@cache
def works(codec: str, pixels: str) -> bool:
    """Whether an encoder is in this build of FFmpeg and gives packets: a name alone promises nothing."""
    try:
        context: Any = av.CodecContext.create(codec, "w")
        context.width = context.height = SIZE
        context.pix_fmt, context.time_base = pixels, Fraction(1, 25)
        frame = VideoFrame(SIZE, SIZE, pixels)
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        return bool([*context.encode(frame), *context.encode(None)])
    except (av.FFmpegError, ValueError, OSError):
        return False


__all__ = ["settle", "works"]
