"""A minute of timeline rendered while its workers are killed: the file is that of a render that nobody disturbed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest

from tests.serve.conftest import Service
from tests.serve.test_kills import BACK_S, CLIPS, beside, eventually, kill, patience, store

__all__ = ["beside"]
pytestmark = [pytest.mark.serve, pytest.mark.slow]
JSON = dict[str, Any]
SEGMENTS = 15


@pytest.fixture
def tenants(service: Service) -> Iterator[list[httpx.Client]]:
    """Two of them: what one has made the other does not find."""
    clients = [
        httpx.Client(base_url=service.url, headers={"X-Tenant-Id": id, "X-Env": "dev"}, timeout=600)
        for id in ("t_undisturbed", "t_disturbed")
    ]
    eventually(lambda: clients[0].get("/readyz").status_code == 200, 240, "readiness")
    yield clients
    for client in clients:
        client.close()


def prepared(http: httpx.Client, length_ms: int = 4000) -> JSON:
    """The request: the clip three times at a fifth of its speed, faces hidden, with captions, a
    crossfade and an overlay."""
    with (CLIPS / "face_clip.mp4").open("rb") as file:
        clip = _checked(http.post("/media-v2/assets", files={"file": ("c.mp4", file)}))["id"]
    layers = [
        {"type": "solid", "color": "#ffb703", "mask": {"type": "ellipse", "x": 8, "y": 8, "width": 84, "height": 44}}
    ]
    picture = {"composition": {"width": 100, "height": 60, "layers": layers}}
    card = _checked(http.post("/image/render", json=picture))["artifact_id"]
    words = _checked(http.post("/video/captions/generate", json={"asset_id": clip, "language": "en"}))["artifact_id"]
    own = _checked(http.post("/video/anonymise/faces", json={"asset_id": clip}))["sequence_id"]
    filters = _checked(http.get(f"/video/sequences/{own}"))["tracks"][0]["clips"][0]["filters"]
    clips = [
        {"id": name, "asset_id": clip, "out_ms": length_ms, "speed": 0.2, "opacity": opacity, "filters": filters}
        for name, opacity in (("a", 1.0), ("b", 0.9), ("c", 0.8))
    ]
    cross = {"kind": "crossfade", "from_clip_id": "a", "to_clip_id": "b", "duration_ms": 1000}
    over = {"artifact_id": card, "position": [40, 30], "opacity": 0.7}
    tracks = [{"kind": "video", "clips": clips}, {"kind": "overlay", "clips": [over]}]
    return {
        "sequence": {"tracks": tracks, "transitions": [cross]},
        "render_profile": "preview_720p_fast",
        "burn_in_captions": {"artifact_id": words},
    }


def test_a_render_ends_with_the_same_file_whoever_dies(
    service: Service, tenants: list[httpx.Client], beside: ThreadPoolExecutor
) -> None:
    """Its replica is killed when two segments are kept, and again when four more are; its Gateway a little later."""
    whole, disturbed = tenants
    wanted = rendered(whole, prepared(whole))
    assert (wanted["meta"]["segments"], wanted["meta"]["segments_found"]) == (SEGMENTS, 0)
    request = prepared(disturbed)
    records = store(service) / "tenants" / "t_disturbed" / "dev" / "records"

    def kept() -> int:
        return len(list(records.glob("segment_*.json")))

    first: Future[httpx.Response] = beside.submit(disturbed.post, "/video/render", json=request)
    for least, name in ((2, "Video"), (6, "Video"), (8, "Gateway")):
        eventually(lambda least=least: kept() >= least, 300, f"segment {least}")
        assert kept() < SEGMENTS, "the render ended before it could be disturbed"
        assert kill(service, name)
    with suppress(httpx.HTTPError):
        first.result()
    eventually(lambda: disturbed.get("/healthz").status_code == 200, patience(BACK_S), "the next Gateway")
    made = rendered(disturbed, request)
    assert made["sha256"] == wanted["sha256"]
    assert made["meta"]["segments_found"] > 0
    assert made["meta"]["residual_faces"] == 0


def rendered(http: httpx.Client, request: JSON) -> JSON:
    """The render's record."""
    made = _checked(http.post("/video/render", json=request))
    return _checked(http.get(f"/media-v2/artifacts/{made['artifact_id']}"))


def _checked(answer: httpx.Response) -> JSON:
    assert answer.is_success, answer.text
    said: JSON = answer.json()
    return said
