"""The frames of a render: their times, sizes, turns, and those of clips one after another."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from pydantic import ValidationError

from configs.profiles import profiles
from deployments.errors import InvalidRequest
from tests.unit.renders import (
    Shop,
    clip,
    decoded,
    file,
    luma,
    png,
    timeline,
)


def test_uneven_times_are_kept(shop: Shop, tmp_path: Path) -> None:
    times = [0, 40, 45, 200, 210, 700]
    asset = shop.asset(clip(tmp_path / "c.mp4", times))
    found = [float(f.pts * f.time_base * 1000) for f in decoded(file(shop.render(timeline(asset.id))))]
    assert found == pytest.approx(times, abs=0.01)


def test_a_cut_begins_with_the_frame_on_screen(shop: Shop, tmp_path: Path) -> None:
    asset = shop.asset(clip(tmp_path / "c.mp4", [0, 100, 200, 300, 400], grey=True))
    output = shop.render(timeline(asset.id, in_ms=150, out_ms=350))
    made = list(decoded(file(output)))
    assert [float(f.pts * f.time_base * 1000) for f in made] == pytest.approx([0, 50, 150], abs=0.01)
    assert [round(float(f.to_ndarray()[:48].mean())) for f in made] == pytest.approx([31, 32, 33], abs=1)


def test_a_turned_clip_stands_upright(shop: Shop, tmp_path: Path) -> None:
    asset = shop.asset(clip(tmp_path / "c.mp4", [0, 40], (64, 48), turn=90))
    source = next(decoded(tmp_path / "c.mp4"))
    expected = np.rot90(source.to_ndarray()[:48], round(source.rotation / 90) % 4)
    made = next(decoded(file(shop.render(timeline(asset.id)))))
    assert (made.width, made.height, made.rotation) == (48, 64, 0)
    assert np.abs(made.to_ndarray()[:64].astype(int) - expected).mean() < 3


@pytest.mark.parametrize("name", ["draft_480p_fast", "social_1_1_h264"])
def test_a_profile_contains_the_picture(name: str, shop: Shop, tmp_path: Path) -> None:
    asset = shop.asset(clip(tmp_path / "c.mp4", [0, 40], (64, 48)))
    profile = profiles()[name]
    made = next(decoded(file(shop.render(timeline(asset.id) | {"render_profile": name}))))
    assert (made.width, made.height) == (profile.width, profile.height)
    luma = made.to_ndarray()[: made.height].astype(int)
    side, top = (made.width - made.height * 4 // 3) // 2, (made.height - made.width * 3 // 4) // 2
    if side > 2:
        assert luma[:, : side - 4].max() < 20
        assert luma[:, side + 4 : side + 12].mean() > 25
    if top > 2:
        assert luma[: top - 4].max() < 20
        assert luma[top + 4 : top + 12].mean() > 60


def test_a_constant_rate_repeats_and_drops(shop: Shop, tmp_path: Path) -> None:
    asset = shop.asset(clip(tmp_path / "c.mp4", [0, 100, 110, 120, 400, 440], (64, 48)))
    over = {"asset_id": shop.asset(png(np.full((8, 8, 4), 200, np.uint8)), "image/png").id}
    request = timeline(asset.id, overlays=(over,)) | {"render_profile": "1080p_30_web"}
    made = list(decoded(file(shop.render(request))))
    assert [f.pts * f.time_base for f in made] == [Fraction(n, 30) for n in range(len(made))]
    assert len(made) == pytest.approx(0.48 * 30, abs=2)
    corner = [int(f.to_ndarray()[4, 4]) for f in made]
    assert max(corner) - min(corner) <= 4  # repeated frames are painted once each


def test_odd_sizes_lose_a_column(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "odd.webm"
    with av.open(str(path), "w", format="webm") as out:
        stream = out.add_stream("libvpx-vp9", rate=25)
        stream.width, stream.height, stream.pix_fmt = 65, 49, "yuv420p"
        out.mux(stream.encode(av.VideoFrame(65, 49, "yuv420p")))
        out.mux(stream.encode(None))
    made = next(decoded(file(shop.render(timeline(shop.asset(path, "video/webm").id)))))
    assert (made.width, made.height) == (64, 48)


def test_clips_one_after_another(shop: Shop, tmp_path: Path) -> None:
    """A grey a frame says which frame of which clip is shown; the gap is black; the second clip is cut and re-timed."""
    one = shop.asset(clip(tmp_path / "a.mp4", [n * 40 for n in range(10)], grey=True))
    two = shop.asset(clip(tmp_path / "b.mp4", [n * 20 for n in range(50)], grey=True))
    clips = [
        {"asset_id": one.id},
        {"asset_id": two.id, "in_ms": 200, "out_ms": 600, "start_ms_on_timeline": 480},
    ]
    output = shop.render({"sequence": {"tracks": [{"kind": "video", "clips": clips}]}})
    found = luma(file(output), 48)
    expected = [30 + n for n in range(10)] + [16, 16] + [30 + 10 + 2 * n for n in range(10)]
    assert len(found) == len(expected)
    assert np.abs(np.array(found) - expected).max() < 1.5
    assert (output.meta["fps"], output.meta["duration_ms"]) == (25, 880)


def test_a_part_of_the_timeline(shop: Shop, tmp_path: Path) -> None:
    one = shop.asset(clip(tmp_path / "a.mp4", [n * 40 for n in range(10)], grey=True))
    tracks = [{"kind": "video", "clips": [{"asset_id": one.id}, {"asset_id": one.id}]}]
    whole = {"sequence": {"tracks": tracks}}
    found = luma(file(shop.render(whole | {"start_ms": 200, "end_ms": 600})), 48)
    assert np.abs(np.array(found) - [30 + n for n in (5, 6, 7, 8, 9, 0, 1, 2, 3, 4)]).max() < 1.5
    first = shop.plan(whole | {"end_ms": 400})
    assert first.cache_key == shop.plan(timeline(one.id)).cache_key
    for wrong in ({"start_ms": 800}, {"start_ms": 5000, "end_ms": 6000}):
        with pytest.raises(InvalidRequest, match="start_ms"):
            shop.plan(whole | wrong)
    with pytest.raises(ValidationError, match="does not lie after"):
        shop.plan(whole | {"start_ms": 5, "end_ms": 5})


def test_a_still_picture_between_clips(shop: Shop, tmp_path: Path) -> None:
    one = shop.asset(clip(tmp_path / "a.mp4", [n * 40 for n in range(5)], grey=True))
    white = shop.asset(png(np.full((48, 64, 3), 255, np.uint8)), "image/png")
    clips = [{"asset_id": one.id}, {"asset_id": white.id, "out_ms": 200}, {"asset_id": one.id}]
    found = luma(file(shop.render({"sequence": {"tracks": [{"kind": "video", "clips": clips}]}})), 48)
    assert np.abs(np.array(found) - [*range(30, 35), *[235] * 5, *range(30, 35)]).max() < 2
    alone = shop.plan({"sequence": {"tracks": [{"kind": "video", "clips": [{"asset_id": white.id}]}]}})
    assert alone.parameters["profile"]["name"] == "social_1080p_h264"
