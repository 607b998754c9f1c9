"""Shots against the clips' known truth, and visual meta over HTTP on the local dispatch."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from artifacts import Draft, Registry, Scope, Store
from artifacts.kinds import check_meta
from configs.models import Models
from configs.settings import Settings
from demo.clip import photograph
from deployments.engines.video_visual_meta.models import VisualMeta
from deployments.engines.video_visual_meta.reframe import crop_size
from deployments.engines.video_visual_meta.subjects import from_summary
from deployments.gateway.http import build_http
from deployments.replicas.faces import FacesHost
from deployments.replicas.local import local_runner
from kernels.shots import find_shots

SCOPE = {"X-Tenant-Id": "t_acme", "X-Env": "dev"}
SIZE = (320, 180)
CUT, BLACK, DISSOLVE, FRAMES = 40, 90, (140, 151), 190
"""The synthetic clip's truth: a cut, a fade's black frame, the first and last mixed frame of a dissolve."""


@cache
def scene(name: str) -> np.ndarray:
    return np.asarray(photograph(name).resize((400, 225), Image.Resampling.LANCZOS), np.float64)


def view(name: str, number: int) -> np.ndarray:
    """A slow pan over a photograph, float [180, 320, 3]."""
    left = min(number // 3, 79)
    return scene(name)[20 : 20 + SIZE[1], left : left + SIZE[0]]


def synthetic() -> Iterator[np.ndarray]:
    """A flash, a cut, a fade through black, a dissolve."""
    for n in range(FRAMES):
        if n < CUT:
            frame = np.full((SIZE[1], SIZE[0], 3), 250.0) if n == 20 else view("rocket.jpg", n)
        elif n < BLACK:
            frame = view("coffee.png", n) * min(1.0, (BLACK - n) / 10)
        elif n < DISSOLVE[0]:
            frame = view("chelsea.png", n) * min(1.0, (n - BLACK) / 10)
        else:
            share = min(1.0, (n - DISSOLVE[0] + 1) / (DISSOLVE[1] - DISSOLVE[0] + 2))
            frame = view("chelsea.png", n) * (1 - share) + view("astronaut.png", n) * share
        yield np.rint(frame).astype(np.uint8)


def write(path: Path, frames: Iterator[np.ndarray], format: str = "yuv420p", codec: str = "libx264") -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, format
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("clip") / "clip.mp4", synthetic())


@pytest.fixture
def registry() -> Registry:
    return Registry(Store("memory://"))


FACE = [40.0, 20.0, 80.0, 60.0, 0.9]
"""What the mocked detector finds in every frame: x, y, w, h, confidence."""


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector that needs no weights."""

    def detect(self: FacesHost, name: str, frames: np.ndarray) -> list[np.ndarray]:
        rows = np.array([[*FACE, *[np.nan] * 10], [0, 0, 10, 10, 0.3, *[np.nan] * 10]], np.float32)
        return [rows.copy() for _ in frames]

    monkeypatch.setattr(FacesHost, "_detect", detect)
    monkeypatch.setattr(Models, "path", lambda self, name: Path(name))


@pytest.fixture
async def http(tmp_path: Path, registry: Registry, mocked: None) -> AsyncIterator[httpx.AsyncClient]:
    async for client in serving(Settings(mattebox_home=tmp_path), registry):
        yield client


