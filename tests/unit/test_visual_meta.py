"""Visual meta: shots against the clips' known ones, subjects against their known faces."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from PIL import Image

from artifacts import Draft, Registry, Scope
from artifacts.kinds import check_meta
from deployments.engines.video_visual_meta.models import VisualMeta
from deployments.engines.video_visual_meta.subjects import from_summary
from tests.unit.visual_meta import (
    BLACK,
    CUT,
    DISSOLVE,
    analyzed,
    boundaries,
    clip,
    http,
    mocked,
    real,
    registry,
    upload,
    view,
    write,
)

__all__ = ["clip", "http", "mocked", "real", "registry"]


@pytest.mark.parametrize("name", ["broll_clip", "face_clip", "crowd_pan", "crowd_real"])
async def test_the_cuts_of_the_known_clips_are_exact(http: httpx.AsyncClient, shared_data: Path, name: str) -> None:
    truth = json.loads((shared_data / "media" / "clips.json").read_text())[f"{name}.mp4"]
    wanted = [(cut, "cut") for cut in truth["cuts"]] + [(fade["black"], "fade") for fade in truth["fades"]]
    asset = await upload(http, shared_data / "media" / f"{name}.mp4")
    summary = (await analyzed(http, asset_id=asset, backend="stub"))["summary"]
    assert boundaries(summary) == sorted(wanted)
    starts = [shot["start_ms"] for shot in summary["shots"]]
    assert starts[1:] == [shot["end_ms"] for shot in summary["shots"]][:-1]
    assert summary["shots"][-1]["end_ms"] == summary["duration_ms"] == round(truth["duration_s"] * 1000)


async def test_a_cut_a_fade_and_a_dissolve_are_found_and_a_flash_is_none(http: httpx.AsyncClient, clip: Path) -> None:
    summary = (await analyzed(http, asset_id=await upload(http, clip), backend="stub"))["summary"]
    (cut, fade, dissolve) = boundaries(summary)
    assert cut == (CUT, "cut")
    assert fade == (BLACK, "fade")
    assert dissolve[1] == "dissolve"
    assert abs(dissolve[0] - sum(DISSOLVE) / 2) <= 1.5


async def test_a_format_of_ten_bits_gives_the_same_shots(http: httpx.AsyncClient, tmp_path: Path) -> None:
    frames = [view("rocket.jpg" if n < 20 else "coffee.png", n) for n in range(40)]
    path = write(tmp_path / "deep.mkv", (frame.astype(np.uint8) for frame in frames), "yuv422p10le", "ffv1")
    summary = (await analyzed(http, asset_id=await upload(http, path), backend="stub"))["summary"]
    assert boundaries(summary) == [(20, "cut")]


async def test_subjects_are_where_the_truth_has_faces(
    real: httpx.AsyncClient, registry: Registry, shared_data: Path
) -> None:
    http = real
    truth = json.loads((shared_data / "media" / "face_clip.boxes.json").read_text())["frames"]
    asset = await upload(http, shared_data / "media" / "face_clip.mp4")
    got = await analyzed(http, asset_id=asset, sample_interval_ms=1000)
    summary, meta = got["summary"], got["artifact_meta"]
    VisualMeta.model_validate(summary)
    check_meta("visual_meta", "application/json", meta)
    assert (meta["backend"], meta["model_used"], meta["subjects_from"]) == ("opencv_visual_meta", "yunet", "detector")
    assert summary["frame_sample_interval_ms"] == 1000
    assert [frame["timestamp_ms"] for frame in summary["frames"]] == list(range(0, 23640, 1000))
    for frame in summary["frames"]:
        faces = truth[frame["timestamp_ms"] // 40]
        assert bool(frame["subjects"]) == bool(faces), frame["timestamp_ms"]
        if faces:
            x0, y0, x1, y1 = max((face["box"] for face in faces), key=lambda b: (b[2] - b[0]) * (b[3] - b[1]))
            assert frame["primary_subject_center_x"] * 640 == pytest.approx((x0 + x1) / 2, abs=(x1 - x0) / 4)
            assert frame["primary_subject_center_y"] * 360 == pytest.approx((y0 + y1) / 2, abs=(y1 - y0) / 4)
        else:
            assert frame["primary_subject_center_x"] is frame["primary_subject_center_y"] is None
    flagged = [frame["timestamp_ms"] for frame in summary["frames"] if frame["shot_boundary"]]
    assert flagged == [-(-cut * 40 // 1000) * 1000 for cut in (175, 249, 369, 443, 517)]
    made = await http.post("/video/visual-meta/reframe-suggestion", json={"asset_id": asset, "aspect_ratio": "9:16"})
    crops = made.json()["suggestions"]
    assert [crop["reason"] for crop in crops] == ["subject", "subject", "center", "subject", "subject", "subject"]
    assert all(crop["crop"][2:] == [202, 360] for crop in crops)
    assert crops[2]["crop"][0] == 219
    assert [crop["inside"] for crop in crops if crop["reason"] == "subject"] == [1.0] * 5


async def test_the_latest_region_summary_gives_the_subjects(
    http: httpx.AsyncClient, registry: Registry, clip: Path
) -> None:
    asset = await upload(http, clip)
    scope = Scope("t_acme", "dev")
    tracks = {
        "width": 320,
        "height": 180,
        "tracks": [{"track_id": 7, "region": "face", "boxes": [[n * 512, 32, 18, 64, 36, 0.9, 1] for n in (12, 25)]}],
    }
    side = Draft(
        "face_tracks",
        "face_tracks",
        "application/json",
        json.dumps(tracks).encode(),
        {"width": 320, "height": 180, "tracks_count": 1},
    )
    meta = {
        "backend": "x", "backend_version": "1", "model_used": "yunet", "cache_key": "k", "duration_ms": 7600,
        "frame_sample_interval_ms": 500, "include_regions": ["face"],
        "face_tracks_artifact_id": registry.side_id(scope, "video_region_summary", "k", "face_tracks", "face_tracks"),
    }  # fmt: skip
    before = await http.post("/video/visual-meta/analyze", json={"asset_id": asset})
    record = registry.commit(
        scope,
        cache_key="k",
        main=Draft("", "video_region_summary", "application/json", b'{"entries": []}', meta),
        sides=[side],
        parent_asset_id=asset,
    )
    registry.set_latest(scope, record)
    got = await analyzed(http, asset_id=asset)
    assert got["artifact_id"] != before.json()["visual_meta_artifact_id"]
    assert (got["artifact_meta"]["subjects_from"], got["artifact_meta"]["model_used"]) == ("summary", "yunet")
    first, second, third = got["summary"]["frames"][:3]
    assert second["subjects"] == third["subjects"]  # frame 12 is the last at or before 500 ms, 25 that at 1000 ms
    assert second["subjects"] == [{"label": "face", "box": [0.1, 0.1, 0.2, 0.2], "confidence": 0.9, "track_id": 7}]
    assert (second["primary_subject_center_x"], second["primary_subject_center_y"]) == (0.2, 0.2)
    assert first["subjects"] == []


def test_an_older_summary_is_read_through_its_boxes_or_its_masks() -> None:
    picture = Image.new("L", (100, 50), 0)
    picture.paste(255, (10, 20, 30, 40))
    file = io.BytesIO()
    picture.save(file, "PNG")
    entries = [
        {"time_ms": 0, "region": "face", "mask_artifact_id": "mask_a", "confidence": 0.8},
        {"time_ms": 500, "region": "face", "mask_artifact_id": "mask_b", "box": [0.5, 0.5, 0.1, 0.2]},
        {"time_ms": 500, "region": "mouth", "mask_artifact_id": "mask_c", "box": [0.0, 0.0, 1.0, 1.0]},
    ]
    summary = SimpleNamespace(meta={"frame_sample_interval_ms": 500}, json=lambda: {"entries": entries})
    mask = SimpleNamespace(id="mask_a", read=file.getvalue)

    class Inputs:
        one = staticmethod(lambda role: summary)
        all = staticmethod(lambda role: [])
        __getitem__ = staticmethod({"mask_a": mask}.__getitem__)

    found = from_summary(Inputs(), [0, 1, 2], [(0, 0), (250, 1), (750, 2)], (100, 50))  # type: ignore[arg-type]
    assert [subject.box for subject in found[0]] == [(0.1, 0.4, 0.2, 0.4)]
    assert found[1] == found[0]
    assert [subject.box for subject in found[2]] == [(0.5, 0.5, 0.1, 0.2)]


async def test_what_the_detector_is_sure_of_is_a_subject(http: httpx.AsyncClient, clip: Path) -> None:
    got = await analyzed(http, asset_id=await upload(http, clip), frame_sample_interval_ms=400)
    frames = got["summary"]["frames"]
    assert len(frames) == 19
    assert all(len(frame["subjects"]) == 1 for frame in frames)
    assert frames[7]["subjects"][0]["box"] == pytest.approx([40 / 320, 20 / 180, 80 / 320, 60 / 180], abs=1e-5)
    assert frames[7]["primary_subject_center_x"] == pytest.approx(80 / 320)
    assert frames[7]["primary_subject_center_y"] == pytest.approx(50 / 180, abs=1e-5)
