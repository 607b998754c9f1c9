"""Timelines drawn and edited at random: what kept segments make is, byte for byte, what a full render makes."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from deployments.errors import AppError
from deployments.operation import JSON
from tests.unit.renders import SCOPE, Forgetful, Shop, clip, face_blur, file, png
from tests.unit.test_render_cache import film

pytestmark = pytest.mark.slow
GRID_MS = 700
"""So that a few seconds are many segments."""
TIMELINES, EDITS = 12, 4


class Material:
    """Two films at a constant rate with faces, two clips with times of their own, a picture, a mask."""

    def __init__(self, folder: Path) -> None:
        self.shop = shop = Shop(folder)
        self.videos = [film(shop, 5, 1).id, film(shop, 4, 2).id]
        for seed in (1, 2):
            steps = np.random.default_rng(seed).choice([20, 40, 33, 400, 1500], 30)
            times = [0, *(int(ms) for ms in np.cumsum(steps))]
            self.videos.append(shop.asset(clip(folder / f"own{seed}.mp4", times, grey=True)).id)
        drawn = np.random.default_rng(3)
        self.picture = shop.asset(png(drawn.integers(0, 256, (16, 16, 4), np.uint8)), "image/png").id
        self.mask = shop.mask(drawn.integers(0, 2, (48, 64), np.uint8) * 255).id
        moving = [[n * 1280.0, 10 + n % 9, 8, 20, 24] for n in range(25)]
        late = [[n * 1280.0, 35, 8 + n % 5, 18, 24] for n in range(12, 38)]
        assets = [shop.registry.asset(SCOPE, id) for id in self.videos[:2]]
        self.summaries = {asset.id: shop.summary(asset, [moving, late]).id for asset in assets}

    def clip(self, dice: random.Random) -> JSON:
        id = dice.choice(self.videos)
        made: JSON = {"asset_id": id}
        if dice.random() < 0.6:
            made["in_ms"] = dice.choice([0, 100, 370, 800])
            made["out_ms"] = made["in_ms"] + dice.choice([900, 1500, 2310, 2900])
        for share, name, values in (
            (0.3, "speed", [0.5, 2.0, 1.3]),
            (0.3, "opacity", [0.3, 0.7]),
            (0.2, "crop", [[0, 0, 32, 24], [8, 8, 40, 30]]),
            (0.2, "mask_artifact_id", [self.mask]),
            (0.2, "position", [[3, 5], [17, 2]]),
        ):
            if dice.random() < share:
                made[name] = dice.choice(values)
        if id in self.summaries and dice.random() < 0.5:
            style, preset = dice.choice(["blur", "solid"]), dice.choice(["strong", "light"])
            made["filters"] = [face_blur(self.summaries[id], style=style, preset=preset)]
        return made

    def overlay(self, dice: random.Random) -> JSON:
        start = {"start_ms_on_timeline": dice.choice([0, 300, 1000, 1700])}
        if dice.random() < 0.4:
            return self.clip(dice) | start
        lasts = {"out_ms": dice.choice([500, 1500])} if dice.random() < 0.7 else {}
        return {"asset_id": self.picture} | start | lasts

    def timeline(self, dice: random.Random) -> JSON:
        if dice.random() < 0.3:  # a clip alone keeps its own times
            clips = [self.clip(dice) | {"speed": 1.0}]
        else:
            clips = [self.clip(dice) | {"id": f"c{n}"} for n in range(dice.randint(2, 4))]
        overlays = [{"kind": "overlay", "clips": [self.overlay(dice)]} for _ in range(dice.randint(0, 2))]
        made: JSON = {"tracks": [{"kind": "video", "clips": clips}, *overlays]}
        if len(clips) > 1 and dice.random() < 0.5:
            kind = dice.choice(["crossfade", "wipe_left", "dip_to_black"])
            row = {"kind": kind, "from_clip_id": "c0", "to_clip_id": "c1", "duration_ms": dice.choice([200, 500])}
            made["transitions"] = [row]
        return made

    def edited(self, dice: random.Random, sequence: JSON) -> JSON:
        made: JSON = json.loads(json.dumps(sequence))
        clips = dice.choice(made["tracks"])["clips"]
        number = dice.randrange(len(clips))
        row = clips[number]
        moves = row["asset_id"] != self.picture
        placed = {name: row[name] for name in ("id", "start_ms_on_timeline") if name in row}
        changes: list[JSON] = [
            {"opacity": dice.choice([0.2, 0.5, 1.0])},
            {"out_ms": row.get("in_ms", 0) + dice.choice([600, 1000, 2000, 2600])},
            {"start_ms_on_timeline": dice.choice([0, 100, 900, 1400, 2000])},
            {"position": [dice.randrange(20), dice.randrange(20)]},
            {"blend_mode": dice.choice(["multiply", "screen"])},
        ]
        if moves:
            changes += [{"in_ms": dice.choice([0, 200, 410])}, {"speed": dice.choice([1.0, 0.7, 2.0])}]
        if moves and dice.random() < 0.15:
            clips[number] = self.clip(dice) | placed
        else:
            row |= dice.choice(changes)
        return made


def test_what_is_kept_makes_what_a_full_render_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cases that are refused are left out. A quarter of all segments at least are found again."""
    for module in ("cut", "film", "reel"):
        monkeypatch.setattr(f"deployments.engines.video_render.{module}.GRID_MS", GRID_MS)
    material = Material(tmp_path)
    shop, compared, found, made = material.shop, 0, 0, 0
    for seed in range(TIMELINES):
        dice = random.Random(seed)
        sequence = material.timeline(dice)
        for _ in range(EDITS):
            request: JSON = {"sequence": sequence}
            if dice.random() < 0.3:
                request |= {"start_ms": dice.choice([0, 300, 700]), "end_ms": dice.choice([1500, 2500, 3100])}
            sequence = material.edited(dice, sequence)
            try:
                plan = shop.plan(request | {"proof": "off"})
            except AppError:
                continue
            if plan.parameters["copied"]:
                continue
            kept, anew = shop.render(request), shop.render(request, parts=Forgetful())
            assert file(kept).read_bytes() == file(anew).read_bytes(), (seed, json.dumps(request))
            compared, found, made = compared + 1, found + kept.meta["segments_found"], made + kept.meta["segments"]
    assert compared > TIMELINES
    assert found > made / 4