@pytest.fixture
async def real(tmp_path: Path, registry: Registry, shared_data: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(mattebox_home=tmp_path, models_path=str(shared_data / "models"), offline=True)
    async for client in serving(settings, registry):
        yield client


async def serving(settings: Settings, registry: Registry) -> AsyncIterator[httpx.AsyncClient]:
    app = build_http(local_runner(settings, registry), registry, settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=SCOPE) as client:
        yield client


async def upload(http: httpx.AsyncClient, path: Path, headers: dict[str, str] | None = None) -> str:
    data = await asyncio.to_thread(path.read_bytes)
    answer = await http.post("/media-v2/assets", files={"file": (path.name, data)}, headers=headers)
    id: str = answer.json()["id"]
    return id


async def analyzed(http: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """The answer of GET, after a POST."""
    made = await http.post("/video/visual-meta/analyze", json=body)
    assert made.status_code == 200, made.text
    got = await http.get(f"/video/visual-meta/{made.json()['visual_meta_artifact_id']}")
    assert got.status_code == 200
    answer: dict[str, Any] = got.json()
    return answer


def error(answer: httpx.Response) -> tuple[int, str, str | None]:
    said = answer.json()["error"]
    return answer.status_code, said["code"], said["details"].get("field")


def boundaries(summary: dict[str, Any]) -> list[tuple[int, str]]:
    """(frame at 25 frames/s, transition) of every shot but the first."""
    return [(shot["start_ms"] // 40, shot["transition"]) for shot in summary["shots"][1:]]


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


async def test_a_repeat_is_a_hit_and_each_parameter_makes_another(http: httpx.AsyncClient, clip: Path) -> None:
    asset = await upload(http, clip)

    async def made(**body: Any) -> tuple[str, str]:
        answer = (await http.post("/video/visual-meta/analyze", json={"asset_id": asset} | body)).json()
        return answer["visual_meta_artifact_id"], answer["cache"]

    first, cache = await made()
    assert cache == "miss"
    assert await made() == (first, "hit")
    assert await made(frame_sample_interval_ms=500, detect_shot_boundaries=True) == (first, "hit")
    assert await made(sample_interval_ms=500, backend="opencv_visual_meta") == (first, "hit")
    others = [await made(sample_interval_ms=400), await made(detect_shot_boundaries=False), await made(backend="stub")]
    assert [cache for _, cache in others] == ["miss"] * 3
    assert len({first, *(id for id, _ in others)}) == 4
    whole = (await http.get(f"/video/visual-meta/{others[1][0]}")).json()["summary"]
    assert whole["shots"] == [{"start_ms": 0, "end_ms": 7600, "transition": None}]
    assert not any(frame["shot_boundary"] for frame in whole["frames"])


async def test_a_stub_is_flagged_and_never_the_latest(http: httpx.AsyncClient, registry: Registry, clip: Path) -> None:
    asset = await upload(http, clip)
    answer = (await http.post("/video/visual-meta/analyze", json={"asset_id": asset, "backend": "stub"})).json()
    assert answer["meta"]["stub"] is True
    assert answer["meta"]["stub_reason"]
    assert [warning["field"] for warning in answer["warnings"]] == ["backend"]
    assert registry.latest(Scope("t_acme", "dev"), asset, "visual_meta") is None
    staging = SCOPE | {"X-Env": "staging"}
    body = {"asset_id": await upload(http, clip, staging), "backend": "stub"}
    refused = await http.post("/video/visual-meta/analyze", json=body, headers=staging)
    assert error(refused) == (503, "backend_unavailable", "backend")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"backend": "magic"}, (400, "unknown_backend", "backend")),
        ({"asset_id": "asset_bbbbbbbb"}, (404, "not_found", "asset_id")),
        ({"frame_sample_interval_ms": 9}, (400, "invalid_request", "frame_sample_interval_ms")),
        ({"frame_sample_interval_ms": 3_600_001}, (400, "invalid_request", "frame_sample_interval_ms")),
        ({"frame_sample_interval_ms": 500, "sample_interval_ms": 500}, (400, "invalid_request", "sample_interval_ms")),
        ({"shots": True}, (400, "invalid_request", "shots")),
    ],
)
async def test_what_is_refused(http: httpx.AsyncClient, clip: Path, body: Any, expected: Any) -> None:
    asset = await upload(http, clip)
    assert error(await http.post("/video/visual-meta/analyze", json={"asset_id": asset} | body)) == expected


async def test_the_limits_of_the_interval_are_taken(http: httpx.AsyncClient, clip: Path) -> None:
    asset = await upload(http, clip)
    for interval, count in ((10, 760), (3_600_000, 1)):
        got = await analyzed(http, asset_id=asset, frame_sample_interval_ms=interval, backend="stub")
        assert len(got["summary"]["frames"]) == count


