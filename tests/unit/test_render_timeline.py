"""Renders of whole timelines: transitions, speed, opacity, blend modes, crops, keyframes; frame by frame."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artifacts import Asset
from artifacts.errors import NotFound
from deployments.engines.video_render.cut import cut
from deployments.engines.video_render.film import Film, Stage
from deployments.engines.video_render.frames import planes
from deployments.errors import InvalidRequest
from deployments.inputs import StoredInputs
from deployments.operation import JSON
from deployments.timeline import edits, sequences
from deployments.timeline.models import SequenceRequest
from deployments.timeline.requests import AutomationRequest
from kernels.blend import MODES, dissolve_hash
from tests.unit.renders import SCOPE, Shop, clip, decoded, file, luma, png, timeline, tools_for

SIZE = (64, 48)


@pytest.fixture(scope="module")
def greys(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Asset:
    """Frame n is of luma 30 + n, for 2 s at 25 frames a second."""
    return shop.asset(clip(tmp_path_factory.mktemp("greys") / "g.mp4", [n * 40 for n in range(50)], grey=True))


def tracks(*kinds: tuple[str, list[JSON]], **more: Any) -> JSON:
    return {"sequence": {"tracks": [{"kind": kind, "clips": clips} for kind, clips in kinds], **more}}


def grey_of(shop: Shop, value: int) -> str:
    """A still picture of one grey; 255 is luma 235, 0 is 16."""
    return shop.asset(png(np.full((48, 64, 3), value, np.uint8)), "image/png").id


def joined(first: JSON, second: JSON, kind: str, duration_ms: int) -> JSON:
    clips = [{"id": "a", **first}, {"id": "b", **second}]
    row = {"kind": kind, "from_clip_id": "a", "to_clip_id": "b", "duration_ms": duration_ms}
    return tracks(("video", clips), transitions=[row])


# transitions


def test_a_crossfade_is_centred_on_the_cut(shop: Shop, greys: Asset) -> None:
    """0.8 s from 200 ms, 0.8 s from 600 ms, 400 ms of transition: each clip goes on into what lies beyond its cut."""
    first, second = (
        {"asset_id": greys.id, "in_ms": 200, "out_ms": 1000},
        {"asset_id": greys.id, "in_ms": 600, "out_ms": 1400},
    )
    found = luma(file(shop.render(joined(first, second, "crossfade", 400))), 48)
    one, other = [30 + 5 + n for n in range(40)], [30 + 15 + n - 20 for n in range(40)]
    share = [min(1.0, max(0.0, (n * 40 - 600) / 400)) for n in range(40)]
    assert len(found) == 40
    expected = [a * (1 - s) + b * s for a, b, s in zip(one, other, share, strict=True)]
    assert np.abs(np.array(found) - expected).max() < 1.5


def test_where_the_source_holds_nothing_its_last_and_first_frames_stay(shop: Shop, greys: Asset) -> None:
    whole = {"asset_id": greys.id}
    found = luma(file(shop.render(joined(whole, whole, "crossfade", 400))), 48)
    one = [30 + min(49, n) for n in range(100)]
    other = [30 + max(0, n - 50) for n in range(100)]
    share = [min(1.0, max(0.0, (n * 40 - 1800) / 400)) for n in range(100)]
    expected = [a * (1 - s) + b * s for a, b, s in zip(one, other, share, strict=True)]
    assert np.abs(np.array(found) - expected).max() < 1.5


def test_clips_that_overlap_pass_one_into_the_other(shop: Shop, greys: Asset) -> None:
    second = {"asset_id": greys.id, "start_ms_on_timeline": 1600}
    request = joined({"asset_id": greys.id}, second, "dip_to_white", 400)
    found = luma(file(shop.render(request)), 48)
    assert len(found) == 90
    dip = [(70 + n) + (235 - 70 - n) * (n / 5) if n < 5 else (30 + n) + (235 - 30 - n) * (2 - n / 5) for n in range(10)]
    expected = [*range(30, 70), *dip, *range(40, 80)]
    assert np.abs(np.array(found) - expected).max() < 1.5
    with pytest.raises(InvalidRequest, match="overlap by 400 ms"):
        shop.plan(joined({"asset_id": greys.id}, second, "crossfade", 300))


@pytest.mark.parametrize(("kind", "axis", "forward"), [("wipe_left", 1, False), ("push_down", 0, True)])
def test_edges_move(kind: str, axis: int, forward: bool, shop: Shop) -> None:
    black, white = grey_of(shop, 0), grey_of(shop, 255)
    request = joined({"asset_id": black, "out_ms": 400}, {"asset_id": white, "out_ms": 400}, kind, 400)
    for number, frame in enumerate(decoded(file(shop.render(request | {"render_profile": "draft_480p_fast"})))):
        picture = frame.to_ndarray()[:480, 120:740] if axis == 0 else frame.to_ndarray()[:480, 107:747]
        share = min(1.0, max(0.0, (number * 1000 / 30 - 200) / 400))
        bright = (picture > 128).mean()
        wide = share if kind.startswith("push") else np.clip((share * 854 - 107) / 640, 0, 1)
        assert bright == pytest.approx(wide, abs=0.02)
        edge = picture.mean(axis=1 - axis)
        if 0.2 < bright < 0.8:
            assert (edge[5] > 128) == forward
            assert (edge[-5] > 128) != forward


def test_transitions_that_cannot_be_name_their_field(shop: Shop, greys: Asset) -> None:
    whole = {"asset_id": greys.id}
    cases: list[tuple[JSON, str]] = [
        (joined(whole, whole | {"start_ms_on_timeline": 2100}, "crossfade", 400), "transitions[0]"),
        (joined(whole | {"out_ms": 150}, whole, "crossfade", 400), "transitions[0].duration_ms"),
    ]
    both = [{"id": "a", **whole}, {"id": "b", **whole}]
    row = {"kind": "crossfade", "from_clip_id": "b", "to_clip_id": "a", "duration_ms": 100}
    cases.append((tracks(("video", both), transitions=[row]), "transitions[0]"))
    for request, field in cases:
        with pytest.raises(InvalidRequest) as caught:
            shop.plan(request)
        assert caught.value.details["field"].endswith(field)
    with pytest.raises(ValueError, match="push_up"):
        shop.plan(joined(whole, whole, "melt", 100))


def test_what_is_wrong_in_an_inline_sequence_is_named_from_the_requests_root(shop: Shop, greys: Asset) -> None:
    late = {"tracks": [{"kind": "video", "clips": [{"asset_id": greys.id, "in_ms": 10**6}]}]}
    loose = {
        "tracks": [{"kind": "video", "clips": [{"id": "a", "asset_id": greys.id}]}],
        "transitions": [{"kind": "crossfade", "from_clip_id": "a", "to_clip_id": "z", "duration_ms": 100}],
    }
    absent = {"tracks": [{"kind": "video", "clips": [{"asset_id": "asset_bbbbbbbb"}]}]}
    for sequence, field in ((late, "tracks[0].clips[0].in_ms"), (loose, "transitions[0].to_clip_id")):
        with pytest.raises(InvalidRequest) as caught:
            shop.plan({"sequence": sequence})
        assert caught.value.details["field"] == f"sequence.{field}"
    with pytest.raises(NotFound) as gone:
        shop.plan({"sequence": absent})
    assert gone.value.field == "sequence.tracks[0].clips[0].asset_id"


# speed, opacity, blend modes


@pytest.mark.parametrize(("speed", "count"), [(2.0, 25), (0.5, 100)])
def test_speed_takes_frames_by_time(speed: float, count: int, shop: Shop, greys: Asset) -> None:
    output = shop.render(timeline(greys.id, speed=speed))
    found = luma(file(output), 48)
    assert len(found) == count
    assert np.abs(np.array(found) - [30 + int(n * speed) for n in range(count)]).max() < 1.5
    assert output.meta["duration_ms"] == count * 40


def test_a_video_lies_over_another(shop: Shop, greys: Asset) -> None:
    """At half size, from 200 ms on, half transparent; around it the lower one is as it was."""
    over = {"asset_id": greys.id, "scale": 0.5, "position": [16, 12], "opacity": 0.5, "start_ms_on_timeline": 200,
            "in_ms": 1000, "out_ms": 1400}  # fmt: skip
    made = decoded(file(shop.render(tracks(("video", [{"asset_id": greys.id}]), ("overlay", [over])))))
    for number, frame in enumerate(made):
        picture = frame.to_ndarray()[:48].astype(float)
        inside = 30 + number
        if 5 <= number < 15:
            inside = (30 + number + 30 + 25 + number - 5) / 2
        assert picture[14:34, 18:46].mean() == pytest.approx(inside, abs=1.5)
        assert picture[:, :14].mean() == pytest.approx(30 + number, abs=1.5)


def test_a_second_video_track_lies_over_the_first(shop: Shop, greys: Asset) -> None:
    upper = {"asset_id": greys.id, "start_ms_on_timeline": 400, "out_ms": 400}
    found = luma(file(shop.render(tracks(("video", [{"asset_id": greys.id}]), ("video", [upper])))), 48)
    assert np.abs(np.array(found) - [30 + (n - 10 if 10 <= n < 20 else n) for n in range(50)]).max() < 1.5


@pytest.mark.parametrize("mode", ["multiply", "screen", "difference", "soft_light", "luminosity"])
def test_blend_modes_are_those_of_the_table(mode: str, shop: Shop) -> None:
    """Flat colors, against the formula in float64 RGB."""
    low, high = (200, 120, 60), (90, 160, 220)
    ids = [shop.asset(png(np.full((48, 64, 3), color, np.uint8)), "image/png").id for color in (low, high)]
    clips = [{"asset_id": id, "out_ms": 80} for id in ids]
    over = clips[1] | {"blend_mode": mode, "opacity": 0.75, "position": [100, 401]}
    request = tracks(("video", clips[:1]), ("overlay", [over]))
    made = next(decoded(file(shop.render(request | {"render_profile": "social_1_1_h264"}))))
    backdrop, source = (torch.tensor([[c / 255 for c in color]], dtype=torch.float64) for color in (low, high))
    wanted = backdrop * 0.25 + MODES[mode].reference(backdrop, source).clamp(0, 1) * 0.75
    rgb = made.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()[405:445, 104:160]
    assert np.abs(rgb.reshape(-1, 3).mean(axis=0) - wanted.numpy()[0] * 255).max() < 4


def test_dissolve_scatters(shop: Shop) -> None:
    """Each pixel of the upper picture whole or not at all, three of ten of them, by the pattern of pictures."""
    clips = [{"asset_id": grey_of(shop, value), "out_ms": 80} for value in (0, 255)]
    over = clips[1] | {"blend_mode": "dissolve", "opacity": 0.3, "position": [5, 3], "scale": 4.0}
    request = tracks(("video", clips[:1]), ("overlay", [over])) | {"render_profile": "preview_720p_fast"}
    plan = shop.plan(request | {"proof": "off"})
    inputs = StoredInputs(shop.registry, plan, shop.folder)
    (one,) = cut(plan, inputs)
    film = Film(one, Stage.of(inputs, tools_for(shop, shop.folder)))
    luma = planes(next(film.pictures()).frame())[0][3 : 3 + 192, 5 : 5 + 256]
    assert set(np.unique(luma)) == {16, 235}
    rows, columns = np.mgrid[3 : 3 + 192, 5 : 5 + 256].astype(np.uint64)
    wanted = (dissolve_hash(columns, rows, np.uint64(0)).astype(float) + 0.5) / 4096 < 0.3
    assert np.array_equal(luma == 235, wanted)
    assert (luma == 235).mean() == pytest.approx(0.3, abs=0.01)


def test_a_crop_shows_its_part(shop: Shop, tmp_path: Path) -> None:
    """The right half of a slope, enlarged to the canvas of the profile `source`: contained."""
    asset = shop.asset(clip(tmp_path / "c.mp4", [0, 40, 80], (128, 96)))
    plain = next(decoded(file(shop.render(timeline(asset.id, opacity=0.999))))).to_ndarray()[:96].astype(float)
    made = next(decoded(file(shop.render(timeline(asset.id, crop=[64, 0, 64, 48]))))).to_ndarray()[:96].astype(float)
    columns = 64 + (np.arange(128) + 0.5) / 2 - 0.5
    assert np.abs(made[48, 4:124] - np.interp(columns, np.arange(128), plain[48])[4:124]).max() < 4


# automation


def animated(shop: Shop, request: JSON, *rows: tuple[str, str, list[JSON]]) -> JSON:
    """A stored sequence with keyframes: (clip, track or sequence, property, keyframes)."""
    body = SequenceRequest.model_validate(request["sequence"])
    made = sequences.create(shop.registry, SCOPE, sequences.new_id(SCOPE), body)
    first = made.body["tracks"][-1]
    ids = {"clip": first["clips"][0]["id"], "track": first["id"], "sequence": made.body["id"]}
    for target, name, keys in rows:
        change = edits.put_automation(AutomationRequest(target_id=ids[target], property=name, keyframes=keys))
        edits.edit(shop.registry, SCOPE, made.body["id"], change)
    return {"sequence_id": made.body["id"]}


def test_opacity_follows_its_keyframes(shop: Shop, greys: Asset) -> None:
    """Keyframes count from the clip's start; a track's come on top."""
    white = grey_of(shop, 255)
    over = {"asset_id": white, "start_ms_on_timeline": 400, "out_ms": 1200}
    request = tracks(("video", [{"asset_id": greys.id}]), ("overlay", [over]))
    keys = [{"ms": 0, "value": 0}, {"ms": 400, "value": 1, "easing": "hold"}, {"ms": 800, "value": 0.5}]
    said = animated(shop, request, ("clip", "opacity", keys), ("track", "opacity", [{"ms": 0, "value": 0.5}]))
    found = luma(file(shop.render(said)), 48)
    for number, value in enumerate(found):
        ms = number * 40 - 400
        share = 0.0 if not 0 <= ms < 1200 else ms / 400 if ms < 400 else 1.0 if ms < 800 else 0.5
        assert value == pytest.approx((30 + number) + (235 - 30 - number) * share / 2, abs=1.6)


def test_a_picture_moves_and_grows(shop: Shop, tmp_path: Path) -> None:
    """The white square's centre of light and its area, frame by frame, between pixels too."""
    base = shop.asset(clip(tmp_path / "c.mp4", [n * 40 for n in range(26)], (128, 96), grey=True))
    moving = clip(tmp_path / "w.mp4", [n * 40 for n in range(26)], (32, 32))
    square = shop.asset(moving)
    keys = [{"ms": 0, "value": [8, 8]}, {"ms": 1000, "value": [57, 33]}]
    scales = [{"ms": 0, "value": 0.5}, {"ms": 1000, "value": 1.0}]
    request = tracks(("video", [{"asset_id": base.id}]), ("overlay", [{"asset_id": square.id}]))
    said = animated(shop, request, ("clip", "position", keys), ("clip", "scale", scales))
    for number, frame in enumerate(decoded(file(shop.render(said)))):
        picture = frame.to_ndarray()[:96].astype(float)
        share = min(1.0, number / 25)
        x, y = 8 + 49 * share, 8 + 25 * share
        side = 2 * round((16 + 16 * share) / 2)
        change = np.abs(picture - (30 + number))
        for place, axis in ((y, 1), (x, 0)):
            profile = change.mean(axis=axis)
            (seen,) = np.nonzero(profile > profile.max() / 2)
            assert seen.max() == pytest.approx(place + side - 1, abs=1.6)
            if axis:  # the slope begins as dark as what it lies on
                assert seen.min() == pytest.approx(place, abs=1.6)


