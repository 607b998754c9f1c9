"""The whole pipeline once, on a real Ray Serve application: HTTP, then a second driver over the handle."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from tests.serve.conftest import ROOT, Service

pytestmark = pytest.mark.serve
JSON = dict[str, Any]
CLIPS = ROOT / "tests" / "fixtures" / "video_clips"
MASK = {
    "width": 320,
    "height": 180,
    "selection": {"type": "polygon", "points": [[40, 20], [300, 20], [160, 170]], "feather_radius": 4},
}


@pytest.fixture(scope="module")
def http(service: Service) -> httpx.Client:
    return service.client()


def computations(http: httpx.Client) -> float:
    lines = http.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("mattebox_computations_total"))


def twice(http: httpx.Client, path: str, body: JSON) -> JSON:
    """The answer; the second equal POST is a hit, computes nothing and answers the same."""
    first = http.post(path, json=body)
    assert first.status_code == 200, first.text
    before = computations(http)
    second = http.post(path, json=body).json()
    assert computations(http) == before
    assert second["cache"] == "hit"
    same = {key: value for key, value in first.json().items() if key not in ("cache", "warnings")}
    assert same == {key: second[key] for key in same}
    answer: JSON = first.json()
    return answer


def upload(http: httpx.Client, path: Path) -> JSON:
    with path.open("rb") as file:
        answer = http.post("/media-v2/assets", files={"file": (path.name, file)})
    assert answer.status_code == 201, answer.text
    asset: JSON = answer.json()
    return asset


def content(http: httpx.Client, id: str) -> bytes:
    answer = http.get(f"/media-v2/artifacts/{id}/content")
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.fixture(scope="module")
def mask(http: httpx.Client) -> JSON:
    return twice(http, "/image/masks", MASK)


@pytest.fixture(scope="module")
def picture(http: httpx.Client, mask: JSON) -> JSON:
    layers = [
        {"type": "solid", "color": "#0b6e5f"},
        {"type": "solid", "color": "#ffb703", "mask_artifact_id": mask["artifact_id"]},
    ]
    return twice(http, "/image/render", {"composition": {"width": 320, "height": 180, "layers": layers}})


@pytest.fixture(scope="module")
def clip(http: httpx.Client) -> JSON:
    return upload(http, CLIPS / "face_clip.mp4")


@pytest.fixture(scope="module")
def render(http: httpx.Client, clip: JSON, picture: JSON, mask: JSON) -> JSON:
    """Regions, captions, anonymise, dry run, render: each step twice."""
    regions = twice(http, "/video/regions", {"asset_id": clip["id"]})
    assert regions["summary"]["entries"]
    captions = twice(http, "/video/captions/generate", {"asset_id": clip["id"]})
    assert "rocket" in json.dumps(captions["cues"]).lower()
    assert " --> " in http.get(f"/video/captions/{captions['artifact_id']}/srt").text
    anonymised = twice(http, "/video/anonymise/faces", {"asset_id": clip["id"]})
    assert (anonymised["clips_modified_count"], anonymised["grade"]) == (1, "irreversible")
    sequence = http.get(f"/video/sequences/{anonymised['sequence_id']}").json()
    overlay = {
        "artifact_id": picture["artifact_id"],
        "mask_artifact_id": mask["artifact_id"],
        "position": [8, 8],
        "scale": 0.5,
    }
    tracks = [*sequence["tracks"], {"kind": "overlay", "clips": [overlay]}]
    body = {"sequence": {"tracks": tracks}, "burn_in_captions": {}}
    plan = http.post("/video/render/dry-run", json=body).json()
    assert plan["cache"] == "miss"
    kinds = {notice["kind"] for notice in plan["dependency_notices"]}
    assert {"video_region_summary", "asr_transcript"} <= kinds
    answer = twice(http, "/video/render", body)
    assert http.post("/video/render/dry-run", json=body).json()["cache"] == "hit"
    return answer


def test_the_mask_limits_the_picture(http: httpx.Client, picture: JSON) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(content(http, picture["artifact_id"]))).convert("RGB"))
    assert tuple(pixels[60, 160]) == (255, 183, 3)
    assert tuple(pixels[170, 20]) == (11, 110, 95)


def test_the_render_keeps_size_length_and_sound(http: httpx.Client, render: JSON, tmp_path: Path) -> None:
    path = tmp_path / "render.mp4"
    path.write_bytes(content(http, render["artifact_id"]))
    with av.open(str(path)) as made, av.open(str(CLIPS / "face_clip.mp4")) as source:
        for before, after in zip(source.streams, made.streams, strict=True):
            assert before.type == after.type
        video, original = made.streams.video[0], source.streams.video[0]
        assert (video.width, video.height) == (original.width, original.height)
        assert sum(1 for _ in made.decode(video=0)) == original.frames
        sound = made.streams.audio[0]
        assert sound.duration
        assert sound.time_base
        assert abs(float(sound.duration * sound.time_base) - float(original.duration * original.time_base)) < 0.1


def test_the_lineage_of_the_render_reaches_every_input(
    http: httpx.Client, render: JSON, clip: JSON, picture: JSON, mask: JSON
) -> None:
    lineage = http.get(f"/media-v2/artifacts/{render['artifact_id']}/lineage?direction=up").json()
    assert {clip["id"], picture["artifact_id"], mask["artifact_id"]} <= {node["id"] for node in lineage["nodes"]}


def test_a_clip_without_faces_gets_no_filter(http: httpx.Client) -> None:
    asset = upload(http, CLIPS / "broll_clip.mp4")
    answer = http.post("/video/anonymise/faces", json={"asset_id": asset["id"]}).json()
    assert answer["clips_modified_count"] == 0
    assert any("regions" in warning["message"] for warning in answer["warnings"])


def test_another_tenant_finds_none_of_it(service: Service, render: JSON, clip: JSON) -> None:
    with service.client("t_other") as other:
        assert other.get(f"/media-v2/artifacts/{render['artifact_id']}").status_code == 404
        assert other.post("/video/regions", json={"asset_id": clip["id"]}).status_code == 404


def test_errors_of_a_replica_arrive_in_the_envelope(http: httpx.Client) -> None:
    answer = http.post("/media-v2/assets", files={"file": ("x.png", b"\x89PNG\r\n\x1a\n" + b"x" * 50)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "undecodable_media")


DRIVER = """
import json, sys
import ray
from ray import serve
ray.init(address=sys.argv[1], log_to_driver=False)
app = serve.get_app_handle("mattebox")
context = {"tenant_id": "t_acme", "env": "dev"}
layers = [{"type": "solid", "color": "#ff0000"}]
composition = {"width": 8, "height": 8, "layers": layers}
picture = app.image_render.remote({"composition": composition}, context=context).result()
data = app.get_content.remote({"id": picture["artifact_id"]}, context=context).result()
with open(sys.argv[2], "rb") as file:
    clip = app.upload_asset.remote({"data": file.read()}, context=context).result()
anonymised = app.video_anonymise.remote({"asset_id": clip["id"]}, context=context).result()
sequence = {"sequence_id": anonymised["sequence_id"]}
render = app.video_render.remote(sequence, context=context).result()
try:
    app.image_render.remote({"composition": {}}, context=context).result()
except Exception as error:
    refused = (getattr(error, "cause", None) or error).args[0]["error"]
print(json.dumps({"png": data[:4].hex(), "anonymised": anonymised, "render": render, "refused": refused}))
"""


def test_a_second_driver_renders_and_anonymises_through_the_handle(service: Service) -> None:
    command = [sys.executable, "-c", DRIVER, service.ray_address, str(CLIPS / "face_clip.mp4")]
    done = subprocess.run(command, env=service.environment, cwd="/", capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["png"] == "89504e47"
    assert said["anonymised"]["clips_modified_count"] == 1
    assert said["render"]["artifact_id"].startswith("render_")
    assert said["refused"]["code"] == "invalid_request"
    assert said["refused"]["details"]["field"].startswith("composition.")
