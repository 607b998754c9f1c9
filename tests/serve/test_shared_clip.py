"""The clip with known truth, over HTTP: every face found, every word heard, no face left, size and sound kept."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from configs.models import Models, WeightsMissing
from configs.settings import Settings
from deployments.engines.video_regions.detectors import make_detector
from kernels.faces import iou
from tests.serve.conftest import Service
from tests.serve.test_walking_path import content, twice, upload

pytestmark = pytest.mark.serve
JSON = dict[str, Any]
FPS = 25
CUTAWAY = range(249, 369)
"""The frames of face_clip without a face (its README)."""


@pytest.fixture(scope="module")
def clip(shared_data: Path) -> Path:
    return shared_data / "media" / "face_clip.mp4"


@pytest.fixture(scope="module")
def http(service: Service) -> httpx.Client:
    return service.client("t_shared")


@pytest.fixture(scope="module")
def asset(http: httpx.Client, clip: Path) -> JSON:
    return upload(http, clip)


@pytest.fixture(scope="module")
def regions(http: httpx.Client, asset: JSON) -> JSON:
    return twice(http, "/video/regions", {"asset_id": asset["id"]})


@pytest.fixture(scope="module")
def render(http: httpx.Client, asset: JSON, regions: JSON, tmp_path_factory: pytest.TempPathFactory) -> Path:
    anonymised = twice(http, "/video/anonymise/faces", {"asset_id": asset["id"], "preset": "strong"})
    answer = twice(http, "/video/render", {"sequence_id": anonymised["sequence_id"]})
    path = tmp_path_factory.mktemp("render") / "render.mp4"
    path.write_bytes(content(http, answer["artifact_id"]))
    return path


def test_every_sampled_face_is_found_and_the_cutaway_has_none(regions: JSON, clip: Path) -> None:
    truth = json.loads(clip.with_suffix(".boxes.json").read_text())["frames"]
    size = np.array([640, 360, 640, 360], np.float32)
    sampled = range(0, len(truth) * 1000 // FPS, 500)
    missed = []
    for time_ms in sampled:
        frame = min(time_ms * FPS // 1000, len(truth) - 1)
        found = [entry["box"] for entry in regions["summary"]["entries"] if entry["time_ms"] == time_ms]
        if frame in CUTAWAY:
            assert not found
            continue
        for face in truth[frame]:
            x1, y1, x2, y2 = face["box"]
            box = np.array([[x1, y1, x2 - x1, y2 - y1]], np.float32)
            if not found or iou(box, np.array(found, np.float32) * size).max() < 0.5:
                missed.append(time_ms)
    assert not missed


def test_the_words_are_heard(http: httpx.Client, asset: JSON, clip: Path, shared: Path) -> None:
    spec = importlib.util.spec_from_file_location("wer", shared / "tools" / "wer.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    answer = twice(http, "/video/captions/generate", {"asset_id": asset["id"], "model": "base"})
    srt = http.get(f"/video/captions/{answer['artifact_id']}/srt").text
    heard = " ".join(line for line in srt.splitlines() if line and not re.fullmatch(r"\d+|.* --> .*", line))
    truth = json.loads((clip.parent / "clips.json").read_text())["face_clip.mp4"]["transcript"]
    assert module.wer(truth, heard) <= 0.06


def frames(path: Path) -> Iterator[np.ndarray]:
    """Every fifth frame as uint8 [H, W, 3] BGR."""
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % 5 == 0:
                yield frame.to_ndarray(format="bgr24")


@pytest.mark.parametrize("detector", ["opencv_face_detector", "centerface"])
def test_no_detector_finds_a_face_where_the_source_had_one(
    render: Path, clip: Path, service: Service, detector: str
) -> None:
    settings = Settings(mattebox_home=service.home, models_path=service.environment["MODELS_PATH"])
    try:
        detect = make_detector(detector, Models(settings).path, settings)
    except WeightsMissing as error:
        pytest.skip(str(error))
    faces = left = 0
    for before, after in zip(frames(clip), frames(render), strict=True):
        source, made = (found[found[:, 4] >= 0.5] for found in detect(np.stack([before, after])))
        faces += len(source)
        left += int((iou(source[:, :4], made[:, :4]) >= 0.3).sum()) if len(source) and len(made) else 0
    assert faces > 80
    assert left == 0


def test_size_and_sound_are_kept(render: Path, clip: Path) -> None:
    with av.open(str(clip)) as source, av.open(str(render)) as made:
        for name in ("width", "height", "average_rate", "frames"):
            assert getattr(made.streams.video[0], name) == getattr(source.streams.video[0], name)
        before = [bytes(packet) for packet in source.demux(audio=0) if packet.size]
        after = [bytes(packet) for packet in made.demux(audio=0) if packet.size]
        assert after == before


def test_the_clip_without_faces_gets_no_filter(http: httpx.Client, shared_data: Path) -> None:
    asset = upload(http, shared_data / "media" / "broll_clip.mp4")
    answer = http.post("/video/anonymise/faces", json={"asset_id": asset["id"]}).json()
    assert answer["clips_modified_count"] == 0
    sequence = http.get(f"/video/sequences/{answer['sequence_id']}").json()
    assert not any(clip.get("filters") for track in sequence["tracks"] for clip in track["clips"])
