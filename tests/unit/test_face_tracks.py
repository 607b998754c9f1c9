"""Tracks that stand in for a summary's own: made of masks alone, or edited by the caller."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from artifacts import Asset, Record
from deployments.engines.video_regions.from_masks import around
from deployments.engines.video_regions.models import MOST_PTS, MOST_PX
from deployments.engines.video_render.faces import Tracks
from deployments.errors import AppError
from deployments.replicas.local import local_runner
from kernels.faces import ellipse_mask
from tests.unit.renders import CONTEXT, Shop

BOX = (200.0, 80.0, 90.0, 120.0)
FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "video_clips"
SIZE = (640, 360)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("tracks"))


@pytest.fixture(scope="module")
def video(shop: Shop) -> Asset:
    return shop.asset((FIXTURES / "broll_clip.mp4").read_bytes(), "video/mp4")


def older(shop: Shop, video: Asset, times: tuple[int, ...] = (1000, 1500)) -> Record:
    """A summary of older times: a mask for each entry, no box and no tracks."""
    mask = shop.mask(ellipse_mask(*SIZE, BOX))
    about = {
        "backend": "opencv_face_detector", "backend_version": "0", "model_used": "yunet", "cache_key": "k",
        "duration_ms": 23640, "frame_sample_interval_ms": 500, "include_regions": ["face"],
    }  # fmt: skip
    entries = [{"time_ms": at, "region": "face", "mask_artifact_id": mask.id} for at in times]
    body = json.dumps({"asset_id": video.id, "entries": entries, "meta": about}).encode()
    return shop.artifact("video_region_summary", "application/json", body, about, video.id)


def run(shop: Shop, name: str, **body: Any) -> Any:
    return asyncio.run(local_runner(shop.settings, shop.registry).run(name, body, CONTEXT))


def luma(data: bytes, every: int = 5) -> np.ndarray:
    """[n, h, w] of every fifth frame."""
    with av.open(io.BytesIO(data)) as container:
        frames = [frame.to_ndarray(format="gray").astype(float) for frame in container.decode(video=0)]
    return np.stack(frames[::every])


def test_an_older_summary_hides_faces_by_its_masks(shop: Shop, video: Asset) -> None:
    summary = older(shop, video)
    answer = run(shop, "video_anonymise", asset_id=video.id, summary_id=summary.id, style="solid")
    assert answer["clips_modified_count"] == 1
    assert any("has no tracks" in warning["message"] for warning in answer["warnings"])
    rendered = run(shop, "video_render", sequence_id=answer["sequence_id"], proof="off")
    record = shop.registry.artifact(CONTEXT.scope, rendered["artifact_id"])
    ours, source = luma(shop.registry.read(CONTEXT.scope, record)), luma((FIXTURES / "broll_clip.mp4").read_bytes())
    x, y, w, h = map(int, BOX)
    inside = np.abs(ours - source)[:, y : y + h, x : x + w].mean(axis=(1, 2))
    outside = np.abs(ours - source)[:, :, 400:].mean(axis=(1, 2))
    hidden = slice(4, 10)  # frames 20..45 of 25 a second, of the stretch from 500 to 2000 ms
    assert inside[hidden].min() > 3 * outside[hidden].max()
    assert inside[12:].max() < 6


def test_tracks_are_made_of_masks_and_say_from_when_to_when(shop: Shop, video: Asset) -> None:
    summary = older(shop, video)
    made = run(shop, "video_face_tracks", asset_id=video.id, summary_id=summary.id)
    body = json.loads(shop.registry.read(CONTEXT.scope, shop.registry.artifact(CONTEXT.scope, made["artifact_id"])))
    assert (made["tracks_count"], body["time_base"]) == (2, [1, 1000])
    assert [[row[0] for row in track["boxes"]] for track in body["tracks"]] == [[500, 1500], [1000, 2000]]
    for track in body["tracks"]:
        for row in track["boxes"]:
            assert row[1:5] == pytest.approx(BOX, abs=1.5)


def test_edited_tracks_stand_in_for_the_summarys_own(shop: Shop, video: Asset) -> None:
    summary = shop.summary(video, [[[0, 10, 10, 40, 40], [12800, 10, 10, 40, 40]]])
    edited = {
        "asset_id": video.id, "width": 640, "height": 360, "time_base": [1, 1000],
        "tracks": [{"track_id": 5, "region": "face", "boxes": [[0, *BOX, 1, 1], [2000, *BOX, 1, 1]]}],
    }  # fmt: skip
    about = {"width": 640, "height": 360, "tracks_count": 1}
    kept = shop.artifact("face_tracks", "application/json", json.dumps(edited).encode(), about, video.id)
    said = {"asset_id": video.id, "summary_id": summary.id, "tracks_artifact_id": kept.id}
    answer = run(shop, "video_anonymise", **said, tracks={"include": [5]})
    plan = shop.plan({"sequence_id": answer["sequence_id"], "proof": "off"})
    assert kept.id in [item.id for item in plan.inputs if item.role == "tracks"]
    with pytest.raises(AppError, match="no track 1; it has 5"):
        run(shop, "video_anonymise", **said, tracks={"exclude": [1]})
    with pytest.raises(AppError, match="give a face_tracks") as refused:
        run(shop, "video_anonymise", **(said | {"tracks_artifact_id": summary.id}))
    assert refused.value.details["field"] == "tracks_artifact_id"
    broken = shop.artifact("face_tracks", "application/json", b'{"tracks": [{"boxes": []}]}', about, video.id)
    with pytest.raises(AppError, match="cannot be read: time_base") as refused:
        run(shop, "video_anonymise", **(said | {"tracks_artifact_id": broken.id}))
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ([MOST_PTS, *BOX], ""),
        ([-MOST_PTS, *BOX], ""),
        ([2.0 * MOST_PTS, *BOX], "begins with its pts"),
        ([1e300, *BOX], "begins with its pts"),
        ([40, 0, 0, MOST_PX, 1], ""),
        ([40, 0, 0, 1, MOST_PX + 1], "a box lies within"),
        ([40, -1e300, 0, 1, 1], "a box lies within"),
    ],
)
def test_rows_beyond_their_bounds_are_refused_by_name(shop: Shop, video: Asset, row: list[float], wrong: str) -> None:
    summary = shop.summary(video, [[[0, 10, 10, 40, 40], [12800, 10, 10, 40, 40]]])
    edited = {"time_base": [1, 1000], "tracks": [{"track_id": 1, "boxes": [[0, *BOX], row]}]}
    about = {"width": 640, "height": 360, "tracks_count": 1}
    kept = shop.artifact("face_tracks", "application/json", json.dumps(edited).encode(), about, video.id)
    said = {"asset_id": video.id, "summary_id": summary.id, "tracks_artifact_id": kept.id}
    if not wrong:
        assert run(shop, "video_anonymise", **said)["clips_modified_count"] == 1
        assert len(Tracks(json.loads(shop.registry.read(CONTEXT.scope, kept))).tracks[0].pts) == 2
        return
    with pytest.raises(AppError, match=rf"cannot be read: tracks\.0\.boxes: .*{wrong}") as refused:
        run(shop, "video_anonymise", **said)
    assert (refused.value.status, refused.value.details["field"]) == (400, "tracks_artifact_id")


def test_a_summary_of_another_video_and_one_without_masks_are_refused(shop: Shop, video: Asset) -> None:
    other = shop.asset((FIXTURES / "face_clip.mp4").read_bytes(), "video/mp4")
    with pytest.raises(AppError, match="belongs to"):
        run(shop, "video_face_tracks", asset_id=other.id, summary_id=older(shop, video).id)
    mask = shop.mask(ellipse_mask(*SIZE, BOX))
    with pytest.raises(AppError, match="give a video_region_summary"):
        run(shop, "video_face_tracks", asset_id=other.id, summary_id=mask.id)


def test_around_is_the_box_of_what_a_mask_selects() -> None:
    data = io.BytesIO()
    Image.fromarray(ellipse_mask(*SIZE, BOX)).save(data, "PNG")
    mask: Any = SimpleNamespace(id="mask_aaaaaaaa", read=data.getvalue)
    assert around(mask, *SIZE) == pytest.approx(BOX, abs=1.5)
    assert around(mask, 1280, 720) == pytest.approx([2 * side for side in BOX], abs=3)
