"""A flash and a beep at the same moment stay together through every shape of clip and everything done to it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import av
import pytest

from artifacts import Asset
from deployments.dispatch import LocalDispatch
from deployments.operation import JSON
from deployments.operations import OPERATIONS
from deployments.replicas.host import Host
from deployments.runner import Runner
from tests.unit.flashes import CASES, FLASH_S, MEDIA_TYPES, beeps, flash_and_beep, flashes
from tests.unit.renders import CONTEXT, SCOPE, Forgetful, Shop, clip, file, timeline

LARGEST_OFFSET_S = 0.020
WAYS: dict[str, JSON] = {
    "whole": {},
    "cut": {"in_ms": 700, "out_ms": 1900},
    "half speed": {"speed": 0.5},
    "double speed": {"speed": 2.0},
    "placed": {"start_ms_on_timeline": 337},
}
EDITED_S = [1.24, 1.92, 5.08, 7.04, 9.57]
"""When the five flashes of `edited` are due."""


def asset_of(shop: Shop, case: str, folder: Path) -> Asset:
    made = dict(CASES[case])
    suffix = made.pop("suffix", ".mp4")
    return shop.asset(flash_and_beep(folder / f"flash{suffix}", **made), MEDIA_TYPES[suffix])


def edited(asset_id: str) -> JSON:
    """10 s, three segments: a cross-fade over the first flash, a cut, half speed over the border of two segments,
    double speed, a gap and a start between two frames."""
    clips = [
        {"id": "a", "asset_id": asset_id, "out_ms": 1400},
        {"id": "b", "asset_id": asset_id, "in_ms": 720, "out_ms": 1920},
        {"id": "c", "asset_id": asset_id, "out_ms": 1910, "speed": 0.5},
        {"id": "d", "asset_id": asset_id, "out_ms": 1900, "speed": 2.0},
        {"id": "e", "asset_id": asset_id, "out_ms": 1900, "start_ms_on_timeline": 8330},
    ]
    cross = {"kind": "crossfade", "from_clip_id": "a", "to_clip_id": "b", "duration_ms": 800}
    return {"sequence": {"tracks": [{"kind": "video", "clips": clips}], "transitions": [cross]}}


def together(path: Path, due: list[float], rate: float) -> None:
    """The flashes within half a frame of when they are due, each with its beep."""
    seen, heard = flashes(path), beeps(path)
    assert seen == pytest.approx(due, abs=0.5 / rate + 0.001)
    assert heard == pytest.approx(seen, abs=LARGEST_OFFSET_S)


@pytest.mark.parametrize("case", list(CASES))
def test_every_shape_of_clip_edited(case: str, shop: Shop, tmp_path: Path) -> None:
    output = shop.render(edited(asset_of(shop, case, tmp_path).id))
    assert output.meta["segments"] == 3
    together(file(output), EDITED_S, 25)


@pytest.mark.parametrize("case", list(CASES))
def test_every_shape_of_clip_whole(case: str, shop: Shop, tmp_path: Path) -> None:
    """With its own frames' times."""
    output = shop.render(timeline(asset_of(shop, case, tmp_path).id, opacity=0.99))
    together(file(output), [FLASH_S], 25)


@pytest.mark.parametrize("way", list(WAYS))
def test_every_place_of_a_clip(way: str, shop: Shop, tmp_path: Path) -> None:
    asset = shop.asset(flash_and_beep(tmp_path / "flash.mp4"))
    said = WAYS[way]
    due = (FLASH_S - said.get("in_ms", 0) / 1000) / said.get("speed", 1) + said.get("start_ms_on_timeline", 0) / 1000
    output = shop.render(timeline(asset.id, **said) | {"render_profile": "draft_480p_fast"})
    together(file(output), [due], 25)


def test_clips_without_sound_shift_nothing(shop: Shop, tmp_path: Path) -> None:
    silent = shop.asset(clip(tmp_path / "silent.mp4", [n * 40 for n in range(20)], grey=True))
    beeping = shop.asset(flash_and_beep(tmp_path / "flash.mp4", rate=44100))
    clips = [{"asset_id": silent.id}, {"asset_id": beeping.id}, {"asset_id": silent.id}]
    output = file(shop.render({"sequence": {"tracks": [{"kind": "video", "clips": clips}]}}))
    together(output, [0.8 + FLASH_S], 25)


def test_clips_of_several_rates_follow_each_other(shop: Shop, tmp_path: Path) -> None:
    """Frames and samples a second of their own each; the first one's are the file's: 30, so that the flashes of the
    others lie between its frames."""
    shapes: list[JSON] = [{"rate": 44100, "times_ms": lambda n: n * 100 // 3}, {"rate": 22050}, {"rate": 48000}]
    assets = [shop.asset(flash_and_beep(tmp_path / f"{number}.mp4", **shape)) for number, shape in enumerate(shapes)]
    clips = [{"asset_id": asset.id, "out_ms": 1990} for asset in assets]
    output = shop.render({"sequence": {"tracks": [{"kind": "video", "clips": clips}]}})
    assert output.meta["fps"] == pytest.approx(30, abs=0.5)
    together(file(output), [1.266, 1.99 + FLASH_S, 3.98 + FLASH_S], 30)


def test_spliced_packets_bring_the_sound_back_to_its_place(shop: Shop, tmp_path: Path) -> None:
    """A clip repeated packet by packet: the last packet of each turn overlaps the first one of the next."""
    once = flash_and_beep(tmp_path / "once.mp4")
    source = tmp_path / "spliced.mp4"
    with av.open(str(source), "w") as out:
        outs: Any = None
        for turn in range(5):
            with av.open(str(once)) as container:
                outs = outs or [out.add_stream_from_template(stream) for stream in container.streams]
                for packet in container.demux():
                    if packet.dts is None or packet.pts is None or packet.time_base is None or packet.pts < 0:
                        continue
                    shift = round(2 * turn / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = outs[packet.stream.index]
                    out.mux(packet)
    output = shop.render(timeline(shop.asset(source).id, volume_db=-1.0))
    together(file(output), [2 * turn + FLASH_S for turn in range(5)], 25)


async def test_segments_made_by_several_replicas(tmp_path: Path) -> None:
    """The same file as by one, and as much together."""
    shop = Shop(tmp_path)
    asset = shop.asset(flash_and_beep(tmp_path / "flash.mp4"))
    host = Host(shop.settings, shop.registry, OPERATIONS, None, slots=2)  # type: ignore[arg-type]
    settings = shop.settings.model_copy(update={"video_render_parallel": 2})
    run = Runner(shop.registry, LocalDispatch({"Video": host}), settings)
    request = edited(asset.id) | {"proof": "off"}
    answer = await run.run("video_render", request, CONTEXT)
    record = shop.registry.artifact(SCOPE, answer["artifact_id"])
    assert record.meta["segments_found"] == 3, "the replicas made them"
    (tmp_path / "made.mp4").write_bytes(shop.registry.read(SCOPE, record))
    together(tmp_path / "made.mp4", EDITED_S, 25)
    alone = await asyncio.to_thread(shop.render, request, None, Forgetful())
    assert file(alone).read_bytes() == (tmp_path / "made.mp4").read_bytes()
