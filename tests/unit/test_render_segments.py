"""Segments: one stream out of many encoders, the same bytes each time; packets copied where nothing is to be done."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from artifacts import Asset
from configs.profiles import profiles
from configs.settings import Settings
from deployments.engines.video_render import settle
from deployments.engines.video_render.covers import Cover
from deployments.engines.video_render.cut import cut
from deployments.engines.video_render.film import Film, Stage
from deployments.engines.video_render.join import join
from deployments.engines.video_render.segments import Segment
from deployments.errors import BackendUnavailable
from deployments.inputs import StoredInputs
from kernels.tracks import Track
from tests.unit.renders import Shop, clip, decoded, file, luma, timeline, tools_for


@pytest.fixture(scope="module")
def long(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Asset:
    """10 s, 250 frames, with key frames every 40: frame n has the luma 30 + n % 200."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    with av.open(str(path), "w", format="mp4") as out:
        stream: Any = out.add_stream("libx264", rate=25, options={"qp": "4", "g": "40", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(250):
            picture = np.full((72, 64), 128, np.uint8)
            picture[:48] = 30 + number % 200
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return shop.asset(path)


def packets(path: Path) -> list[tuple[int | None, int | None, bool, bytes]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [(p.pts, p.dts, p.is_keyframe, bytes(p)) for p in container.demux(stream) if p.size]


def test_segments_are_one_stream(shop: Shop, long: Asset) -> None:
    """Every frame at its time, key frames on the grid of 4 s, times of decoding that rise, before the frames'."""
    path = file(shop.render(timeline(long.id, opacity=0.9999)))
    found = luma(path, 48)
    assert np.abs(np.array(found) - [30 + n % 200 for n in range(250)]).max() < 1.5
    assert [f.pts * f.time_base for f in decoded(path)] == [Fraction(n, 25) for n in range(250)]
    rows = packets(path)
    dts = [row[1] for row in rows]
    assert dts == sorted(set(dts))  # type: ignore[type-var]
    assert all(row[1] <= row[0] for row in rows)  # type: ignore[operator]
    with av.open(str(path)) as container:
        base = container.streams.video[0].time_base
    keys = {row[0] * base for row in rows if row[2]}  # type: ignore[operator]
    assert {Fraction(0), Fraction(4), Fraction(8)} <= keys


@pytest.mark.parametrize("speed", [1.0, 2.0])
def test_a_segment_made_again_is_the_same_bytes(speed: float, shop: Shop, long: Asset) -> None:
    """Read from its middle, at the frames' own times and at a constant rate; a cover changes its own segment alone."""
    plan = shop.plan(timeline(long.id, opacity=0.9999, speed=speed) | {"proof": "off"})
    scratch = shop.folder / f"again{speed}"
    scratch.mkdir()
    tools = tools_for(shop, scratch)
    inputs = StoredInputs(shop.registry, plan, scratch)
    stage = Stage.of(inputs, tools)
    films = [Film(segment, stage) for segment in cut(plan, inputs)]
    notes = [film.shoot(lambda: None) for film in films]
    before = [one.path.read_bytes() for one in notes]
    assert len(before) == (3 if speed == 1 else 2)
    for film, one in zip(films, notes, strict=True):
        film.again(one, ())
    assert [one.path.read_bytes() for one in notes] == before
    track = Track(10 if speed == 1 else 5, np.full((5, 4), 12.0), np.full(5, 0.9), np.ones(5, bool))
    films[1].again(notes[1], [Cover([track])])
    after = [one.path.read_bytes() for one in notes]
    assert [a == b for a, b in zip(before, after, strict=True)] == [n != 1 for n in range(len(before))]
    segments = [Segment(n.path, n.pts, n.time_base, n.delay, n.painted, n.lasts) for n in notes]
    path, _, strip = join(plan, inputs, tools, segments)
    assert sum(1 for _ in decoded(path)) == len(strip.pts) == (250 if speed == 1 else 125)


def test_an_untouched_video_keeps_its_packets(shop: Shop, long: Asset) -> None:
    output = shop.render(timeline(long.id))
    assert (output.meta["encoder"], output.meta["frames"], output.meta["duration_ms"]) == ("copy", 250, 10000)
    source = shop.folder / f"upload{long.size_bytes}"
    assert packets(file(output)) == packets(source)
    with av.open(str(file(output))) as made:
        assert made.metadata.keys() <= {"major_brand", "minor_version", "compatible_brands"}
    assert shop.plan(timeline(long.id)).parameters["copied"]
    for changed in ({"opacity": 0.5}, {"in_ms": 40}, {"crop": [0, 0, 32, 32]}, {"speed": 2.0}, {"position": [0, 2]}):
        assert not shop.plan(timeline(long.id, **changed)).parameters["copied"]
    assert shop.plan(timeline(long.id, volume_db=-6)).parameters["copied"]  # the pictures are
    assert not shop.plan(timeline(long.id) | {"render_profile": "draft_480p_fast"}).parameters["copied"]
    assert not shop.plan(timeline(long.id) | {"proof": "full"}).parameters["copied"]


def test_metadata_of_the_source_is_left_behind(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "told.mp4"
    with av.open(str(path), "w", format="mp4", options={"movflags": "use_metadata_tags"}) as out:
        out.metadata["title"], out.metadata["location"] = "where I live", "+52.5+013.4/"
        stream: Any = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.metadata["handler_name"] = "my telephone"
        out.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(stream.encode(None))
    for more in ({}, {"opacity": 0.5}):
        made = file(shop.render(timeline(shop.asset(path).id, **more))).read_bytes()
        assert not any(word in made for word in (b"where I live", b"+52.5", b"my telephone"))


def test_the_master_is_prores(shop: Shop, tmp_path: Path) -> None:
    asset = shop.asset(clip(tmp_path / "c.mp4", [0, 40], (64, 48), grey=True))
    output = shop.render(timeline(asset.id) | {"render_profile": "master_4k_prores"})
    assert output.media_type == "video/quicktime"
    with av.open(str(file(output))) as made:
        stream = made.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("prores", "yuv422p10le")
        assert (stream.width, stream.height) == (3840, 2160)
        frame = next(made.decode(stream))
    grey = np.frombuffer(memoryview(frame.planes[0]), np.uint16).reshape(2160, -1)[1000, 1900] / 4
    assert grey == pytest.approx(30, abs=1)


def test_an_encoder_that_does_not_work_gives_way(shop: Shop, long: Asset, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = shop.plan(timeline(long.id) | {"render_profile": "master_4k_prores"})
    assert settle.works("libx264", "yuv420p")
    assert not settle.works("no_such_encoder", "yuv420p")
    kept = settle.settle(plan, lambda name: Path(name), Settings())
    assert kept == plan
    monkeypatch.setattr(settle, "works", lambda codec, pixels: codec == "prores")
    other = settle.settle(plan, lambda name: Path(name), Settings())
    assert (other.parameters["profile"]["codec"], other.backend) == ("prores", "prores")
    assert other.parameters["profile"]["requested"] == "prores_ks"
    assert other.cache_key != plan.cache_key
    monkeypatch.setattr(settle, "works", lambda codec, pixels: False)
    with pytest.raises(BackendUnavailable, match="prores_ks, prores"):
        settle.settle(plan, lambda name: Path(name), Settings())
    assert "master_4k_prores" in profiles()
