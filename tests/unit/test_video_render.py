"""Whole renders of the shared clips: everything but the faces is kept, the same bytes each time, clean ends."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from artifacts import Asset
from deployments.engines.video_render.work import render
from deployments.errors import UndecodableMedia
from deployments.operation import JSON, Stopped
from tests.unit.renders import (
    Forgetful,
    Shop,
    clip,
    decoded,
    file,
    samples,
    timeline,
    tools_for,
)


def timeline_cut(request: JSON, in_ms: int, out_ms: int) -> JSON:
    tracks = json.loads(json.dumps(request["sequence"]["tracks"]))
    tracks[0]["clips"][0] |= {"in_ms": in_ms, "out_ms": out_ms}
    return {"sequence": {"tracks": tracks}}


def test_the_rest_is_kept(shop: Shop, blurred: JSON, shared_data: Path) -> None:
    """Size, times of every frame, colors' meaning, sound to the sample."""
    output = shop.render(blurred)
    source, made = shared_data / "media" / "face_clip.mp4", file(output)
    before, after = list(decoded(source)), list(decoded(made))
    assert [frame.pts for frame in after] == [frame.pts for frame in before]
    assert {(frame.width, frame.height) for frame in after} == {(640, 360)}
    with av.open(str(source)) as old, av.open(str(made)) as new:
        for a, b in zip(old.streams, new.streams, strict=True):
            assert (a.duration, a.start_time, a.time_base) == (b.duration, b.start_time, b.time_base)
        a, b = old.streams.video[0].codec_context, new.streams.video[0].codec_context
        assert (a.colorspace, a.color_range) == (b.colorspace, b.color_range)
        assert "encoder" not in new.metadata
    assert np.array_equal(samples(source), samples(made))
    assert output.meta["duration_ms"] == 23640
    assert (output.meta["frames"], output.meta["audio"]) == (591, "copied")
    head = made.read_bytes()
    assert head.find(b"moov") < head.find(b"mdat")
    shot = [np.abs(a.to_ndarray().astype(int) - b.to_ndarray()).mean() for a, b in zip(before, after, strict=True)]
    assert max(shot[249:369]) < 2  # the shot without faces is only encoded anew


def test_equal_bytes_twice(shop: Shop, blurred: JSON) -> None:
    request = timeline_cut(blurred, 1000, 3000)
    first, second = (file(shop.render(request, parts=Forgetful())).read_bytes() for _ in range(2))
    assert first == second


def test_stop_ends_the_work(shop: Shop, speakers: Asset) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        shop.render(timeline(speakers.id), stop)


def test_a_damaged_clip_is_a_clean_error(shop: Shop, tmp_path: Path) -> None:
    data = clip(tmp_path / "c.mp4", [n * 40 for n in range(20)])
    asset = shop.asset(data)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: len(data) // 3])
    made = shop.plan(timeline(asset.id))
    inputs: Any = {asset.id: type("Source", (), {"path": lambda self: cut, "media_type": "video/mp4"})()}
    tools = tools_for(shop, tmp_path)
    with pytest.raises(UndecodableMedia):
        asyncio.run(render(made, inputs, tools))
