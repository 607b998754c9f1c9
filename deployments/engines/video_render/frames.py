"""Frames as planes: decoded in order, turned upright, scaled onto the canvas, writable where needed."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from av.video.frame import PictureType, VideoFrame

from deployments.media.light import BT709, FULL_RANGE, MPEG_RANGE, PLAIN, standard, transfer
from kernels.yuv import BLACK, Matrix, Plane, Planes, recolored

PIXELS = PLAIN
SEEN_THROUGH = "yuva420p"
MATRICES: dict[int, Matrix] = {1: "bt709", 5: "bt601", 6: "bt601", 7: "bt601", 9: "bt2020", 10: "bt2020"}
"""AVColorSpace -> matrix."""
SPACES: dict[Matrix, int] = {"bt709": 1, "bt601": 6, "bt2020": 9}
SCALER: dict[Matrix, str] = {"bt709": "ITU709", "bt601": "ITU601"}
"""The scaler's names; it has none for BT.2020."""
HD_HEIGHT = 720
"""A stream that does not name its color space is read as BT.709 from this height on, below as BT.601: as players do."""


def planes(frame: VideoFrame) -> Planes:
    """Views of the frame's own memory: Y [h, w], Cb and Cr [ceil(h/2), ceil(w/2)]; rows may be padded behind."""
    y, u, v = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    )
    return y, u, v


def as_yuv420(frame: VideoFrame) -> tuple[VideoFrame, Matrix | None]:
    """8 bits, 4:2:0, limited range, tone-mapped to BT.709 where it is HDR; the same frame where it is that already.

    Also the matrix that it was made with here, of colors that had none (RGB) or another one (HDR); None: its stream's.
    """
    if transfer(frame) is not None:
        return standard(frame), "bt709"
    if frame.format.is_rgb or frame.format.has_palette:
        made = frame.reformat(format=PIXELS, dst_colorspace=SCALER["bt709"], dst_color_range="MPEG")
        return _like(frame, made), "bt709"
    full = frame.format.name.startswith("yuvj") or frame.color_range == FULL_RANGE
    if full:
        made = frame.reformat(format=PIXELS, src_color_range="JPEG", dst_color_range="MPEG")
        return _like(frame, made), None
    return (frame if frame.format.name == PIXELS else _like(frame, frame.reformat(format=PIXELS))), None


def in_matrix(frame: VideoFrame, given: Matrix, wanted: Matrix) -> VideoFrame:
    """A frame of one clip with the matrix of the file that it goes into."""
    made = _copied(frame, *recolored(planes(frame), given, wanted))
    made.colorspace = SPACES[wanted]
    return made


def alpha(frame: VideoFrame) -> Plane | None:
    """[h, w] 255 = shown, of a frame whose format has an alpha; None: it has none."""
    if not any(component.is_alpha for component in frame.format.components):
        return None
    plane = frame.reformat(format=SEEN_THROUGH).planes[3]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width].copy()


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
    "BT709",
    "MPEG_RANGE",
    "PIXELS",
    "SPACES",
    "alpha",
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
    "turns",
    "upright",
]
