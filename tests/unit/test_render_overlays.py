"""Pictures over a clip, and mattes."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from deployments.engines.video_render.clips import MOST_SCALED
from deployments.engines.video_render.frames import planes
from deployments.errors import InvalidRequest
from kernels.yuv import to_yuv
from tests.unit.renders import (
    Shop,
    clip,
    decoded,
    file,
    png,
    timeline,
)


def luma_of(frame: av.VideoFrame) -> np.ndarray:
    """Its luma."""
    return np.asarray(planes(frame)[0])


def test_an_overlay_is_where_and_when_it_should_be(shop: Shop, tmp_path: Path) -> None:
    """Against a composite in RGB, in float64, of what was decoded without the overlay."""
    base = shop.asset(clip(tmp_path / "c.mp4", [n * 40 for n in range(10)], (128, 96)))
    pixels = np.random.default_rng(1).integers(0, 256, (24, 32, 4), dtype=np.uint8)
    pixels = np.repeat(np.repeat(pixels[::8, ::8], 8, axis=0), 8, axis=1)  # blocks, which encoding keeps
    picture = shop.asset(png(pixels), "image/png")
    over = {"asset_id": picture.id, "position": [41, 30], "opacity": 0.6, "start_ms_on_timeline": 120, "out_ms": 120}
    plain = [f.to_ndarray() for f in decoded(file(shop.render(timeline(base.id))))]
    made = [f.to_ndarray() for f in decoded(file(shop.render(timeline(base.id, overlays=(over,)))))]
    for number, (a, b) in enumerate(zip(plain, made, strict=True)):
        luma = a[:96].astype(float)
        if 3 <= number < 6:
            alpha = pixels[..., 3] / 255 * 0.6
            painted = to_yuv(pixels[..., :3] / 255, "bt601")[..., 0]
            part = luma[30:54, 41:73]
            part[...] = part * (1 - alpha) + painted * alpha
        assert np.abs(b[:96] - luma).mean() < 1.5
        assert np.abs(b[40:44, 50:54] - luma[40:44, 50:54]).mean() < 6


def test_a_matte_cuts_the_overlay_and_scale_enlarges_it(shop: Shop, tmp_path: Path) -> None:
    base = shop.asset(clip(tmp_path / "c.mp4", [0, 40, 80], (128, 96)))
    picture = shop.asset(png(np.full((20, 20, 3), 255, np.uint8)), "image/png")
    half = np.zeros((20, 20), np.uint8)
    half[:, 10:] = 255
    over = {"asset_id": picture.id, "position": [40, 20], "scale": 2.0, "mask_artifact_id": shop.mask(half).id}
    luma = next(decoded(file(shop.render(timeline(base.id, overlays=(over,)))))).to_ndarray()[:96]
    plain = next(decoded(file(shop.render(timeline(base.id))))).to_ndarray()[:96]
    assert luma[24:56, 64:76].min() > 225
    assert np.abs(luma[24:56, 44:54].astype(int) - plain[24:56, 44:54]).max() < 8


def test_a_clips_own_matte_shows_black_around_it(shop: Shop, tmp_path: Path) -> None:
    base = shop.asset(clip(tmp_path / "c.mp4", [0, 40, 80], (128, 96)))
    matte = np.zeros((96, 128), np.uint8)
    matte[:, 64:] = 255
    request = timeline(base.id, mask_artifact_id=shop.mask(matte).id, opacity=0.5)
    luma = next(decoded(file(shop.render(request)))).to_ndarray()[:96].astype(int)
    plain = next(decoded(file(shop.render(timeline(base.id))))).to_ndarray()[:96].astype(int)
    assert luma[:, :56].max() < 20
    assert np.abs(luma[:, 72:] - (16 + (plain[:, 72:] - 16) * 0.5)).max() < 6


def test_pictures_far_larger_than_the_file_cost_what_is_seen_of_them(shop: Shop, tmp_path: Path) -> None:
    """100 times 640 pixels are 24 GB. The enlarged edge runs through the middle, 100 pixels wide."""
    base = shop.asset(clip(tmp_path / "c.mp4", [0, 40, 80], (128, 96)))
    pixels = np.zeros((640, 640, 3), np.uint8)
    pixels[:, 320:] = 255
    picture = shop.asset(png(pixels), "image/png")
    over = {"asset_id": picture.id, "position": [-32000 + 64, -32000 + 48], "scale": 100.0}
    luma = next(decoded(file(shop.render(timeline(base.id, overlays=(over,)))))).to_ndarray()[:96].astype(int)
    assert luma[:, 64] == pytest.approx((16 + 235) / 2, abs=3)
    assert luma[:, 14] == pytest.approx(16, abs=16)
    assert luma[:, 114] == pytest.approx(235, abs=16)


def test_a_video_is_scaled_up_to_a_bound(shop: Shop, tmp_path: Path) -> None:
    base = shop.asset(clip(tmp_path / "c.mp4", [0, 40, 80], (128, 96)))
    most = (MOST_SCALED / (128 * 96)) ** 0.5
    assert shop.plan(timeline(base.id, overlays=({"asset_id": base.id, "scale": most * 0.999},)))
    for kind, request in (
        ("tracks[1]", timeline(base.id, overlays=({"asset_id": base.id, "scale": most * 1.001},))),
        ("tracks[0]", timeline(base.id, scale=most * 1.001)),
    ):
        with pytest.raises(InvalidRequest, match="crop what is shown") as caught:
            shop.plan(request)
        assert caught.value.details["field"] == f"sequence.{kind}.clips[0].scale"


def test_what_is_not_in_the_file_is_told(shop: Shop, tmp_path: Path) -> None:
    base = shop.asset(clip(tmp_path / "c.mp4", [0, 40, 80], (128, 96)))
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "lime", "blue")]
    data = io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:], duration=200)
    moving = shop.asset(data.getvalue(), "image/gif")
    late = {"asset_id": base.id, "start_ms_on_timeline": 5000}
    on_time = {"asset_id": base.id, "start_ms_on_timeline": 119}
    said = shop.plan(timeline(base.id, overlays=(late, {"asset_id": moving.id}, on_time)) | {"proof": "off"}).warnings
    assert [(row.field, "left out" in row.message, "3 frames" in row.message) for row in said] == [
        ("sequence.tracks[1].clips[0].start_ms_on_timeline", True, False),
        ("sequence.tracks[2].clips[0].asset_id", False, True),
    ]


@pytest.mark.parametrize("turn", [0, 90])
def test_a_square_stays_one_beside_pixels_that_are_not(turn: int, shop: Shop, tmp_path: Path) -> None:
    """The leading clip's pixels are twice as wide as high, and with a quarter turn twice as high as wide."""
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 128, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        if turn:
            stream.set_display_rotation(turn)
        for _ in range(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((192, 96), 60, np.uint8), "yuv420p")))
        out.mux(stream.encode(None))
    leader = shop.asset(path)
    white = shop.asset(png(np.full((40, 40, 3), 255, np.uint8)), "image/png")
    output = shop.render(timeline(leader.id, overlays=({"asset_id": white.id},)))
    with av.open(str(file(output))) as made:
        aspect = made.streams.video[0].sample_aspect_ratio
    assert aspect == (Fraction(1, 2) if turn else 2)
    rows, columns = np.nonzero(luma_of(next(decoded(file(output)))) > 150)
    assert np.ptp(columns) + 1 == pytest.approx(float((np.ptp(rows) + 1) / aspect), abs=3)


def test_a_picture_of_16_bits_keeps_its_greys(shop: Shop, tmp_path: Path) -> None:
    """30,000 of 65,535 is luma 16 + 219 * 0.458."""
    base = shop.asset(clip(tmp_path / "c.mp4", [0, 40, 80], (128, 96)))
    pixels = np.zeros((40, 40), np.uint16)
    pixels[:, 20:] = 30_000
    over = {"asset_id": shop.asset(png(pixels), "image/png").id}
    luma = next(decoded(file(shop.render(timeline(base.id, overlays=(over,)))))).to_ndarray()[:96].astype(int)
    assert luma[4:36, 4:16] == pytest.approx(16, abs=3)
    assert luma[4:36, 24:36] == pytest.approx(16 + 219 * 30_000 / 65_535, abs=3)
