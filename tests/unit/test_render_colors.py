"""The colors of renders: sources in RGB, in other matrices, with an alpha; HDR as a detector sees it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from deployments.engines.video_regions.frames import Reader
from deployments.engines.video_render import frames
from deployments.operation import JSON
from kernels.yuv import to_yuv
from tests.unit.renders import Shop, decoded, file, timeline

BARS = np.array(
    [(255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0), (255, 0, 255), (255, 0, 0), (0, 0, 255), (128,) * 3],
    np.uint8,
)
NAMES = {"bt709": 1, "bt601": 6, "bt2020": 9}
WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""Kr and Kb of the standards, by FFmpeg's numbers."""


def bars(size: tuple[int, int]) -> np.ndarray:
    return np.broadcast_to(np.repeat(BARS, size[0] // 8, axis=0), (size[1], size[0], 3)).copy()


def movie(
    path: Path,
    frame: Callable[[], av.VideoFrame],
    codec: str,
    color: tuple[int, int, int] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Three equal frames."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=25, options=options or {})
        first = frame()
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, first.format.name
        if color:
            context = stream.codec_context
            context.colorspace, context.color_primaries, context.color_trc = color
        for number in range(3):
            one = frame()
            one.pts, one.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(one))
        out.mux(stream.encode(None))
    return path


def seen(frame: av.VideoFrame) -> np.ndarray:
    """[8, 3] the middle of each bar, 0..255: by the matrix that the frame names, in float64."""
    kr, kb = WEIGHTS[int(frame.colorspace)]
    y, cb, cr = (np.asarray(plane, np.float64) for plane in frames.planes(frame))
    at = (np.arange(8) + 0.5) * frame.width / 8
    luma = (y[frame.height // 2, at.astype(int)] - 16) / 219
    pb, pr = ((plane[frame.height // 4, (at / 2).astype(int)] - 128) / 224 for plane in (cb, cr))
    red, blue = luma + 2 * (1 - kr) * pr, luma + 2 * (1 - kb) * pb
    return np.clip(np.stack([red, (luma - kr * red - kb * blue) / (1 - kr - kb), blue], axis=1) * 255, 0, 255)


@pytest.mark.parametrize("size", [(320, 180), (1280, 720)])
@pytest.mark.parametrize("codec", ["qtrle", "libx264rgb"])
def test_rgb_keeps_its_colors(codec: str, size: tuple[int, int], shop: Shop, tmp_path: Path) -> None:
    """Also from 720 lines on, where a stream that names no matrix is read as BT.709."""
    path = movie(tmp_path / "rgb.mov", lambda: av.VideoFrame.from_ndarray(bars(size), "rgb24"), codec)
    asset = shop.asset(path, "video/quicktime")
    made = next(decoded(file(shop.render(timeline(asset.id, scale=1.0) | {"end_ms": 40}))))
    assert np.abs(seen(made) - BARS).max() <= 4


def planar(matrix: Any) -> Callable[[], av.VideoFrame]:
    coded = np.round(to_yuv(bars((320, 180)) / 255.0, matrix)).astype(np.uint8)

    def frame() -> av.VideoFrame:
        made = av.VideoFrame(320, 180, "yuv420p")
        for index, plane in enumerate(frames.planes(made)):
            plane[...] = coded[:: 2 if index else 1, :: 2 if index else 1, index]
        return made

    return frame


@pytest.mark.parametrize("leader", NAMES)
def test_clips_of_other_matrices_keep_their_colors(leader: str, shop: Shop, tmp_path: Path) -> None:
    ids = [
        shop.asset(movie(tmp_path / f"{name}.mp4", planar(name), "libx264", (number,) * 3, {"qp": "0"})).id
        for name, number in sorted(NAMES.items(), key=lambda row: row[0] != leader)
    ]
    request = {"sequence": {"tracks": [{"kind": "video", "clips": [{"asset_id": id} for id in ids]}]}}
    made = list(decoded(file(shop.render(request))))
    assert {int(frame.colorspace) for frame in made} == {NAMES[leader]}
    for number in (1, 4, 7):
        assert np.abs(seen(made[number]) - BARS).max() <= 4


SEEN_THROUGH = {
    "qtrle": ("argb", ".mov", "video/quicktime"),
    "prores_ks": ("yuva444p10le", ".mov", "video/quicktime"),
    "libvpx-vp9": ("yuva420p", ".webm", "video/webm"),
}


@pytest.mark.parametrize("codec", SEEN_THROUGH)
def test_a_videos_own_alpha_shows_what_lies_below(codec: str, shop: Shop, tmp_path: Path) -> None:
    """The left half of the upper video is opaque and white, the right one clear; its matte leaves the upper half."""
    pixels, suffix, media_type = SEEN_THROUGH[codec]

    def frame() -> av.VideoFrame:
        rgba = np.zeros((48, 64, 4), np.uint8)
        rgba[:, :32] = 255
        return av.VideoFrame.from_ndarray(rgba, "rgba").reformat(format=pixels)

    over = shop.asset(movie(tmp_path / f"over{suffix}", frame, codec), media_type)
    grey = np.full((72, 64), 128, np.uint8)
    base = shop.asset(movie(tmp_path / "base.mp4", lambda: av.VideoFrame.from_ndarray(grey, "yuv420p"), "libx264"))
    matte = np.zeros((48, 64), np.uint8)
    matte[:24] = 255
    for more, below in (({}, 235), ({"mask_artifact_id": shop.mask(matte).id}, 128)):
        overlay: JSON = {"asset_id": over.id, **more}
        y = frames.planes(list(decoded(file(shop.render(timeline(base.id, overlays=(overlay,))))))[1])[0].astype(int)
        assert y[4:20, 4:28] == pytest.approx(235, abs=3)
        assert y[28:44, 4:28] == pytest.approx(below, abs=3)
        assert y[4:44, 36:60] == pytest.approx(128, abs=3)


def test_a_detector_sees_hdr_as_people_do(tmp_path: Path) -> None:
    """A grey of 0.6 of reference white (203 cd/m²) in PQ: as SDR 0.6 ** (1 / 2.4), where PQ's own code is 0.53."""
    light = 0.6 * 203 / 10_000
    code = ((0.8359375 + 18.8515625 * light**0.1593017578125) / (1 + 18.6875 * light**0.1593017578125)) ** 78.84375

    def frame() -> av.VideoFrame:
        made = av.VideoFrame(64, 48, "yuv420p10le")
        for index, plane in enumerate(made.planes):
            np.frombuffer(memoryview(plane), np.uint16)[:] = 512 if index else round(64 + 876 * code)
        made.color_trc = 16
        return made

    quiet = {"x265-params": "log-level=none"}
    path = movie(tmp_path / "pq.mp4", frame, "libx265", (9, 9, 16), quiet)
    reader = Reader(path, side=32, threads=1, stop=threading.Event())
    batch = reader.batch()
    assert batch is not None
    assert batch.frames.shape[1:] == (24, 32, 3)
    assert batch.frames.astype(int) == pytest.approx(255 * 0.6 ** (1 / 2.4), abs=4)
