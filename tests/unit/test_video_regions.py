"""Regions of faces: the samples, the tracks and the masks against the clips' known truth."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from artifacts.canonical import make_id
from artifacts.kinds import check_meta
from configs.settings import Settings
from deployments.engines.video_regions import detectors
from deployments.engines.video_regions.frames import Reader
from deployments.errors import UndecodableMedia
from deployments.operation import Output, Stopped
from kernels.faces import iou
from tests.unit.searches import (
    as_xywh,
    having,
    planned,
    run,
    sides,
)


@pytest.fixture(scope="module")
def face_clip(shared_data: Path, yunet: dict[str, Path]) -> Output:
    return run(planned(), shared_data / "media" / "face_clip.mp4", yunet)


def test_every_face_of_a_sampled_frame_has_its_region(face_clip: Output, shared_data: Path) -> None:
    truth = json.loads((shared_data / "media" / "face_clip.boxes.json").read_text())["frames"]
    entries = json.loads(face_clip.data)["entries"]  # type: ignore[arg-type]
    samples = 0
    for time_ms in range(0, 591 * 40, 500):
        faces = as_xywh([face["box"] for face in truth[time_ms // 40]])
        found = np.array([entry["box"] for entry in entries if entry["time_ms"] == time_ms]).reshape(-1, 4)
        samples += 1
        if len(faces):
            assert iou(faces, found * [640, 360, 640, 360]).max(axis=1).min() >= 0.5, time_ms
    assert samples == 48


def test_the_shot_without_a_face_has_no_region_and_no_box(face_clip: Output) -> None:
    entries = json.loads(face_clip.data)["entries"]  # type: ignore[arg-type]
    assert [entry["time_ms"] for entry in entries if 249 * 40 <= entry["time_ms"] < 369 * 40] == []
    tracks = json.loads(sides(face_clip, "face_tracks")["face_tracks"].data)
    frames = {row[0] // 512 for track in tracks["tracks"] for row in track["boxes"]}
    assert not frames & set(range(249, 369))


def test_a_track_has_a_box_in_each_of_its_frames_and_crosses_no_cut(face_clip: Output, shared_data: Path) -> None:
    truth = json.loads((shared_data / "media" / "face_clip.boxes.json").read_text())["frames"]
    cuts = [175, 249, 369, 443, 517]
    body = json.loads(sides(face_clip, "face_tracks")["face_tracks"].data)
    assert (body["width"], body["height"], body["time_base"]) == (640, 360, [1, 12800])
    by_frame: dict[int, list[list[float]]] = {}
    for track in body["tracks"]:
        frames = [row[0] // 512 for row in track["boxes"]]
        assert frames == list(range(frames[0], frames[-1] + 1))
        assert not [cut for cut in cuts if frames[0] < cut <= frames[-1]]
        for row in track["boxes"]:
            by_frame.setdefault(row[0] // 512, []).append(row[1:5])
    missed = [n for n, faces in enumerate(truth) if faces and n not in by_frame]
    assert missed == []
    overlaps = [
        iou(as_xywh([f["box"] for f in faces]), by_frame[n]).max(1).min() for n, faces in enumerate(truth) if faces
    ]
    assert min(overlaps) >= 0.5


def test_entries_masks_and_tracks_agree(face_clip: Output) -> None:
    summary = json.loads(face_clip.data)  # type: ignore[arg-type]
    masks = sides(face_clip, "mask")
    assert {make_id("mask", name) for name in masks} == {entry["mask_artifact_id"] for entry in summary["entries"]}
    assert summary["meta"]["face_tracks_artifact_id"] == make_id("facetracks", "face_tracks")
    spans = {track["track_id"]: track for track in summary["tracks"]}
    for entry in summary["entries"]:
        track = spans[entry["track_id"]]
        assert track["start_ms"] <= entry["time_ms"] <= track["end_ms"]
        assert entry["confidence"] >= 0.5
        assert entry["region"] == "face"
    entry = summary["entries"][0]
    mask = np.asarray(Image.open(io.BytesIO(masks[f"face/{entry['track_id']}/{entry['time_ms']:06d}"].data)))
    assert (mask.dtype, mask.shape) == (np.uint8, (360, 640))
    rows, columns = np.nonzero(mask > 127)
    bounds = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    assert np.abs(np.array(entry["box"]) * [640, 360, 640, 360] - bounds).max() <= 2.0


def test_every_artifact_has_the_meta_of_its_kind(face_clip: Output) -> None:
    check_meta("video_region_summary", face_clip.media_type, face_clip.meta)
    for side in face_clip.sides:
        check_meta(side.kind, side.media_type, side.meta)
    assert len({side.name for side in face_clip.sides}) == len(face_clip.sides)
    assert face_clip.meta["model_used"] == "yunet"
    assert (face_clip.meta["duration_ms"], face_clip.end_ms) == (23640, 23640)
    assert "stub" not in face_clip.meta


def test_each_track_has_a_picture_of_the_face_where_it_was_seen_best(face_clip: Output, shared_data: Path) -> None:
    """Against the frame that it names, cut by the track's own box there; a face is found in it again."""
    pictures = sides(face_clip, "thumbnail")
    tracks = json.loads(sides(face_clip, "face_tracks")["face_tracks"].data)["tracks"]
    overview = json.loads(face_clip.data)["tracks"]  # type: ignore[arg-type]
    assert [row["thumbnail_artifact_id"] for row in overview] == [
        make_id("thumbnail", f"thumbnail/{row['track_id']}") for row in overview
    ]
    with av.open(str(shared_data / "media" / "face_clip.mp4")) as container:
        frames = {frame.pts: frame for frame in container.decode(video=0)}
    assert len(pictures) == len(tracks) >= 5
    for track in tracks:
        side = pictures[f"thumbnail/{track['track_id']}"]
        assert (side.meta["shows_faces"], side.meta["track_id"]) == (True, track["track_id"])
        row = next(row for row in track["boxes"] if row[0] * 1000 // 12800 == side.start_ms)
        assert row[6] == 1  # detected there, not filled in
        best = max(other[5] * (other[3] * other[4]) ** 0.5 for other in track["boxes"] if other[6])
        assert row[5] * (row[3] * row[4]) ** 0.5 == pytest.approx(best, rel=0.01)
        x, y, w, h = row[1:5]
        grown = [round(v) for v in (x - 0.15 * w, y - 0.15 * h, x + 1.15 * w, y + 1.15 * h)]
        left, top, right, bottom = (max(0, v) for v in grown)
        wanted = Image.fromarray(frames[row[0]].to_ndarray(format="rgb24")[top:bottom, left:right])
        got = Image.open(io.BytesIO(side.data))
        assert got.size == (side.meta["width"], side.meta["height"])
        assert max(got.size) <= 160
        same = np.asarray(wanted.resize(got.size, Image.Resampling.BOX), np.float64)
        assert np.abs(np.asarray(got, np.float64) - same).mean() < 8
        assert got.size[0] / got.size[1] == pytest.approx(wanted.size[0] / wanted.size[1], rel=0.05)


def test_a_clip_without_people_has_no_region(shared_data: Path, yunet: dict[str, Path]) -> None:
    output = run(planned(), shared_data / "media" / "broll_clip.mp4", yunet)
    summary = json.loads(output.data)  # type: ignore[arg-type]
    assert (summary["entries"], summary["tracks"], len(output.sides)) == ([], [], 1)


def test_a_picture_is_one_sample_at_zero(shared_data: Path, yunet: dict[str, Path]) -> None:
    path = shared_data / "media" / "faces" / "two_people.jpg"
    truth = json.loads((path.parent / "faces.json").read_text())["photos"][path.name]
    output = run(planned("image"), path, yunet, kind="image")
    entries = json.loads(output.data)["entries"]  # type: ignore[arg-type]
    assert {entry["time_ms"] for entry in entries} == {0}
    size = [truth["width"], truth["height"]]
    boxes = np.array([entry["box"] for entry in entries]) * (size + size)
    assert iou(as_xywh(truth["boxes"]), boxes).max(axis=1).min() >= 0.5
    assert len(entries) == 2


def test_the_fallback_says_which_model_it_used(shared_data: Path, weights: Callable[[str], Path]) -> None:
    here = {"centerface": weights("centerface")}
    settled = detectors.settle(planned("image"), having(here), Settings())
    path = shared_data / "media" / "faces" / "obama.jpg"
    calls: list[Any] = []
    output = run(settled, path, here, kind="image", calls=calls)
    assert (output.meta["backend"], output.meta["model_used"]) == ("opencv_face_detector", "centerface")
    assert calls[0][0] == "centerface"
    assert len(json.loads(output.data)["entries"]) == 1  # type: ignore[arg-type]


def test_what_a_stub_makes_says_so(shared_data: Path) -> None:
    settled = detectors.settle(planned("image"), having({}), Settings())
    output = run(settled, shared_data / "media" / "faces" / "obama.jpg", {}, kind="image")
    assert output.meta["stub"] is True
    assert "yunet, centerface" in output.meta["stub_reason"]
    assert len(json.loads(output.data)["entries"]) == 1  # type: ignore[arg-type]


def test_work_ends_when_nobody_waits(shared_data: Path) -> None:
    stop = threading.Event()
    reader = Reader(shared_data / "media" / "face_clip.mp4", side=320, threads=1, stop=stop)
    assert reader.batch() is not None
    stop.set()
    with pytest.raises(Stopped):
        reader.batch()


def test_bytes_that_are_no_video_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "not.mp4"
    path.write_bytes(b"\0" * 4096)
    with pytest.raises(UndecodableMedia):
        Reader(path, side=640, threads=1, stop=threading.Event()).batch()


def test_each_region_of_a_picture_lies_where_it_is_drawn(shared_data: Path, yunet: dict[str, Path]) -> None:
    path = shared_data / "media" / "faces" / "two_people.jpg"
    regions = ["face", "eyes", "mouth", "teeth", "skin", "background"]
    output = run(planned("image", include_regions=regions), path, yunet, kind="image")
    entries = json.loads(output.data)["entries"]  # type: ignore[arg-type]
    assert [(entry["region"], entry["track_id"]) for entry in entries] == [
        *((region, track) for region in regions[:-1] for track in (1, 2)),
        ("background", None),
    ]
    masks = {name: np.asarray(Image.open(io.BytesIO(side.data))) for name, side in sides(output, "mask").items()}
    for track in (1, 2):
        face, eyes, mouth, teeth, skin = (masks[f"{region}/{track}/000000"] for region in regions[:-1])
        inside = face > 127
        assert (eyes[~inside] < 128).all()
        assert (eyes > 127).sum() < 0.12 * inside.sum()
        assert np.nonzero(eyes > 127)[0].max() < np.nonzero(mouth > 127)[0].min()
        assert (teeth <= mouth).all()
        assert (skin == np.minimum(face, 255 - np.maximum(eyes, mouth))).all()
        assert (masks["background/0/000000"][inside] == 0).all()
    box = np.array(entries[2]["box"]) * [1024, 601, 1024, 601]
    rows, columns = np.nonzero(masks["eyes/1/000000"] > 127)
    assert np.abs(box - [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]).max() <= 2.0
    assert entries[-1]["box"] == [0, 0, 1, 1]


def test_every_mode_makes_the_same_number_of_masks(
    face_clip: Output, shared_data: Path, yunet: dict[str, Path]
) -> None:
    path = shared_data / "media" / "face_clip.mp4"
    counts = [len(sides(run(planned(mode=mode), path, yunet), "mask")) for mode in ("sampled", "every_frame")]
    assert counts == [len(sides(face_clip, "mask"))] * 2
