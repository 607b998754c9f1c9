"""Frames as planes: decoded in order, turned upright, scaled onto the canvas, writable where needed."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from av.video.frame import PictureType, VideoFrame

from kernels.tonemap import TRANSFERS, Transfer, tone_mapped
from kernels.yuv import BLACK, Matrix, Planes

PIXELS = "yuv420p"
WIDE = "yuv420p10le"
BT709 = 1
"""AVCOL_PRI_BT709, AVCOL_TRC_BT709."""
MPEG_RANGE = 1
"""AVCOL_RANGE_MPEG: 16..235."""
FULL_RANGE = 2
MATRICES: dict[int, Matrix] = {1: "bt709", 5: "bt601", 6: "bt601", 7: "bt601", 9: "bt2020", 10: "bt2020"}
"""AVColorSpace -> matrix."""
SPACES: dict[Matrix, int] = {"bt709": 1, "bt601": 6, "bt2020": 9}
SCALER: dict[Matrix, str] = {"bt709": "ITU709", "bt601": "ITU601", "bt2020": "ITU709"}
"""The scaler's names; it has none for BT.2020, whose weights lie nearest BT.709's."""
HD_HEIGHT = 720
"""A stream that does not name its color space is read as BT.709 from this height on, below as BT.601: as players do."""


def planes(frame: VideoFrame) -> Planes:
    """Views of the frame's own memory: Y [h, w], Cb and Cr [ceil(h/2), ceil(w/2)]; rows may be padded behind."""
    y, u, v = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    )
    return y, u, v


def transfer(frame: VideoFrame) -> Transfer | None:
    """The HDR transfer of its light; None: it is SDR."""
    return TRANSFERS.get(int(frame.color_trc))


def as_yuv420(frame: VideoFrame) -> VideoFrame:
    """8 bits, 4:2:0, limited range, tone-mapped to BT.709 where it is HDR; the same frame where it is that already."""
    light = transfer(frame)
    full = frame.format.name.startswith("yuvj") or frame.color_range == FULL_RANGE
    if light is not None:
        return _tone_mapped(frame, light, full)
    if frame.format.name == PIXELS and not full:
        return frame
    if full:
        return _like(frame, frame.reformat(format=PIXELS, src_color_range="JPEG", dst_color_range="MPEG"))
    return _like(frame, frame.reformat(format=PIXELS))


def _tone_mapped(frame: VideoFrame, light: Transfer, full: bool) -> VideoFrame:
    wide = frame
    if full:
        wide = frame.reformat(format=WIDE, src_color_range="JPEG", dst_color_range="MPEG")
    elif frame.format.name != WIDE:
        wide = frame.reformat(format=WIDE)
    y, u, v = (
        np.frombuffer(memoryview(plane), np.uint16).reshape(-1, plane.line_size // 2)[: plane.height, : plane.width]
        for plane in wide.planes
    )
    made = VideoFrame(frame.width, frame.height, PIXELS)
    for plane, part in zip(planes(made), tone_mapped((y, u, v), light), strict=True):
        plane[...] = part
    made.colorspace, made.color_range = SPACES["bt709"], MPEG_RANGE
    made.color_primaries = made.color_trc = BT709
    return made


def in_matrix(frame: VideoFrame, given: Matrix, wanted: Matrix) -> VideoFrame:
    """A frame of one clip with the matrix of the file that it goes into."""
    rgb = frame.reformat(format="rgb24", src_colorspace=SCALER[given])
    made = rgb.reformat(format=PIXELS, dst_colorspace=SCALER[wanted])
    made.colorspace, made.color_range = SPACES[wanted], MPEG_RANGE
    return made


def black(size: tuple[int, int]) -> VideoFrame:
    """A frame of width and height."""
    frame = VideoFrame(*size, PIXELS)
    for plane, value in zip(planes(frame), BLACK, strict=True):
        plane[...] = value
    return frame


def turns(frame: VideoFrame) -> int:
    """Quarter turns counter-clockwise that its metadata asks for, 0..3."""
    return round((frame.rotation or 0) / 90) % 4


def upright(frame: VideoFrame, quarters: int) -> VideoFrame:
    """Turned counter-clockwise by so many quarters."""
    if not quarters:
        return frame
    return _copied(frame, *[np.rot90(plane, quarters) for plane in planes(frame)])


def even(frame: VideoFrame) -> VideoFrame:
    """Without its last column or row where their number is odd: 4:2:0 is encoded in whole blocks."""
    if frame.width % 2 == 0 and frame.height % 2 == 0:
        return frame
    width, height = frame.width & ~1, frame.height & ~1
    y, u, v = planes(frame)
    return _copied(frame, y[:height, :width], u[: height // 2, : width // 2], v[: height // 2, : width // 2])


def cropped(frame: VideoFrame, box: Sequence[int]) -> VideoFrame:
    """x, y, width, height of its pixels, all even."""
    x, y, width, height = box
    parts = [
        plane[y // step : (y + height) // step, x // step : (x + width) // step]
        for plane, step in zip(planes(frame), (1, 2, 2), strict=True)
    ]
    return _copied(frame, *parts)


def scaled(frame: VideoFrame, size: tuple[int, int]) -> VideoFrame:
    """To width and height, both even; the same frame where it has them."""
    if size == (frame.width, frame.height):
        return frame
    return _like(frame, frame.reformat(width=size[0], height=size[1], interpolation="BICUBIC"))


def put(board: VideoFrame, frame: VideoFrame, x: int, y: int) -> None:
    """Copies a frame onto a writable one, its corner at x, y (both even); what lies outside is left out."""
    for index, (below, above) in enumerate(zip(planes(board), planes(frame), strict=True)):
        left, top = (x // 2, y // 2) if index else (x, y)
        x0, y0 = max(0, left), max(0, top)
        x1, y1 = min(below.shape[1], left + above.shape[1]), min(below.shape[0], top + above.shape[0])
        if x1 > x0 and y1 > y0:
            below[y0:y1, x0:x1] = above[y0 - top : y1 - top, x0 - left : x1 - left]


def duplicate(frame: VideoFrame) -> VideoFrame:
    return _copied(frame, *planes(frame))


def matrix(context: Any) -> Matrix:
    """Of a stream's codec context."""
    return MATRICES.get(int(context.colorspace), "bt709" if context.height >= HD_HEIGHT else "bt601")


def for_encoder(frame: VideoFrame, pts: int, time_base: Fraction) -> VideoFrame:
    """Stamped, and free of the decoder's choice of picture type, which the encoder would follow."""
    frame.pts, frame.time_base, frame.pict_type = pts, time_base, PictureType.NONE
    return frame


def _copied(frame: VideoFrame, *parts: np.ndarray) -> VideoFrame:
    made = VideoFrame(parts[0].shape[1], parts[0].shape[0], PIXELS)
    for plane, part in zip(planes(made), parts, strict=True):
        plane[...] = part
    return _like(frame, made)


def _like(frame: VideoFrame, made: VideoFrame) -> VideoFrame:
    """`made` with the colors' meaning of `frame`."""
    made.colorspace, made.color_range = frame.colorspace, MPEG_RANGE
    made.color_primaries, made.color_trc = frame.color_primaries, frame.color_trc
    return made


__all__ = [
    "PIXELS",
    "SPACES",
    "as_yuv420",
    "black",
    "cropped",
    "duplicate",
    "even",
    "for_encoder",
    "in_matrix",
    "matrix",
    "planes",
    "put",
    "scaled",
    "transfer",
    "turns",
    "upright",
]