async def test_a_clip_finds_what_it_shows(http: httpx.AsyncClient, clip: Path) -> None:
    asset = await upload(http, clip)
    track = {"kind": "video", "clips": [{"asset_id": asset, "in_ms": 2000, "out_ms": 5000}]}
    sequence = (await http.post("/video/sequences", json={"tracks": [track]})).json()
    id = sequence["tracks"][0]["clips"][0]["id"]
    assert (await http.get(f"/video/visual-meta/by-clip/{id}")).status_code == 404  # nothing is made yet
    suggested = await http.post("/video/visual-meta/reframe-suggestion", json={"clip_id": id, "aspect_ratio": "1:1"})
    assert suggested.status_code == 200
    assert {row["reason"] for row in suggested.json()["suggestions"]} == {"subject"}
    # the mocked face's center is 80 pixels from the left, so a crop of 180 begins at the edge
    assert [row["crop"] for row in suggested.json()["suggestions"]] == [[0, 0, 180, 180]] * 2
    assert "POST /video/visual-meta/analyze was done first" in suggested.json()["warnings"][0]["message"]
    assert [(row["start_ms"], row["end_ms"]) for row in suggested.json()["suggestions"]] == [(2000, 3600), (3600, 5000)]
    got = (await http.get(f"/video/visual-meta/by-clip/{id}")).json()
    assert (got["clip_id"], got["in_ms"], got["out_ms"]) == (id, 2000, 5000)
    assert got["artifact_id"] == suggested.json()["visual_meta_artifact_id"]
    assert got["summary"]["shots"] == [
        {"start_ms": 2000, "end_ms": 3600, "transition": None},
        {"start_ms": 3600, "end_ms": 5000, "transition": "fade"},
    ]
    assert [frame["timestamp_ms"] for frame in got["summary"]["frames"]] == list(range(2000, 5000, 500))


@pytest.mark.parametrize("id", ["clip_aaaaaaaa", "nothing", "clip_", "track_aaaaaaaaaaaaaaaa"])
async def test_absent_clips_and_artifacts_are_the_same_404(http: httpx.AsyncClient, id: str) -> None:
    answers = [await http.get(f"/video/visual-meta/{path}{id}") for path in ("", "by-clip/")]
    answers.append(await http.get("/video/regions/" + id))
    answers.append(await http.get("/video/masks/" + id))
    bodies = [{k: v for k, v in answer.json()["error"].items() if k != "request_id"} for answer in answers]
    assert bodies[0]["http_status"] == 404
    assert all(body == bodies[0] for body in bodies)


@pytest.mark.parametrize(("ratio", "good"), [("20:1", True), ("21:1", False), ("0:1", False), ("9x16", False)])
async def test_aspect_ratios_have_limits(http: httpx.AsyncClient, clip: Path, ratio: str, good: bool) -> None:
    asset = await upload(http, clip)
    answer = await http.post("/video/visual-meta/reframe-suggestion", json={"asset_id": asset, "aspect_ratio": ratio})
    assert (answer.status_code == 200) is good
    if not good:
        assert error(answer) == (400, "invalid_request", "aspect_ratio")


def test_crops_are_the_largest_even_ones_of_their_ratio() -> None:
    assert crop_size((1920, 1080), 1, 1) == (1080, 1080)
    assert crop_size((1920, 1080), 9, 16) == (606, 1080)  # 607.5 is not even
    assert crop_size((1080, 1920), 16, 9) == (1080, 606)
    assert crop_size((1920, 1080), 16, 9) == (1920, 1080)


def noise(rng: np.random.Generator, frames: int) -> np.ndarray:
    """One picture with a little grain, uint8 [frames, 9, 16]."""
    picture = rng.uniform(20, 230, (9, 16))
    return np.clip(picture + rng.normal(0, 1, (frames, 9, 16)), 0, 255).astype(np.uint8)


def steps(tiny: np.ndarray) -> np.ndarray:
    return np.r_[0.0, np.abs(np.diff(tiny.astype(float), axis=0)).mean((1, 2))]


def test_a_cut_is_found_wherever_it_is() -> None:
    rng = np.random.default_rng(1)
    for first in (1, 2, 5, 30):
        tiny = np.concatenate([noise(rng, first), noise(rng, 30)])
        assert [(found.frame, found.transition) for found in find_shots(steps(tiny), tiny)] == [(first, "cut")]


def test_judder_is_no_cut() -> None:
    rng = np.random.default_rng(2)
    wave = 60 * np.sin(np.linspace(0, 6, 400))
    held = np.repeat(np.stack([np.tile(128 + wave[n : n + 16], (9, 1)) for n in range(0, 360, 6)]), 3, axis=0)
    tiny = np.clip(held + rng.normal(0, 0.5, held.shape), 0, 255).astype(np.uint8)
    assert find_shots(steps(tiny), tiny) == []


def test_a_clip_that_begins_and_ends_in_black_has_one_shot() -> None:
    rng = np.random.default_rng(3)
    level = np.clip(np.minimum(np.arange(60) / 12, (59 - np.arange(60)) / 12), 0, 1)[:, None, None]
    tiny = np.rint(noise(rng, 60) * level).astype(np.uint8)
    assert find_shots(steps(tiny), tiny) == []


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_hardly_any_frames(frames: int) -> None:
    assert find_shots(np.zeros(frames), np.zeros((frames, 9, 16), np.uint8)) == []
