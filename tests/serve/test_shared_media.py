"""The clips with known truth through the whole service: cuts, cues, crowds proved free of faces, flat memory."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serve.conftest import Service
from tests.serve.test_kills import replica
from tests.serve.test_walking_path import upload

pytestmark = [pytest.mark.serve, pytest.mark.slow]
JSON = dict[str, Any]
FPS = 25
WORKERS = ("Video", "Faces", "Speech")


@pytest.fixture(scope="module")
def http(service: Service) -> httpx.Client:
    return service.client("t_media")


def post(http: httpx.Client, path: str, body: JSON) -> JSON:
    answer = http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: JSON = answer.json()
    return found


def milliseconds(frame: int) -> int:
    return frame * 1000 // FPS


@pytest.mark.parametrize("name", ["face_clip", "broll_clip"])
def test_cuts_are_exact_and_the_fade_is_named(http: httpx.Client, shared_data: Path, name: str) -> None:
    truth = json.loads((shared_data / "media" / "clips.json").read_text())[f"{name}.mp4"]
    asset = upload(http, shared_data / "media" / f"{name}.mp4")
    made = post(http, "/video/visual-meta/analyze", {"asset_id": asset["id"]})
    shots = http.get(f"/video/visual-meta/{made['visual_meta_artifact_id']}").json()["summary"]["shots"]
    into = [(shot["start_ms"], shot["transition"]) for shot in shots if shot["start_ms"] > 0]
    assert [at for at, kind in into if kind == "cut"] == [milliseconds(cut) for cut in truth["cuts"]]
    assert [at for at, kind in into if kind == "fade"] == [
        pytest.approx(milliseconds(fade["black"]), abs=1000 // FPS) for fade in truth["fades"]
    ]


def test_each_cue_stays_in_its_speakers_shot(http: httpx.Client, shared_data: Path) -> None:
    shots = json.loads((shared_data / "media" / "clips.json").read_text())["face_clip.mp4"]["shots"]
    asset = upload(http, shared_data / "media" / "face_clip.mp4")
    cues = post(http, "/video/captions/generate", {"asset_id": asset["id"], "model": "base"})["cues"]
    assert cues
    outside = [
        cue
        for cue in cues
        if not any(
            cue["start_ms"] >= milliseconds(shot["start"]) - 500 and cue["end_ms"] <= milliseconds(shot["end"]) + 500
            for shot in shots
        )
    ]
    assert not outside


@pytest.mark.parametrize("name", ["crowd_pan", "crowd_real"])
def test_a_crowd_is_hidden_and_its_proof_passes(http: httpx.Client, shared_data: Path, name: str) -> None:
    asset = upload(http, shared_data / "media" / f"{name}.mp4")
    anonymised = post(http, "/video/anonymise/faces", {"asset_id": asset["id"]})
    render = post(http, "/video/render", {"sequence_id": anonymised["sequence_id"]})
    report = http.get(f"/media-v2/artifacts/{render['report_artifact_id']}").json()
    assert report["meta"]["faces"] > 10
    assert report["meta"]["residual_faces"] == 0


def peak_mib(service: Service) -> dict[str, float]:
    """The peak of each worker's resident memory since it was last forgotten, in MiB; forgets it."""
    peaks = {}
    for name in WORKERS:
        process = Path(f"/proc/{replica(service, name)}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        peaks[name] = int(status["VmHWM"].split()[0]) / 1024
        (process / "clear_refs").write_text("5")
    return peaks


def pipeline(http: httpx.Client, clip: Path) -> JSON:
    """Captions, shots, faces, the render with all of them and its proof."""
    asset = {"asset_id": upload(http, clip)["id"]}
    captions = post(http, "/video/captions/generate", asset)
    post(http, "/video/visual-meta/analyze", asset)
    sequence = post(http, "/video/anonymise/faces", asset)["sequence_id"]
    burnt = {"artifact_id": captions["artifact_id"]}
    return post(http, "/video/render", {"sequence_id": sequence, "burn_in_captions": burnt})


def test_memory_does_not_follow_the_length_of_a_clip(
    http: httpx.Client, service: Service, shared: Path, tmp_path: Path
) -> None:
    spec = importlib.util.spec_from_file_location("loop_clip", shared / "tools" / "loop_clip.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    clip = shared / "data" / "media" / "face_clip.mp4"
    looped = tmp_path / "looped.mp4"
    module.loop(str(clip), str(looped), 150)
    pipeline(http, clip)
    short = peak_mib(service)
    pipeline(http, looped)
    long = peak_mib(service)
    print({name: (round(short[name]), round(long[name])) for name in WORKERS})
    assert {name: long[name] / short[name] for name in WORKERS if long[name] > 1.2 * short[name]} == {}
