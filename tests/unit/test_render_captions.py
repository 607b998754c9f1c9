"""Captions of renders, burnt and soft."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from deployments.errors import MissingDependency, WrongAsset
from tests.unit.renders import (
    SCOPE,
    Shop,
    clip,
    decoded,
    file,
    timeline,
)


def test_captions_are_drawn_low_and_only_while_they_last(shop: Shop, tmp_path: Path) -> None:
    base = shop.asset(clip(tmp_path / "c.mp4", [n * 40 for n in range(50)], (320, 240)))
    record = shop.transcript(base, [(600, 1000, ["Hello there,", "world"]), (1400, 1800, ["W" * 42])])
    plain = [f.to_ndarray()[:240].astype(int) for f in decoded(file(shop.render(timeline(base.id))))]
    request = timeline(base.id) | {"burn_in_captions": {"artifact_id": record.id}}
    made = [f.to_ndarray()[:240].astype(int) for f in decoded(file(shop.render(request)))]
    for number, (a, b) in enumerate(zip(plain, made, strict=True)):
        shown = 600 <= number * 40 < 1000 or 1400 <= number * 40 < 1800
        difference = np.abs(a - b)
        assert (difference.max() > 60) == shown
        assert difference[:140].max() < 16
        assert difference[232:].max() < 16
        if shown:
            columns = np.nonzero((difference > 40).any(axis=0))[0]
            assert columns.min() >= 8
            assert columns.max() < 312
            assert abs((columns.min() + columns.max()) / 2 - 160) < 8


def test_captions_follow_a_cut(shop: Shop, tmp_path: Path) -> None:
    base = shop.asset(clip(tmp_path / "c.mp4", [n * 40 for n in range(50)], (320, 240)))
    record = shop.transcript(base, [(600, 1000, ["Hello"])])
    request = timeline(base.id, in_ms=800, out_ms=1600) | {"burn_in_captions": {"artifact_id": record.id}}
    bright = [f.to_ndarray()[180:232, 100:220].min() < 25 for f in decoded(file(shop.render(request)))]
    assert bright == [True] * 5 + [False] * 15


def test_soft_captions_are_a_text_track(shop: Shop, tmp_path: Path) -> None:
    base = shop.asset(clip(tmp_path / "c.mp4", [n * 40 for n in range(50)]))
    record = shop.transcript(base, [(600, 1000, ["<Hello> & there,", "wörld"]), (1400, 9000, ["to the end"])])
    output = shop.render(timeline(base.id, in_ms=200) | {"soft_captions": {"artifact_id": record.id}})
    with av.open(str(file(output))) as made:
        (stream,) = made.streams.subtitles
        rows = [(p.pts, p.duration, bytes(p)[2:].decode()) for p in made.demux(stream) if p.size > 2]
    assert stream.codec_context.name == "mov_text"
    assert rows == [(400, 400, "<Hello> & there,\nwörld"), (1200, 600, "to the end")]
    shop.registry.set_latest(SCOPE, record)
    assert shop.plan(timeline(base.id) | {"soft_captions": True}).parameters["soft_captions"] == {base.id: record.id}
    assert shop.plan(timeline(base.id) | {"soft_captions": False}).parameters["soft_captions"] is None


def test_captions_default_to_the_latest(shop: Shop, tmp_path: Path) -> None:
    asset = shop.asset(clip(tmp_path / "c.mp4", [0, 40, 80, 120, 160]))
    with pytest.raises(MissingDependency, match="POST /video/captions/generate"):
        shop.plan(timeline(asset.id) | {"burn_in_captions": {}})
    record = shop.transcript(asset, [(0, 100, ["Hi"])])
    shop.registry.set_latest(SCOPE, record)
    made = shop.plan(timeline(asset.id) | {"burn_in_captions": {}})
    assert made.parameters["captions"]["transcripts"] == {asset.id: record.id}
    assert len(made.parameters["captions"]["style"]["font_sha256"]) == 64


def test_a_voice_over_brings_its_captions(shop: Shop, tmp_path: Path) -> None:
    """The transcript of what an audio track plays: by its name, and where no video has one by being the latest."""
    base = shop.asset(clip(tmp_path / "base.mp4", [n * 40 for n in range(50)], (320, 240)))
    voice = shop.asset(clip(tmp_path / "voice.mp4", [n * 40 for n in range(30)]))
    record = shop.transcript(voice, [(200, 600, ["Hello"])])
    tracks = timeline(base.id)["sequence"]["tracks"]
    heard = {"kind": "audio", "clips": [{"asset_id": voice.id, "start_ms_on_timeline": 1000}]}
    request = {"sequence": {"tracks": [*tracks, heard]}, "burn_in_captions": {"artifact_id": record.id}}
    dark = [f.to_ndarray()[180:232, 100:220].min() < 25 for f in decoded(file(shop.render(request)))]
    assert dark == [1200 <= n * 40 < 1600 for n in range(50)]
    with pytest.raises(MissingDependency):
        shop.plan(request | {"burn_in_captions": {}})
    shop.registry.set_latest(SCOPE, record)
    assert shop.plan(request | {"burn_in_captions": {}}).parameters["captions"]["transcripts"] == {voice.id: record.id}
    with pytest.raises(WrongAsset, match="neither shown nor heard"):
        shop.plan(timeline(base.id) | {"burn_in_captions": {"artifact_id": record.id}})
