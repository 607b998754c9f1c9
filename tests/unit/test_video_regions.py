"""Regions of faces: the samples, the tracks and the masks against the clips' known truth."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from artifacts.canonical import make_id
from artifacts.errors import NotFound
from artifacts.kinds import check_meta
from artifacts.scope import Scope
from configs.models import WeightsMissing
from configs.settings import Settings
from deployments.engines.video_regions import detectors, work
from deployments.engines.video_regions.frames import BATCH, Reader, View, small_size
from deployments.engines.video_regions.models import RegionsRequest
from deployments.engines.video_regions.plan import plan
from deployments.errors import BackendUnavailable, InvalidRequest, UndecodableMedia, UnknownBackend
from deployments.operation import Context, Output, Plan, Stopped
from kernels.faces import iou

SCOPE = Scope("t_acme", "dev")
CONTEXT = Context(SCOPE, "request")
ASSET = "asset_aaaaaaaa"


def registry(kind: str = "video") -> Any:
    def asset(scope: Scope, id: str) -> Any:
        if id != ASSET:
            raise NotFound
        return SimpleNamespace(id=id, kind=kind, meta={"width": 640, "height": 360})

    return SimpleNamespace(asset=asset)


def planned(kind: str = "video", settings: Settings | None = None, **body: Any) -> Plan:
    request = RegionsRequest.model_validate({"asset_id": ASSET} | body)
    return plan(request, CONTEXT, registry(kind), settings or Settings())


class Source:
    def __init__(self, path: Path, kind: str) -> None:
        self.id, self.role, self.kind, self._path = ASSET, "asset", kind, path

    def path(self) -> Path:
        return self._path


def run(
    made: Plan, path: Path, weights: dict[str, Path], *, kind: str = "video", calls: list[Any] | None = None
) -> Output:
    """The work in this process; `calls` gets (detector, frames' shape) of each call of detect."""
    loaded: dict[str, Any] = {}
    flying = 0

    async def detect(name: str, frames: np.ndarray) -> list[np.ndarray]:
        nonlocal flying
        loaded.setdefault(name, detectors.make_detector(name, weights.__getitem__, Settings()))
        flying += 1
        if calls is not None:
            calls.append((name, frames.shape, flying))
        frames.setflags(write=False)
        try:
            return await asyncio.to_thread(loaded[name], frames)
        finally:
            flying -= 1

    source = Source(path, kind)
    tools: Any = SimpleNamespace(
        stop=threading.Event(),
        progress=lambda done, total: None,
        detect=detect,
        thread=asyncio.to_thread,
        side_id=lambda kind, name: make_id(kind.replace("_", ""), name),
        settings=Settings(),
    )
    inputs: Any = SimpleNamespace(one=lambda role: source)
    return asyncio.run(work.find_regions(made, inputs, tools))


@pytest.fixture(scope="module")
def yunet(shared_data: Path) -> dict[str, Path]:
    return {"yunet": shared_data / "models" / "face_detection_yunet_2023mar.onnx"}


@pytest.fixture(scope="module")
def face_clip(shared_data: Path, yunet: dict[str, Path]) -> Output:
    return run(planned(), shared_data / "media" / "face_clip.mp4", yunet)


def as_xywh(boxes: Any) -> np.ndarray:
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    return np.column_stack([corners[:, :2], corners[:, 2:] - corners[:, :2]])


def sides(output: Output, kind: str) -> dict[str, Any]:
    return {side.name: side for side in output.sides if side.kind == kind}


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


def test_frames_travel_in_arrays_of_sixteen_two_at_a_time(shared_data: Path, yunet: dict[str, Path]) -> None:
    calls: list[Any] = []
    run(planned(mode="every_frame"), shared_data / "media" / "crowd_real.mp4", yunet, calls=calls)
    assert [shape for _, shape, _ in calls] == [(BATCH, 540, 960, 3)] * 6 + [(105 % BATCH, 540, 960, 3)]
    assert max(flying for _, _, flying in calls) == 2


def test_sampled_mode_searches_the_samples_alone_and_still_tracks_each_frame(
    shared_data: Path, yunet: dict[str, Path]
) -> None:
    calls: list[Any] = []
    output = run(planned(mode="sampled"), shared_data / "media" / "face_clip.mp4", yunet, calls=calls)
    assert sum(shape[0] for _, shape, _ in calls) == 48
    summary = json.loads(output.data)  # type: ignore[arg-type]
    assert {entry["time_ms"] for entry in summary["entries"]} == set(range(0, 10000, 500)) | set(
        range(15000, 24000, 500)
    )
    for track in json.loads(sides(output, "face_tracks")["face_tracks"].data)["tracks"]:
        frames = [row[0] // 512 for row in track["boxes"]]
        assert frames == list(range(frames[0], frames[-1] + 1))


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


# samples


def write_clip(path: Path, pts: list[int], time_base: Fraction = Fraction(1, 1000)) -> None:
    """A clip whose frames are shown at these pts; frame n is grey of level 8 n."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = time_base
        for number, at in enumerate(pts):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = at, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def read_all(reader: Reader) -> list[int]:
    numbers: list[int] = []
    while (batch := reader.batch()) is not None:
        numbers += batch.numbers
    return numbers


@pytest.mark.parametrize("every_ms", [None, 100])
def test_a_sample_is_the_last_frame_at_or_before_its_nominal_time(tmp_path: Path, every_ms: int | None) -> None:
    path = tmp_path / "uneven.mkv"
    write_clip(path, [0, 40, 99, 100, 101, 350, 380, 420])
    mode = "sampled" if every_ms else "every_frame"
    reader = Reader(path, side=640, threads=1, stop=threading.Event(), mode=mode, interval_ms=every_ms or 500)
    numbers = read_all(reader)
    assert reader.samples(100) == [(0, 0), (100, 3), (200, 4), (300, 4), (400, 6)]
    assert numbers == ([0, 3, 4, 6] if every_ms else list(range(8)))


def test_a_clip_that_starts_late_is_counted_from_its_container(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "late.mkv"
    write_clip(path, [1400, 1440, 1480])
    reader = Reader(path, side=640, threads=1, stop=threading.Event())
    read_all(reader)
    assert reader.samples(40) == [(0, 0), (40, 1), (80, 2)]
    assert reader.pts == [1400, 1440, 1480]


def test_small_frames_keep_the_shape_and_never_grow() -> None:
    assert small_size(1280, 720, 640) == (640, 360)
    assert small_size(360, 640, 640) == (360, 640)
    assert small_size(100, 50, 640) == (100, 50)
    assert small_size(10000, 1, 640) == (640, 1)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_boxes_of_a_turned_picture_lie_on_the_decoded_pixels(turns: int) -> None:
    decoded = np.zeros((30, 50))
    decoded[4:10, 20:35] = 1
    rows, columns = np.nonzero(np.rot90(decoded, turns))
    seen = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    view = View(100, 60, (50, 30), turns)
    assert view.to_source([seen]).tolist() == [[40, 8, 30, 12]]


# plans


def having(weights: dict[str, Path]) -> Any:
    def path(name: str) -> Path:
        if name not in weights:
            raise WeightsMissing(name, [])
        return weights[name]

    return path


def test_left_out_fields_equal_the_spelled_out_defaults() -> None:
    spelled = planned(
        include_regions=["face"],
        backend="opencv_face_detector",
        min_confidence=0.5,
        frame_sample_interval_ms=500,
        mode="auto",
    )
    assert planned().cache_key == spelled.cache_key
    assert planned(mode="sampled").cache_key != spelled.cache_key
    assert planned(backend="centerface").cache_key != spelled.cache_key


@pytest.mark.parametrize(
    ("least", "side"), [(None, 960), (16, 640), (17, 640), (8, 1280), (1, 1920), (640, 320), (40, 320)]
)
def test_the_search_is_as_fine_as_the_smallest_face_asks_for(least: int | None, side: int) -> None:
    """Of a clip 640 wide: a face of `least` pixels is 16 high in what is searched, within bounds."""
    assert planned(min_face_px=least).parameters["detector_side"] == side


def test_requests_that_cannot_be_met_name_their_field() -> None:
    with pytest.raises(InvalidRequest, match="there are face, eyes") as region:
        planned(include_regions=["face", "hair"])
    assert region.value.details["field"] == "include_regions[1]"
    with pytest.raises(UnknownBackend, match="opencv_face_detector, centerface, torch") as backend:
        planned(backend="haar")
    assert backend.value.details["field"] == "backend"
    with pytest.raises(InvalidRequest, match="audio"):
        planned("audio")
    with pytest.raises(NotFound):
        planned(asset_id="asset_bbbbbbbb")


def test_settling_keeps_what_is_there(tmp_path: Path) -> None:
    made = planned()
    assert detectors.settle(made, having({"yunet": tmp_path}), Settings()) == made
    fallen = detectors.settle(made, having({"centerface": tmp_path}), Settings())
    assert (fallen.backend, fallen.parameters["model"]) == ("opencv_face_detector", "centerface")
    assert fallen.weights_id != made.weights_id
    assert fallen.cache_key != made.cache_key


def test_a_stub_stands_in_only_outside_staging_and_prod() -> None:
    made = planned()
    assert detectors.settle(made, having({}), Settings()).backend == "stub"
    with pytest.raises(BackendUnavailable, match="make models"):
        detectors.settle(made, having({}), Settings(allow_stubs=False))
    for env in ("staging", "prod"):
        context = Context(Scope("t_acme", env), "request")
        there = plan(RegionsRequest(asset_id=ASSET), context, registry(), Settings())
        with pytest.raises(BackendUnavailable):
            detectors.settle(there, having({}), Settings())
        asked = plan(RegionsRequest(asset_id=ASSET, backend="stub"), context, registry(), Settings())
        with pytest.raises(BackendUnavailable):
            detectors.settle(asked, having({}), Settings())


def test_mediapipe_starts_only_with_consent_and_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = planned(backend="mediapipe_face_detector")
    here = having({"mediapipe_full_range": tmp_path})
    settled = detectors.settle(made, here, Settings())
    assert settled.backend == "stub"
    assert "MEDIAPIPE_CONSENT=1" in settled.warnings[0].message
    with pytest.raises(BackendUnavailable, match="MEDIAPIPE_CONSENT=1") as refused:
        detectors.settle(made, here, Settings(allow_stubs=False))
    assert refused.value.details["field"] == "backend"
    consented = Settings(mediapipe_consent=True, allow_stubs=False)
    monkeypatch.setattr(detectors, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailable, match="pip install --no-deps mediapipe"):
        detectors.settle(made, here, consented)
    monkeypatch.setattr(detectors, "find_spec", lambda name: object())
    assert detectors.settle(made, here, consented) == made


@pytest.mark.parametrize("backend", ["blazeface_full", "mediapipe_face_detector"])
def test_regions_from_landmarks_are_refused_where_a_detector_finds_none(backend: str) -> None:
    with pytest.raises(InvalidRequest, match=r"drawn from landmarks.*opencv_face_detector") as refused:
        planned(backend=backend, include_regions=["face", "eyes"])
    assert refused.value.details["field"] == "include_regions[1]"
    assert planned(backend=backend, include_regions=["face", "background"]).backend == backend


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


def test_auto_searches_each_160_to_480_ms_and_the_ends_of_each_shot(shared_data: Path) -> None:
    path = shared_data / "media" / "face_clip.mp4"
    reader = Reader(path, side=64, threads=2, stop=threading.Event(), mode="auto")
    numbers = read_all(reader)
    edges = [0, 175, 249, 369, 443, 517, 591]
    assert {n for a, b in itertools.pairwise(edges) for n in (a, b - 1)} <= set(numbers)
    gaps = [b - a for a, b in itertools.pairwise(numbers) if b not in edges and b + 1 not in edges]
    assert min(gaps) == 4
    assert max(gaps) == 12
    assert len(reader.motion) == 591


@pytest.mark.parametrize(("step", "every"), [(0, 12), (5, 12), (15, 8), (16, 4)])
def test_auto_looks_closer_where_a_small_part_of_the_picture_changes(tmp_path: Path, step: int, every: int) -> None:
    """A patch of one cell, 20 of 640 pixels, becomes lighter by `step` every 4 frames."""
    path = tmp_path / "patch.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "gray"
        for number in range(49):
            picture = np.full((360, 640), 20, np.uint8)
            picture[100:120, 200:220] += np.uint8(number // 4 * step)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode(None))
    numbers = read_all(Reader(path, side=64, threads=1, stop=threading.Event(), mode="auto"))
    assert numbers == [*range(0, 49, every)]