def test_automation_that_cannot_be_is_refused() -> None:
    for row, said in (
        ({"property": "sparkle", "keyframes": []}, "opacity"),
        ({"property": "opacity", "keyframes": [{"ms": 0, "value": 1.5}]}, "0 to 1"),
        ({"property": "opacity", "keyframes": [{"ms": 0, "value": [1, 1]}]}, "pair"),
        ({"property": "position", "keyframes": [{"ms": 0, "value": 1}]}, "pair"),
        ({"property": "opacity", "keyframes": [{"ms": 0, "value": 1, "easing": "bounce"}]}, "ease_in"),
        ({"property": "opacity", "keyframes": [{"ms": 0, "value": 1}, {"ms": 0, "value": 0}]}, "same time"),
    ):
        with pytest.raises(ValueError, match=said):
            AutomationRequest.model_validate({"target_id": "clip_aaaaaaaa", **row})


# the nearest frame


@pytest.mark.parametrize(("start", "first"), [(0, 0), (19, 0), (20, 1), (21, 1), (39, 1), (40, 1)])
def test_a_clip_begins_at_the_nearest_frame(start: int, first: int, shop: Shop, greys: Asset) -> None:
    """At 25 a second, over white: one that begins in the middle of a frame or later is first seen in the next one."""
    white = {"asset_id": grey_of(shop, 255), "out_ms": 400}
    moving = {"asset_id": greys.id, "out_ms": 400, "start_ms_on_timeline": start}
    found = luma(file(shop.render(tracks(("video", [white]), ("video", [moving])))), 48)
    dark = [n for n, value in enumerate(found) if value < 128]
    assert dark == list(range(first, first + 10))
    assert np.array(found)[dark] == pytest.approx([30 + n for n in range(10)], abs=1.5)


