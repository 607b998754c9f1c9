"""HDR frames as SDR ones, for whoever looks at them: a detector, a render, a thumbnail."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.video.frame import VideoFrame

from kernels.tonemap import TRANSFERS, Transfer, tone_mapped

WIDE = "yuv420p10le"
PLAIN = "yuv420p"
BT709 = 1
"""AVCOL_SPC_BT709, AVCOL_PRI_BT709, AVCOL_TRC_BT709."""
MPEG_RANGE = 1
"""AVCOL_RANGE_MPEG: 16..235."""
FULL_RANGE = 2


def transfer(frame: VideoFrame) -> Transfer | None:
    """The HDR transfer of its light; None: it is SDR."""
    return TRANSFERS.get(int(frame.color_trc))


def standard(frame: VideoFrame, size: tuple[int, int] | None = None) -> VideoFrame:
    """A frame of HDR in 8 bits, 4:2:0, limited range, tone-mapped to BT.709; one of SDR as it is.

    `size`: width and height at which HDR is wanted, not larger than the frame's; the default is the frame's own.
    """
    light = transfer(frame)
    if light is None:
        return frame
    width, height = size or (frame.width, frame.height)
    full = frame.format.name.startswith("yuvj") or frame.color_range == FULL_RANGE
    ranges: dict[str, Any] = {"src_color_range": "JPEG", "dst_color_range": "MPEG"} if full else {}
    way = None if (width, height) == (frame.width, frame.height) else "AREA"
    same = frame.format.name == WIDE and way is None and not full
    wide = frame if same else frame.reformat(width, height, WIDE, interpolation=way, **ranges)
    y, u, v = (
        np.frombuffer(memoryview(plane), np.uint16).reshape(-1, plane.line_size // 2)[: plane.height, : plane.width]
        for plane in wide.planes
    )
    made = VideoFrame(width, height, PLAIN)
    for plane, part in zip(made.planes, tone_mapped((y, u, v), light), strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        rows[: plane.height, : plane.width] = part
    made.colorspace = made.color_primaries = made.color_trc = BT709
    made.color_range = MPEG_RANGE
    return made


__all__ = ["BT709", "FULL_RANGE", "MPEG_RANGE", "PLAIN", "WIDE", "standard", "transfer"]
