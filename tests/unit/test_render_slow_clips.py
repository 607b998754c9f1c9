"""Clips whose frames stay for seconds and keep their own times: what lies over them has times of its own."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from artifacts import Asset
from deployments.operation import Output
from deployments.timeline import edits, sequences
from deployments.timeline.models import SequenceRequest
from deployments.timeline.requests import AutomationRequest
from tests.unit.renders import SCOPE, Shop, clip, decoded, file, png, timeline

SLOW = [0, 2000, 6500]
"""ms of the frames; the last one lasts 40."""


@pytest.fixture(scope="module")
def slides(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Asset:
    return shop.asset(clip(tmp_path_factory.mktemp("slow") / "slow.mp4", SLOW, (128, 96), grey=True))


def shown(output: Output) -> list[tuple[int, bool]]:
    """(ms, whether something white is in it) of each frame."""
    return [
        (round(float(f.pts * f.time_base * 1000)), int(f.to_ndarray()[: f.height].max()) > 150)
        for f in decoded(file(output))
    ]


def at(rows: list[tuple[int, bool]], ms: int) -> bool:
    """What is on screen."""
    return [white for begins, white in rows if begins <= ms][-1]


def test_captions_come_and_go_between_frames(shop: Shop, slides: Asset) -> None:
    """The second one also begins in a segment in which no frame of the clip does."""
    record = shop.transcript(slides, [(500, 1500, ["one"]), (4500, 5200, ["two"])])
    rows = shown(shop.render(timeline(slides.id) | {"burn_in_captions": {"artifact_id": record.id}}))
    assert [ms for ms, _ in rows] == [0, 500, 1500, 2000, 4500, 5200, 6500]
    for ms, white in ((499, False), (500, True), (1499, True), (1500, False), (4499, False), (4500, True)):
        assert at(rows, ms) == white
    for ms, white in ((5199, True), (5200, False)):
        assert at(rows, ms) == white


def test_a_picture_comes_in_time_and_a_moving_one_moves(shop: Shop, slides: Asset) -> None:
    white = shop.asset(png(np.full((8, 8, 3), 255, np.uint8)), "image/png").id
    still = {"asset_id": white, "start_ms_on_timeline": 700, "out_ms": 400}
    rows = shown(shop.render(timeline(slides.id, overlays=(still,))))
    assert [ms for ms, _ in rows] == [0, 700, 1100, 2000, 6500]
    assert [at(rows, ms) for ms in (699, 700, 1099, 1100)] == [False, True, True, False]
    made = sequences.create(
        shop.registry, SCOPE, sequences.new_id(SCOPE),
        SequenceRequest.model_validate(timeline(slides.id, overlays=({"asset_id": white},))["sequence"]),
    )  # fmt: skip
    target = made.body["tracks"][1]["clips"][0]["id"]
    keys = [{"ms": 0, "value": [0, 0]}, {"ms": 1000, "value": [100, 0]}]
    moved = AutomationRequest.model_validate({"target_id": target, "property": "position", "keyframes": keys})
    edits.edit(shop.registry, SCOPE, made.body["id"], edits.put_automation(moved))
    output = shop.render({"sequence_id": made.body["id"]})
    assert [ms for ms, _ in shown(output)] == [*range(0, 1001, 40), 2000, 4000, 6500]
    for frame in decoded(file(output)):
        ms = float(frame.pts * frame.time_base * 1000)
        columns = np.nonzero(frame.to_ndarray()[2:6].mean(axis=0) > 130)[0]
        assert columns.mean() == pytest.approx(min(ms, 1000) / 10 + 3.5, abs=1.5)


def test_a_clip_without_anything_over_it_keeps_its_frames(shop: Shop, slides: Asset) -> None:
    output = shop.render(timeline(slides.id, opacity=0.9))
    assert [ms for ms, _ in shown(output)] == SLOW
    again = shop.render(timeline(slides.id, out_ms=5000))
    assert [ms for ms, _ in shown(again)] == [0, 2000]
    assert again.meta["duration_ms"] == 5000  # and not as long as its last frame would have stayed


def test_a_clock_of_whole_seconds_is_made_finer(shop: Shop, tmp_path: Path) -> None:
    """Captions still begin within 40 ms of their time."""
    path = tmp_path / "slow.mp4"
    with av.open(str(path), "w", options={"video_track_timescale": "1"}) as out:
        stream = out.add_stream("libx264", rate=1)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for _ in range(4):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((144, 128), 60, np.uint8), "yuv420p")))
        out.mux(stream.encode(None))
    with av.open(str(path)) as made:
        assert made.streams.video[0].time_base == 1
    asset = shop.asset(path)
    record = shop.transcript(asset, [(1300, 1700, ["late"])])
    rows = shown(shop.render(timeline(asset.id) | {"burn_in_captions": {"artifact_id": record.id}}))
    begins = [ms for ms, white in rows if white]
    assert begins[0] == pytest.approx(1300, abs=40)
    assert not at(rows, 1740)