@pytest.mark.parametrize(("lasts", "count"), [(1, 1), (59, 1), (60, 2), (61, 2), (379, 9), (381, 10)])
def test_a_file_has_the_frames_whose_middle_it_holds(lasts: int, count: int, shop: Shop, greys: Asset) -> None:
    """At 25 a second and double speed; none of them is black."""
    output = shop.render(timeline(greys.id, out_ms=2 * lasts, speed=2.0))
    assert output.meta["frames"] == count
    assert min(luma(file(output), 48)) > 25


def test_no_frame_is_lost_between_segments_of_a_rate_that_does_not_divide_them(shop: Shop, greys: Asset) -> None:
    """At 30000/1001 a second the grid of 4 s lies within frames: a clip that begins just behind a border is seen in
    the segment before it where that one's last frame is the nearest."""
    for border in (3990, 4000, 4004, 4011, 4030):
        clips = [
            {"asset_id": grey_of(shop, 255), "out_ms": border},
            {"asset_id": grey_of(shop, 0), "out_ms": 4600 - border, "start_ms_on_timeline": border},
        ]
        plan = shop.plan(tracks(("video", clips)) | {"proof": "off"})
        plan.parameters["picture"] |= {"rate": [30000, 1001], "canvas": [64, 48]}
        rate = Fraction(30000, 1001)
        inputs = StoredInputs(shop.registry, plan, shop.folder)
        seen: list[float] = []
        for segment in cut(plan, inputs):
            scratch = shop.folder / f"border{border}.{segment.parameters['index']}"
            scratch.mkdir()
            pictures = Film(segment, Stage.of(inputs, tools_for(shop, scratch))).pictures()
            seen += [float(planes(picture.frame())[0].mean()) for picture in pictures]
        assert len(seen) == round(Fraction(4600, 1000) * rate)
        bright = [(n + Fraction(1, 2)) / rate * 1000 <= border for n in range(len(seen))]
        assert [value > 128 for value in seen] == bright
